-- Redis through a pool: one request at a time in each of many services; bench/redis.lua has the same work on one
-- connection of one service, bench/yard/redis.c on bare hiredis.
local bench = require "bench"
local pool = require "reef.pool"
local skynet = require "skynet"

local function target()
	return { host = "127.0.0.1", port = bench.option "REDIS_PORT" }
end

-- A caller: sends its requests, about a key of its own, one after the other when it is told how many.
local function caller(number)
	local key, value = "k:" .. number % 100 + 1, ("x"):rep(64)
	local db
	local work = {}
	function work.get(n)
		for _ = 1, n do
			db:get(key)
		end
	end
	function work.set(n)
		for _ = 1, n do
			db:set(key, value)
		end
	end
	skynet.start(function()
		db = pool.redis(target(), { size = 4, queue = 100000 })
		skynet.dispatch("lua", function(_, _, name, n)
			work[name](n)
			skynet.retpack()
		end)
	end)
end

if ... then
	return caller(tonumber(...))
end

bench.main(function()
	local value = ("x"):rep(64)
	local db = pool.redis(target(), { size = 4, queue = 100000 })
	for i = 1, 100 do
		db:set("k:" .. i, value)
	end
	local callers = {}
	local function run(width, name, each)
		bench.together(width, function(i)
			skynet.call(callers[i], "lua", name, each)
		end)
	end
	local function measure(result, name, width, n)
		while #callers < width do
			callers[#callers + 1] = skynet.newservice("pool", #callers)
		end
		local each = math.max(1, n // width)
		run(width, name, math.max(1, each // 10))
		bench.measure(result, each * width, function()
			run(width, name, each)
		end)
	end
	measure("pool_get_1", "get", 1, 20000)
	measure("pool_get_128", "get", 128, 400000)
	measure("pool_set_128", "set", 128, 400000)
	measure("pool_get_10000", "get", 10000, 1000000)
end)
