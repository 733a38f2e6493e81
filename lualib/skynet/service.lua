-- Services made of a function: one of each name in the process. The function's code is sent to a fresh VM
-- (service_cell) by the service `service_provider`, which keeps the names.

local skynet = require "skynet"

local service = {}

local provider ---@type integer?
local cache = {} ---@type table<string, integer>

local function get_provider()
	provider = provider or skynet.uniqueservice "service_provider"
	return provider
end

local function check(func)
	assert(type(func) == "function", "service.new needs a function")
	local upvalues = debug.getinfo(func, "u").nups
	assert(upvalues == 0 or upvalues == 1 and debug.getupvalue(func, 1) == "_ENV",
		"the function of a service can have no upvalue but _ENV: pass what it needs as arguments")
end

---Starts the service `name`, or finds it when it exists; waits while it is being started by somebody else.
---@param name string
---@param mainfunc fun(...) no upvalues but _ENV
---@param ... any arguments of mainfunc, as in a message
---@return integer address
function service.new(name, mainfunc, ...)
	check(mainfunc)
	local address = skynet.call(get_provider(), "lua", skynet.from_start "NEW", name, string.dump(mainfunc), ...)
	cache[name] = address
	return address
end

---Address of the service `name`; waits until somebody has made it.
---@param name string
---@return integer address
function service.query(name)
	if not cache[name] then
		cache[name] = skynet.call(get_provider(), "lua", skynet.from_start "QUERY", name)
	end
	return cache[name]
end

---Ends the service `name`.
---@param name string
---@return boolean existed
function service.close(name)
	cache[name] = nil
	local address = skynet.call(get_provider(), "lua", "CLOSE", name)
	if address then
		require "skynet.manager"
		skynet.kill(address)
	end
	return address ~= nil
end

return service
