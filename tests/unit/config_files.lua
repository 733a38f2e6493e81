-- tsan: no, one thread does all of it
-- Files of configuration: what they become, and what is said about bad ones.
local config = require "reef.config"
local core = require "reef.config.core"
local datasheet = require "reef.datasheet"
local skynet = require "skynet"
local test = require "test"

local count = 0

-- Makes a directory of these files (path -> text) and returns its name.
local function directory(files)
	count = count + 1
	local dir = ("%s/data%d"):format(test.dir, count)
	for path, text in pairs(files) do
		os.execute(("mkdir -p '%s'"):format((dir .. "/" .. path):match "^(.*)/"))
		local file = assert(io.open(dir .. "/" .. path, "wb"))
		file:write(text)
		file:close()
	end
	return dir
end

-- Loads them; returns the sheets by their names.
local function load(files, options)
	local result = assert(config.load(directory(files), options))
	local sheets = {}
	for _, sheet in ipairs(result.sheets) do
		sheets[sheet.name] = datasheet.query(sheet.name)
	end
	return sheets, result
end

local function copy(t)
	local result = {}
	for k, v in pairs(t) do
		result[k] = type(v) == "table" and copy(v) or v
	end
	return result
end

local function lines_of(files, options)
	local dir = directory(files)
	local result, err = config.check(dir, options)
	if result then
		test.fail "these files have been found good"
	end
	-- Every line has the directory.
	return (("\n" .. tostring(err)):gsub("\n" .. dir:gsub("%p", "%%%0") .. "/", "\n"):sub(2))
end

local rows = [[return { key = "id", rows = {
	id = "integer", name = { "string", required = true }, hp = { "integer", min = 0, max = 100 },
	speed = "number", magic = "boolean", tags = { list = { "string", enum = { "a", "b" } } },
} }]]

-- ---- good files ----

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

-- ---- bad files ----

-- { files, what is said }
local bad = {
	{ { ["items.csv"] = "id,name,hp\n1,a,12x\n2,b,-1\n3,c,101\n4,,5\nx,e,5\n", ["items.schema.lua"] = rows }, {
		"items.csv:2:5: column 'hp': 12x is not an integer",
		"items.csv:3:5: column 'hp': -1 is less than 0",
		"items.csv:4:5: column 'hp': 101 is more than 100",
		"items.csv:5: column 'name' is missing",
		"items.csv:6:1: column 'id': x is not an integer",
	} },
	{ { ["items.csv"] = "id,naem,speed\n1,a,nan\n1,a,0x10\n,b,inf\n", ["items.schema.lua"] = rows }, {
		"items.csv:1: column 'name' is missing",
		"items.csv:1:4: column 'naem': there is no such column in the schema",
		"items.csv:2:5: column 'speed': nan is not a number",
		"items.csv:3:1: column 'id': the key 1 was used before, in line 2",
		"items.csv:3:5: column 'speed': 0x10 is not a number",
		"items.csv:4: column 'id' is missing",
		"items.csv:4:4: column 'speed': inf is not a number",
	} },
	{ { ["items.csv"] = "id,name,hp\n1,a,99999999999999999999\n2,b,1e400\n", ["items.schema.lua"] = rows }, {
		"items.csv:2:5: column 'hp': 99999999999999999999 does not fit in 64 bits",
		"items.csv:3:5: column 'hp': 1e400 is not an integer",
	} },
	{ { ["t.csv"] = "a,b\n1\n2,3,4\n5,6\n" }, {
		"t.csv:2:1: this row has 1 fields, the header has 2",
		"t.csv:3:1: this row has 3 fields, the header has 2",
	} },
	{ { ["t.csv"] = "a,a,\n1,2,3\n" }, {
		"t.csv:1:3: column 'a' appears twice",
		"t.csv:1:5: column 3 has no name",
	} },
	{ { ["t.csv"] = "" }, { "t.csv:1: there is no line with the names of the columns" } },
	{ { ["t.csv"] = "a,b\n1,x\"y\n" }, {
		"t.csv:2:4: a quote in the middle of a field; a field with quotes is quoted itself, and quotes in it are doubled",
	} },
	{ { ["t.csv"] = "a,b\n1,\"xy\n2,3\n" }, { "t.csv:2:3: this quote has no end" } },
	{ { ["t.csv"] = "a,é\n1,\xff\n" }, { "t.csv:2:3: the byte 0xFF is not UTF-8" } },
	{ { ["t.csv"] = "\xff\xfea\0" }, { "t.csv:1:1: this is UTF-16; it has to be UTF-8" } },
	{ { ["t.json"] = "" }, { "t.json:1:1: the file ends too early" } },
	{ { ["t.json"] = '{"a": 1,\n  "é": 2, "a": 3}' }, { 't.json:2:11: the key "a" appears twice in one object' } },
	{ { ["t.json"] = '{"a": 1,\n "b": NaN}' }, { "t.json:2:7: invalid token near 'NaN'" } },
	{ { ["t.json"] = '{"a": 1,\n "b": 12345678901234567890}' },
		{ "t.json:2:7: 12345678901234567890 does not fit in 64 bits" } },
	{ { ["t.json"] = '{"a": 1e400}' }, { "t.json:1:7: 1e400 is too large" } },
	{ { ["t.json"] = '[1, null,\n null]' },
		{ "t.json:1:5: a list cannot contain null", "t.json:2:2: a list cannot contain null" } },
	{ { ["t.json"] = ("["):rep(101) .. ("]"):rep(101) }, { "t.json:1:101: values are nested deeper than 100 levels" } },
	{ { ["t.json"] = "12" }, { "t.json:1:1: a sheet is a table, not a number" } },
	{ { ["t.json"] = '{"a": 1} x' }, { "t.json:1:10: something follows the end of the value" } },
	{ { ["t.toml"] = "a = 1\na = 2\n" },
		{ "t.toml:2:5: Error while parsing key-value pair: cannot redefine existing integer 'a'" } },
	{ { ["t.toml"] = "a = 1\n\n[?b]\nc = 1\n" }, { "t.toml:3: this line is not TOML" } },
	{ { ["t.toml"] = "a = 'é' # é\nb = \"\"\"é\n\"é\\\"\"\"\"\"\nc = 1\n ﹿ = 1\n" },
		{ "t.toml:5:2: names with letters beyond ASCII are written in quotes" } },
	{ { ["t.toml"] = "a" .. (".a"):rep(2000) .. " = 1" }, { "t.toml:1:2002: a name has more than 1000 parts" } },
	{ { ["t.lua"] = "return {\n\ta = 1\n\tb = 2\n}" }, { "t.lua:3: '}' expected (to close '{' at line 1) near 'b'" } },
	{ { ["t.lua"] = "local t = {}\nreturn t.a.b" },
		{ "t.lua:2: attempt to index a nil value (field 'a')" } },
	{ { ["t.lua"] = "local t = {}\nt.t = t\nreturn { x = t }" },
		{ "t.lua: x: tables are nested deeper than 100 levels, or one contains itself" } },
	{ { ["t.lua"] = "return { f = { tostring } }" }, { "t.lua: f[1]: a function cannot be in a sheet" } },
	{ { ["t.lua"] = "return io.open 'x'" }, { "t.lua:1: attempt to index a nil value (global 'io')" } },
	{ { ["t.lua"] = "x = 1" }, { "t.lua: a sheet is a table, not nil" } },
	{ { ["t.lua"] = "return 'x'" }, { "t.lua: a sheet is a table, not a string" } },
	{ { ["t.lua"] = "return { { id = 1, name = 5 } }", ["t.schema.lua"] = rows },
		{ "t.lua: [1].name: 5 is not a string" } },
	{ { ["t.json"] = '{}', ["t.toml"] = "" }, { "t.toml: the sheet 't' is already what is in t.json" } },
	{ { ["t.schema.lua"] = rows }, { "t.schema.lua: there is no file for a sheet 't'" } },
	{ { ["q.json"] = '[{"id": 1, "items": [1, 3]}]', ["items.csv"] = "id\n1\n2\n",
		["q.schema.lua"] = 'return { rows = { id = "integer", items = { list = { "integer", ref = "items" } } } }' },
		{ "q.json:1:25: [1].items[2]: 3 is not a key of the sheet 'items'" } },
	{ { ["q.json"] = '[{"id": 1, "item": 1}]',
		["q.schema.lua"] = 'return { rows = { id = "any", item = { ref = "itmes" } } }' },
		{ "q.schema.lua: ref = 'itmes': there is no such sheet" } },
	{ { ["u.csv"] = "id,code\n1,x\n2,y\n3,x\n",
		["u.schema.lua"] = 'return { rows = { id = "integer", code = { "string", unique = true } } }' },
		{ "u.csv:4:3: column 'code': x was used before, in line 2" } },
	-- Numbers.
	{ { ["n.csv"] = "id,v\n1,1.5\n2,1e400\n3,-1e400\n" }, {
		"n.csv:3:3: column 'v': 1e400 is out of the range of numbers; in quotes it would be text",
		"n.csv:4:3: column 'v': -1e400 is out of the range of numbers; in quotes it would be text",
	} },
	{ { ["n.csv"] = "id,v\n1,1\n2,1e-400\n3,0e-400\n4,0.000e9\n" }, {
		"n.csv:3:3: column 'v': 1e-400 is out of the range of numbers; in quotes it would be text",
	} },
	{ { ["n.csv"] = "id,v,w\n1,1e400,0;1e400\n",
		["n.schema.lua"] = "return { rows = { id = 'integer', v = 'number', w = { list = 'number' } } }" }, {
		"n.csv:2:3: column 'v': 1e400 is out of the range of numbers",
		"n.csv:2:9: column 'w'[2]: 1e400 is out of the range of numbers",
	} },
	-- Keys and values that are the same, or never are.
	{ { ["k.json"] = '{ "1": {}, "01": {}, "2": {} }', ["k.schema.lua"] =
		"return { key = 'id', rows = { id = 'integer' } }" },
		{ "k.json:1:8: [\"1\"]: the key 1 was used before, in line 1" } },
	{ { ["k.json"] = '{ "m": {\n"7": 1,\n"007": 2 } }', ["k.schema.lua"] =
		"return { record = { m = { map = 'integer', keys = 'integer' } } }" },
		{ "k.json:2:6: m[\"7\"]: the key 7 was used before, in line 3" } },
	{ { ["u.toml"] = "[a]\nv = nan\n[b]\nv = nan\n", ["u.schema.lua"] =
		"return { rows = { v = { 'any', unique = true } } }" }, {
		"u.toml:2:5: a.v: nan is not the same as anything, so it cannot be unique",
		"u.toml:4:5: b.v: nan is not the same as anything, so it cannot be unique",
	} },
	{ { ["u.lua"] = "return { a = { v = 0/0 } }", ["u.schema.lua"] =
		"return { rows = { v = { 'any', unique = true, enum = { 1, 2 } } } }" }, {
		"u.lua: a.v: -nan is none of 1, 2",
		"u.lua: a.v: nan is not the same as anything, so it cannot be unique",
	} },
	-- Byte order marks.
	{ { ["b.csv"] = "\xef\xbb\xbf\xef\xbb\xbfid,n\n1,2\n" },
		{ "b.csv:1:1: a byte order mark in the middle of the file: two files in one?" } },
	{ { ["b.csv"] = "id,n\n1,2\n\xef\xbb\xbf3,4\n" },
		{ "b.csv:3:1: a byte order mark in the middle of the file: two files in one?" } },
	{ { ["b.json"] = "\xff\xfe\0\0{\0\0\0" }, { "b.json:1:1: this is UTF-32; it has to be UTF-8" } },
	-- Schemas.
	{ { ["s.lua"] = "return {}", ["s.schema.lua"] = "return {" },
		{ "s.schema.lua:1: unexpected symbol near <eof>" } },
	{ { ["s.lua"] = "return {}", ["s.schema.lua"] = "return 'integer'" },
		{ "s.schema.lua: a schema is a table, not a string" } },
	{ { ["s.lua"] = "return {}", ["s.schema.lua"] = "return { 'integer' }" },
		{ "s.schema.lua: a schema says what the sheet is: rows, record, map or list" } },
	{ { ["s.lua"] = "return {}", ["s.schema.lua"] = "return { rows = { a = { 'int' } } }" },
		{ "s.schema.lua: a: there is no type 'int'; types are integer, number, string, boolean, any" } },
	{ { ["s.lua"] = "return {}", ["s.schema.lua"] = "return { rows = { a = { 'integer', mni = 1 } } }" },
		{ "s.schema.lua: a: there is no option 'mni'" } },
	{ { ["s.lua"] = "return {}",
		["s.schema.lua"] = "return { record = { a = { record = { b = { 'integer', default = 'x' } } } } }" },
		{ 's.schema.lua: a.b: default: "x" is not an integer' } },
	{ { ["s.csv"] = "a\n1\n", ["s.schema.lua"] = "return { rows = { a = 'integer' }, separator = ';;' }" },
		{ "s.schema.lua: 'separator' is one character that CSV gives no other meaning" } },
	{ { ["s.csv"] = "a\n1\n", ["s.schema.lua"] = "return { rows = { a = { list = 'string', split = '' } } }" },
		{ "s.schema.lua: a: 'split' is empty" } },
	{ { ["s.lua"] = "return {}", ["s.schema.lua"] = "return { map = { 'number', enum = { 1, 0 / 0 } } }" },
		{ "s.schema.lua: []: nan cannot be in an 'enum'" } },
	{ { ["s.lua"] = "return {}", ["s.schema.lua"] = "local t = {} t.list = t return t" },
		{ "s.schema.lua: types are nested deeper than 100 levels, or one contains itself" } },
	{ { ["s.lua"] = "return {}", ["s.schema.lua"] =
		"local t = { map = 'any' } for i = 1, 60 do t = { record = { a = t, b = t } } end return t" },
		{ "s.schema.lua: there are more than 100000 types" } },
	-- A first column that the schema does not know.
	{ { ["c.csv"] = "x,a\n1,2\n,3\n", ["c.schema.lua"] = "return { open = true, rows = { a = 'integer' } }" },
		{ "c.csv:3: column 'x' is missing" } },
	{ { ["c.csv"] = "x,a\n,3\n", ["c.schema.lua"] = "return { rows = { a = 'integer' } }" }, {
		"c.csv:1:1: column 'x': there is no such column in the schema",
		"c.csv:2: column 'x' is missing",
	} },
	-- Names that are too long for Lua.
	{ { [("a/long/"):rep(9) .. "t.lua"] = "\nerror 'oh'", [("b"):rep(90) .. ".lua"] = "return {\n a b }" }, {
		("a/long/"):rep(9) .. "t.lua:2: oh",
		("b"):rep(90) .. ".lua:2: '}' expected (to close '{' at line 1) near 'b'",
	} },
}

test.case("what is wrong is said with file, line and column, all of it, in order", function()
	for _, case in ipairs(bad) do
		test.equal(lines_of(case[1]), table.concat(case[2], "\n"))
	end
end)

test.case("a default is what the same value would be in a file", function()
	local function both(type, value)
		local text = "return { key = 'id', rows = { id = 'integer', v = { %s %s } } }"
		return load({ ["d.json"] = '[{ "id": 1 }]', ["d.schema.lua"] = text:format(type, ", default = " .. value),
			["e.lua"] = ("return { { id = 1, v = %s } }"):format(value), ["e.schema.lua"] = text:format(type, "") })
	end
	for _, case in ipairs {
		{ "'integer'", "2.0" }, { "'number'", "2.0" }, { "'any'", "2.0" }, { "list = 'integer'", "{ 1, 2.0 }" },
		{ "map = 'integer', keys = 'integer'", "{ ['7'] = 1.0, [8] = 2 }" },
		{ "rows = { a = 'integer' }, key = 'a'", "{ { a = 5.0 }, { a = 6 } }" },
		{ "record = { l = { map = 'number', keys = 'integer' }, m = { 'integer', default = 3.0 } }",
			"{ l = { ['01'] = 1 } }" },
	} do
		local sheets = both(case[1], case[2])
		test.equal(copy(sheets.d), copy(sheets.e), case[1])
	end
end)

-- Text of random schemas and data, right ones and wrong ones.
local function random_files()
	local random = math.random
	local function any(...)
		return (select(random(select("#", ...)), ...))
	end
	local function literal()
		return any("1", "2.0", "-3", "'1'", "'a'", "''", "true", "{}", "{ 1, 2 }", "{ id = 1 }", "0/0", "1/0", "print", "nil")
	end
	local function choice(...)
		local texts = table.pack(...)
		return function()
			return any(table.unpack(texts))
		end
	end
	local function name()
		return any("id", "a", "b", "x y")
	end
	local ways = {
		default = literal, min = choice("0", "1", "2.5"), max = choice("1", "7"), required = choice("true", "false"),
		unique = choice "true", open = choice "true", ref = choice("'s'", "'t'"), key = choice("'id'", "'a'", "false"),
		enum = choice("{ 1, 'a' }", "{ 0/0 }", "{}"), pattern = choice("'%a'", "'['", "'a['", "''"),
		split = choice("';'", "'%'", "''"), separator = choice("','", "';'", "'::'"),
		check = choice("function(row, sheets) return sheets.t and row.a end", "error", "function(row) row.a = nil end"),
	}
	local options = {}
	for option in pairs(ways) do
		options[#options + 1] = option
	end
	table.sort(options)
	local function definition(depth)
		local words = {}
		for i = 1, random(5) == 1 and random(2) or 0 do
			local option = any(table.unpack(options))
			words[i] = option .. " = " .. (random(9) == 1 and literal() or ways[option]())
		end
		local kind = any("rows", "record", "map", "list")
		kind = depth == 0 and random(2) == 1 and "rows" or kind
		if depth > 0 and (depth > 3 or random(2) == 1) then
			table.insert(words, 1, ("%q"):format(any("integer", "number", "string", "boolean", "any")))
		elseif kind == "map" or kind == "list" then
			words[#words + 1] = kind .. " = " .. definition(depth + 1)
		else
			local fields = {}
			for i = 1, random(0, 3) do
				fields[i] = ("[%q] = %s"):format(name(), definition(depth + 1))
			end
			words[#words + 1] = ("%s = { %s }"):format(kind, table.concat(fields, ", "))
		end
		return "{ " .. table.concat(words, ", ") .. " }"
	end
	local function value(depth)
		local words, is_list = {}, random(2) == 1
		if depth > 3 or random(2) == 1 then
			return any("1", "2.5", '"a"', '""', "true", "-7", '"1"')
		end
		for i = 1, random(0, 3) do
			words[i] = (is_list and "" or ("%q:"):format(name() .. i)) .. value(depth + 1)
		end
		return (is_list and "[ %s ]" or "{ %s }"):format(table.concat(words, ", "))
	end
	local function sheet()
		local lines, width = {}, random(3)
		for i = 1, random(5) do
			local words = {}
			for k = 1, width do
				words[k] = i == 1 and name() or any("", "1", "2", "x", "1.5", "true", '""', "1;2", "1e400")
			end
			lines[i] = table.concat(words, ",") .. "\n"
		end
		return table.concat(lines)
	end
	local files = {}
	for _, stem in ipairs { "s", "t" } do
		local format = any("csv", "csv", "json", "lua")
		files[stem .. "." .. format] = format == "csv" and sheet() or format == "json" and value(0)
			or "return " .. definition(1):gsub("function.-end", literal)
		files[stem .. ".schema.lua"] = random(9) > 1 and "return " .. definition(0) or nil
	end
	return files
end

test.case("whatever stands in schemas and data, they are good, or each error has a file of theirs", function()
	math.randomseed(test.seed)
	local right, wrong, n = 0, 0, 0
	repeat
		n = n + 1
		local files = random_files()
		local result, err = config.check(directory(files))
		for _, problem in ipairs(err and err.errors or {}) do
			test.truthy(files[problem.file] ~= nil, tostring(err))
			test.truthy(not problem.message:find "lualib" and not problem.message:find "bad argument", tostring(err))
		end
		right, wrong = right + (result and 1 or 0), wrong + (err and 1 or 0)
	until n >= test.count(150) and right > 0 and wrong > 0 or n == 2000 -- good ones are rare
	test.truthy(right > 0 and wrong > 0)
end)

test.case("a loop without end in a file ends with an error", function()
	test.equal(lines_of({ ["t.lua"] = "local n = 0\nwhile true do n = n + 1 end" }, { max_instructions = 100000 }),
		"t.lua:2: more than 100000 instructions (the option max_instructions)")
end)

test.case("what takes for ever in C ends with an error, in files and in schemas", { timeout = 120 }, function()
	local limits, reason = { max_instructions = 200000 }, "more than 200000 instructions (the option max_instructions)"
	for _, text in ipairs {
		"(('a'):rep(40)):find(('a?'):rep(40) .. ('a'):rep(40))",
		"(('a'):rep(60)):gsub(('a*'):rep(40) .. 'b', '')",
		"(('('):rep(1000000)):find '%b()'",
		"(('a'):rep(100000)):find('[' .. ('b'):rep(100000) .. 'a]*c')",
		"table.move({}, 1, 1 << 60, 2)",
		"for i = 1, 1 << 60 do local s = ('x'):rep(1 << 20) end",
		"local s = ('x'):rep(1 << 20) for i = 1, 1 << 60 do local t = s:upper() end",
		"local t = {} for i = 1, 1000 do t[i] = 1 end for i = 1, 1 << 60 do table.concat(t) end",
	} do
		test.equal(lines_of({ ["t.lua"] = text .. " return {}" }, limits), "t.lua:1: " .. reason)
		test.equal(lines_of({ ["t.csv"] = "id\n1\n", ["t.schema.lua"] =
			("return { rows = { id = 'integer' }, check = function() %s end }"):format(text) }, limits),
			"t.schema.lua:1: " .. reason)
	end
	test.matches(lines_of { ["t.lua"] = "return #(''):rep(1 << 60)" }, "a sheet is a table, not a number")
	test.matches(lines_of { ["t.csv"] = "id\n" .. ("a"):rep(48) .. "\n", ["t.schema.lua"] =
		"return { rows = { id = { 'string', pattern = ('a?'):rep(48) .. ('a'):rep(48) .. 'b' } } }" },
		"^t.csv:2:1: column 'id': .* cannot be matched with .*: this takes too long$")
end)

test.case("a file that asks for all memory ends with an error", function()
	test.equal(lines_of({ ["t.lua"] = "local s = ('x'):rep(1 << 20)\nwhile true do s = s .. s end" },
		{ max_memory = 64 << 20 }), "t.lua: not enough memory")
end)

test.case("data that take more memory than is allowed end with an error", function()
	for path, text in pairs {
		["t.csv"] = "id,a,b\n" .. ("1,x,y\n"):rep(100000),
		["t.json"] = "[" .. ("[1,[2]],"):rep(100000) .. "1]",
		["t.toml"] = "a = [" .. ("[1, [2]],"):rep(60000) .. "]",
	} do
		test.equal(lines_of({ [path] = text }, { max_memory = 4 << 20 }), path .. ": not enough memory")
	end
end)

test.case("a file that is too large is not read", function()
	test.equal(lines_of({ ["t.csv"] = "id\n1\n2\n3\n" }, { max_bytes = 8 }),
		"t.csv: 9 bytes are too many (the option max_bytes)")
end)

test.case("a directory that is not there", function()
	local dir = test.dir .. "/nothing"
	local result, err = config.load(dir)
	test.equal(result, nil)
	test.equal(tostring(err), dir .. ": No such file or directory")
	test.equal(err.code, "config")
end)

test.case("more errors than wanted are counted", function()
	local text = { "id,hp" }
	for i = 1, 50 do
		text[#text + 1] = i .. ",x"
	end
	local dir = directory { ["items.csv"] = table.concat(text, "\n"),
		["items.schema.lua"] = 'return { rows = { id = "integer", hp = "integer" } }' }
	local _, err = config.load(dir, { max_errors = 2 })
	test.equal(tostring(err), dir .. "/items.csv:2:3: column 'hp': x is not an integer\n"
		.. dir .. "/items.csv:3:3: column 'hp': x is not an integer\nand 48 more")
	test.equal(err.count, 50)
	test.equal(err.errors[2], { file = "items.csv", line = 3, column = 3, message = "column 'hp': x is not an integer" })
end)

test.case("a load with an error publishes nothing", function()
	load { ["p.csv"] = "id,x\n1,2\n", ["q.csv"] = "id,x\n1,2\n" }
	test.equal(config.load(directory { ["p.csv"] = "id,x\n1,3\n", ["q.csv"] = "id,x\n1\n" }), nil)
	test.equal(datasheet.query("p")[1].x, 2)
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
