-- A service that writes numbers to keys of its own through reef.redis.cache on a cluster, and reads them back: what it
-- sees must never be lower than what it has seen acknowledged, unless the servers have lost that themselves.
local cache = require "reef.redis.cache"
local redis = require "skynet.db.redis"
local skynet = require "skynet"

-- Numbers only grow, however late a write arrives.
local raise = redis.script [[
	if tonumber(ARGV[1]) > (tonumber(redis.call("GET", KEYS[1]) or 0)) then
		redis.call("SET", KEYS[1], ARGV[1])
	end
	return 1
]]

local SETTLED = 2000 -- cs for which servers have to agree with an acknowledged value before the cache is to blame

local db, stop
local left = 0
local result = { reads = 0, acknowledged = 0, maybe = 0, lost = 0, stale = {} }
local command = {}

-- Nobody writes the key meanwhile. Have the servers what was acknowledged, or have they lost it?
local function truth(key, sure)
	local plain, since, found = db:uncached(), skynet.now(), nil
	repeat
		local ok, value = pcall(plain.get, plain, key)
		found = ok and (tonumber(value) or 0) or found
		skynet.sleep(5)
	until skynet.now() - since > SETTLED and found or found and found < sure
	return found
end

local function look(key, sure)
	local ok, value = pcall(db.get, db, key)
	if not ok then
		skynet.sleep(1)
		return sure
	end
	result.reads = result.reads + 1
	local seen = tonumber(value) or 0
	if seen < sure then
		local found = truth(key, sure)
		if found == sure then
			result.stale[#result.stale + 1] = ("%s: %d was read, %d acknowledged"):format(key, seen, sure)
		else
			result.lost = result.lost + 1
		end
		return found
	end
	return sure
end

local function work(key)
	local n, sure = 0, 0
	while not stop do
		n = n + 1
		local ok, err = pcall(raise, db, { key }, n)
		if ok then
			sure, result.acknowledged = n, result.acknowledged + 1
		else
			result.last = tostring(err)
			result.maybe = result.maybe + (redis.error(err).outcome == "maybe applied" and 1 or 0)
		end
		for _ = 1, 3 do
			sure = look(key, sure)
		end
		skynet.sleep(1)
		sure = look(key, sure)
	end
	left = left - 1
end

function command.start(target, options, timeout, name, n)
	options.db = require("reef.pool").redis(target, { timeout = timeout, connect_timeout = 1 })
	db, left = cache.open(target, options), n
	for i = 1, n do
		skynet.fork(work, name .. "-" .. i)
	end
end

function command.reads()
	return result.reads, db:cache_stat()
end

function command.get(key)
	return db:get(key)
end

function command.stop()
	stop = true
	local since = skynet.now()
	while left > 0 and skynet.now() - since < 3000 do
		skynet.sleep(1)
	end
	result.hung = left
	return result
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
