-- The files of a directory: which sheets they are, and what is in them.
--
-- One file is one sheet, named after its path without the extension: `monsters/boss.json` is `monsters/boss`. A file
-- `monsters/boss.schema.lua` is that sheet's schema. Files that begin with a dot, and other extensions, are no data.

local budget = require "reef.budget"
local checker = require "reef.config.checker"
local core = require "reef.config.core"
local schema = require "reef.config.schema"

local files = {}

local MAX_DEPTH = 100

---@class reef.config.file
---@field sheet string
---@field path string    below the directory
---@field format "lua"|"json"|"csv"|"toml"
---@field stamp string   another one: the content may be another, that of the schema included
---@field young boolean  it may change once more without another stamp
---@field age number      seconds since it was changed
---@field size integer
---@field schema string|nil  the path of its schema

---@class reef.config.problem
---@field file string
---@field line integer|nil
---@field column integer|nil
---@field path any[]|nil     where in the parsed file, while the line is not known
---@field message string
---@field also any[]|nil     the path of a value whose line belongs to the message

local formats = { lua = true, json = true, csv = true, toml = true }

---Lists the sheets of a directory.
---@param dir string
---@return table<string, reef.config.file>|nil sheets
---@return reef.config.problem[] problems
---@return string[] directories
---@return { directory: string, name: string }[] ways what else decides which files these are
function files.scan(dir)
	if dir == "" or dir:find("\0", 1, true) then
		local why = dir == "" and "the directory has no name" or "the directory's name has a NUL"
		return nil, { { file = dir:match "^[^\0]*", message = why } }, {}, {}
	end
	local ok, list, directories, ways = pcall(core.list, dir)
	if not ok then
		local why = tostring(list):gsub("^" .. dir:gsub("%p", "%%%0") .. "/?: ", "")
		return nil, { { file = dir, message = why } }, {}, {}
	end
	table.sort(list, function(a, b)
		return a.path < b.path
	end)
	local sheets, schemas, problems = {}, {}, {}
	for _, file in ipairs(list) do
		local name, extension = file.path:match "^(.+)%.(%w+)$"
		local owner = name and extension == "lua" and name:match "^(.+)%.schema$"
		if owner then
			schemas[owner] = file
		elseif formats[extension] then
			if sheets[name] then
				problems[#problems + 1] = { file = file.path,
					message = ("the sheet '%s' is already what is in %s"):format(name, sheets[name].path) }
			else
				file.sheet, file.format = name, extension
				sheets[name] = file
			end
		end
	end
	for name, file in pairs(schemas) do
		if sheets[name] then
			sheets[name].schema = file.path
			sheets[name].stamp = sheets[name].stamp .. " " .. file.stamp
			sheets[name].young = sheets[name].young or file.young
		else
			problems[#problems + 1] = { file = file.path, message = ("there is no file for a sheet '%s'"):format(name) }
		end
	end
	return sheets, problems, directories, ways
end

-- Seconds that a file that does not look whole has to be left alone before it is taken for whole.
local STILL = 1
local of_lines = { csv = true, toml = true }

---How long is to be waited before the file is read: half of what becomes lines may be good by itself, so a file that
---was changed just now and is empty, or ends within a line, is given time.
---@param dir string
---@param file reef.config.file
---@return number|nil seconds
function files.unfinished(dir, file)
	if not of_lines[file.format] or file.age >= STILL or file.age < 0 then
		return nil
	end
	local handle = io.open(dir .. "/" .. file.path, "rb")
	local last = handle and handle:seek("end", -1) and handle:read(1)
	if handle then
		handle:close()
	end
	return last ~= "\n" and STILL - file.age or nil
end

-- ---- reading ----

local function read(dir, path, limits)
	local file, reason = io.open(dir .. "/" .. path, "rb")
	if not file then
		return nil, { file = path, message = reason:gsub("^.*: ", "") }
	end
	local size, text = file:seek "end", nil
	if size and size <= limits.max_bytes then
		file:seek "set"
		text, reason = file:read "a"
	else
		reason = ("%d bytes are too many (the option max_bytes)"):format(size)
	end
	file:close()
	if not text then
		return nil, { file = path, message = reason }
	end
	if text:sub(1, 3) == "\xef\xbb\xbf" then
		text = text:sub(4)
	end
	local mark = text:find "^\xef\xbb\xbf" or text:find("\n\xef\xbb\xbf", 1, true)
	if text:find "^\xff\xfe\0\0" or text:find "^\0\0\xfe\xff" then
		return nil, { file = path, line = 1, column = 1, message = "this is UTF-32; it has to be UTF-8" }
	elseif text:find "^\xff\xfe" or text:find "^\xfe\xff" then
		return nil, { file = path, line = 1, column = 1, message = "this is UTF-16; it has to be UTF-8" }
	end
	if mark then
		local _, before = text:sub(1, mark):gsub("\n", "")
		return nil, { file = path, line = before + 1, column = 1,
			message = "a byte order mark in the middle of the file: two files in one?" }
	end
	local length, wrong = utf8.len(text)
	if not length then
		local before = text:sub(1, wrong - 1)
		local _, lines = before:gsub("\n", "")
		return nil, { file = path, line = lines + 1, column = utf8.len(before:match "[^\n]*$") + 1,
			message = ("the byte 0x%02X is not UTF-8"):format(text:byte(wrong)) }
	end
	return text
end

-- ---- Lua ----

local function copy(library)
	local result = {}
	for name, value in pairs(library) do
		result[name] = value
	end
	return result
end

local function sandbox()
	return {
		assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, select = select,
		tonumber = tonumber, tostring = tostring, type = type,
		math = copy(math), string = copy(string), table = copy(table), utf8 = copy(utf8),
	}
end

---Calls a function of a file, which must not take for ever.
---@param limits table
---@param f function
---@return boolean ok
---@return any value or error
function files.call(limits, f, ...)
	local message = ("more than %d instructions (the option max_instructions)"):format(limits.max_instructions)
	return budget.call(limits.max_instructions, message, f, ...)
end

-- The files' names in what Lua says: it cuts those that are long.
local CHUNK = "file"

---The problem that an error in a Lua file is.
---@param path string
---@param message any
---@return reef.config.problem
function files.lua_problem(path, message)
	local line, rest = tostring(message):match("^" .. CHUNK .. ":(%d+): (.*)$")
	return { file = path, line = math.tointeger(tonumber(line)), message = rest or tostring(message) }
end

-- All that a parser makes is going to live: nothing is there to be collected meanwhile.
local function parse(parser, ...)
	collectgarbage "stop"
	local ok, value, problems = pcall(parser, ...)
	collectgarbage "restart"
	if not ok then
		return nil, { { message = tostring(value) } }
	end
	return value, problems
end

-- Runs the text of a Lua file with the pure functions of Lua's library and returns what it returns. Of what is nothing
-- but a table of constants, nothing has to be run.
local function run(path, text, limits)
	local constants = parse(core.lua_fast, text)
	if constants then
		return constants
	end
	local chunk, reason = load(text, "=" .. CHUNK, "t", sandbox())
	if not chunk then
		return nil, files.lua_problem(path, reason)
	end
	local ok, value = files.call(limits, chunk)
	if not ok then
		return nil, files.lua_problem(path, value)
	end
	return value
end

-- What files of Lua may return beyond what a sheet can hold. `seen` has how deep each table was when it was checked:
-- one that many places share is checked again only where it lies deeper.
local function check_plain(value, check, path, seen)
	local depth = #path + 1
	if (seen[value] or 0) >= depth then
		return
	end
	seen[value] = depth
	if depth > MAX_DEPTH then
		check:problem({ path[1] }, ("tables are nested deeper than %d levels, or one contains itself"):format(MAX_DEPTH))
		return
	end
	for key, element in pairs(value) do
		path[depth] = key
		local kind = type(element)
		if type(key) == "table" or type(key) == "function" or type(key) == "userdata" then
			path[depth] = nil
			check:problem(path, ("a %s cannot be a key in a sheet"):format(type(key)))
		elseif kind == "table" then
			check_plain(element, check, path, seen)
		elseif kind ~= "number" and kind ~= "string" and kind ~= "boolean" then
			check:problem(path, ("a %s cannot be in a sheet"):format(kind))
		end
		path[depth] = nil
	end
end

-- ---- parsing ----

---@class reef.config.document
---@field file reef.config.file
---@field text string
---@field value any      what was parsed
---@field sheet table|nil  what is to be published
---@field spec reef.config.type|nil
---@field rows integer
---@field problems reef.config.problem[]
---@field good boolean   nothing was wrong with it when it was loaded

local parsers = {}

function parsers.lua(document, limits)
	local value, problem = run(document.file.path, document.text, limits)
	if problem then
		return nil, { problem }
	elseif type(value) == "table" then
		local check = checker.new()
		check_plain(value, check, {}, {})
		if check.problems[1] then
			return nil, check.problems
		end
	end
	return value
end

function parsers.json(document)
	return parse(core.json, document.text)
end

function parsers.toml(document)
	return parse(core.toml, document.text)
end

function parsers.csv(document)
	local spec = document.spec
	local data, problems = parse(core.csv, document.text, schema.columns(spec), spec and spec.separator)
	if data then
		document.columns = data.columns
	end
	return data and data.rows, problems
end

local function load_schema(dir, file, limits)
	local text, problem = read(dir, file.schema, limits)
	local definition
	if text then
		definition, problem = run(file.schema, text, limits)
	end
	if problem then
		return nil, problem
	end
	local spec, message = schema.compile(definition)
	return spec, message and { file = file.schema, message = message }
end

-- The header of a CSV file and the schema know the same columns.
local function check_header(document, check)
	local present = {}
	for _, name in ipairs(document.columns) do
		present[name] = true
		if not document.spec.fields[name] and not document.spec.open then
			check:problem({ 0, name }, "there is no such column in the schema")
		end
	end
	for name, field in pairs(document.spec.fields) do
		if not present[name] and (field.required or name == document.key) then
			check:problem({ 0 }, ("column '%s' is missing"):format(name))
			check.silent[name] = true
		end
	end
end

local function check_value(document)
	local spec, file = document.spec, document.file
	local check = checker.new(file.format == "csv")
	local value = document.value
	if type(value) ~= "table" then
		check:problem({}, ("a sheet is a table, not a %s"):format(type(value)))
	elseif file.format == "csv" then
		if spec and spec.kind ~= "rows" then
			check:problem({}, "the schema of a CSV file has `rows`")
		else
			document.key = spec and spec.key
			if document.key == nil then
				document.key = document.columns[1]
			end
			if spec then
				check_header(document, check)
			end
			document.sheet = check:rows(spec, value, {}, document.key)
		end
	else
		document.sheet = spec and check:value(spec, value, {}) or value
	end
	return check.problems
end

---Reads, parses and checks one file; references are checked later.
---@param dir string
---@param file reef.config.file
---@param limits table
---@return reef.config.document
function files.load(dir, file, limits)
	local document = { file = file, rows = 0, problems = {} }
	local problem
	if file.schema then
		document.spec, problem = load_schema(dir, file, limits)
	end
	document.problems[1] = problem
	document.text, problem = read(dir, file.path, limits)
	document.problems[#document.problems + 1] = problem
	if document.problems[1] then
		return document
	end
	local value, problems = parsers[file.format](document, limits)
	document.value = value
	if problems then
		document.more = problems.more
	elseif value == nil then
		problems = { { message = "a sheet is a table, not nil" } }
	end
	-- What is wrong with values is said once, and what the rest of the file has wrong as well.
	if value ~= nil and (file.format == "csv" or not problems) then
		local found = check_value(document)
		problems = table.move(found, 1, #found, #(problems or {}) + 1, problems or {})
	end
	for _, found in ipairs(problems or {}) do
		found.file = found.file or file.path
		table.insert(document.problems, found)
	end
	document.good = #document.problems == 0
	if type(document.sheet) == "table" then
		for _ in pairs(document.sheet) do
			document.rows = document.rows + 1
		end
	end
	return document
end

-- ---- places ----

-- Adds a path to the tree of questions that the parsers understand, and returns its number.
local function ask(tree, path, deepest, count)
	local node = tree
	for _, key in ipairs { table.unpack(path, 1, deepest) } do
		node.sub = node.sub or {}
		node.sub[key] = node.sub[key] or {}
		node = node.sub[key]
	end
	node.at = node.at or count
	return node.at
end

---Turns the paths of problems into lines and columns of the file. Values in Lua files have none.
---@param document reef.config.document
---@param problems reef.config.problem[]
function files.locate(document, problems)
	local format = document.file.format
	if format == "lua" or not document.text then
		return
	end
	local tree, asked = {}, {}
	local deepest = format == "csv" and 2 or MAX_DEPTH
	for _, problem in ipairs(problems) do
		if problem.path then
			asked[#asked + 1] = { problem, ask(tree, problem.path, deepest, #asked * 2 + 1),
				problem.also and ask(tree, problem.also, deepest, #asked * 2 + 2) }
		end
	end
	if not asked[1] then
		return
	end
	local places
	if format == "csv" then
		places = core.csv_places(document.text, document.spec and document.spec.separator, tree)
	else
		places = core[format .. "_places"](document.text, tree)
	end
	for _, question in ipairs(asked) do
		local problem, place, also = question[1], places[question[2]], places[question[3]]
		if place then
			problem.line, problem.column = place.line, place.column
		end
		if also then
			problem.message = ("%s, in line %d"):format(problem.message, also.line)
		end
		problem.path, problem.also = nil, nil
	end
end

return files
