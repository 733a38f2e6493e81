-- Schemas: what a sheet may hold. A schema file returns a plain table; `compile` makes it one that is quick to check
-- and says what is wrong with it; `check` goes through a parsed file.
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

local scalars = { integer = "an integer", number = "a number", string = "a string", boolean = "a boolean", any = "any" }
local options = {
	required = "boolean", default = "any", min = "number", max = "number", enum = "table", unique = "boolean",
	pattern = "string", ref = "string", split = "string", list = "any", map = "any", keys = "any", record = "table",
	rows = "table", key = "any", open = "boolean", separator = "string", check = "function",
}

-- ---- compiling ----

local compile_type

local function fail(path, message)
	error({ message = (path == "" and "" or path .. ": ") .. message }, 0)
end

local function compile_fields(definition, path)
	local fields, refs = {}, false
	for name, field in pairs(definition) do
		if type(name) ~= "string" then
			fail(path, "a field's name is a string, not " .. tostring(name))
		end
		fields[name] = compile_type(field, path == "" and name or path .. "." .. name)
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
	end
end

---@return reef.config.type
function compile_type(definition, path)
	if type(definition) == "string" then
		definition = { definition }
	elseif type(definition) ~= "table" then
		fail(path, "a type is a name or a table, not a " .. type(definition))
	end
	check_options(definition, path)
	local result = { kind = kind_of(definition, path), refs = definition.ref ~= nil }
	for _, name in ipairs { "required", "default", "min", "max", "unique", "pattern", "ref", "split", "key", "open" } do
		result[name] = definition[name]
	end
	if definition.enum then
		result.enum = {}
		for _, value in ipairs(definition.enum) do
			result.enum[value] = true
		end
		result.choices = definition.enum
	end
	if result.kind == "list" then
		result.of = compile_type(definition.list, path .. "[]")
	elseif result.kind == "map" then
		result.of = compile_type(definition.map, path .. "[]")
		result.keys = compile_type(definition.keys or "any", path .. "[key]")
		result.refs = result.refs or result.keys.refs
	elseif result.kind == "record" or result.kind == "rows" then
		local refs
		result.fields, refs = compile_fields(definition[result.kind], path)
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
		local check = schema.checker()
		check:value(result, result.default, {})
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
	local ok, result = pcall(compile_type, definition, "")
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

-- ---- checking ----

---@class reef.config.checker
---@field problems table[] { path =, message =, also = }
---@field csv boolean
local checker = {}
checker.__index = checker

---@param csv? boolean whether what is checked are rows of a CSV file
---@return reef.config.checker
function schema.checker(csv)
	return setmetatable({ problems = {}, csv = csv or false, seen = {}, silent = {} }, checker)
end

---The place of a value as text: `sword.drops[2]`.
---@param path any[]
---@return string
function schema.path_text(path)
	local parts = {}
	for i, key in ipairs(path) do
		if math.type(key) == "integer" then
			parts[i] = ("[%d]"):format(key)
		elseif type(key) == "string" and key:find "^[%a_][%w_]*$" then
			parts[i] = i == 1 and key or "." .. key
		else
			parts[i] = ("[%s]"):format(type(key) == "string" and ("%q"):format(key) or tostring(key))
		end
	end
	return table.concat(parts)
end

local function where(self, path)
	if #path == 0 then
		return ""
	elseif self.csv and #path >= 2 then
		return ("column '%s'%s: "):format(path[2], schema.path_text { table.unpack(path, 3) })
	elseif self.csv then
		return ""
	end
	return schema.path_text(path) .. ": "
end

---@param path any[] keys from the root of what was parsed
---@param message string
---@param also? any[] another path whose line belongs to the message
function checker:problem(path, message, also)
	self.problems[#self.problems + 1] =
		{ path = { table.unpack(path) }, message = where(self, path) .. message, also = also }
end

function checker:show(value)
	if type(value) == "table" then
		return "a table"
	elseif type(value) ~= "string" then
		return tostring(value)
	end
	if #value > 40 then
		value = value:sub(1, (utf8.offset(value, 0, 41) or 41) - 1) .. "..."
	end
	return self.csv and value or '"' .. value .. '"'
end

function checker:limits(spec, value, path)
	local size, what = value, ""
	if type(value) == "string" then
		size, what = utf8.len(value) or #value, "the length of "
	elseif type(value) == "table" then
		size, what = #value, "the length of this list, "
	elseif type(value) ~= "number" then
		return
	end
	local shown = type(value) == "table" and tostring(size) or self:show(value)
	local is = what == "the length of " and (" is %d,"):format(size) or " is"
	if spec.min and size < spec.min then
		self:problem(path, ("%s%s%s less than %s"):format(what, shown, is, tostring(spec.min)))
	end
	if spec.max and size > spec.max then
		self:problem(path, ("%s%s%s more than %s"):format(what, shown, is, tostring(spec.max)))
	end
end

function checker:choice(spec, value, path)
	if spec.enum[value] then
		return
	end
	local names = {}
	for i, choice in ipairs(spec.choices) do
		names[i] = self:show(choice)
	end
	self:problem(path, ("%s is none of %s"):format(self:show(value), table.concat(names, ", ")))
end

function checker:once(spec, value, path)
	local seen = self.seen[spec] or {}
	self.seen[spec] = seen
	if seen[value] then
		self:problem(path, ("%s was used before"):format(self:show(value)), seen[value])
	else
		seen[value] = { table.unpack(path) }
	end
end

local readers = {
	integer = function(text)
		return math.tointeger(tonumber(text))
	end,
	number = tonumber,
	boolean = function(text)
		text = text:lower()
		if text == "true" or text == "false" then
			return text == "true"
		end
	end,
}

-- A field of a CSV file whose column is a list.
function checker:split(spec, text)
	local list = {}
	local reader = readers[spec.of.kind]
	local separator = spec.split or ";"
	for part in (text .. separator):gmatch("(.-)" .. separator:gsub("%p", "%%%0")) do
		part = part:match "^%s*(.-)%s*$"
		local value = reader and part:find "^[^xX]*$" and reader(part)
		if value == nil or value == false and spec.of.kind ~= "boolean" then
			value = part
		end
		list[#list + 1] = value
	end
	return list
end

function checker:list(spec, value, path)
	if type(value) == "string" and self.csv then
		value = self:split(spec, value)
	end
	if type(value) ~= "table" then
		self:problem(path, ("%s is not a list"):format(self:show(value)))
		return value
	end
	local n, depth = #value, #path + 1
	local count = 0
	for _ in pairs(value) do
		count = count + 1
	end
	if count ~= n then
		self:problem(path, "this is not a list: its keys are not 1, 2, 3 ...")
		return value
	end
	for i = 1, n do
		path[depth] = i
		value[i] = self:value(spec.of, value[i], path)
	end
	path[depth] = nil
	return value
end

-- Keys that are wanted as integers may be written as text, which they are in JSON and TOML.
local function key_for(spec, key)
	if (spec.kind == "integer" or spec.kind == "any" and spec.ref) and type(key) == "string" and key:find "^-?%d+$" then
		return math.tointeger(tonumber(key)) or key
	end
	return key
end

function checker:map(spec, value, path)
	if type(value) ~= "table" then
		self:problem(path, ("%s is not a table"):format(self:show(value)))
		return value
	end
	local result, depth = {}, #path + 1
	for key, element in pairs(value) do
		path[depth] = key
		result[self:value(spec.keys, key_for(spec.keys, key), path)] = self:value(spec.of, element, path)
	end
	path[depth] = nil
	return result
end

function checker:record(spec, value, path)
	if type(value) ~= "table" then
		self:problem(path, ("%s is not a table"):format(self:show(value)))
		return value
	end
	local depth, fields = #path + 1, spec.fields
	for name, v in next, value do
		local field = fields[name]
		if field and not (field.passes and field.passes(v)) then
			path[depth] = name
			value[name] = self:value(field, v, path)
			path[depth] = nil
		elseif not field and not spec.open and not self.csv then
			path[depth] = name
			self:problem(path, "there is no such field in the schema")
			path[depth] = nil
		end
	end
	for name, field in next, spec.expected do
		if value[name] == nil then
			if field.default ~= nil then
				value[name] = field.default
			elseif not self.silent[name] then
				self:problem(path, ("%s '%s' is missing"):format(self.csv and "column" or "field", name))
			end
		end
	end
	return value
end

-- The key of a row that has a name already: as the field that is the key, or else in it.
local function name_row(self, spec, row, key, path)
	local field = spec.fields[spec.key]
	key = key_for(field, key)
	if row[spec.key] == nil then
		row[spec.key] = key
	elseif row[spec.key] ~= key then
		self:problem(path, ("its field '%s' is %s"):format(spec.key, self:show(row[spec.key])))
	end
	return key
end

---Rows become a table by their key. In lists and CSV files the key is one of the fields.
---@param spec reef.config.type|nil nil: rows of a CSV file without a schema
---@param value table
---@param key string|false|nil
function checker:rows(spec, value, path, key)
	if type(value) ~= "table" then
		self:problem(path, ("%s is not a table"):format(self:show(value)))
		return value
	end
	local is_list = value[1] ~= nil or next(value) == nil
	local result, first, depth = {}, {}, #path + 1
	for number, row in pairs(value) do
		path[depth] = number
		local name = number
		if type(row) ~= "table" then
			self:problem(path, ("%s is not a table"):format(self:show(row)))
		else
			if key and is_list then
				name = row[key]
			elseif key then
				name = name_row(self, spec, row, number, path)
			end
			if spec then
				self:record(spec, row, path)
			end
			if name == nil then
				if not (spec and spec.fields[key].required) and not self.silent[key] then
					self:problem(path, ("%s '%s' is missing"):format(self.csv and "column" or "field", key))
				end
			elseif name ~= name then
				self:problem(path, "nan cannot be a key")
			elseif result[name] ~= nil then
				path[depth + 1] = key or nil
				self:problem(path, ("the key %s was used before"):format(self:show(name)), { first[name] })
				path[depth + 1] = nil
			else
				result[name] = row
				first[name] = number
			end
		end
	end
	path[depth] = nil
	return result
end

local kinds = {
	integer = function(value)
		return math.type(value) == "integer" and value or math.type(value) == "float" and math.tointeger(value) or nil
	end,
	number = function(value)
		return type(value) == "number" and value == value and value or nil
	end,
	string = function(value)
		return type(value) == "string" and value or nil
	end,
	boolean = function(value)
		if type(value) == "boolean" then
			return value
		end
	end,
	any = function(value)
		return value
	end,
}

---Checks a value and everything in it.
---@param spec reef.config.type
---@param value any not nil
---@param path any[] keys from the root; the same when this returns
---@return any value with defaults filled in, rows by their keys
function checker:value(spec, value, path)
	local kind = kinds[spec.kind]
	if kind then
		local converted = kind(value)
		if converted == nil then
			local long = spec.kind == "integer" and type(value) == "string" and self.csv and value:find "^[+-]?%d+$"
			self:problem(path, (long and "%s does not fit in 64 bits" or "%s is not %s"):format(self:show(value),
				scalars[spec.kind]))
			return value
		end
		value = converted
	elseif spec.kind == "rows" then
		return self:rows(spec, value, path, spec.key)
	else
		value = self[spec.kind](self, spec, value, path)
		if type(value) ~= "table" then
			return value
		end
	end
	if spec.enum then
		self:choice(spec, value, path)
	end
	if spec.min or spec.max then
		self:limits(spec, value, path)
	end
	if spec.pattern and type(value) == "string" and not value:find(spec.pattern) then
		self:problem(path, ("%s does not match %s"):format(self:show(value), spec.pattern))
	end
	if spec.unique and type(value) ~= "table" then
		self:once(spec, value, path)
	end
	return value
end

-- ---- references ----

---Calls `visit` with each value that refers to a sheet: the value, the name of that sheet, and the path (which changes
---afterwards).
---@param spec reef.config.type
---@param value any
---@param path any[]
---@param visit fun(value: any, sheet: string, path: any[])
function schema.references(spec, value, path, visit)
	if not (spec and spec.refs) then
		return
	end
	if spec.ref then
		visit(value, spec.ref, path)
	end
	local depth = #path + 1
	if type(value) ~= "table" then
		return
	elseif spec.kind == "record" then
		for name, field in pairs(spec.fields) do
			if field.refs and value[name] ~= nil then
				path[depth] = name
				schema.references(field, value[name], path, visit)
			end
		end
	elseif spec.kind == "rows" then
		local record = { kind = "record", fields = spec.fields, refs = true }
		for key, row in pairs(value) do
			path[depth] = key
			schema.references(record, row, path, visit)
		end
	elseif spec.of then
		for key, element in pairs(value) do
			path[depth] = key
			if spec.keys and spec.keys.refs then
				schema.references(spec.keys, key_for(spec.keys, key), path, visit)
			end
			schema.references(spec.of, element, path, visit)
		end
	end
	path[depth] = nil
end

---Runs the schema's own check over rows, or over what has none.
---@param spec reef.config.type
---@param value table
---@param sheets table<string, table>
---@param visit fun(message: string, path: any[])
function schema.check(spec, value, sheets, visit)
	if spec.kind ~= "rows" then
		local message = spec.check(value, sheets)
		return message and visit(tostring(message), {})
	end
	for key, row in pairs(value) do
		local message = spec.check(row, sheets)
		if message then
			visit(tostring(message), { key })
		end
	end
end

---The sheets that a schema's values refer to.
---@param spec reef.config.type|nil
---@param found? table<string, boolean>
---@return table<string, boolean>
function schema.targets(spec, found)
	found = found or {}
	if spec and spec.refs then
		if spec.ref then
			found[spec.ref] = true
		end
		schema.targets(spec.of, found)
		schema.targets(spec.keys, found)
		for _, field in pairs(spec.fields or {}) do
			schema.targets(field, found)
		end
	end
	return found
end

return schema
