-- Limits how often something may happen, for all processes that use the same Redis. Times are in seconds.
--
--     local limiter = require "reef.redis.limiter".new(db, { rate = 5, per = 1, burst = 10 })
--     local allowed, wait, left = limiter:take("login:" .. address)
--
-- `rate` in `per` seconds, evenly (GCRA: one moment is kept for each name, by the server's clock), and up to `burst`
-- at once.
local checks = require "reef.options"
local expect = require "reef.redis.expect"
local redis = require "reef.redis"

local take = redis.script [[
	local time = redis.call("TIME")
	local now = tonumber(time[1]) * 1e6 + tonumber(time[2])
	local each, most, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
	local free = math.max(tonumber(redis.call("GET", KEYS[1]) or now), now)
	local after = free + each * n
	local early = after - now - each * most
	if early > 0 then
		return { 0, math.ceil(early), math.floor((now + each * most - free) / each) }
	end
	if n > 0 then
		redis.call("SET", KEYS[1], string.format("%.0f", after), "PX", math.ceil((after - now) / 1000) + 1)
	end
	return { 1, 0, math.floor((now + each * most - after) / each) }
]]

---@class redis.limiter
local limiter = {}
limiter.__index = limiter

local M = {}

---@param db redis.db
---@param options { rate: number, per: number?, burst: number?, prefix: string? }  per: seconds, 1; burst: rate;
---                                                                                prefix of keys: "limit:"
---@return redis.limiter
function M.new(db, options)
	checks.check("redis limiter", options, { rate = true, per = true, burst = true, prefix = true })
	options = options or {}
	local rate, per = options.rate, options.per or 1
	local burst = options.burst or rate
	local numbers = type(rate) == "number" and type(per) == "number" and type(burst) == "number"
	if not numbers or rate <= 0 or per <= 0 or burst < 1 then
		error("redis limiter: rate and per have to be above 0, and burst at least 1")
	end
	return setmetatable({ db = db, each = per / rate * 1e6, burst = burst, prefix = options.prefix or "limit:" }, limiter)
end

---Takes n of what is allowed, or nothing.
---@param name string
---@param n integer|nil  1
---@return boolean allowed
---@return number wait      seconds after which it would be; more than `burst` never would: math.huge
---@return integer left     that are allowed at once from now on
function limiter:take(name, n)
	if type(name) ~= "string" and type(name) ~= "number" then
		error("redis limiter: a name is a string, not a " .. type(name))
	end
	n = n or 1
	if type(n) ~= "number" or n < 0 or n ~= n then
		error("redis limiter: what is taken is a number of at least 0, not " .. tostring(n))
	end
	local reply = expect.list(take(self.db, { self.prefix .. name }, self.each, self.burst, n), "EVALSHA", 3)
	return reply[1] == 1, n > self.burst and math.huge or reply[2] / 1e6, math.max(reply[3], 0)
end

return M
