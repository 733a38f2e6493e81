-- The directory of connection pools (reef.pool): one pool for each target, made when it is first asked for.
local metrics = require "reef.metrics"
local process = require "reef.process"
local skynet = require "skynet"
require "reef.manager"

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

-- A pool says that it ends.
function command.GONE(address)
	for key, entry in pairs(entries) do
		if entry.address == address then
			entries[key] = nil
		end
	end
end

function command.SET(key, options)
	skynet.call(pool_of(key), "lua", "SET", options)
end

function command.CLOSE(key)
	local address = pool_of(key)
	entries[key] = nil
	skynet.call(address, "lua", "CLOSE")
end

local function measure()
	local function gauge(name, help, ...)
		local metric = metrics.gauge("reef_pool_" .. name, help, "pool", ...)
		metric:clear()
		return metric
	end
	local connections = gauge("connections", "Open connections of a pool.")
	local in_flight = gauge("in_flight", "Requests that are on their way.")
	local queued = gauge("queued", "Requests that wait for a connection.")
	local down = gauge("down", "1 if no server can be reached.")
	local seconds = gauge("seconds", "Time from a request's arrival to its reply.", "quantile")
	local requests = metrics.counter("reef_pool_requests_total", "Requests to a pool.", "pool")
	local failed = metrics.counter("reef_pool_failed_total", "Requests that got no reply, by reason.", "pool", "reason")
	for label, stat in pairs(command.STAT()) do
		connections:set(#stat.connections, label)
		in_flight:set(stat.in_flight, label)
		queued:set(stat.queued, label)
		down:set(stat.down and 1 or 0, label)
		for quantile, field in pairs { ["0.5"] = "p50", ["0.9"] = "p90", ["0.99"] = "p99" } do
			seconds:set(stat.time[field], label, quantile)
		end
		requests:set(stat.requests, label)
		for _, reason in ipairs { "overload", "timeouts", "lost", "refused" } do
			failed:set(stat[reason], label, reason)
		end
	end
end

skynet.start(function()
	process.daemon()
	metrics.collect(measure)
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
