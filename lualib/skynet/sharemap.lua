-- skynet.sharemap: a record that one service writes and others read, each when it wants to, by a schema that all know.
--
-- The schema is text in sproto's language: `.Type { field 1 : string  list 2 : *Other }`. What is written is checked
-- against it; fields that it does not name are left out.

local skynet = require "skynet"
local stm = require "skynet.stm"
local tables = require "reef.sharetable"

local sharemap = {}

local SCHEMA = "skynet.sharemap"
local KINDS = { integer = "number", double = "number", boolean = "boolean", string = "string", binary = "string" }

-- ---- schemas ----

local function parse(text, file)
	local types, at, line = {}, 1, 1
	local function skip()
		while true do
			local space = text:match("^%s+", at) or text:match("^#[^\n]*", at)
			if not space then
				return
			end
			at = at + #space
			line = line + select(2, space:gsub("\n", "\n"))
		end
	end
	local function take(pattern, what)
		skip()
		local s, e, found = text:find("^(" .. pattern .. ")", at)
		if not s then
			error(("%s:%d: %s expected"):format(file, line, what), 0)
		end
		at = e + 1
		return found
	end
	local function peek(pattern)
		skip()
		return text:find("^" .. pattern, at) ~= nil
	end
	local function fields(name)
		local type = {}
		types[name] = type
		take("{", "'{'")
		while not peek "}" do
			if peek "%." then
				take("%.", "'.'")
				fields(name .. "." .. take("[%a_][%w_]*", "a type's name"))
			else
				local field = take("[%a_][%w_]*", "a field's name")
				take("%d+", "the field's tag")
				take(":", "':'")
				local list = peek "%*" and take("%*", "'*'") ~= nil
				local kind = take("[%a_][%w_.]*", "the field's type")
				local key
				if peek "%(" then
					key = take("%b()", "')'"):sub(2, -2)
				end
				type[field] = { kind = kind, list = list, map = list and key or nil, scope = name }
			end
		end
		take("}", "'}'")
	end
	while peek "[^%z]" do
		take("%.", "a type")
		fields(take("[%a_][%w_]*", "a type's name"))
	end
	return types
end

-- The type that a name means inside of another type: the nearest one.
local function resolve(types, name, scope)
	while scope do
		local full = scope .. "." .. name
		if types[full] then
			return full
		end
		scope = scope:match "^(.*)%.[^.]*$"
	end
	return types[name] and name
end

local function check_references(types, file)
	for name, type in pairs(types) do
		for field, f in pairs(type) do
			if not KINDS[f.kind] then
				f.kind = resolve(types, f.kind, f.scope) or
					error(("%s: %s.%s: there is no type '%s'"):format(file, name, field, f.kind), 0)
			end
			f.scope = nil
		end
	end
end

---Makes a schema known to all services of the process. Once, before anybody writes or reads.
---@param schemafile string
function sharemap.register(schemafile)
	local file, reason
	if schemafile:find("\0", 1, true) then
		reason = "the path contains a zero byte"
	else
		file, reason = io.open(schemafile, "rb")
	end
	if not file then
		error(("sharemap.register: %s"):format(reason), 2)
	end
	local text = file:read "a"
	file:close()
	local ok, types = pcall(parse, text, schemafile)
	if ok then
		ok, reason = pcall(check_references, types, schemafile)
		types = ok and types or reason
	end
	if not ok then
		error("sharemap.register: " .. types, 2)
	end
	reason = tables.publish(SCHEMA, types)
	if reason then
		error("sharemap.register: " .. reason, 2)
	end
end

local function type_of(name)
	local types = tables.query(SCHEMA)
	if not types then
		error("sharemap: no schema was registered", 3)
	elseif not types[name] then
		error(("sharemap: there is no type '%s'"):format(name), 3)
	end
	return types
end

-- ---- writing ----

local MAX_DEPTH = 32 -- of tables in tables, as messages have it
local MAX_VALUES = 1 << 24 -- in one record, each reference to a shared table counted with all that it leads to

local convert

local function convert_one(walk, kind, value, path)
	local expected = KINDS[kind]
	if not expected then
		return convert(walk, kind, value, path)
	elseif type(value) ~= expected then
		error(("sharemap: %s is a %s, not a %s"):format(path, type(value), kind), 0)
	elseif kind == "integer" then
		return math.tointeger(value) or error(("sharemap: %s is %s, not an integer"):format(path, value), 0), 1
	end
	return value, 1
end

local function convert_fields(walk, name, t, path)
	local out, count = {}, 1
	for field, f in pairs(walk.types[name]) do
		local value = rawget(t, field)
		local here = path .. "." .. field
		if value ~= nil and not f.list then
			local n
			out[field], n = convert_one(walk, f.kind, value, here)
			count = count + n
		elseif value ~= nil and type(value) ~= "table" then
			error(("sharemap: %s is a %s, not a list"):format(here, type(value)), 0)
		elseif value ~= nil then
			local list = {}
			for key, v in pairs(value) do
				local n
				list[key], n = convert_one(walk, f.kind, v, ("%s[%s]"):format(here, tostring(key)))
				count = count + n
			end
			out[field] = list
		end
	end
	return out, count
end

-- The record as the schema has it, and how many values it would be as a message, which knows no shared tables.
function convert(walk, name, t, path)
	if type(t) ~= "table" then
		error(("sharemap: %s is a %s, not a %s"):format(path, type(t), name), 0)
	end
	local done = walk.done[name] or {}
	walk.done[name] = done
	if done[t] == false then
		error(("sharemap: %s contains itself"):format(path), 0)
	elseif done[t] then
		return done[t].out, done[t].count
	end
	walk.depth = walk.depth + 1
	if walk.depth > MAX_DEPTH then
		error(("sharemap: %s is nested deeper than %d levels"):format(path, MAX_DEPTH), 0)
	end
	done[t] = false
	local out, count = convert_fields(walk, name, t, path)
	walk.depth = walk.depth - 1
	if count > MAX_VALUES then
		error(("sharemap: %s has more than %d values"):format(path, MAX_VALUES), 0)
	end
	done[t] = { out = out, count = count }
	return out, count
end

local function record(types, name, t)
	return (convert({ types = types, done = {}, depth = 0 }, name, t, name))
end

local states = setmetatable({}, { __mode = "k" })

local writer = {}
writer.__index = writer

---Publishes the fields as they are now.
function writer:commit()
	local state = states[self]
	local ok, message = pcall(record, state.types, state.name, self)
	if not ok then
		error(message, 2)
	end
	state.cell(skynet.pack(message))
end

---For one `sharemap.reader`, in any service.
---@return lightuserdata
function writer:copy()
	return stm.copy(states[self].cell)
end

---@param typename string
---@param tbl? table first fields; it becomes the writer
---@return table writer its fields are assigned directly; `commit` publishes them
function sharemap.writer(typename, tbl)
	local types = type_of(typename)
	local self = setmetatable(tbl or {}, writer)
	local ok, message = pcall(record, types, typename, self)
	if not ok then
		error(message, 2)
	end
	states[self] = { types = types, name = typename, cell = stm.new(skynet.pack(message)) }
	return self
end

-- ---- reading ----

local reader = {}

local methods = {}

local function replace(data, msg, size)
	for key in pairs(data) do
		data[key] = nil
	end
	for key, value in pairs(skynet.unpack(msg, size)) do
		data[key] = value
	end
end

---Takes over what was published since the last time.
---@return boolean changed
function methods:update()
	local state = states[self]
	return (state.cell(function(msg, size)
		replace(state.data, msg, size)
	end))
end

function reader:__index(key)
	local value = states[self].data[key]
	if value == nil then
		return methods[key]
	end
	return value
end

function reader:__newindex(key)
	error(("sharemap: '%s' of a reader cannot be assigned"):format(tostring(key)), 2)
end

function reader:__pairs()
	return next, states[self].data, nil
end

---@param typename string
---@param copy lightuserdata what `writer:copy` returned
---@return table reader
function sharemap.reader(typename, copy)
	type_of(typename)
	local self = setmetatable({}, reader)
	states[self] = { cell = stm.newcopy(copy), data = {} }
	self:update()
	return self
end

return sharemap
