-- What only some services need: launching C services, ending others, names, the monitor, and starts that change how
-- messages are dispatched. `require` adds these functions to `skynet` and returns it.

local skynet = require "skynet"
local core = require "skynet.core"

---Starts a C service directly, without the launcher.
---@param ... string|number module name and arguments
---@return integer? address nil when there is no such module or it refused
function skynet.launch(...)
	return core.addresscommand("LAUNCH", table.concat({ ... }, " "))
end

---Ends a service at once. Whoever waits for it gets an error.
---@param address integer|string handle, `:hex` or `.name`
function skynet.kill(address)
	local handle = address
	if type(address) == "string" and address:byte() == 58 then
		handle = tonumber(address:sub(2), 16)
	end
	if math.type(handle) == "integer" then
		skynet.send(".launcher", "lua", "REMOVE", handle, true)
		address = skynet.address(handle)
	end
	core.command("KILL", address)
end

---Ends all services, and so the process, without asking anybody. Shutdown hooks that do not run are named in the log,
---and make the exit code 3. See reef.process.stop for an end in order.
function skynet.abort()
	core.command("ABORT")
end

---Raises unless `name` can be a global name.
---@param name string
---@return string name
function skynet.check_global_name(name)
	local wrong = type(name) ~= "string" and "a global name is a string, not a " .. type(name)
		or name:byte() == 58 and "a global name cannot start with ':'"
		or name:find("\0", 1, true) and "a global name cannot contain a zero byte"
		or not (#name > 0 and #name <= 15) and "a global name has 1 to 15 bytes: " .. name
		or tonumber(name) and "a global name cannot be a number: " .. name
	return wrong and error(wrong, 0) or name
end

local function bind(name, handle)
	if type(name) ~= "string" then
		error("a name is a string, not a " .. type(name))
	end
	if name:byte() == 46 then
		core.command("NAME", name .. " " .. skynet.address(handle))
	else
		skynet.send(".cslave", "lua", "REGISTER", skynet.check_global_name(name), handle)
	end
end

---Gives this service a name: `.local`, or a global one.
---@param name string
function skynet.register(name)
	bind(name, skynet.self())
end

---Gives another service a name.
---@param name string
---@param handle integer
function skynet.name(name, handle)
	bind(name, handle)
end

---Starts the service with some message types renamed. Messages of a type in `map` are dispatched as `map[type]`, and
---their memory belongs to the handler.
---@param map table<integer, integer>
---@param start_func fun()
function skynet.forward_type(map, start_func)
	local dispatch = skynet.dispatch_message
	core.callback(function(ptype, msg, sz, ...)
		local forwarded = map[ptype]
		if forwarded then
			return dispatch(forwarded, msg, sz, ...)
		end
		local ok, reason = pcall(dispatch, ptype, msg, sz, ...)
		core.trash(msg, sz)
		if not ok then
			error(reason, 0)
		end
	end, true)
	skynet.timeout(0, function()
		skynet.init_service(start_func)
	end)
end

---Starts the service with every message passed through f first.
---@param f fun(type, msg, sz, session, source): integer, lightuserdata, integer, integer, integer
---@param start_func fun()
function skynet.filter(f, start_func)
	local dispatch = skynet.dispatch_message
	core.callback(function(...)
		dispatch(f(...))
	end)
	skynet.timeout(0, function()
		skynet.init_service(start_func)
	end)
end

---Makes a global unique service the monitor of this process: it gets a PTYPE_CLIENT message, source = the dead service,
---for every service that ends.
---@param service string
---@param query? boolean wait for a running one instead of starting it
---@return integer address
function skynet.monitor(service, query)
	local find = query and skynet.queryservice or skynet.uniqueservice
	local handle = assert(find(true, service), "Monitor launch failed")
	skynet.call(".launcher", "lua", "MONITOR", handle)
	return handle
end

return skynet
