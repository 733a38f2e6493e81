-- `.launcher`: starts services for others, knows which are alive, and runs the end of the process.
--
-- A launch is answered when the new service says that it is ready (LAUNCHOK), has failed (ERROR), or has ended:
-- bootstrap makes the launcher the engine's monitor, so it hears of every end, however it came, and no `newservice`
-- waits for a dead one.

local skynet = require "skynet"
local core = require "skynet.core"
local simulation = require "reef.sim.core"
local sorted = require "reef.base.sorted"
require "reef.manager"

-- The code of what services rarely use is read now, and shared with all: later there may be no descriptor for its file,
-- and the report of an error is among it.
require "reef.base.extra"
require "reef.base.require"

local concat, find, select, type = table.concat, string.find, select, type

local NO_REPLY = {}

---@class launcher.boot
---@field response function
---@field source integer who launches it
---@field session integer
---@field holds boolean its start function holds that of `source`
---@field unique? string its name with `.service`

local services = {} ---@type table<integer, string> every Lua service started here: its description
local booting = {} ---@type table<integer, launcher.boot>
local daemons = {} ---@type table<integer, boolean> services that do not keep a `reef run` alive
local helpers = {} ---@type table<integer, boolean> services that keep it alive only while they do something
local checking = false -- whether helpers are busy
local hooks = {} ---@type table<integer, table<integer, boolean>> stage -> services with a shutdown hook
local measured = {} ---@type table<integer, boolean> services with metrics of their own (reef.metrics)
local monitor ---@type integer? told of every end: skynet.monitor
local end_with_last = false
local ending = false

local command = {}

---The lowest stage with a service whose hooks have not been run, and those services.
local function next_stage()
	for _, stage in ipairs(sorted.keys(hooks)) do
		if next(hooks[stage]) then
			return stage, sorted.keys(hooks[stage])
		end
	end
end

---Runs the shutdown hooks, stage by stage within one deadline, and ends everybody. The engine, which has asked for it,
---tells of hooks that are cut off then. A stage that hangs leaves a tenth of the time to those behind it.
local function shutdown()
	if ending then
		return
	end
	ending = true
	local deadline = skynet.now() + (tonumber(skynet.getenv "shutdown_timeout") or 500)
	local stage, handles = next_stage()
	while stage do
		local request = skynet.request()
		for _, handle in ipairs(handles) do
			hooks[stage][handle] = nil
			request:add { handle, "debug", "SHUTDOWN", stage }
		end
		local left = deadline - skynet.now()
		for _ in request:select(math.max(left - left // 10, 1)) do -- luacheck: ignore 542
		end
		stage, handles = next_stage()
	end
	core.command "ABORT"
end

---Nothing is left but daemons and, maybe, helpers.
local function only_helpers()
	for handle in pairs(services) do
		if not daemons[handle] and not helpers[handle] then
			return false
		end
	end
	return true
end

---True if no helper does anything, as far as they answer.
local function helpers_idle()
	local request = skynet.request()
	for handle in pairs(helpers) do
		request:add { handle, "debug", "IDLE" }
	end
	local idle = true
	for _, reply in request:select(100) do
		idle = idle and type(reply) == "table" and reply[1]
	end
	return idle and not request.timeout
end

---Helpers do not say when they have become idle, so they are asked, once a second.
local function end_with_helpers()
	checking = true
	while only_helpers() do
		if not next(helpers) or helpers_idle() and only_helpers() then
			core.command("STOP", "0")
			break
		end
		skynet.sleep(100)
	end
	checking = false
end

local function end_if_last()
	if end_with_last and not checking and only_helpers() then
		skynet.fork(end_with_helpers)
	end
end

---The service is gone, or will be in a moment.
---@param failure? string fails a launch that still waits; without it the launch is answered with no value
local function forget(handle, failure)
	local boot = booting[handle]
	booting[handle] = nil
	if boot then
		if failure then
			boot.response(false, failure)
		else
			boot.response(true)
		end
	end
	for _, stage in pairs(hooks) do
		stage[handle] = nil
	end
	daemons[handle], helpers[handle], measured[handle] = nil, nil, nil
	if services[handle] then
		services[handle] = nil
		end_if_last()
	end
end

---As launch_line, and says what is wrong with the words.
local function checked_line(...)
	local words = table.pack(...)
	while words.n > 0 and words[words.n] == nil do
		words.n = words.n - 1
	end
	for i = 1, math.max(words.n, 1) do
		local kind = type(words[i])
		if kind ~= "string" and kind ~= "number" then
			error(("cannot launch %s: argument %d is a %s; arguments are strings or numbers"):format(
				tostring(words[2] or words[1]), i - 2, kind), 0)
		elseif kind == "string" and words[i]:find("\0", 1, true) then
			error(("cannot launch %s: argument %d contains a zero byte"):format(
				(tostring(words[2] or words[1]):gsub("%z", "\\0")), i - 2), 0)
		end
	end
	return table.concat(words, " ", 1, words.n)
end

---The engine's launch line: module, name and arguments joined by single spaces.
local function launch_line(...)
	local words, n = { ... }, select("#", ...)
	for i = 1, n do
		local kind = type(words[i])
		if kind ~= "string" and kind ~= "number" then
			return checked_line(...)
		end
	end
	local line = concat(words, " ", 1, n)
	return n > 0 and not find(line, "\0", 1, true) and line or checked_line(...)
end

---@param how {logged?: boolean, holds?: boolean, unique?: string}
local function launch(source, how, ...)
	local line = launch_line(...)
	local session = skynet.context()
	local response = skynet.response()
	local handle = core.addresscommand("LAUNCH", line)
	if not handle then
		response(false, "cannot launch " .. line)
		return NO_REPLY
	end
	if simulation.on() then
		simulation.inherit(handle, source)
	end
	services[handle] = line
	booting[handle] = {
		response = response, source = source, session = session, holds = how.holds or false, unique = how.unique,
	}
	if how.logged then
		core.command("LOGON", skynet.address(handle))
	end
	return NO_REPLY
end

function command.LAUNCH(source, ...)
	return launch(source, {}, ...)
end

function command.LAUNCH_FROM_START(source, ...)
	return launch(source, { holds = true }, ...)
end

---From `.service`.
function command.LAUNCH_UNIQUE(source, name, ...)
	return launch(source, { unique = name }, ...)
end

---The unique service whose start has to wait for that of `handle`, itself perhaps; nil: none has to.
function command.HELD(_, handle)
	local boot = booting[handle]
	while boot and not boot.unique do
		boot = boot.holds and booting[boot.source] or nil
	end
	return boot and boot.unique
end

function command.LOGLAUNCH(source, ...)
	return launch(source, { logged = true }, ...)
end

function command.LAUNCHOK(source)
	local boot = booting[source]
	booting[source] = nil
	if boot then
		boot.response(true, source)
	end
	return NO_REPLY
end

function command.ERROR(source, reason)
	forget(source, reason or "the service failed to start")
	return NO_REPLY
end

function command.REMOVE(_, handle, kill)
	forget(handle, kill and "the service was killed while it started" or nil)
	return NO_REPLY
end

---Address of the service that is being started for the caller's request `session`.
function command.QUERY(source, session)
	local found
	for handle, boot in pairs(booting) do
		if boot.session == session then
			if boot.source == source then
				return handle
			end
			found = handle
		end
	end
	return found
end

function command.LIST()
	local list = {}
	for handle, line in pairs(services) do
		list[skynet.address(handle)] = line
	end
	return list
end

---Asks every service a debug command at the same time.
---@param show fun(reply: any, description: string): any
local function ask_all(timeout, show, ...)
	local request = skynet.request()
	local list = {}
	for handle in pairs(services) do
		request:add { handle, "debug", ... }
		list[skynet.address(handle)] = "TIMEOUT"
	end
	for object, reply in request:select(timeout) do
		local handle = object[1]
		local line = services[handle]
		list[skynet.address(handle)] = line and (reply and show(reply[1], line) or "ERROR")
	end
	return list
end

function command.STAT(_, timeout)
	return ask_all(timeout, function(stat)
		return stat
	end, "STAT")
end

function command.MEM(_, timeout)
	return ask_all(timeout, function(kilobytes, line)
		return ("%.2f Kb (%s)"):format(kilobytes, line)
	end, "MEM")
end

function command.GC(source, timeout)
	for handle in pairs(services) do
		skynet.send(handle, "debug", "GC")
	end
	return command.MEM(source, timeout)
end

function command.KILL(_, handle)
	local line = services[handle]
	skynet.kill(handle)
	forget(handle, "the service was killed while it started")
	return { [skynet.address(handle)] = line or "nil" }
end

function command.MONITOR(_, handle)
	monitor = handle
	return true
end

function command.DAEMON(source)
	daemons[source] = true
	end_if_last()
	return NO_REPLY
end

function command.HELPER(source)
	helpers[source] = true
	end_if_last()
	return NO_REPLY
end

---From bootstrap: the process ends when only daemons are left.
function command.END_WITH_LAST()
	end_with_last = true
	end_if_last()
	return NO_REPLY
end

function command.SHUTDOWN_HOOK(source, stage)
	hooks[stage] = hooks[stage] or {}
	hooks[stage][source] = true
	return NO_REPLY
end

function command.HAS_METRICS(source)
	measured[source] = true
	return NO_REPLY
end

---Has the end of the process begun?
function command.ENDING()
	return ending
end

---Who has metrics of its own, in the order of their addresses.
function command.METRICS()
	return sorted.keys(measured)
end

function command.SHUTDOWN(_, code)
	core.command("STOP", tostring(code or 0))
	return NO_REPLY
end

skynet.dispatch("lua", function(_, source, cmd, ...)
	local f = command[string.upper(cmd)]
	if not f then
		return skynet.retpack { "Unknown command" }
	end
	local reply = f(source, ...)
	if reply ~= NO_REPLY then
		skynet.retpack(reply)
	end
end)

-- What C services and the host report: nothing, `ERROR reason`, or `EXIT` for a main file that has run and has left
-- nothing that could run later.
skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	unpack = skynet.tostring,
	dispatch = function(_, source, text)
		if not text or text == "" then
			return command.LAUNCHOK(source)
		end
		if text == "EXIT" then
			return forget(source)
		end
		local reason = text:match "^ERROR%s*(.*)$"
		if not reason then
			error(("invalid text from %s: %s"):format(skynet.address(source), text))
		end
		command.ERROR(source, reason ~= "" and reason or nil)
	end,
}

-- Ends of services, from the engine.
skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = function() end,
	dispatch = function(_, dead)
		forget(dead, "the service ended while it started")
		if monitor == dead then
			monitor = nil
		elseif monitor then
			skynet.redirect(monitor, dead, "client", 0, "")
		end
	end,
}

-- An orderly end is asked for: by SIGTERM, SIGINT or reef.process.stop, through the engine.
skynet.register_protocol {
	name = "system",
	id = skynet.PTYPE_SYSTEM,
	unpack = function() end,
	dispatch = shutdown,
}

skynet.start(function() end)
