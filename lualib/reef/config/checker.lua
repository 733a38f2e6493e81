-- Checking what was parsed against a compiled schema (reef.config.schema): values, references to other sheets, and the
-- schema's own function. Problems carry paths, the keys from the root to a value.

local budget = require "reef.budget"

local PATTERN_STEPS = 10000000 -- that the match of one value may take: some milliseconds

---@class reef.config.checker
---@field problems table[] { path =, message =, also = }
---@field csv boolean
local checker = {}
checker.__index = checker

local articles = { integer = "an integer", number = "a number", string = "a string", boolean = "a boolean" }

---@param csv? boolean whether what is checked are rows of a CSV file
---@return reef.config.checker
function checker.new(csv)
	return setmetatable({ problems = {}, csv = csv or false, seen = {}, silent = {} }, checker)
end

---The place of a value as text: `sword.drops[2]`.
---@param path any[]
---@return string
function checker.path_text(path)
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
		return ("column '%s'%s: "):format(path[2], checker.path_text { table.unpack(path, 3) })
	elseif self.csv then
		return ""
	end
	return checker.path_text(path) .. ": "
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

function checker:match(spec, value, path)
	local ok, found = budget.call(PATTERN_STEPS, "this takes too long", value.find, value, spec.pattern)
	if not ok then
		self:problem(path, ("%s cannot be matched with %s: %s"):format(self:show(value), spec.pattern,
			found:gsub("^.*:%d+: ", "")))
	elseif not found then
		self:problem(path, ("%s does not match %s"):format(self:show(value), spec.pattern))
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
	if value ~= value then
		self:problem(path, "nan is not the same as anything, so it cannot be unique")
	elseif seen[value] then
		self:problem(path, ("%s was used before"):format(self:show(value)), seen[value])
	else
		seen[value] = { table.unpack(path) }
	end
end

local readers = {
	integer = function(text)
		return math.tointeger(tonumber(text))
	end,
	number = function(text)
		local n = tonumber(text)
		return n and n - n == 0 and n or nil
	end,
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

-- Two keys of one table, such as "1" and "01", are the same. They come by chance; the later one is told of.
function checker:twice(path, name, one, other)
	if type(one) == type(other) and other < one then
		one, other = other, one
	end
	local depth = #path
	path[depth] = one
	local earlier = { table.unpack(path) }
	path[depth] = other
	self:problem(path, ("the key %s was used before"):format(self:show(name)), earlier)
end

function checker:map(spec, value, path)
	if type(value) ~= "table" then
		self:problem(path, ("%s is not a table"):format(self:show(value)))
		return value
	end
	local result, first, depth = {}, {}, #path + 1
	for key, element in pairs(value) do
		path[depth] = key
		local name = self:value(spec.keys, key_for(spec.keys, key), path)
		if result[name] ~= nil then
			self:twice(path, name, first[name], key)
		end
		first[name] = first[name] or key
		result[name] = self:value(spec.of, element, path)
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
				local field = spec and spec.fields[key]
				if not (field and field.required) and not self.silent[key] then
					self:problem(path, ("%s '%s' is missing"):format(self.csv and "column" or "field", key))
				end
			elseif name ~= name then
				self:problem(path, "nan cannot be a key")
			elseif result[name] ~= nil and not is_list then
				self:twice(path, name, first[name], number)
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
			local said = "%s is not %s"
			if self.csv and type(value) == "string" and spec.kind == "integer" and value:find "^[+-]?%d+$" then
				said = "%s does not fit in 64 bits"
			elseif self.csv and type(value) == "string" and spec.kind == "number" and value:find "^[+-]?[%d.]+[eE]?[+-]?%d*$"
				and tonumber(value) then
				said = "%s is out of the range of numbers"
			end
			self:problem(path, said:format(self:show(value), articles[spec.kind]))
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
	if spec.pattern and type(value) == "string" then
		self:match(spec, value, path)
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
function checker.references(spec, value, path, visit)
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
				checker.references(field, value[name], path, visit)
			end
		end
	elseif spec.kind == "rows" then
		local record = { kind = "record", fields = spec.fields, refs = true }
		for key, row in pairs(value) do
			path[depth] = key
			checker.references(record, row, path, visit)
		end
	elseif spec.of then
		for key, element in pairs(value) do
			path[depth] = key
			if spec.keys and spec.keys.refs then
				checker.references(spec.keys, key_for(spec.keys, key), path, visit)
			end
			checker.references(spec.of, element, path, visit)
		end
	end
	path[depth] = nil
end

---Runs the schema's own check over rows, or over what has none.
---@param spec reef.config.type
---@param value table
---@param sheets table<string, table>
---@param visit fun(message: string, path: any[])
function checker.run(spec, value, sheets, visit)
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
function checker.targets(spec, found)
	found = found or {}
	if spec and spec.refs then
		if spec.ref then
			found[spec.ref] = true
		end
		checker.targets(spec.of, found)
		checker.targets(spec.keys, found)
		for _, field in pairs(spec.fields or {}) do
			checker.targets(field, found)
		end
	end
	return found
end

return checker
