-- Locks in Redis, with fencing tokens. Times are in seconds.
--
--     local lock = require "reef.redis.lock"
--     do
--         local held <close> = lock.acquire(db, "report", { ttl = 10, wait = 5 })
--         write_report(held.token)          -- a number that grows with each holder
--     end
--
-- A lock is kept for `ttl` seconds and extended as long as it is held. Who was stopped for longer than that may
-- believe to hold what somebody else has: so whatever it protects has to refuse a token that is lower than one it has
-- seen.
--
-- Tokens are counted where the lock is: when the server loses its data (FLUSHALL, a failover, a restart without a
-- file), they begin anew. Who has noted the highest one somewhere else says so (`above`).
-- https://redis.io/docs/latest/develop/use/patterns/distributed-locks
local now = require "reef.base.now"
local backoff = require "reef.backoff"
local checks = require "reef.options"
local errors = require "reef.channel.error"
local expect = require "reef.redis.expect"
local redis = require "reef.redis"
local skynet = require "skynet"

local lock = {}

local FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5

-- The token, or minus the milliseconds that somebody else has it for. Who has it asks again: then an answer was lost.
local acquire = redis.script [[
	if redis.call("GET", KEYS[1]) == ARGV[1] then
		redis.call("PEXPIRE", KEYS[1], ARGV[2])
		return tonumber(redis.call("GET", KEYS[2]))
	end
	if redis.call("SET", KEYS[1], ARGV[1], "NX", "PX", ARGV[2]) then
		if tonumber(redis.call("GET", KEYS[2]) or 0) < tonumber(ARGV[3]) then
			redis.call("SET", KEYS[2], ARGV[3])
		end
		return redis.call("INCR", KEYS[2])
	end
	return -math.max(redis.call("PTTL", KEYS[1]), 1)
]]

local extend = redis.script [[
	if redis.call("GET", KEYS[1]) == ARGV[1] then
		return redis.call("PEXPIRE", KEYS[1], ARGV[2])
	end
	return 0
]]

local release = redis.script [[
	if redis.call("GET", KEYS[1]) == ARGV[1] then
		return redis.call("DEL", KEYS[1])
	end
	return 0
]]

---@class redis.lock
---@field token integer  grows with each holder
---@field lost boolean   somebody else may have it by now
local held = {}
held.__index = held

---May its holder still rely on it? False once `ttl` has passed since the server last confirmed it.
---@return boolean
function held:valid()
	return not self.lost and not self.released and now() < self.until_then
end

---Confirms it for another `ttl`. False: it is lost, or there was no answer within a third of that.
---@return boolean
function held:extend()
	local since, third = now(), self.milliseconds / 3000
	-- A server that is silent must not keep its holder from learning in time that he cannot be sure any more.
	local seconds = math.max(math.min(self.until_then - since, third), 0.05)
	local ok, done = pcall(extend, self.db:with { timeout = seconds }, self.keys, self.id, self.milliseconds)
	if ok and done == 1 then
		self.until_then = since + self.milliseconds / 1000
		return true
	elseif ok then
		self.lost = true
	end
	return false
end

---Gives it back. False: it was not held any more.
---@return boolean
function held:release()
	if self.released then
		return false
	end
	self.released = true
	if self.waiting then
		skynet.wakeup(self.waiting)
	end
	return release(self.db, self.keys, self.id) == 1
end

-- When it cannot be given back, it ends by itself.
function held:__close()
	pcall(self.release, self)
end

-- Says what wakes whoever keeps it. False: there is nothing to keep any more.
local function note(self, token)
	if not self or self.released or self.lost then
		return false
	end
	self.waiting = token
	return true
end

-- Ends with its holder: what nobody holds is not extended.
local function keep(weak, pause)
	while true do
		local token = {}
		if not note(weak.held, token) then
			return
		end
		skynet.sleep(math.max(1, math.ceil(pause * 100)), token)
		local self = weak.held
		if self and not self.released and not self:extend() and (self.lost or now() >= self.until_then) then
			self.lost = true
			if self.on_lost then
				self.on_lost(self)
			end
		end
	end
end

local known = { ttl = true, wait = true, extend = true, on_lost = true, above = true }

local HIGHEST = 1 << 53 -- what scripts of the server can count to

-- Both in one slot of a cluster: what is in braces says which, if it is anything.
local function keys_of(name)
	local key = ("lock:{%s}"):format(name:find "^}" and ":" .. name or name == "" and ":" or name)
	return { key, key .. ":token" }
end

---Waits for a lock. Raises an error with code "lock" when somebody else has it for too long.
---@param db redis.db
---@param name string
---@param options { ttl: number?, wait: number?, extend: boolean?, on_lost: function?, above: integer? }|nil
---        ttl: seconds without its holder after which it is free; 10. wait: seconds; 0: one attempt; 10. extend: as
---        long as it is held; true. above: the token is higher than that, whatever the server has counted to; 0
---@return redis.lock
function lock.acquire(db, name, options)
	if type(name) ~= "string" and type(name) ~= "number" then
		error("redis lock: a name is a string, not a " .. type(name))
	end
	options = options or {}
	checks.check("redis lock", options, known)
	checks.numbers("redis lock", options, { ttl = 0.001, wait = 0.0 })
	if options.on_lost ~= nil and type(options.on_lost) ~= "function" then
		error("redis lock: on_lost has to be a function, not a " .. type(options.on_lost))
	end
	local above = options.above or 0
	if math.type(above) ~= "integer" or above < 0 or above >= HIGHEST then
		error("redis lock: above has to be an integer from 0 to 2^53, not " .. tostring(above))
	end
	local ttl, wait = options.ttl or 10, options.wait or 10
	local self = setmetatable({
		db = db, keys = keys_of(tostring(name)), lost = false,
		id = ("%016x%016x"):format(math.random(0), math.random(0)), milliseconds = math.ceil(ttl * 1000),
		on_lost = options.on_lost,
	}, held)
	local until_then, attempts = now() + wait, 0
	while true do
		local since = now()
		-- An answer that takes longer than `ttl` is of no use.
		local seconds = math.max(math.min(until_then - since, ttl), 0.05)
		local ok, answer = pcall(acquire, wait > 0 and db:with { timeout = seconds } or db, self.keys, self.id,
			self.milliseconds, ("%d"):format(above))
		if ok and expect.integer(answer, "EVALSHA") > 0 then
			self.token, self.until_then = answer, since + ttl
			break
		elseif not ok and not (errors.is(answer) and answer.outcome ~= "rejected") then
			error(answer, 0)
		end
		local left = until_then - now()
		if left <= 0 then
			if not ok then
				-- It may be ours for all we know.
				skynet.fork(pcall, release, db, self.keys, self.id)
			end
			error(ok and errors.new { code = "lock", outcome = "rejected",
				message = ("redis lock: %s is held by somebody else (waited %.3g s)"):format(name, wait) } or answer, 0)
		end
		attempts = attempts + 1
		skynet.sleep(math.max(1, math.ceil(math.min(backoff(attempts, FIRST_PAUSE, LONGEST_PAUSE), left,
			ok and -answer / 1000 or LONGEST_PAUSE) * 100)))
	end
	if options.extend ~= false then
		skynet.fork(keep, setmetatable({ held = self }, { __mode = "v" }), ttl / 3)
	end
	return self
end

return lock
