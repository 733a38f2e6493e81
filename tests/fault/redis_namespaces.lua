-- timeout: 400
-- A Redis Cluster whose nodes are on hosts of their own, and what becomes of both as a seed says: cables are cut for
-- all, in one direction, between nodes only; nodes die, freeze, hand over and hang up; slots move. Numbered writes go
-- on, direct and through pools: no wrong reply, no call that hangs, and every count is explained by what was
-- acknowledged and what may have been applied. Values that are kept here are never older than what their readers have
-- seen acknowledged. REEF_SOAK=N: N seeds, of which each chooses its faults (tests/soak redis).
local clusters = require "test.redis_cluster"
local faults = require "test.redis_faults"
local namespaces = require "test.namespaces"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local test = require "test"
local writers = require "test.writers"
require "skynet.manager"

local SOAK = math.tointeger(tonumber(os.getenv "REEF_SOAK"))
local FAULTS = 3                           -- of a seed, when there are many
local COROUTINES = test.count(60) // 2 + 3 -- of each service
local TIMEOUT = 3                          -- seconds, of a call

local short = { "cable", "mute_among_nodes", "replies", "requests", "all" }
local long = { "cable", "mute_among_nodes", "replies", "requests", "all", "move", "move", "hand_over", "kill",
	"kill_replica", "freeze", "pause", "hang_up" }
-- Whatever was acknowledged is there again after these.
local lossless = { "replies", "requests", "all", "move", "hand_over", "kill_replica", "pause", "hang_up" }

local function checked(cluster, seed)
	local list = {}
	for i = 1, 2 do
		list[i] = test.service "cache_checker"
		skynet.call(list[i], "lua", "start", cluster:uri(), { heartbeat = 0.5 }, TIMEOUT, ("c%d-%d"):format(seed, i), 10)
	end
	return function()
		local reads = 0
		for _, one in ipairs(list) do
			local result = skynet.call(one, "lua", "stop")
			test.equal({ result.stale, result.hung }, { {}, 0 })
			test.truthy(result.acknowledged > 0, result.last)
			reads = reads + result.reads
			skynet.kill(one)
		end
		return reads
	end
end

-- One seed: these faults, one after the other.
local function round(cluster, net, db, seed, wanted)
	math.randomseed(seed)
	local check = checked(cluster, seed)
	local total = writers.sums()
	for i, name in ipairs(wanted) do
		local prefix = ("w%d-%d-"):format(seed, i)
		local list = writers.start_all(cluster:uri(), TIMEOUT, nil, COROUTINES, prefix)
		local elections = faults.elections(cluster)
		writers.go_on(list, test.count(500))
		local lossy = (faults.links[name] or faults.nodes[name])(cluster, math.random, { net = net, key = function(random)
			return ("%sdirect%d-%d"):format(prefix, random(2) * 2 - 1, random(COROUTINES))
		end })
		writers.go_on(list, test.count(500))
		local sums = writers.finish(db, list, TIMEOUT, not lossy and elections() == 0)
		total = total + sums
		skynet.error(("seed %d: %s: %s"):format(seed, name, sums))
		for _, one in ipairs(list) do
			skynet.kill(one)
		end
		for key in db:scan_iter { match = "w*", count = 1000 } do
			pcall(db.del, db, key)
		end
	end
	return total, check()
end

local function chosen(seed)
	if not SOAK then
		return short
	end
	math.randomseed(seed)
	local from, list = seed % 3 == 0 and lossless or long, {}
	for i = 1, FAULTS do
		list[i] = from[math.random(#from)]
	end
	return list
end

test.case("nodes and cables that fail, also in one direction: every write is explained", {
	timeout = 390 * (SOAK or 1),
}, function()
	local net = namespaces.start(6)
	local cluster = clusters.start(nil, nil, net)
	local db = redis.connect(cluster:uri(), { timeout = 20 })
	local total = writers.sums()
	for seed = test.seed, test.seed + (SOAK or 1) - 1 do
		local wanted = chosen(seed)
		local sums, reads = round(cluster, net, db, seed, wanted)
		total = total + sums
		skynet.error(("seed %d done: cluster: %s: %s, %d reads"):format(seed, table.concat(wanted, " "), sums, reads))
	end
	test.truthy(total.replies > test.count(5000) and (SOAK or total.maybe > 0))
end)

test.run()
