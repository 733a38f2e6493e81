-- Letters in Redis: of each reader a hash with their bytes by id, and a sorted set with their order. Both change
-- together.
local now = require "reef.base.now"
local pool = require "reef.pool"

---@class reef.mail.redis: reef.mail.store
local redis = {}
redis.__index = redis

local PUT <const> = [[
if redis.call("HSETNX", KEYS[1], ARGV[1], ARGV[3]) == 1 then
	redis.call("ZADD", KEYS[2], ARGV[2], ARGV[1])
end
return 1]]

local LIST <const> = [[
local ids = redis.call("ZRANGE", KEYS[2], 0, ARGV[1] - 1, "WITHSCORES")
local found = {}
for i = 1, #ids, 2 do
	table.insert(found, ids[i])
	table.insert(found, string.format("%.0f", ids[i + 1]))
	table.insert(found, redis.call("HGET", KEYS[1], ids[i]))
end
return found]]

local REMOVE <const> = [[
redis.call("ZREM", KEYS[2], unpack(ARGV))
return redis.call("HDEL", KEYS[1], unpack(ARGV))]]

local MOST_AT_A_TIME <const> = 1000 -- ids in one command

function redis.new(target, pool_options, name)
	local db = pool.redis(target, pool_options)
	local own = db[2].conf.timeout
	return setmetatable({ db = db, most = own > 0 and own or math.huge, prefix = "reef:" .. name .. ":" }, redis)
end

local function within(self, seconds)
	return self.db:with { timeout = math.min(seconds, self.most) }
end

local function run(self, seconds, script, reader, ...)
	-- The braces keep both keys on one node of a cluster.
	local key = ("%s{%s}"):format(self.prefix, reader)
	return within(self, seconds):eval(script, 2, key .. ":letters", key .. ":order", ...)
end

function redis:put(reader, id, at, bytes, seconds)
	run(self, seconds, PUT, reader, id, at, bytes)
end

function redis:count(reader, seconds)
	return within(self, seconds):hlen(("%s{%s}:letters"):format(self.prefix, reader))
end

function redis:list(reader, limit, seconds)
	local found, letters = run(self, seconds, LIST, reader, limit), {}
	for i = 1, #found, 3 do
		letters[#letters + 1] = { found[i], math.tointeger(tonumber(found[i + 1])), found[i + 2] }
	end
	return letters
end

function redis:remove(reader, ids, seconds)
	local count, deadline = 0, now() + seconds
	for first = 1, #ids, MOST_AT_A_TIME do
		local last = math.min(first + MOST_AT_A_TIME - 1, #ids)
		count = count + run(self, math.max(deadline - now(), 0.001), REMOVE, reader, table.unpack(ids, first, last))
	end
	return count
end

return redis
