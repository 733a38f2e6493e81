-- The program of every snax service: runs the file of the service that its argument names, and calls its methods.

local skynet = require "skynet"
local hotfix = require "reef.snax.hotfix"
local interface = require "reef.snax.interface"
local profile = require "skynet.profile"
local snax = require "skynet.snax"
-- luacheck: globals SERVICE_NAME SERVICE_PATH

local name = ...
SERVICE_NAME = name

local custom = skynet.getenv "snax_loader"
local methods, pattern = interface.methods(name, _G, custom and dofile(custom) or nil)

-- Modules of the service's own lie in a directory that is called as it is.
local directory = (pattern or ""):match "^(.*/)[^/]*$"
if directory then
	SERVICE_PATH = directory .. name .. "/"
	package.path = SERVICE_PATH .. "?.lua;" .. package.path
end

local state = "new" ---@type "new"|"initialising"|"ready"|"ended"
local measured = {} ---@type table<string, {count: integer, time: number}>

-- A method that runs is a variable to be closed, so that calls that fail are counted, too.
local method_type = {
	__close = function(method)
		local record = measured[method.name]
		if not record then
			record = { count = 0, time = 0 }
			measured[method.name] = record
		end
		record.count = record.count + 1
		record.time = record.time + profile.stop()
	end,
}
for _, method in ipairs(methods) do
	setmetatable(method, method_type)
end

local function run(method, ...)
	profile.start()
	local running <close> = method
	return running.f(...)
end

local system = {}

function system.init(method, ...)
	if state ~= "new" then
		error(("snax service %s is initialised already"):format(name), 0)
	end
	state = "initialising"
	if method.f then
		method.f(...)
	end
	state = "ready"
	skynet.info_func(function()
		return measured
	end)
	skynet.ret()
end

function system.exit(method, ...)
	if method.f then
		method.f(...)
	end
	skynet.ret()
	state = "ended"
	skynet.exit()
end

function system.hotfix(_, source, ...)
	skynet.retpack(pcall(hotfix.apply, methods, _G, source, ...))
end

function system.profile()
	skynet.retpack(measured)
end

local function dispatch(_, _, id, ...)
	local method = methods[id]
	if not method then
		error(("snax service %s has no method %s"):format(name, tostring(id)), 0)
	elseif method.group == "system" then
		return system[method.name](method, ...)
	elseif state ~= "ready" then
		error(("snax service %s: %s.%s is called before init has finished"):format(name, method.group, method.name), 0)
	elseif method.group == "accept" then
		run(method, ...)
	else
		skynet.retpack(run(method, ...))
	end
end

---@diagnostic disable-next-line: duplicate-set-field
function snax.enablecluster()
	skynet.dispatch("lua", dispatch)
end

skynet.dispatch("snax", dispatch)
skynet.start(function() end)
