-- tsan: no, the command line and what it reads
-- bench/picture: the picture of Reef beside others is what it draws of the figures that were kept.
local process = require "test.process"
local test = require "test"

local KEPT <const> = test.root .. "/bench/peers/found.json"

local function read(path)
	local file = assert(io.open(path, "rb"))
	local text = file:read "a"
	file:close()
	return text
end

local function draw(path, ...)
	return process.run({ test.root .. "/bench/picture", path, ... }, 60)
end

-- Draws figures that are written as this JSON.
local function draw_text(text)
	local path = test.dir .. "/figures.json"
	local file = assert(io.open(path, "wb"))
	file:write(text)
	file:close()
	return draw(path)
end

test.case("the picture and the tables in the docs are those of the figures that were kept", function()
	local code, svg = draw(KEPT)
	test.equal(code, 0, svg)
	local again <const> = "bench/picture bench/peers/found.json --write"
	test.truthy(svg == read(test.root .. "/docs/images/peers.svg"), again)
	test.truthy(svg == select(2, draw(KEPT)), "the same bytes")
	local tables
	code, tables = draw(KEPT, "--tables")
	test.equal(code, 0, tables)
	local page = read(test.root .. "/docs/speed.md")
	test.equal(page:match "<!%-%- peers: begin %-%->\n(.-)<!%-%- peers: end %-%->", tables, again)
end)

test.case("every figure is in it, and in the words for those who do not see it", function()
	local other <const> = '"name": "a<b & \\"c\\"", "value": 123.4'
	local code, svg = draw_text((read(KEPT):gsub('"name": "hiredis %(C%)",%s*"value": [%d.]+', other)))
	test.equal(code, 0, svg)
	local bars, words = svg:match "</desc>(.*)", svg:match "<desc.->(.-)</desc>"
	test.truthy(bars:find('>a&lt;b &amp; "c"</text>', 1, true))
	test.truthy(bars:find(">123 µs</text>", 1, true))
	test.truthy(words:find('a&lt;b &amp; "c" 123 µs', 1, true))
end)

test.case("figures that are wrong are an error that says where", function()
	local kept = read(KEPT)
	local function wrong(text, pattern)
		local code, output = draw_text(text)
		test.equal(code, 1, output)
		test.matches(output, "^bench/picture: " .. test.dir:gsub("%p", "%%%0") .. "/figures.json: " .. pattern)
		test.truthy(not output:find("Traceback", 1, true), output)
	end
	wrong("", "Expecting value")
	wrong("[]", 'there is no list "groups"')
	wrong('{"groups": 1}', 'there is no list "groups"')
	wrong('{"groups": []}', '"cores" is no whole number above 0')
	wrong('{"groups": [], "cores": 2, "rounds": true}', '"rounds" is no whole number above 0')
	wrong('{"groups": [7], "cores": 2, "rounds": 1}', 'group 1: "title" and "bars" are not there')
	wrong((kept:gsub('"Reef"', '"reef"', 1)), '".-": the first bar is not Reef\'s')
	for _, value in ipairs { "0", "-1", "null", "NaN", "Infinity", '"1"', "true" } do
		wrong((kept:gsub('("name": "rueidis %(Go%)",%s*"value": )[%d.e-]+', "%1" .. value, 1)),
			'"Redis: GET, one after the other": rueidis %(Go%) has no value above 0')
	end
	wrong((kept:gsub('"name": "rueidis %(Go%)",', "", 1)), '"Redis: GET, one after the other": a bar has no name')
	local titles = 0
	for title in read(test.root .. "/bench/picture"):match("COLUMNS = (.-)\nWIDTH"):gmatch '"([^"]*)"' do
		local missing, found = kept:gsub('"title": "' .. title .. '"', '"title": "another"')
		if found > 0 then -- the others are headings
			titles = titles + 1
			wrong(missing, '"' .. title .. '" is missing')
		end
	end
	test.equal(titles, 8)
	local code, output = draw(test.dir .. "/nothing.json")
	test.equal(code, 1, output)
	test.matches(output, "nothing.json: .*No such file")
end)

test.run()
