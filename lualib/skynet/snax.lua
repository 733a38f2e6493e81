-- snax: services whose methods are called by name, and can be replaced while they run. A service is one file (found by
-- the configuration's `snax`) that defines `init`, `exit`, `accept.name` (one way) and `response.name` (with a reply).

local skynet = require "skynet"
local interface = require "reef.snax.interface"

skynet.register_protocol {
	name = "snax",
	id = skynet.PTYPE_SNAX,
	pack = skynet.pack,
	unpack = skynet.unpack,
}

local snax = {}

local interfaces = {} ---@type table<string, snax.interface>
-- Those that somebody has: services come and go, and an address may be another's one day.
local objects = setmetatable({}, { __mode = "v" }) ---@type table<integer, snax.object>

---What a caller's run of the file finds as its globals.
local function caller_env()
	local module = skynet.getenv "snax_interface_g"
	return module and require(module) or { require = function() end }
end

---Names and ids of the methods of a snax service. Its file is run once in this service.
---@param name string
---@return snax.interface
function snax.interface(name)
	local ids = interfaces[name]
	if not ids then
		ids = interface.ids(name, (interface.methods(name, caller_env())))
		interfaces[name] = ids
	end
	return ids
end

---@class snax.object
---@field post table<string, fun(...)> one way
---@field req table<string, fun(...): any> with a reply
---@field handle integer
---@field type string

---Functions that are made when they are first used.
local function functions(ids, group, word, send, handle)
	return setmetatable({}, {
		__index = function(t, name)
			local id = ids[group][name]
			if not id then
				error(("%s %s:%s no exist"):format(word, ids.name, tostring(name)))
			end
			local function f(...)
				return send(handle, id, ...)
			end
			t[name] = f
			return f
		end,
	})
end

local function post(handle, id, ...)
	skynet.send(handle, "snax", id, ...)
end

local function request(handle, id, ...)
	return skynet.call(handle, "snax", id, ...)
end

---The object for a snax service that runs already.
---@param handle integer
---@param name string
---@return snax.object
function snax.bind(handle, name)
	local object = objects[handle]
	if object then
		if object.type ~= name then
			error(("%s is the snax service %s, not %s"):format(skynet.address(handle), object.type, tostring(name)))
		end
		return object
	end
	local ids = snax.interface(name)
	object = {
		post = functions(ids, "accept", "post", post, handle),
		req = functions(ids, "response", "request", request, handle),
		handle = handle,
		type = name,
	}
	objects[handle] = object
	return object
end

---Launches a snax service and runs its `init` with these values.
---@param name string
---@param ... any
---@return integer address
function snax.rawnewservice(name, ...)
	local ids = snax.interface(name)
	local handle = skynet.newservice("snaxd", name) or error("the snax service ended while it started", 0)
	local ok, reason = pcall(skynet.call, handle, "snax", ids.system.init, ...)
	if not ok then
		skynet.send(handle, "debug", "EXIT")
		error(reason, 0)
	end
	return handle
end

---The same, as an object.
---@param name string of its file
---@param ... any for its `init`
---@return snax.object
function snax.newservice(name, ...)
	return snax.bind(snax.rawnewservice(name, ...), name)
end

local function unique(command, name, ...)
	if type(name) ~= "string" then
		error(("snax: the name of a service is a text, not a %s"):format(type(name)))
	end
	local handle, why = skynet.call(".service", "lua", command, "snaxd", name, ...)
	return snax.bind(handle or error(why), name)
end

---One for each name in the process: launches or finds it.
---@param name string of its file
---@param ... any for its `init`
---@return snax.object
function snax.uniqueservice(name, ...)
	return unique("LAUNCH", name, ...)
end

---One for each name in the network of nodes.
---@param name string of its file
---@param ... any for its `init`
---@return snax.object
function snax.globalservice(name, ...)
	return unique("GLAUNCH", name, ...)
end

---Waits until somebody has launched it.
---@param name string
---@return snax.object
function snax.queryservice(name)
	return unique("QUERY", name)
end

---@param name string
---@return snax.object
function snax.queryglobal(name)
	return unique("GQUERY", name)
end

---Calls the service's `exit`, which ends it.
---@param object snax.object
---@param ... any arguments of `exit`
function snax.kill(object, ...)
	local ids = snax.interface(object.type)
	objects[object.handle] = nil
	skynet.call(object.handle, "snax", ids.system.exit, ...)
end

---The object of this service, which is a snax service.
---@return snax.object
function snax.self()
	return snax.bind(skynet.self(), SERVICE_NAME)
end

---Ends this service.
---@param ... any for its `exit`
function snax.exit(...)
	snax.kill(snax.self(), ...)
end

local function result_of(ok, ...)
	if not ok then
		error((...), 0)
	end
	return ...
end

---Defines some of the service's methods anew; see reef.snax.hotfix.
---@param object snax.object
---@param source string
---@param ... any arguments of the patch's function `hotfix`, whose results are returned
function snax.hotfix(object, source, ...)
	local ids = snax.interface(object.type)
	return result_of(skynet.call(object.handle, "snax", ids.system.hotfix, source, ...))
end

---Calls and seconds of CPU by method: { name = { count=, time= } }.
---@param object snax.object
function snax.profile_info(object)
	local ids = snax.interface(object.type)
	return skynet.call(object.handle, "snax", ids.system.profile)
end

---@param format string
---@param ... any what the format wants
function snax.printf(format, ...)
	skynet.error(format:format(...))
end

---In a snax service: its methods can be called by other nodes, too.
function snax.enablecluster()
	error("snax.enablecluster is for snax services")
end

return snax
