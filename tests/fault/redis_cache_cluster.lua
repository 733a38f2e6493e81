-- timeout: 400
-- Values of a Redis Cluster kept here while slots move, nodes fail over, die, freeze and lose their clients, as a seed
-- says: no service ever reads what is older than what it has itself seen acknowledged, and in the end everybody reads
-- what the servers have. REEF_SOAK=N does it N times, with seeds one after the other.
local clusters = require "test.redis_cluster"
local faults = require "test.redis_faults"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local SOAK = math.tointeger(tonumber(os.getenv "REEF_SOAK")) or 1
local ACTIONS = os.getenv "REEF_SOAK" and 12 or test.sanitizer and 2 or 5
local COROUTINES = 20 -- of each service
local TIMEOUT = 3     -- seconds, of a call

local names = { "move", "move", "hand_over", "kill", "freeze", "pause", "hang_up" }

local function go_on(list, n)
	local function reads()
		local total = 0
		for _, one in ipairs(list) do
			total = total + skynet.call(one, "lua", "reads")
		end
		return total
	end
	local before = reads()
	test.eventually("reads that go on", 60, function()
		return reads() >= before + n
	end)
end

local function key(random)
	return ("c%d-%d"):format(random(3), random(COROUTINES))
end

-- Half of the seeds with broadcasts.
local function round(cluster, db, seed)
	math.randomseed(seed)
	local random = math.random
	local options = { heartbeat = 0.5, prefixes = seed % 2 == 0 and { "c" } or nil }
	local list = {}
	for i = 1, 3 do
		list[i] = test.service "cache_checker"
		skynet.call(list[i], "lua", "start", cluster:uri(seed % 2), options, TIMEOUT, "c" .. i, COROUTINES)
	end
	go_on(list, test.count(500))
	local _, before = skynet.call(list[1], "lua", "reads")
	local done = {}
	for i = 1, ACTIONS do
		done[i] = names[random(#names)]
		faults.nodes[done[i]](cluster, random, { key = key })
		go_on(list, test.count(500))
	end
	local _, stat = skynet.call(list[1], "lua", "reads")
	local total = { reads = 0, acknowledged = 0, maybe = 0, lost = 0 }
	for _, one in ipairs(list) do
		local result = skynet.call(one, "lua", "stop")
		test.equal({ result.stale, result.hung }, { {}, 0 }, ("seed %d: %s"):format(seed, table.concat(done, " ")))
		test.truthy(result.acknowledged > 0, result.last)
		for name in pairs(total) do
			total[name] = total[name] + result[name]
		end
	end
	for i = 1, COROUTINES do
		local name = "c1-" .. i
		for _, one in ipairs(list) do
			test.eventually("what the servers have", 20, function()
				local ok, value = pcall(skynet.call, one, "lua", "get", name)
				return ok and value == db:get(name)
			end)
		end
	end
	skynet.error(("seed %d: %s: %d reads, %d hits, %d flushes, %d losses; %d acknowledged, %d maybe, %d lost by servers")
		:format(seed, table.concat(done, " "), total.reads, stat.hits - before.hits, stat.flushes - before.flushes,
		stat.losses - before.losses, total.acknowledged, total.maybe, total.lost))
	for _, one in ipairs(list) do
		skynet.kill(one)
	end
	test.truthy(stat.hits > before.hits, "the cache was of use")
	-- A few may all be pauses.
	test.truthy(stat.flushes > before.flushes or ACTIONS < 5, "what was lost was forgotten")
	return total
end

test.case("nobody reads what is older than what he has seen acknowledged, whatever becomes of the nodes",
	{ timeout = 390 * SOAK }, function()
		local cluster = clusters.start()
		local db = redis.connect(cluster:uri())
		local reads = 0
		for i = 1, SOAK do
			db:flushall()
			reads = reads + round(cluster, db, test.seed + i).reads
		end
		skynet.error(("%d seeds, %d reads"):format(SOAK, reads))
	end)

test.run()
