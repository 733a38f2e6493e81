-- Letters in Redis: of each reader a hash with their bytes by id, and a sorted set with their order. Both change
-- together.
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
	return setmetatable({ db = pool.redis(target, pool_options), prefix = "reef:" .. name .. ":" }, redis)
end

local function run(self, script, reader, ...)
	-- The braces keep both keys on one node of a cluster.
	local key = ("%s{%s}"):format(self.prefix, reader)
	return self.db:eval(script, 2, key .. ":letters", key .. ":order", ...)
end

function redis:put(reader, id, at, bytes)
	run(self, PUT, reader, id, at, bytes)
end

function redis:count(reader)
	return self.db:hlen(("%s{%s}:letters"):format(self.prefix, reader))
end

function redis:list(reader, limit)
	local found, letters = run(self, LIST, reader, limit), {}
	for i = 1, #found, 3 do
		letters[#letters + 1] = { found[i], math.tointeger(tonumber(found[i + 1])), found[i + 2] }
	end
	return letters
end

function redis:remove(reader, ids)
	local count = 0
	for first = 1, #ids, MOST_AT_A_TIME do
		count = count + run(self, REMOVE, reader, table.unpack(ids, first, math.min(first + MOST_AT_A_TIME - 1, #ids)))
	end
	return count
end

return redis
