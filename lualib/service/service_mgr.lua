-- `.service`: services of which there is one in the process (skynet.uniqueservice, queryservice).
--
-- A name is being launched once; who asks meanwhile waits for the same result. A launch that failed is remembered: the
-- name stays failed, and everybody who asks again gets the reason. Global names are kept as `@name`; with one node they
-- are a second name space, as the API has it. A service that has ended is launched anew by who asks next.
--
-- `snaxd` is the one program behind all snax services: what is unique there is the snax service, its first argument.

local skynet = require "skynet"
require "reef.manager"
local circle = require "reef.circle"
local process = require "reef.process"
local services = require "reef.services"
local waits = require "reef.waits"

---@class service_mgr.waiter
---@field response function
---@field source integer
---@field session integer
---@field kind "LAUNCH"|"QUERY"
---@field held? string the unique service whose start cannot end before this is answered

---@class service_mgr.entry
---@field key string
---@field address? integer
---@field failure? string why the launch failed
---@field launching? boolean
---@field waiting service_mgr.waiter[]

local entries = {} ---@type table<string, service_mgr.entry>

local others = {} ---@type table<integer, integer> services like this one, by the number of their node

local command = {}

local function entry_of(key)
	local entry = entries[key]
	if not entry or (entry.address and not services.alive(entry.address)) then
		entry = { key = key, waiting = {} }
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

local function answer_all(entry)
	for _, waiter in ipairs(entry.waiting) do
		answer(waiter.response, entry)
	end
	entry.waiting = {}
end

---Services whose start functions wait for each other would do so for ever: the one that closes the circle is refused.
local function refuse_circle(entry, waiter)
	waiter.held = skynet.call(".launcher", "lua", "HELD", waiter.source)
	local reason = waiter.held and entry.launching and circle.find(entries, waiter.held, entry.key)
	for i, w in ipairs(reason and entry.waiting or {}) do
		if w == waiter then
			table.remove(entry.waiting, i)
			waiter.response(true, nil, reason)
			return
		end
	end
end

---The name of which there is one.
local function key_of(name, sub)
	if name == "snaxd" and type(sub) == "string" then
		return name .. "." .. sub
	end
	return name
end

local function describe(entry)
	local first = entry.waiting[1]
	return first and ("%d wait for the unique service %s, which %s; the first is %s"):format(#entry.waiting, entry.key,
		entry.launching and "is still starting" or "nobody has launched", skynet.address(first.source))
end

---Answers now, or when the launch that is under way (or still to come) has ended.
local function reply(entry, source, kind, from_start)
	local session = skynet.context()
	local response = skynet.response()
	if entry.address or entry.failure then
		return answer(response, entry)
	end
	local waiter = { response = response, source = source, session = session, kind = kind }
	table.insert(entry.waiting, waiter)
	if #entry.waiting == 1 then
		waits.tell(function()
			return describe(entry)
		end)
	end
	if from_start then
		skynet.fork(refuse_circle, entry, waiter)
	end
end

local function start(key, name, ...)
	if name == "snaxd" then
		return require("skynet.snax").rawnewservice(...)
	end
	return skynet.call(".launcher", "lua", "LAUNCH_UNIQUE", key, "snlua", name, ...)
end

local function launch(key, from_start, source, name, ...)
	local entry = entry_of(key)
	local first = not (entry.address or entry.failure or entry.launching)
	entry.launching = entry.launching or first
	reply(entry, source, "LAUNCH", from_start)
	if not first then
		return
	end
	local ok, result = pcall(start, key, name, ...)
	if ok and result then
		entry.address = result
	else
		entry.failure = ("unique service %s failed to start, and stays failed in this process: %s"):format(
			key, ok and "it exited while it started" or result)
	end
	entry.launching = nil
	answer_all(entry)
end

function command.LAUNCH(from_start, source, name, ...)
	launch(key_of(name, ...), from_start, source, name, ...)
end

function command.QUERY(from_start, source, name, sub)
	reply(entry_of(key_of(name, sub)), source, "QUERY", from_start)
end

function command.GLAUNCH(from_start, source, name, ...)
	launch("@" .. key_of(name, ...), from_start, source, name, ...)
end

function command.GQUERY(from_start, source, name, sub)
	reply(entry_of("@" .. key_of(name, sub)), source, "QUERY", from_start)
end

---Another node's: its services are in the list, too.
function command.REPORT(_, _, address)
	others[skynet.harbor(address)] = address
	skynet.retpack(true)
end

---Of a node without SERVICE: the network's unique services are there.
local elsewhere = {}

function elsewhere.GLAUNCH(_, _, name, ...)
	skynet.retpack(skynet.call("SERVICE", "lua", "GLAUNCH", name, ...))
end

function elsewhere.GQUERY(_, _, name, ...)
	skynet.retpack(skynet.call("SERVICE", "lua", "GQUERY", name, ...))
end

local function add_others(list)
	for number, address in pairs(others) do
		local ok, its = pcall(skynet.call, address, "lua", "LIST")
		if not ok then
			others[number] = nil
		end
		for key, value in pairs(ok and its or {}) do
			list[("%s@%d"):format(key, number)] = value
		end
	end
end

function command.LIST()
	local list = {}
	for key, entry in pairs(entries) do
		if entry.address then
			list[key] = skynet.address(entry.address)
		elseif entry.failure then
			list[key] = "Error: " .. entry.failure
		else
			local lines = { entry.launching and "launching" or nil }
			for _, waiter in ipairs(entry.waiting) do
				lines[#lines + 1] = ("%s of %s waits (session %d)"):format(waiter.kind, skynet.address(waiter.source),
					waiter.session)
			end
			list[key] = table.concat(lines, "\n")
		end
	end
	add_others(list)
	skynet.retpack(list)
end

skynet.dispatch("lua", function(_, source, cmd, name, ...)
	local plain = type(cmd) == "string" and cmd:match "^(.*)_FROM_START$"
	local f = command[plain or cmd]
	if not f then
		return skynet.retpack(nil, "Invalid command " .. tostring(cmd))
	end
	if cmd ~= "LIST" and cmd ~= "REPORT" and type(name) ~= "string" then
		return skynet.retpack(nil, ("%s needs the name of a service, not a %s"):format(plain or cmd, type(name)))
	end
	-- `@name` is how entries of the network are called in lists.
	if type(name) == "string" and name:byte() == 64 and (plain or cmd) == "LAUNCH" then
		f, name = command.GLAUNCH, name:sub(2)
	elseif type(name) == "string" and name:byte() == 64 and (plain or cmd) == "QUERY" then
		f, name = command.GQUERY, name:sub(2)
	end
	f(plain and true or false, source, name, ...)
end)

skynet.start(function()
	skynet.register ".service"
	if skynet.getenv "standalone" then
		skynet.register "SERVICE"
	else
		command.GLAUNCH, command.GQUERY = elsewhere.GLAUNCH, elsewhere.GQUERY
		skynet.call("SERVICE", "lua", "REPORT", skynet.self())
	end
	process.daemon()
end)
