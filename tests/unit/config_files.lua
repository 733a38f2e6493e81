-- tsan: no, one thread does all of it
-- Files of configuration: what they become.
local config = require "reef.config"
local core = require "reef.config.core"
local data = require "test.config_files"
local skynet = require "skynet"
local test = require "test"

local directory, load, copy, lines_of = data.directory, data.load, data.copy, data.lines_of

local rows = [[return { key = "id", rows = {
	id = "integer", name = { "string", required = true }, hp = { "integer", min = 0, max = 100 },
	speed = "number", magic = "boolean", tags = { list = { "string", enum = { "a", "b" } } },
} }]]

test.case("a CSV file becomes rows by their first column, with numbers, booleans and text told apart", function()
	local sheets = load { ["items.csv"] = 'id,name,hp,speed,magic,code\r\n1,"a ""b""\n c",12,1,TRUE,007\r\n\r\n'
		.. ' 2 , x ,-3,1.5,false,12\r\n3,,,,,\r\n' }
	test.equal(copy(sheets.items), {
		{ id = 1, name = 'a "b"\n c', hp = 12, speed = 1, magic = true, code = "007" },
		{ id = 2, name = "x", hp = -3, speed = 1.5, magic = false, code = "12" },
		{ id = 3 },
	})
end)

test.case("a column is text when one of its values is", function()
	local sheets = load { ["t.csv"] = "key,a,b,c,d\nx,1,1,1,9223372036854775807\ny,1.5,z,\"2\",9223372036854775808\n" }
	test.equal(copy(sheets.t), {
		x = { key = "x", a = 1, b = "1", c = "1", d = "9223372036854775807" },
		y = { key = "y", a = 1.5, b = "z", c = "2", d = "9223372036854775808" },
	})
end)

test.case("a schema decides the types of columns", function()
	local sheets = load { ["t.csv"] = "id,name,hp,speed,magic,tags\n1,007,5.0,3,True,a;b\n2,8,,,,\n",
		["t.schema.lua"] = rows }
	test.equal(copy(sheets.t), {
		{ id = 1, name = "007", hp = 5, speed = 3, magic = true, tags = { "a", "b" } },
		{ id = 2, name = "8" },
	})
end)

test.case("no column without a schema has numbers and text in it, in whatever order they come", function()
	math.randomseed(test.seed or 1)
	local texts = { "1", "-7", "1.5", "1e3", "9223372036854775807", "9223372036854775808", "99999999999999999999", "007",
		"x", '"2"', "true", "+5", "", "0.0", "1e-5" }
	for _ = 1, test.count(300) do
		local lines = { "id,v" }
		for i = 1, math.random(1, 6) do
			lines[#lines + 1] = i .. "," .. texts[math.random(#texts)]
		end
		local one = copy(load { ["m.csv"] = table.concat(lines, "\n") .. "\n" }.m)
		local kind
		for _, row in pairs(one) do
			kind = kind or type(row.v) ~= "nil" and type(row.v) or nil
			test.truthy(row.v == nil or type(row.v) == kind, table.concat(lines, " "))
		end
		-- The other way round it is the same.
		local back = { "id,v" }
		for i = #lines, 2, -1 do
			back[#back + 1] = lines[i]
		end
		test.equal(copy(load { ["m.csv"] = table.concat(back, "\n") .. "\n" }.m), one)
	end
end)

-- Blanks and quotes are put around fields as people and programs do it; what is read has to be what was meant, and each
-- field has to be found where it was written.
test.case("any CSV is read as it was meant, and each field is found again", function()
	math.randomseed(test.seed or 1)
	local random = math.random
	local function pick(list)
		return list[random(#list)]
	end
	local BLANKS <const> = { "", "", "", " ", "\t ", "  " }
	local WORDS <const> = { "a", "é", "one two", "x'y", "007", "-12", "1.5", "#", "\u{1f600}" }
	local QUOTED <const> = { "", "a", 'say ""hi""', '""', "x,y;z", "two\nlines", "\r\n", " blank ", "é,", '"",""' }
	local NAMES <const> = { "a", "b", "c", "d", "e" }
	local fields, rounds = 0, test.count(400)
	for _ = 1, rounds do
		local separator, width = pick { ",", ";", "|" }, random(2, 5)
		local parts, line, column = {}, 1, 1
		local function write(text)
			parts[#parts + 1] = text
			for character in text:gmatch(utf8.charpattern) do
				column = column + 1
				if character == "\n" then
					line, column = line + 1, 1
				end
			end
		end
		write(table.concat(NAMES, separator, 1, width) .. pick { "\n", "\r\n" })
		local want, places, tree, types = {}, {}, { sub = {} }, {}
		for i = 1, width do
			types[NAMES[i]] = "string"
		end
		for row = 1, random(0, 6) do
			want[row], tree.sub[row] = {}, { sub = {} }
			write(random(6) == 1 and "\n" or "")
			for i = 1, width do
				write(pick(BLANKS))
				places[#places + 1] = { line = line, column = column }
				tree.sub[row].sub[NAMES[i]] = { at = #places }
				local how = random(5)
				if how <= 2 then
					local text = pick(WORDS)
					want[row][NAMES[i]] = text
					write(text)
				elseif how <= 4 then
					local text = pick(QUOTED)
					want[row][NAMES[i]] = text:gsub('""', '"')
					write('"' .. text .. '"')
				end
				write(pick(BLANKS))
				if how == 5 then -- an empty field is where it ends
					places[#places] = { line = line, column = column }
				end
				write(i < width and separator or pick { "\n", "\r\n" })
			end
		end
		local text = table.concat(parts)
		text = random(2) == 1 and text or text:gsub("\r?\n$", "")
		local sheet, problems = core.csv(text, types, separator)
		test.equal(problems, nil, text)
		test.equal(sheet.rows, want, text)
		test.equal(core.csv_places(text, separator, tree), places, text)
		fields = fields + #places
	end
	test.truthy(fields > rounds * 2, "too few fields to say anything")
end)

test.case("a directory without a name, or with one that ends early, is refused", function()
	for _, f in ipairs { config.load, config.check, config.watch } do
		for name, why in pairs { [""] = "the directory has no name", ["a\0b"] = "the directory's name has a NUL" } do
			local result, err = f(name)
			test.equal(result, nil)
			test.matches(tostring(err), why)
		end
	end
end)

test.case("another separator, and rows without a key", function()
	local sheets = load { ["t.csv"] = "a;b\n1,5;x\n1,5;y\n",
		["t.schema.lua"] = 'return { separator = ";", key = false, rows = { a = "any", b = "string" } }' }
	test.equal(copy(sheets.t), { { a = "1,5", b = "x" }, { a = "1,5", b = "y" } })
end)

test.case("integers of 64 bits come through in every format", function()
	local sheets = load {
		["c.csv"] = "id,n\n1,9007199254740993\n2,-9223372036854775808\n",
		["j.json"] = '[9007199254740993, -9223372036854775808, 9223372036854775807]',
		["t.toml"] = "n = 9007199254740993\nm = -9223372036854775808\n",
		["l.lua"] = "return { 9007199254740993, math.mininteger }",
	}
	test.equal(sheets.c[1].n, 9007199254740993)
	test.equal(sheets.c[2].n, math.mininteger)
	test.equal(copy(sheets.j), { 9007199254740993, math.mininteger, math.maxinteger })
	test.equal(copy(sheets.t), { n = 9007199254740993, m = math.mininteger })
	test.equal(copy(sheets.l), { 9007199254740993, math.mininteger })
end)

test.case("JSON, TOML and Lua become the tables that they say", function()
	local sheets = load {
		["a/t2.toml"] = "a = 'é.\"' # é'\n\"é\" = \"\"\"é\n\"é\\\"\"\"\"\"\nc = \"" .. ("."):rep(2000) .. "\"",
		["a/j.json"] = '{"a":[1,2.5,"\\u00e9\\u0000"],"b":{"c":null,"d":true},"e":[],"f":{}}',
		["a/t.toml"] = 'a = 1\nday = 1979-05-27\nat = 1979-05-27T07:32:00.5-07:30\n[[b]]\nc = "x"\n[[b]]\nc = "y"\n',
		["a/l.lua"] = 'local t = {}\nfor i = 1, 3 do t[i] = { name = ("x"):rep(i) } end\nreturn t',
	}
	test.equal(copy(sheets["a/j"]), { a = { 1, 2.5, "é\0" }, b = { d = true }, e = {}, f = {} })
	test.equal(copy(sheets["a/t"]),
		{ a = 1, day = "1979-05-27", at = "1979-05-27T07:32:00.5-07:30", b = { { c = "x" }, { c = "y" } } })
	test.equal(copy(sheets["a/t2"]), { a = 'é."', ["é"] = 'é\n"é""', c = ("."):rep(2000) })
	test.equal(copy(sheets["a/l"]), { { name = "x" }, { name = "xx" }, { name = "xxx" } })
end)

test.case("a byte order mark is no part of the data", function()
	local sheets = load { ["c.csv"] = "\xef\xbb\xbfid,n\n1,2\n", ["j.json"] = "\xef\xbb\xbf[1]",
		["t.toml"] = "\xef\xbb\xbfa = 1", ["l.lua"] = "\xef\xbb\xbfreturn { 1 }" }
	test.equal(sheets.c[1].id, 1)
	test.equal(sheets.j[1], 1)
	test.equal(sheets.t.a, 1)
	test.equal(sheets.l[1], 1)
end)

test.case("rows of JSON, TOML and Lua get their keys from a field, or the field from their keys", function()
	local schema = 'return { key = "id", rows = { id = "integer", x = { "integer", default = 7 } } }'
	local sheets = load {
		["list.json"] = '[{"id":10,"x":1},{"id":20}]', ["list.schema.lua"] = schema,
		["map.json"] = '{"10":{"x":1},"20":{"id":20}}', ["map.schema.lua"] = schema,
		["toml.toml"] = "[10]\nx = 1\n[20]\n", ["toml.schema.lua"] = schema,
		["lua.lua"] = "return { [10] = { x = 1 }, [20] = {} }", ["lua.schema.lua"] = schema,
	}
	for _, name in ipairs { "list", "map", "toml", "lua" } do
		test.equal(copy(sheets[name]), { [10] = { id = 10, x = 1 }, [20] = { id = 20, x = 7 } })
	end
end)

test.case("records, maps and lists are checked all the way down", function()
	local schema = [[return { record = {
		levels = { list = { record = { xp = "integer", reward = { map = "integer", keys = { "string", ref = "items" } } } } },
		name = { "string", min = 2, max = 4, pattern = "^%u" },
	} }]]
	local sheets = load { ["items.csv"] = "id\nsword\nbow\n", ["r.schema.lua"] = schema,
		["r.toml"] = 'name = "Ada"\n[[levels]]\nxp = 1\nreward = { sword = 1, bow = 2 }\n' }
	test.equal(copy(sheets.r), { name = "Ada", levels = { { xp = 1, reward = { sword = 1, bow = 2 } } } })
	test.equal(lines_of { ["items.csv"] = "id\nsword\nbow\n", ["r.schema.lua"] = schema,
		["r.toml"] = 'name = "ada lovelace"\n[[levels]]\nxp = 1.5\nreward = { swort = 1, bow = "x" }\n' }, table.concat({
		'r.toml:1:8: name: "ada lovelace" does not match ^%u',
		'r.toml:1:8: name: the length of "ada lovelace" is 12, more than 4',
		'r.toml:3:6: levels[1].xp: 1.5 is not an integer',
		'r.toml:4:20: levels[1].reward.swort: "swort" is not a key of the sheet \'items\'',
		'r.toml:4:29: levels[1].reward.bow: "x" is not an integer',
	}, "\n"))
end)

test.case("the report says what was loaded", function()
	local _, result = load { ["r1.csv"] = "id,x\n1,2\n2,3\n", ["r2.json"] = "[1,2,3]" }
	test.equal(result.rows, 5)
	test.equal(result.bytes, 20)
	test.equal(result.loaded, 2)
	test.equal(result.sheets[1].name, "r1")
	test.equal(result.sheets[1].file, "r1.csv")
	test.equal(result.sheets[2].rows, 3)
	test.truthy(result.ms >= 0)
end)

-- Values that a library refuses to place, or a random text: nothing may break.
test.case("any place in a parsed text is found where the value stands", function()
	math.randomseed(test.seed)
	for _ = 1, test.count(300) do
		local text, tree, wanted = { "[" }, { sub = {} }, {}
		local line, column = 1, 2
		local function add(s)
			text[#text + 1] = s
			for _, c in utf8.codes(s) do
				line, column = c == 10 and line + 1 or line, c == 10 and 1 or column + 1
			end
		end
		local blanks = { "", " ", "\n", "\t ", "\n\n " }
		local values = { "1", '"é\\"]"', "true", '{"a":[1,{"b":2}]}', "[]", '{}', "-1.5e3", '"\\\\"' }
		local n = math.random(20)
		for i = 1, n do
			add(blanks[math.random(#blanks)])
			wanted[i] = { line = line, column = column }
			tree.sub[i] = { at = i }
			add(values[math.random(#values)])
			add(blanks[math.random(#blanks)])
			add(i < n and "," or "]")
		end
		test.equal(core.json_places(table.concat(text), tree), wanted)
	end
end)

test.case("loading and freeing a thousand times takes no memory", { timeout = 120 }, function()
	local files = { ["m1.csv"] = "id,name,hp\n1,a,2\n2,b,3\n", ["m2.json"] = '{"a":[1,2,{"b":null}]}',
		["m3.toml"] = "a = 1\n[b]\nc = 'x'\n", ["m4.lua"] = "return { 1, 2 }", ["m5.json"] = '{"a": 1, "a": 2}',
		["m6.toml"] = "a = 1\na = 2\n", ["m7.csv"] = "id\n1,2\n" }
	local function resident()
		local file = assert(io.open "/proc/self/statm")
		local pages = file:read "a":match "%d+ (%d+)"
		file:close()
		return tonumber(pages) * 4096
	end
	local function round()
		for path, text in pairs(files) do
			local format = path:match "%.(%a+)$"
			if format == "csv" then
				core.csv(text, {})
				core.csv_places(text, ",", { sub = { { at = 1 } } })
			elseif format ~= "lua" then
				core[format](text)
				core[format .. "_places"](text, { at = 1 })
			end
		end
	end
	local function rounds(n)
		for _ = 1, n do
			round()
		end
		collectgarbage()
		collectgarbage()
		return resident()
	end
	local before = rounds(test.count(2000))
	local after = rounds(test.count(10000))
	if not test.sanitizer then
		test.between(after - before, -1e9, 1 << 20)
	end
	local dir = directory { ["m.csv"] = files["m1.csv"] }
	local function loads(n)
		for _ = 1, n do
			assert(config.load(dir))
		end
		return resident()
	end
	before = loads(test.count(300))
	after = loads(test.count(1000))
	if not test.sanitizer then
		test.between(after - before, -1e9, 4 << 20)
	end
	test.truthy(skynet.now() > 0)
end)

test.run()
