-- The directory of connection pools (reef.pool): one pool for each target, made when it is first asked for.
local process = require "reef.process"
local skynet = require "skynet"
require "skynet.manager"

---@class pools.entry
---@field address integer|nil
---@field label string
---@field waiting table|nil  those who wait until it has started

local entries = {} ---@type table<string, pools.entry>
local command = {}

local function start(key, kind, label, target, options)
	local entry = { label = label, waiting = {} }
	entries[key] = entry
	local address
	local ok, err = pcall(function()
		address = skynet.newservice "reef_pool"
		skynet.call(address, "lua", "START", kind, label, target, options)
	end)
	local waiting = entry.waiting
	entry.waiting = nil
	if ok then
		entry.address = address
	else
		entries[key] = nil
		entry.err = err
		if address then
			skynet.kill(address)
		end
	end
	for _, token in ipairs(waiting) do
		skynet.wakeup(token)
	end
	return entry
end

function command.OPEN(kind, key, label, target, options)
	local entry = entries[key]
	-- One that was killed is gone when nobody answers there.
	if entry and entry.address and not pcall(skynet.call, entry.address, "debug", "PING") then
		if entries[key] == entry then
			entries[key] = nil
		end
		entry = entries[key]
	end
	if not entry then
		entry = start(key, kind, label, target, options)
	elseif entry.waiting then
		local token = {}
		table.insert(entry.waiting, token)
		skynet.wait(token)
	end
	return entry.address or error(entry.err, 0)
end

local function pool_of(key)
	local entry = entries[key]
	return entry and entry.address or error("there is no such pool", 0)
end

function command.STAT(key)
	if key then
		return skynet.call(pool_of(key), "lua", "STAT")
	end
	local list = {}
	for _, entry in pairs(entries) do
		if entry.address then
			local ok, stat = pcall(skynet.call, entry.address, "lua", "STAT")
			list[entry.label] = ok and stat or nil
		end
	end
	return list
end

function command.SET(key, options)
	skynet.call(pool_of(key), "lua", "SET", options)
end

function command.CLOSE(key)
	local address = pool_of(key)
	entries[key] = nil
	skynet.call(address, "lua", "CLOSE")
end

skynet.start(function()
	process.daemon()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
