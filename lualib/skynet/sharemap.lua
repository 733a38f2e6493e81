-- skynet.sharemap: a record that one service writes and others read, each when it wants to, by a schema of sproto that
-- all know: the one in slot 0 of sprotoloader.

local loader = require "sprotoloader"
local stm = require "skynet.stm"

local sharemap = {}

local SLOT <const> = 0

---Makes a schema known to all services of the process. Once, before anybody writes or reads.
---@param schemafile string
function sharemap.register(schemafile)
	local ok, reason = pcall(loader.register, schemafile, SLOT)
	if not ok then
		error("sharemap.register: " .. tostring(reason))
	end
end

---@return sproto
local function schema_of(typename)
	local ok, schema = pcall(loader.load, SLOT)
	if not ok then
		error("sharemap: no schema was registered")
	elseif not schema:exist_type(typename) then
		error(("sharemap: there is no type '%s'"):format(tostring(typename)))
	end
	return schema
end

local states = setmetatable({}, { __mode = "k" })

---@class sharemap.writer
local writer = {}
writer.__index = writer

-- Methods are no fields of the record.
local function encode(schema, typename, record)
	local fields = {}
	for name, value in next, record do
		fields[name] = value
	end
	local ok, bytes = pcall(schema.encode, schema, typename, fields)
	if not ok then
		bytes = tostring(bytes)
		error("sharemap: " .. (bytes:match "sproto: (.*)" or bytes))
	end
	return bytes
end

---Publishes the fields as they are now.
function writer:commit()
	local state = states[self]
	state.cell(encode(state.schema, state.typename, self))
end

---For one `sharemap.reader`, in any service.
---@return lightuserdata
function writer:copy()
	return stm.copy(states[self].cell)
end

---@param typename string
---@param tbl? table first fields; it becomes the writer
---@return sharemap.writer writer its fields are assigned directly; `commit` publishes them
function sharemap.writer(typename, tbl)
	local schema = schema_of(typename)
	local self = setmetatable(tbl or {}, writer)
	states[self] = { schema = schema, typename = typename, cell = stm.new(encode(schema, typename, self)) }
	return self
end

local reader = {}

---@class sharemap.reader
local methods = {}

---Takes over what was published since the last time.
---@return boolean changed
function methods:update()
	local state = states[self]
	return (state.cell(function(msg, size)
		for key in next, state.data do
			state.data[key] = nil
		end
		state.schema:decode(state.typename, msg, size, state.data)
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
	error(("sharemap: '%s' of a reader cannot be assigned"):format(tostring(key)))
end

function reader:__pairs()
	return next, states[self].data, nil
end

---@param typename string
---@param copy lightuserdata what `writer:copy` returned
---@return sharemap.reader reader
function sharemap.reader(typename, copy)
	local schema = schema_of(typename)
	local self = setmetatable({}, reader)
	states[self] = { schema = schema, typename = typename, cell = stm.newcopy(copy), data = {} }
	self:update()
	return self
end

return sharemap
