-- Schemas: what a sheet may hold. A schema file returns a plain table; `compile` makes it one that is quick to check
-- (reef.config.checker), or says what is wrong with it.
--
--	return {
--		key = "id",
--		rows = {
--			id = "integer",
--			price = { "integer", required = true, min = 0 },
--			tags = { list = "string" },
--			drops = { "integer", ref = "items" },
--		},
--	}

local checker = require "reef.config.checker"

local schema = {}

---@class reef.config.type
---@field kind "integer"|"number"|"string"|"boolean"|"any"|"list"|"map"|"record"|"rows"
---@field required boolean|nil
---@field default any
---@field min number|nil      of a number, or of the length of a string or list
---@field max number|nil
---@field enum table|nil      value -> true
---@field unique boolean|nil
---@field pattern string|nil
---@field ref string|nil      the sheet that has to have the value as a key
---@field split string|nil    of a list in a CSV field
---@field of reef.config.type|nil      what lists and maps hold
---@field keys reef.config.type|nil    of a map
---@field fields table<string, reef.config.type>|nil  of a record or a row
---@field expected table<string, reef.config.type>|nil  those with `required` or `default`
---@field passes nil|fun(value: any): boolean?  a quick test for good values
---@field open boolean|nil    other fields may be there
---@field key string|false|nil  the field that names a row
---@field refs boolean|nil    is there a `ref` in it
---@field separator string|nil  of a CSV file
---@field check nil|fun(row: table, sheets: table<string, table>): string?  what is wrong with a row, or with a sheet
---that has none

local scalars = { integer = true, number = true, string = true, boolean = true, any = true }
local options = {
	required = "boolean", default = "any", min = "number", max = "number", enum = "table", unique = "boolean",
	pattern = "string", ref = "string", split = "string", list = "any", map = "any", keys = "any", record = "table",
	rows = "table", key = "any", open = "boolean", separator = "string", check = "function",
}

-- ---- compiling ----

local MAX_DEPTH, MAX_TYPES = 100, 100000

local compile_type

local function fail(path, message)
	error({ message = (path == "" and "" or path .. ": ") .. message }, 0)
end

local function compile_fields(definition, path, depth, all)
	local fields, refs = {}, false
	for name, field in pairs(definition) do
		if type(name) ~= "string" then
			fail(path, "a field's name is a string, not " .. tostring(name))
		end
		fields[name] = compile_type(field, path == "" and name or path .. "." .. name, depth, all)
		refs = refs or fields[name].refs
	end
	return fields, refs
end

-- A quick test for what most values are: good as they are. It may be false for a good one.
local function compile_fast(spec)
	local kind, enum = spec.kind, spec.enum
	local min, max = spec.min or -math.huge, spec.max or math.huge
	if spec.unique or spec.pattern then
		return nil
	elseif enum and scalars[kind] then
		return kind == "string" and not (spec.min or spec.max) and function(v)
			return enum[v] and type(v) == "string"
		end or nil
	elseif kind == "integer" then
		return function(v)
			return math.type(v) == "integer" and v >= min and v <= max
		end
	elseif kind == "number" then
		return function(v)
			return type(v) == "number" and v >= min and v <= max
		end
	elseif kind == "string" and not (spec.min or spec.max) then
		return function(v)
			return type(v) == "string"
		end
	end
end

local structures = { list = true, map = true, record = true, rows = true }

local function kind_of(definition, path)
	local kind = definition[1]
	if kind ~= nil and not scalars[kind] then
		fail(path, ("there is no type '%s'; types are integer, number, string, boolean, any"):format(tostring(kind)))
	end
	for name in pairs(structures) do
		if definition[name] ~= nil then
			if kind then
				fail(path, ("a type is '%s' or '%s', not both"):format(kind, name))
			end
			kind = name
		end
	end
	return kind or "any"
end

local function check_options(definition, path)
	for name, value in pairs(definition) do
		local wanted = name == 1 and "string" or options[name]
		if not wanted then
			fail(path, ("there is no option '%s'"):format(tostring(name)))
		elseif wanted ~= "any" and type(value) ~= wanted then
			fail(path, ("'%s' is a %s, not a %s"):format(name, wanted, type(value)))
		end
	end
	if definition.pattern and not pcall(string.find, "", definition.pattern) then
		fail(path, ("'%s' is not a pattern of Lua"):format(definition.pattern))
	elseif definition.split == "" then
		fail(path, "'split' is empty")
	elseif definition.separator and not definition.separator:find "^[^\"\r\n \0]$" then
		fail(path, "'separator' is one character that CSV gives no other meaning")
	end
end

local function compile_enum(definition, path)
	local enum = {}
	for _, value in ipairs(definition.enum) do
		if value ~= value then
			fail(path, "nan cannot be in an 'enum'")
		end
		enum[value] = true
	end
	return enum
end

---@param all { count: integer } types that were compiled; many places may share one
---@return reef.config.type
function compile_type(definition, path, depth, all)
	if type(definition) == "string" then
		definition = { definition }
	elseif type(definition) ~= "table" then
		fail(path, "a type is a name or a table, not a " .. type(definition))
	end
	all.count = all.count + 1
	if all.count > MAX_TYPES then
		fail("", ("there are more than %d types"):format(MAX_TYPES))
	elseif depth > MAX_DEPTH then
		fail("", ("types are nested deeper than %d levels, or one contains itself"):format(MAX_DEPTH))
	end
	check_options(definition, path)
	local result = { kind = kind_of(definition, path), refs = definition.ref ~= nil }
	for _, name in ipairs { "required", "default", "min", "max", "unique", "pattern", "ref", "split", "key", "open" } do
		result[name] = definition[name]
	end
	if definition.enum then
		result.enum, result.choices = compile_enum(definition, path), definition.enum
	end
	if result.kind == "list" then
		result.of = compile_type(definition.list, path .. "[]", depth + 1, all)
	elseif result.kind == "map" then
		result.of = compile_type(definition.map, path .. "[]", depth + 1, all)
		result.keys = compile_type(definition.keys or "any", path .. "[key]", depth + 1, all)
		result.refs = result.refs or result.keys.refs
	elseif result.kind == "record" or result.kind == "rows" then
		local refs
		result.fields, refs = compile_fields(definition[result.kind], path, depth + 1, all)
		result.refs = result.refs or refs
		result.expected = {}
		for name, field in pairs(result.fields) do
			result.expected[name] = (field.required or field.default ~= nil) and field or nil
		end
		if result.kind == "rows" and result.key and not result.fields[result.key] then
			fail(path, ("the key '%s' is none of the rows' fields"):format(tostring(result.key)))
		end
	end
	result.refs = result.refs or result.of and result.of.refs or false
	result.passes = compile_fast(result)
	if result.default ~= nil then
		local check = checker.new()
		result.default = check:value(result, result.default, {})
		if check.problems[1] then
			fail(path, "default: " .. check.problems[1].message)
		end
	end
	return result
end

---@param definition any what a schema file has returned
---@return reef.config.type? type
---@return string? message what is wrong with it
function schema.compile(definition)
	if type(definition) ~= "table" then
		return nil, "a schema is a table, not a " .. type(definition)
	end
	local ok, result = pcall(compile_type, definition, "", 1, { count = 0 })
	if not ok then
		return nil, type(result) == "table" and result.message or tostring(result)
	end
	if not structures[result.kind] then
		return nil, "a schema says what the sheet is: rows, record, map or list"
	end
	result.separator, result.check = definition.separator, definition.check
	return result
end

---The types that the parser of CSV is to give to columns.
---@param spec reef.config.type|nil
---@return table<string, string>
function schema.columns(spec)
	local types = {}
	for name, field in pairs(spec and spec.kind == "rows" and spec.fields or {}) do
		types[name] = field.kind ~= "any" and (scalars[field.kind] and field.kind or "string") or nil
	end
	return types
end

return schema
