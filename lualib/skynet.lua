-- The API of services. What is hot is written in C and lies in the table already (core/lua_core.c); what is rarely used
-- comes from skynet/extra.lua when it is first asked for; here is what every service needs to start. The functions are
-- described for editors in lualib/meta/skynet.lua.

local skynet = require "reef.host"

skynet.pcall = pcall

local function traceback(reason)
	return debug.traceback(tostring(reason), 2)
end

---Runs the init functions and then `start`, and tells the launcher how that ended. Internal.
---@param start fun()
function skynet.init_service(start)
	skynet.init_thread = coroutine.running()
	local ok, reason = xpcall(function()
		local loader = package.loaded["skynet.require"]
		if loader then
			loader.init_all()
		end
		start()
	end, traceback)
	skynet.init_thread = nil
	if ok then
		skynet.send(".launcher", "lua", "LAUNCHOK")
	else
		skynet.start_failed(reason)
	end
end

---Starts the service: `f` runs when its first message comes; the launcher's `newservice` returns when `f` does.
---@param f fun()
function skynet.start(f)
	skynet.timeout(0, function()
		skynet.init_service(f)
	end)
end

---Queues `f` to run before the function given to `start`, or, in a module that is required in a coroutine, right after
---that module's body.
---@param f fun()
function skynet.init(f)
	return require("skynet.require").init(f)
end

---Ends the service. Never returns.
function skynet.exit()
	skynet.send(".launcher", "lua", "REMOVE", skynet.self(), false)
	require("skynet.core").exit()
end

---Launches a Lua service.
---@param name string
---@param ... string|number joined by spaces
---@return integer address nothing if it ended during its start
function skynet.newservice(name, ...)
	return skynet.call(".launcher", "lua", "LAUNCH", "snlua", name, ...)
end

return skynet
