-- tsan: no, one thread does all of it
-- Files of configuration that are bad: what is said about them, where, and what they cannot do.
local config = require "reef.config"
local data = require "test.config_files"
local datasheet = require "reef.datasheet"
local test = require "test"

local directory, load, copy, lines_of = data.directory, data.load, data.copy, data.lines_of

local rows = [[return { key = "id", rows = {
	id = "integer", name = { "string", required = true }, hp = { "integer", min = 0, max = 100 },
	speed = "number", magic = "boolean", tags = { list = { "string", enum = { "a", "b" } } },
} }]]

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

test.run()
