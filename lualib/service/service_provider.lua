-- Keeps the names of services made by skynet.service.

local skynet = require "skynet"
local process = require "reef.process"
local waits = require "reef.waits"

---@class service_provider.entry
---@field address? integer
---@field failure? string
---@field booting? boolean
---@field waiting function[]

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

local function reply(name, entry)
	local response = skynet.response()
	if entry.address or entry.failure then
		answer(response, entry)
	else
		table.insert(entry.waiting, response)
		if #entry.waiting == 1 then
			waits.tell(function()
				return entry.waiting[1] and ("%d wait for the service %s, which %s"):format(#entry.waiting, name,
					entry.booting and "is still starting" or "nobody has made")
			end)
		end
	end
end

local function start(name, code, ...)
	local cell = skynet.newservice("service_cell", name)
	local ok, reason = pcall(skynet.call, cell, "lua", "INIT", name, code, ...)
	if not ok then
		skynet.send(cell, "debug", "EXIT")
		error(reason, 0)
	end
	return cell
end

function command.NEW(name, code, ...)
	local entry = entry_of(name)
	if entry.address or entry.failure or entry.booting then
		return reply(name, entry)
	end
	entry.booting = true
	local response = skynet.response()
	local ok, result = pcall(start, name, code, ...)
	entry.booting = nil
	if ok then
		entry.address = result
	else
		entry.failure = ("service %s failed to start, and stays failed: %s"):format(name, result)
	end
	answer(response, entry)
	for _, waiter in ipairs(entry.waiting) do
		answer(waiter, entry)
	end
	entry.waiting = {}
end

function command.QUERY(name)
	reply(name, entry_of(name))
end

---Forgets the name; the caller ends the service.
function command.CLOSE(name)
	local entry = entries[name]
	local address = entry and entry.address
	if address then
		entries[name] = nil
	end
	skynet.retpack(address)
end

skynet.dispatch("lua", function(_, _, cmd, name, ...)
	local f = command[cmd]
	if not f or type(name) ~= "string" then
		error(("service_provider: cannot do %s %s"):format(tostring(cmd), tostring(name)), 0)
	end
	f(name, ...)
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
