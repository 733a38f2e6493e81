-- The connection to one server on which values for a cache come, and on which the server tells what has changed: in
-- the order in which it happened. Of the service `reef_redis_cache`.
--
-- What came on a connection is forgotten with it. A server is also asked for a sign of life now and then: a link that
-- is dead says nothing by itself.
-- https://redis.io/docs/latest/develop/reference/client-side-caching
local backoff = require "reef.backoff"
local core = require "reef.redis.core"
local link = require "reef.redis.link"
local now = require "reef.base.now"
local outage = require "reef.outage"
local skynet = require "skynet"

local FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2

---@class redis.cache.tracking
---@field conf table
---@field on boolean       the server tells of changes
---@field losses integer
---@field source integer   number of the connection, which its values have
local tracking = {}
tracking.__index = tracking

local last_source = 0

local function sleep(seconds)
	skynet.sleep(math.max(1, math.ceil(seconds * 100)))
end

-- The server's word. It may come between a value and the time that the value has to live, so what was asked for before
-- it is not kept. No waiting in here: what comes next on the connection may be a value.
local function told(self, message)
	if message[1] ~= "invalidate" then
		return
	elseif type(message[2]) ~= "table" then
		self.handle:flush_source(self.source)
		return
	end
	-- Not in order: a list may have holes.
	for _, key in pairs(message[2]) do
		if type(key) ~= "string" then
			self.handle:flush_source(self.source)
			return
		end
		self.handle:drop(key)
	end
end

local function tracking_command(wants)
	local list = { "CLIENT", "TRACKING", "ON" }
	if wants.prefixes then
		list[4] = "BCAST"
		for _, prefix in ipairs(wants.prefixes) do
			table.insert(list, "PREFIX")
			table.insert(list, prefix)
		end
	end
	return list
end

local ping = core.command "PING"

-- Does the server live, and can it be believed? Raises if not.
local function check(self, db)
	if self.hooks.check then
		self.hooks.check(db)
	else
		ping(db)
	end
end

-- A link on which tracking is on, and what asks there; nil and why.
local function connect(self, failures)
	local fresh = link.new(self.conf, { quiet = failures > 0 })
	local err = fresh:attempt()
	if err then
		return nil, tostring(err)
	elseif fresh.resp ~= 3 then
		fresh:close "it does not speak RESP3"
		return nil, "the server does not speak RESP3"
	end
	fresh.connection:stream(false)
	local function lost()
		error(fresh:lost(), 0)
	end
	local db = { core.handle(fresh.connection, self.conf.connect_timeout, false, false, nil, lost) }
	fresh.beating = { core.handle(fresh.connection, self.wants.heartbeat, false, true, nil, lost) }
	local ok, why = pcall(function()
		core.pipeline(db, { tracking_command(self.wants) })
		check(self, fresh.beating)
	end)
	if not ok then
		fresh:close "tracking is not to be had"
		return nil, tostring(why)
	end
	return fresh, db
end

local function beat(self, fresh)
	while fresh.connection:state() == "open" do
		sleep(self.wants.heartbeat)
		if fresh.connection:state() == "open" and not pcall(check, self, fresh.beating) then
			fresh.connection:close "the server is silent"
		end
	end
end

-- Listens until the connection is lost.
local function serve(self, fresh, db)
	last_source = last_source + 1
	self.link, self.db, self.source, self.on = fresh, db, last_source, true
	if self.hooks.opened then
		self.hooks.opened(fresh)
	end
	skynet.fork(beat, self, fresh)
	while true do
		local ok, message = pcall(fresh.connection.message, fresh.connection, 0)
		if not ok or message == nil then
			break
		elseif type(message) == "table" then
			told(self, message)
		end
	end
	self.on, self.losses = false, self.losses + 1
	self.handle:flush_source(self.source)
	fresh:close "tracking has ended"
end

local function keep(self)
	local failures = 0
	while not self.stopped do
		local fresh, db = connect(self, failures)
		if fresh and self.stopped then
			fresh:close "its values are not wanted any more"
		elseif fresh then
			failures = 0
			self.away:ends()
			serve(self, fresh, db)
			if not self.stopped then
				self.away:begins(("redis cache of %s: the connection was lost, its values are forgotten"):format(self.conf.where))
			end
		else
			failures = failures + 1
			if failures == 1 then
				skynet.error(("redis cache of %s: nothing is kept, since %s"):format(self.conf.where, db))
			end
			self.away:begins()
		end
		if not self.stopped then
			sleep(backoff(failures + 1, FIRST_PAUSE, LONGEST_PAUSE))
		end
	end
end

---What came on the connection is forgotten, and there will be another.
---@param why string
function tracking:renew(why)
	if self.on then
		self.link.connection:close(why)
	end
end

---The same, for good.
function tracking:stop()
	self.stopped = true
	self:renew "its values are not wanted any more"
end

---Asks for a key's value and keeps it, if nothing has changed meanwhile. Waits.
---@param key string
---@param slot integer
---@param generation integer
---@return boolean done, string|nil value
---@return string|nil why  the server's error
function tracking:ask(key, slot, generation)
	local source, since, replies = self.source, now(), {}
	if not pcall(core.pipeline, self.db, { { "GET", key }, { "PTTL", key } }, replies) then
		return false
	end
	local value, left = replies[1], replies[2]
	if not (value.ok and left.ok) or type(left.out) ~= "number" then
		return false, nil, not value.ok and value.out or left.out
	elseif not self.on or self.source ~= source or value.out ~= nil and type(value.out) ~= "string" then
		return true, value.out
	end
	local seconds = self.wants.ttl
	if value.out == nil and self.absent then
		seconds = seconds > 0 and math.min(seconds, self.absent) or self.absent
	end
	if left.out >= 0 then
		-- It expires so long after the server was asked, at the earliest.
		local expires = left.out / 1000 - (now() - since)
		if expires <= 0 then
			return true, value.out
		end
		seconds = seconds > 0 and math.min(seconds, expires) or expires
	end
	self.handle:put(key, value.out, seconds, generation, source, slot)
	return true, value.out
end

---@param conf table       of the server
---@param wants table      prefixes, ttl, heartbeat
---@param handle userdata  the cache
---@param hooks table|nil  check(db): raises when the server cannot be believed any more; opened(link)
---@return redis.cache.tracking
function tracking.new(conf, wants, handle, hooks)
	local self = setmetatable({
		conf = conf, wants = wants, handle = handle, hooks = hooks or {}, on = false, losses = 0, source = 0,
		away = outage.new("redis cache of " .. conf.where),
	}, tracking)
	skynet.fork(keep, self)
	return self
end

return tracking
