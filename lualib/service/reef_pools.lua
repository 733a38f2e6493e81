-- The directory of connection pools (reef.pool): one pool for each target, made when it is first asked for.
local metrics = require "reef.metrics"
local once = require "reef.once"
local process = require "reef.process"
local scheduler = require "reef.scheduler"
local skynet = require "skynet"
require "reef.manager"

---@class pools.entry
---@field address integer
---@field label string

local SERVICES <const> = { mysql = "reef_sql_pool", postgres = "reef_sql_pool" }

---@class pools.known
---@field target any[]  arguments of OPEN
---@field told table    for callers

local MOST_KNOWN <const> = 1000

local entries = {} ---@type table<string, pools.entry>
local labels = {} ---@type table<string, true> of pools
local known = {} ---@type table<string, pools.known> by what callers say
local count = 0 -- of what is known
local starting = {} ---@type table<string, reef.once.work>
local command = {}

-- Pools that differ in what a label does not say are numbered, as long as they live.
local function take_label(wanted)
	local label, n = wanted, 1
	while labels[label] do
		n = n + 1
		label = ("%s #%d"):format(wanted, n)
	end
	labels[label] = true
	return label
end

local function forget(key)
	local entry = entries[key]
	if entry then
		entries[key], labels[entry.label] = nil, nil
	end
end

local function start(key, kind, label, target, options)
	label = take_label(label)
	local ok, address = pcall(skynet.newservice, SERVICES[kind] or "reef_pool")
	local err = address
	if ok then
		ok, err = pcall(skynet.call, address, "lua", "START", kind, label, target, options)
		if not ok then
			skynet.kill(address)
		end
	end
	if not ok then
		labels[label] = nil
		error(err, 0)
	end
	entries[key] = { label = label, address = address }
	return address
end

local function open(kind, key, label, target, options)
	local entry = entries[key]
	-- One that was killed is gone when nobody answers there.
	if entry and not pcall(skynet.call, entry.address, "debug", "PING") then
		if entries[key] == entry then
			forget(key)
		end
		entry = entries[key]
	end
	return entry and entry.address or once(starting, key, function()
		return start(key, kind, label, target, options)
	end)
end

---@param kind string
---@param key string          that tells it from other pools
---@param label string
---@param target table        for the pool's service
---@param options table
---@param said string|nil     by the caller, who has found out all of that from it
---@param told table|nil      to others who say the same
---@return integer address
---@return string|nil label   as it is numbered
function command.OPEN(kind, key, label, target, options, said, told)
	local address = open(kind, key, label, target, options)
	if told and not known[said] then
		if count == MOST_KNOWN then
			known, count = {}, 0
		end
		known[said], count = { target = { kind, key, label, target, options }, told = told }, count + 1
	end
	local entry = entries[key]
	return address, entry and entry.label
end

---Opens a pool for who says of it what somebody has said before.
---@param said string
---@return integer|nil address, table|nil told
function command.FIND(said)
	local one = known[said]
	if one then
		return open(table.unpack(one.target)), one.told
	end
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
		local ok, stat = pcall(skynet.call, entry.address, "lua", "STAT")
		list[entry.label] = ok and stat or nil
	end
	return list
end

-- A pool says that it ends.
function command.GONE(address)
	for key, entry in pairs(entries) do
		if entry.address == address then
			forget(key)
		end
	end
end

function command.SET(key, options)
	skynet.call(pool_of(key), "lua", "SET", options)
end

---@param perhaps boolean|nil  somebody else may have closed it
function command.CLOSE(key, perhaps)
	if perhaps and not entries[key] then
		return
	end
	local address = pool_of(key)
	forget(key)
	skynet.call(address, "lua", "CLOSE")
end

-- All anew each time: pools end, and another one may get the label and begin at 0.
local function measure()
	local stats = command.STAT()
	local function family(kind, name, help, ...)
		local metric = metrics[kind]("reef_pool_" .. name, help, ...)
		metric:clear()
		return metric
	end
	local connections = family("gauge", "connections", "Open connections of a pool.", "pool")
	local in_flight = family("gauge", "in_flight", "Requests that are on their way.", "pool")
	local queued = family("gauge", "queued", "Requests that wait for a connection.", "pool")
	local down = family("gauge", "down", "1 if no server can be reached.", "pool")
	local requests = family("counter", "requests_total", "Requests to a pool.", "pool")
	local failed = family("counter", "failed_total", "Requests that got no reply, by reason.", "pool", "reason")
	local took = family("histogram", "request_seconds", "Time from a request's arrival to its reply.",
		scheduler.delays().bounds, "pool")
	for label, stat in pairs(stats) do
		connections:set(#stat.connections, label)
		in_flight:set(stat.in_flight, label)
		queued:set(stat.queued, label)
		down:set(stat.down and 1 or 0, label)
		-- Pools for SQL count their times themselves.
		if stat.time.counts then
			took:assign(stat.time.counts, stat.time.sum, label)
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
