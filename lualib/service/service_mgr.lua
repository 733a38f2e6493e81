-- `.service`: services of which there is one in the process (skynet.uniqueservice, queryservice).
--
-- A name is being launched once; who asks meanwhile waits for the same result. A launch that failed is remembered: the
-- name stays failed, and everybody who asks again gets the reason. Global names are kept as `@name`; with one node they
-- are a second name space, as the API has it. A service that has ended is launched anew by who asks next.
--
-- `snaxd` is the one program behind all snax services: what is unique there is the snax service, its first argument.

local skynet = require "skynet"
require "skynet.manager"
local process = require "reef.process"
local services = require "reef.services"

---@class service_mgr.entry
---@field address? integer
---@field failure? string why the launch failed
---@field launching? {session: integer, source: integer}
---@field waiting {response: function, source: integer, kind: string}[]

local entries = {} ---@type table<string, service_mgr.entry>

local command = {}

local function entry_of(key)
	local entry = entries[key]
	if not entry or (entry.address and not services.alive(entry.address)) then
		entry = { waiting = {} }
		entries[key] = entry
	end
	return entry
end

local function answer(response, entry)
	if entry.address then
		response(true, entry.address)
	else
		response(true, nil, entry.failure)
	end
end

---Answers now, or when the launch that is under way (or still to come) has ended.
local function reply(entry, source, kind)
	local response = skynet.response()
	if entry.address or entry.failure then
		answer(response, entry)
	else
		table.insert(entry.waiting, { response = response, source = source, kind = kind })
	end
end

---The name of which there is one.
local function key_of(name, sub)
	if name == "snaxd" and type(sub) == "string" then
		return name .. "." .. sub
	end
	return name
end

local function start(name, ...)
	if name == "snaxd" then
		return require("skynet.snax").rawnewservice(...)
	end
	return skynet.newservice(name, ...)
end

local function launch(key, source, name, ...)
	local entry = entry_of(key)
	if entry.address or entry.failure or entry.launching then
		return reply(entry, source, "LAUNCH")
	end
	entry.launching = { session = skynet.context(), source = source }
	local response = skynet.response()
	local ok, result = pcall(start, name, ...)
	if ok and result then
		entry.address = result
	else
		entry.failure = ("unique service %s failed to start, and stays failed in this process: %s"):format(
			key, ok and "it exited while it started" or result)
	end
	entry.launching = nil
	answer(response, entry)
	for _, waiter in ipairs(entry.waiting) do
		answer(waiter.response, entry)
	end
	entry.waiting = {}
end

function command.LAUNCH(source, name, ...)
	launch(key_of(name, ...), source, name, ...)
end

function command.QUERY(source, name, sub)
	reply(entry_of(key_of(name, sub)), source, "QUERY")
end

function command.GLAUNCH(source, name, ...)
	launch("@" .. key_of(name, ...), source, name, ...)
end

function command.GQUERY(source, name, sub)
	reply(entry_of("@" .. key_of(name, sub)), source, "QUERY")
end

function command.LIST()
	local list = {}
	for key, entry in pairs(entries) do
		if entry.address then
			list[key] = skynet.address(entry.address)
		elseif entry.failure then
			list[key] = "Error: " .. entry.failure
		else
			local lines = {}
			local launching = entry.launching
			if launching then
				lines[1] = ("launching for %s (session %d)"):format(skynet.address(launching.source), launching.session)
			end
			for _, waiter in ipairs(entry.waiting) do
				lines[#lines + 1] = ("%s of %s waits"):format(waiter.kind, skynet.address(waiter.source))
			end
			list[key] = table.concat(lines, "\n")
		end
	end
	skynet.retpack(list)
end

---Other nodes of a network tell theirs here; a single process has none.
function command.REPORT()
	skynet.retpack(true)
end

skynet.dispatch("lua", function(_, source, cmd, name, ...)
	local f = command[cmd]
	if not f then
		return skynet.retpack(nil, "Invalid command " .. tostring(cmd))
	end
	if cmd ~= "LIST" and cmd ~= "REPORT" and type(name) ~= "string" then
		return skynet.retpack(nil, ("%s needs the name of a service, not a %s"):format(cmd, type(name)))
	end
	f(source, name, ...)
end)

skynet.start(function()
	skynet.register ".service"
	skynet.register "SERVICE"
	process.daemon()
end)
