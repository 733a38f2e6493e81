-- Keeps the names of services made by skynet.service.

local skynet = require "skynet"
local circle = require "reef.circle"
local process = require "reef.process"
local waits = require "reef.waits"

---@class service_provider.waiter
---@field response function
---@field held? string the service of ours whose start cannot end before this is answered

---@class service_provider.entry
---@field address? integer
---@field failure? string
---@field booting? boolean
---@field cell? integer its address while it starts
---@field waiting service_provider.waiter[]

local entries = {} ---@type table<string, service_provider.entry>

local command = {}

local function entry_of(name)
	local entry = entries[name]
	if not entry then
		entry = { waiting = {} }
		entries[name] = entry
	end
	return entry
end

local function answer(response, entry)
	if entry.address then
		response(true, entry.address)
	else
		response(false, entry.failure)
	end
end

local function starting_in(cell)
	for name, entry in pairs(entries) do
		if entry.booting and entry.cell == cell then
			return name
		end
	end
end

local function reply(name, entry, source, from_start)
	local response = skynet.response()
	if entry.address or entry.failure then
		return answer(response, entry)
	end
	local held = from_start and starting_in(source) or nil
	local reason = held and entry.booting and circle.find(entries, held, name)
	if reason then
		return response(false, reason)
	end
	table.insert(entry.waiting, { response = response, held = held })
	if #entry.waiting == 1 then
		waits.tell(function()
			return entry.waiting[1] and ("%d wait for the service %s, which %s"):format(#entry.waiting, name,
				entry.booting and "is still starting" or "nobody has made")
		end)
	end
end

local function start(entry, name, code, ...)
	local cell = skynet.newservice("service_cell", name)
	entry.cell = cell
	local ok, reason = pcall(skynet.call, cell, "lua", "INIT", name, code, ...)
	if not ok then
		skynet.send(cell, "debug", "EXIT")
		error(reason, 0)
	end
	return cell
end

function command.NEW(from_start, source, name, code, ...)
	local entry = entry_of(name)
	local first = not (entry.address or entry.failure or entry.booting)
	entry.booting = entry.booting or first or nil
	reply(name, entry, source, from_start)
	if not first then
		return
	end
	local ok, result = pcall(start, entry, name, code, ...)
	entry.booting, entry.cell = nil, nil
	if ok then
		entry.address = result
	else
		entry.failure = ("service %s failed to start, and stays failed: %s"):format(name, result)
	end
	for _, waiter in ipairs(entry.waiting) do
		answer(waiter.response, entry)
	end
	entry.waiting = {}
end

function command.QUERY(from_start, source, name)
	reply(name, entry_of(name), source, from_start)
end

---Forgets the name; the caller ends the service.
function command.CLOSE(_, _, name)
	local entry = entries[name]
	local address = entry and entry.address
	if address then
		entries[name] = nil
	end
	skynet.retpack(address)
end

skynet.dispatch("lua", function(_, source, cmd, name, ...)
	local plain = type(cmd) == "string" and cmd:match "^(.*)_FROM_START$"
	local f = command[plain or cmd]
	if not f or type(name) ~= "string" then
		error(("service_provider: cannot do %s %s"):format(tostring(cmd), tostring(name)), 0)
	end
	f(plain and true or false, source, name, ...)
end)

skynet.info_func(function()
	local info = {}
	for name, entry in pairs(entries) do
		info[name] = entry.address and skynet.address(entry.address) or entry.failure
			or entry.booting and "booting" or ("%d waiting"):format(#entry.waiting)
	end
	return info
end)

skynet.start(process.daemon)
