-- The API of services. Times are in hundredths of a second.
--
--     local skynet = require "skynet"
--     skynet.start(function()
--         skynet.dispatch("lua", function(session, source, command, ...)
--             skynet.retpack(handle[command](...))
--         end)
--     end)
--
-- Inside: most is written in C (core/host/lua_core.c lists it; `call` is in lua_call.c) and comes into the table when
-- it is first used; what is rarely used comes from reef/base/extra.lua; here is what nearly every service needs. For
-- editors the functions are described in lualib/meta/skynet.lua.

local skynet = require "reef.host"

skynet.pcall = pcall

local function traceback(reason)
	return debug.traceback(tostring(reason), 2)
end

local function fail(reason)
	skynet.start_failed(reason)
end

---Runs the init functions and then `start`, and tells the launcher how that ended. Internal.
---@param start fun()
function skynet.init_service(start)
	skynet.init_thread = coroutine.running()
	local ok, reason = xpcall(function()
		local loader = package.loaded["reef.base.require"]
		if loader then
			loader.init_all()
		end
		start()
		skynet.init_thread = nil
		skynet.send(".launcher", "lua", "LAUNCHOK")
	end, traceback)
	if not ok and not pcall(fail, reason) then
		-- There is no memory for words, nor for a module. The launcher hears of the end itself.
		skynet.end_without_a_word()
	end
end

---Starts the service: `f` runs when its first message comes; the launcher's `newservice` returns when `f` does.
---@param f fun()
function skynet.start(f)
	if type(f) ~= "function" then
		error(("skynet.start takes a function, not a %s"):format(type(f)))
	end
	skynet.timeout(0, function()
		skynet.init_service(f)
	end)
end

---Queues `f` to run before the function given to `start`, or, in a module that is required in a coroutine, right after
---that module's body.
---@param f fun()
function skynet.init(f)
	return require("reef.base.require").init(f)
end

local function leave()
	for _, f in ipairs(package.loaded["reef.base.exits"] or {}) do
		pcall(f)
	end
	-- Before the launcher hears of it, which then asks for no shutdown hooks: none of them is missed.
	require("skynet.core").command("HOOK", "0")
	skynet.send(".launcher", "lua", "REMOVE", skynet.self(), false)
end

---Ends the service. Never returns.
function skynet.exit()
	-- For what of it there is no memory, others hear of the end itself.
	pcall(leave)
	skynet.end_without_a_word()
end

---The name of a request for a service, which says so when the start function itself waits for it: what it waits for may
---be waiting for this service. Internal.
---@param name string
---@return string
function skynet.from_start(name)
	return coroutine.running() == rawget(skynet, "init_thread") and name .. "_FROM_START" or name
end

local from_start = skynet.from_start

---Launches a Lua service.
---@param name string
---@param ... string|number joined by spaces
---@return integer address nothing if it ended during its start
function skynet.newservice(name, ...)
	if type(name) == "string" and name:find("\0", 1, true) then
		error(("newservice: the name '%s' contains a zero byte"):format((name:gsub("\0", "\\0"))))
	end
	return skynet.call(".launcher", "lua", from_start "LAUNCH", "snlua", name, ...)
end

local function unique(for_all, for_node, global, ...)
	local handle, why
	if global == true then
		handle, why = skynet.call(".service", "lua", from_start(for_all), ...)
	else
		handle, why = skynet.call(".service", "lua", from_start(for_node), global, ...)
	end
	return handle or error(why)
end

---Launches a service of which there is one in the process (or, with `true`, in the network), or finds it.
---@param global boolean|string
---@param ... string|number
---@return integer address
function skynet.uniqueservice(global, ...)
	return unique("GLAUNCH", "LAUNCH", global, ...)
end

---Waits until somebody has launched that unique service.
---@param global boolean|string
---@param ... string
---@return integer address
function skynet.queryservice(global, ...)
	return unique("GQUERY", "QUERY", global, ...)
end

return skynet
