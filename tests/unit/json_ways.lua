-- tsan: no, one thread does all of it
-- JSON is read in two ways, a fast one that only knows good text and a careful one that knows what to say. Whatever the
-- text is, nobody can tell which it was.
local core = require "reef.config.core"
local test = require "test"
local ways = require "test.ways"

-- Is simdjson there? Without it all is read in the careful way, and what is said here is true of that.
local FAST <const> = core.json_fast "[]" ~= nil

local pick = ways.pick

-- ---- texts ----

local blanks = { "", "", "", "", " ", "\n", "\t", "\r\n", "  \n " }
local scalars = {
	"0", "-0", "-0.0", "0.0", "0e5", "-0e-3", "7", "-1", "1e5", "1E+2", "1.5e-3", "9223372036854775807",
	"-9223372036854775808", "9007199254740993", "9007199254740993.0", "123456789012345678901234567890.5", "0.1",
	"4.9e-324", "2.4703282292062327e-324", "2.4703282292062328e-324", "2.2250738585072011e-308", "1.7976931348623157e308",
	"1.7976931348623158e308", "1e-400", "true", "false", "3.0000000000000000000000000000000000000000001",
	"5708990770823839524233143877797980545530986496.0", "1.00000000000000011102230246251565404",
}
local letters = {
	"a", "b", "key", " ", "'", "/", "\\/", "\\\\", '\\"', "\\n", "\\t", "\\b\\f\\r", "\\u0041", "\\u00e9", "\\u20AC",
	"\\uFFFF", "\\ud83e\\udd8a", "\u{e9}", "\u{20ac}", "\u{1F98A}", "\u{10FFFF}", "\u{FEFF}", "\u{7F}", "]",
	"}", ",", ":", "{", "[", ("x"):rep(45),
}
-- What a careful reader has something to say about, or what is beyond the fast one.
local doubtful = {
	"null", "9223372036854775808", "18446744073709551616", "-9223372036854775809", "1e400", "-1e309", "NaN", "Infinity",
	"01", "1.", ".5", "+1", "0x10", "-", "1e", "tru", "nulll", "'a'", '"\\ud800"', '"\\udc00x"', '"\\ud800\\u0041"',
	'"\\x41"', '"\\u12"', '"\xff"', '"\xed\xa0\x80"', '"\xc0\xaf"', '"\xf4\x90\x80\x80"', '"a\0b"', '"a\nb"', '"\t"',
	'"open', "[1,]", '{"a":1,}', '{"a" 1}', "{1:2}", '{"a":1,"a":2}', '{"a":null,"a":null}', '{"a":null,"a":1}',
	'{"a\\u0000b":1}', '{"\\u0061":1,"a":2}', "[,]", "/* */1", "//\n1", "\f1", "1 2", "]", "\xef\xbb\xbf1", "\xc2\xa01",
	("["):rep(97) .. ("]"):rep(97), ("["):rep(120) .. ("]"):rep(120), ('{"a":'):rep(99) .. "1" .. ("}"):rep(99),
	("["):rep(3000), ("["):rep(1500) .. ("]"):rep(1500),
}

local marks = { '"', ",", ":", "{", "}", "[", "]", "\0", "\f", "\\", "-", "e", "." }
local before = { "", "", " ", "\xef\xbb\xbf", "\0" }
local behind = { "", "", "\0", " x", "]", "\f", "\xef\xbb\xbf", "//", "1" }

local function text_of_string()
	local parts = {}
	for i = 1, math.random(0, 5) do
		parts[i] = pick(letters)
	end
	return '"' .. table.concat(parts) .. '"'
end

local function number()
	local parts = { pick { "", "-" }, tostring(math.random(0, 10 ^ math.random(0, 15) // 1)) }
	if math.random(3) == 1 then
		parts[#parts + 1] = "." .. tostring(math.random(0, 10 ^ math.random(0, 17) // 1))
	end
	if math.random(4) == 1 then
		parts[#parts + 1] = pick { "e", "E" } .. pick { "", "+", "-" } .. math.random(0, 250)
	end
	return table.concat(parts)
end

local value

local function join(open, parts, close)
	for i, part in ipairs(parts) do
		parts[i] = pick(blanks) .. part .. pick(blanks)
	end
	return open .. table.concat(parts, ",") .. (parts[1] and "" or pick(blanks)) .. close
end

-- Members with the given keys (as JSON), which are different from each other; `null` may be among the values.
local function object(keys, budget)
	local parts = {}
	for i, key in ipairs(keys) do
		parts[i] = key .. pick(blanks) .. ":" .. pick(blanks) .. (math.random(6) == 1 and "null" or value(budget))
	end
	return join("{", parts, "}")
end

local function keys_of(n)
	local keys = {}
	for i = 1, n do
		keys[i] = ('"%s%d"'):format(math.random(8) == 1 and text_of_string():sub(2, -2) or pick { "k", "name", "" }, i)
	end
	return keys
end

-- Rows that mostly have the same keys, some without one, some in another order.
local function rows(budget)
	local keys, parts = keys_of(pick { 1, 2, 3, 6, 6, 6, 63, 64, 65 }), {}
	for i = 1, math.random(2, 8) do
		local own = table.move(keys, 1, #keys, 1, {})
		local change = math.random(8)
		if change == 1 then
			table.remove(own, math.random(#own))
		elseif change == 2 then
			own[1], own[#own] = own[#own], own[1]
		elseif change == 3 then
			own[#own + 1] = '"one more"'
		end
		parts[i] = object(own, #keys > 10 and 0 or budget)
	end
	return join("[", parts, "]")
end

function value(budget)
	local kind = math.random(budget > 0 and 9 or 5)
	if kind == 1 then
		return pick(scalars)
	elseif kind <= 3 then
		return number()
	elseif kind <= 5 then
		return text_of_string()
	elseif kind == 6 then
		return object(keys_of(math.random(0, 6)), budget - 1)
	elseif kind == 7 then
		return rows(budget - 1)
	end
	local parts = {}
	for i = 1, math.random(0, 5) do
		parts[i] = value(budget - 1)
	end
	return join("[", parts, "]")
end

-- Or something lies around it.
local function damage(text)
	if math.random(6) == 1 then
		return pick(before) .. text .. pick(behind)
	end
	return ways.damage(text, marks, doubtful)
end

-- ---- what comes of them ----

-- Compares the ways; returns whether the fast one took the text, and whether it is good.
local function compare(text)
	local fast = table.pack(core.json_fast(text))
	local wanted = table.pack(core.json_careful(text))
	local found = table.pack(core.json(text))
	if not ways.same(found, wanted) then
		test.fail(("%q is %s, not %s"):format(text, test.show(found), test.show(wanted)))
	end
	local good = wanted[2] == nil
	if fast.n > 0 and not (good and ways.same(fast[1], wanted[1])) then
		test.fail(("the fast way takes %q"):format(text))
	end
	return fast.n > 0, good
end

test.case("texts that are good are the same values, and the fast way takes all that are lists or objects", function()
	math.randomseed(test.seed)
	for _ = 1, test.count(1000) do
		local text = pick(blanks) .. value(4) .. pick(blanks)
		local fast, good = compare(text)
		test.truthy(good, text)
		test.equal(fast, FAST, text)
	end
end)

test.case("whatever is wrong with a text, the same is said of it, at the same place", function()
	math.randomseed(test.seed)
	local bad = 0
	for _ = 1, test.count(3000) do
		local _, good = compare(damage(value(3)))
		bad = bad + (good and 0 or 1)
	end
	test.truthy(bad > 0)
end)

test.case("each text that is near the edge, alone, in a list, in an object and in a later row", function()
	for _, list in ipairs { scalars, doubtful } do
		for _, text in ipairs(list) do
			compare(text)
			compare("[" .. text .. "]")
			compare("[1,\n " .. text .. " ,2]")
			compare('{"k":' .. text .. "}")
			compare('[{"k":1},{"k":2},\n{"k":' .. text .. '},{"k":3}]')
			compare(text .. text)
		end
	end
	compare ""
	compare " "
	compare(("1"):rep(400))
	compare("1." .. ("1"):rep(2000))
	compare('"' .. ("\u{1F98A}"):rep(5000) .. '"')
end)

test.case("rows whose keys come twice are found in the second and in later ones", function()
	for n = 0, 4 do
		local parts = {}
		for i = 1, n do
			parts[i] = '{"a":1,"b":2}'
		end
		for _, last in ipairs { '{"a":1,"a":2}', '{"a":null,"a":null}', '{"a":1,"b":2,"a":3}', '{"b":1,"b":1}' } do
			local all = table.move({ last, last }, 1, 2, n + 1, table.move(parts, 1, n, 1, {}))
			local text = "[" .. table.concat(all, ",") .. "]"
			test.equal((compare(text)), false, text)
		end
	end
end)

test.case("of more kinds of rows than are remembered, each is what it says", function()
	for kinds = 30, 100, 35 do
		local parts = {}
		for round = 1, 4 do
			for kind = 1, kinds do
				parts[#parts + 1] = ('{"kind":%d,"x%d":{"kind":%d,"x%d":[%d]}}'):format(kind, kind, round, kind + 1, round)
			end
		end
		test.equal((compare("[" .. table.concat(parts, ",") .. "]")), FAST)
	end
end)

test.run()
