-- Overload protection in front of any service. Times are in seconds.
--
-- So many requests are at work, so many in the queue; the rest is refused.
--
--     local limit = require "reef.proxy.limit"
--     local shop = limit.new(skynet.newservice "shop", {
--         concurrent = 32, queue = 500, wait = 0.3, priority = { pay = 2, browse = 0 },
--     })
--
-- See docs/proxies.md.
local checks = require "reef.options"
local now = require "reef.base.now"
local relay = require "reef.proxy.relay"
local skynet = require "skynet"

local limit = {}

---@class reef.proxy.limit.options
---@field concurrent integer|nil  requests that the service behind may have at a time; 64
---@field queue integer|nil       requests that may wait; 256
---@field wait number|nil         seconds that a request may wait; 1
---@field priority table<string, integer>|nil  by the first value of a `lua` message; others have 1. Higher goes first

local KNOWN <const> = { concurrent = true, queue = true, wait = true, priority = true }

local function check(options, old)
	local conf = {}
	for name, default in pairs { concurrent = 64, queue = 256, wait = 1 } do
		local least = name == "concurrent" and 1 or 0
		conf[name] = relay.number("limit", options, name, old and old[name] or default, least)
	end
	conf.priority = options.priority or old and old.priority or {}
	for word, level in pairs(conf.priority) do
		if type(word) ~= "string" or math.type(level) ~= "integer" then
			error("reef.proxy.limit: priority is a table from command words to integers", 0)
		end
	end
	return conf
end

---@param target integer|string  address or name of the service behind
---@param options reef.proxy.limit.options|nil
---@return integer address
function limit.new(target, options)
	checks.check("reef.proxy.limit", options, KNOWN)
	local conf = check(options or {})
	conf.target = target
	return relay.start("limit", conf)
end

---Changes some of the options of a running proxy.
---@param address integer
---@param options reef.proxy.limit.options
function limit.set(address, options)
	checks.check("reef.proxy.limit", options, KNOWN)
	check(options)
	relay.set(address, options)
end

---The service's side.
---@param options table
---@return reef.proxy.handlers
function limit.run(options)
	local target, conf = options.target, check(options)
	local stat = { requests = 0, running = 0, queued = 0, shed = 0, late = 0 }
	local levels, order = {}, {} -- queues by priority; the priorities, highest first
	local pace = 0 -- seconds between two replies while something waits: moving average
	local last_reply
	local watching = false

	local function level_of(entry)
		if entry.type ~= skynet.PTYPE_LUA or not next(conf.priority) then
			return 1
		end
		local ok, word = pcall(skynet.unpack, entry.message)
		return ok and conf.priority[word] or 1
	end

	local function queue_of(level)
		local queue = levels[level]
		if not queue then
			queue = { head = 1, tail = 0 }
			levels[level] = queue
			table.insert(order, level)
			table.sort(order, function(a, b)
				return a > b
			end)
		end
		return queue
	end

	local function shed(entry, why)
		if entry.over then
			return
		end
		stat.shed = stat.shed + 1
		relay.refuse(entry, ("overload: %s; %d requests at work, %d waiting (not sent)"):format(why, stat.running,
			stat.queued))
	end

	local function take(queue, from_tail)
		local at = from_tail and queue.tail or queue.head
		local entry = queue[at]
		queue[at] = nil
		if from_tail then
			queue.tail = at - 1
		else
			queue.head = at + 1
		end
		stat.queued = stat.queued - 1
		return entry
	end

	local function start(entry)
		if not relay.forward(entry, target) then
			relay.refuse(entry, "the service behind the proxy is gone (not sent)")
		elseif entry.session ~= 0 then
			entry.message = nil
			stat.running = stat.running + 1
		end
	end

	local function expire(entry, time)
		if time - entry.since > conf.wait then
			stat.late = stat.late + 1
			shed(entry, ("waited %.3g s"):format(time - entry.since))
			return true
		end
	end

	local function advance()
		local time = now()
		for _, level in ipairs(order) do
			local queue = levels[level]
			while queue.head <= queue.tail and stat.running < conf.concurrent do
				local entry = take(queue)
				if not entry.over and not expire(entry, time) then
					start(entry)
				end
			end
		end
	end

	-- What waits must learn in time that it waits in vain, also when no reply ever comes.
	local function watch()
		local time, nearest = now(), nil
		for _, level in ipairs(order) do
			local queue = levels[level]
			while queue.head <= queue.tail and (queue[queue.head].over or expire(queue[queue.head], time)) do
				take(queue)
			end
			local head = queue[queue.head]
			if head and (not nearest or head.since < nearest) then
				nearest = head.since
			end
		end
		watching = nearest ~= nil
		if nearest then
			skynet.timeout(math.max(1, math.ceil((nearest + conf.wait - time) * 100)), watch)
		end
	end

	-- The youngest of the lowest priority that is below `level` makes room.
	local function make_room(level)
		for i = #order, 1, -1 do
			local queue = levels[order[i]]
			if order[i] >= level then
				return false
			elseif queue.head <= queue.tail then
				shed(take(queue, true), "a request of higher priority took its place")
				return true
			end
		end
	end

	local function ahead_of(level)
		local n = 0
		for _, other in ipairs(order) do
			if other >= level then
				n = n + levels[other].tail - levels[other].head + 1
			end
		end
		return n
	end

	local function enqueue(entry)
		local level = level_of(entry)
		local queue = queue_of(level)
		local expected = ahead_of(level) * pace
		if expected > conf.wait then
			return shed(entry, ("it would wait about %.3g s"):format(expected))
		elseif stat.queued >= conf.queue and not make_room(level) then
			return shed(entry, "the queue is full")
		end
		entry.since = now()
		queue.tail = queue.tail + 1
		queue[queue.tail] = entry
		stat.queued = stat.queued + 1
		if not watching then
			watching = true
			skynet.timeout(math.max(1, math.ceil(conf.wait * 100)), watch)
		end
	end

	return {
		request = function(entry)
			stat.requests = stat.requests + 1
			if entry.session == 0 or stat.running < conf.concurrent then
				start(entry)
			else
				enqueue(entry)
			end
		end,
		reply = function()
			local time = now()
			stat.running = stat.running - 1
			if stat.queued == 0 then
				last_reply = nil
			else
				if last_reply then
					pace = pace == 0 and time - last_reply or pace + (time - last_reply - pace) / 8
				end
				last_reply = time
				advance()
			end
		end,
		gone = function(source)
			for _, queue in pairs(levels) do
				for i = queue.head, queue.tail do
					queue[i].over = queue[i].over or queue[i].source == source
				end
			end
		end,
		ended = function()
			for _, queue in pairs(levels) do
				for i = queue.head, queue.tail do
					relay.refuse(queue[i], "the proxy was ended (not sent)")
				end
			end
		end,
		info = function()
			return stat
		end,
		set = function(new)
			conf, pace = check(new, conf), 0
			advance()
		end,
	}
end

return limit
