-- The connections of a pool: who has one, who waits for one. Runs in the pool's service.
local errors = require "reef.channel.error"
local metrics = require "reef.metrics"
local now = require "reef.base.now"
local scheduler = require "reef.scheduler"
local skynet = require "skynet"

local lent = {}

local MODULES <const> = { mysql = "reef.mysql", postgres = "reef.db.postgres" }
local COUNTERS <const> = { timeout = "timeouts", closed = "lost", connect = "refused", auth = "refused" }

local conf, label, target, module ---@type table, string, table, table
local idle, all = {}, {} ---@type table[], table<table, boolean>
local size, taken = 0, 0
local queue, first, last = {}, 1, 0
local waiting = 0 -- of those in the queue; the others have gone
local counters = {
	requests = 0, replies = 0, overload = 0, timeouts = 0, lost = 0, refused = 0, rejected = 0,
}
local took ---@type reef.metric
local longest = 0 -- of the times in `took`
local ending, closing, draining

---@param kind "mysql"|"postgres"
---@param name string
---@param given table    of the connection
---@param options table  of the pool
function lent.start(kind, name, given, options)
	label, target, conf = name, given, options
	module = require(MODULES[kind])
	-- The buckets that the other pools have, whose times are in the same family.
	took = metrics.histogram("reef_pool_request_seconds", "Time from a request's arrival to its reply.",
		scheduler.delays().bounds, "pool")
end

function lent.set(options)
	for name, value in pairs(options) do
		if conf[name] ~= nil then
			conf[name] = value
		end
	end
end

local function overload(command, why, since)
	counters.overload = counters.overload + 1
	error(errors.new({ code = "overload", outcome = "not sent", host = label, command = command, queued = waiting,
		waited = since and now() - since }, why), 0)
end

-- Those that have gone are taken out of the queue when they are most of it.
local function close_ranks()
	if last - first + 1 <= 2 * waiting + 64 then
		return
	end
	local kept, n = {}, 0
	for i = first, last do
		if not queue[i].gone then
			n = n + 1
			kept[n] = queue[i]
		end
	end
	queue, first, last = kept, 1, n
end

---A connection for the caller alone.
---@param seconds number  0: for ever
---@param command string
---@return table db
function lent.acquire(seconds, command)
	counters.requests = counters.requests + 1
	if ending then
		error(errors.new({ code = "ended", outcome = "not sent", host = label, command = command },
			"the pool is being closed"), 0)
	end
	local db = table.remove(idle)
	if not db and size < conf.size then
		size = size + 1
		db = module.new(target)
		all[db] = true
	elseif not db then
		if waiting >= conf.queue then
			overload(command, "too many requests wait for a connection")
		end
		local entry, since = {}, now()
		last, waiting = last + 1, waiting + 1
		queue[last] = entry
		local wait = math.min(conf.queue_timeout, seconds > 0 and seconds or math.huge)
		skynet.sleep(math.ceil(wait * 100), entry)
		db = entry.db
		if not db then
			entry.gone, waiting = true, waiting - 1
			close_ranks()
			overload(command, "no connection was free in time", since)
		end
	end
	taken = taken + 1
	db.lent_at = now()
	return db
end

local function forget(db)
	db:disconnect()
	all[db] = nil
	size = size - 1
end

-- Closes what nobody has needed for long.
local function close_idle()
	closing = nil
	local kept, limit = {}, now() - conf.idle
	for _, db in ipairs(idle) do
		if db.idle_since < limit then
			forget(db)
		else
			kept[#kept + 1] = db
		end
	end
	idle = kept
	if #idle > 0 then
		closing = true
		skynet.timeout(math.ceil(conf.idle * 50), close_idle)
	end
end

---Takes it back.
---@param db table
---@param since number  of the request
---@param err any  what it has come to; nil: it went well
function lent.release(db, since, err)
	taken = taken - 1
	local seconds = now() - since
	longest = math.max(longest, seconds)
	took:observe(seconds, label)
	local counter = err == nil and "replies" or type(err) == "table" and COUNTERS[err.code] or "rejected"
	counters[counter] = counters[counter] + 1
	if size > conf.size then
		forget(db)
	else
		while first <= last do
			local entry = queue[first]
			queue[first] = nil
			first = first + 1
			if not entry.gone then
				entry.db, waiting = db, waiting - 1
				skynet.wakeup(entry)
				return
			end
		end
		db.idle_since = now()
		idle[#idle + 1] = db
		if conf.idle > 0 and not closing then
			closing = true
			skynet.timeout(math.ceil(conf.idle * 50), close_idle)
		end
	end
	if taken == 0 and draining then
		skynet.wakeup(draining)
	end
end

local function percentiles()
	local result = { count = counters.replies, max = longest }
	for name, part in pairs { p50 = 0.5, p90 = 0.9, p99 = 0.99, p999 = 0.999 } do
		result[name] = math.min(took:quantile(part, label), longest)
	end
	return result
end

---@return table
function lent.stat()
	local list, connected = {}, 0
	for db in pairs(all) do
		local s = db.session
		connected = connected + (s.core and 1 or 0)
		list[#list + 1] = { state = s.core and "open" or "closed", id = s.info and s.info.id, generation = s.generation }
	end
	local stat = { in_flight = taken, queued = waiting, connections = list, address = skynet.self(), options = conf,
		time = percentiles(), down = size > 0 and connected == 0, accepting = not ending, label = label }
	for name, value in pairs(counters) do
		stat[name] = value
	end
	return stat
end

---Waits until all are back, within the option `drain`, and closes them.
function lent.drain()
	ending = true
	if taken > 0 then
		draining = {}
		skynet.sleep(math.ceil(conf.drain * 100), draining)
	end
	for db in pairs(all) do
		db:disconnect()
	end
end

return lent
