-- tsan: no, one thread does all of it
-- JSON that is made of any bytes is JSON: text in UTF-8, which comes back as it was where it was text.
local json = require "reef.json"
local test = require "test"

-- What the text says where it is UTF-8; each byte that is no part of it became U+FFFD.
local function expected(bytes)
	local parts, at = {}, 1
	while at <= #bytes do
		local last = math.min(at + 3, #bytes)
		while last > at and not utf8.len(bytes:sub(at, last)) do
			last = last - 1
		end
		local piece = bytes:sub(at, last)
		parts[#parts + 1] = utf8.len(piece) and piece or "\u{FFFD}"
		at = last + 1
	end
	return table.concat(parts)
end

test.case("text is kept, and what is none has a sign in its place", function()
	test.equal(json.encode { a = "gr\u{fc}n \u{1F98A} \"\\\n\0" }, '{"a":"gr\u{fc}n \u{1F98A} \\"\\\\\\u000a\\u0000"}')
	test.equal(json.encode { "\xff", "a\xc3", "\xe2\x82", "\xed\xa0\x80", "\xc0\xaf" },
		'["\u{FFFD}","a\u{FFFD}","\u{FFFD}\u{FFFD}","\u{FFFD}\u{FFFD}\u{FFFD}","\u{FFFD}\u{FFFD}"]')
	test.equal(json.encode { ["\xff"] = 1 }, '{"\u{FFFD}":1}')
end)

test.case("whatever the bytes are, a reader of JSON takes it", function()
	local pieces = {
		"a", "\"", "\\", "\u{e9}", "\u{20ac}", "\u{1F98A}", "\xc3", "\xe2\x82", "\xf0\x9f", "\xff", "\x80", "\n",
	}
	local repaired = 0
	for _ = 1, test.count(2000) do
		local parts = {}
		for i = 1, math.random(0, 12) do
			parts[i] = pieces[math.random(#pieces)]
		end
		local bytes = table.concat(parts)
		local text = json.encode { bytes }
		test.truthy(utf8.len(text), text)
		local back = assert(json.decode(text))
		test.equal(back[1], expected(bytes))
		repaired = repaired + (back[1] ~= bytes and 1 or 0)
	end
	test.truthy(repaired > 0)
end)

test.run()
