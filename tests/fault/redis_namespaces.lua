-- timeout: 400
-- A Redis Cluster whose nodes are on hosts of their own, and cables that are cut: for all, in one direction, between
-- nodes only, as a seed says. Numbered writes go on, direct and through pools: no wrong reply, no call that hangs, and
-- every count is explained by what was acknowledged and what may have been applied. Values that are kept here are never
-- older than what their readers have seen acknowledged. REEF_SOAK=N does it N times.
local clusters = require "test.redis_cluster"
local namespaces = require "test.namespaces"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local test = require "test"
local writers = require "test.writers"

local SOAK = math.tointeger(tonumber(os.getenv "REEF_SOAK")) or 1
local COROUTINES = test.count(60) // 2 + 3 -- of each service
local TIMEOUT = 3                          -- seconds, of a call

local function pair_of(cluster, number)
	local other = number > 3 and number - 3 or number + 3
	if cluster.nodes[number]:says("^master", "ROLE") then
		return number, other
	end
	return other, number
end

local function taken_over(cluster, replica)
	test.eventually("the replica to take over", 60, function()
		return cluster.nodes[replica]:says("^master", "ROLE")
	end)
end

local function healed(cluster, old)
	cluster:settled(60)
	test.eventually("the old master as a replica", 60, function()
		return cluster.nodes[old]:says("master_link_status:up", "INFO", "replication")
	end)
end

-- Each cut returns whether somebody may have taken over: then servers may lose what they have acknowledged.
local cuts = {}

-- The whole host is gone.
function cuts.cable(cluster, net, random)
	local master, replica = pair_of(cluster, random(3))
	net[master]:unplug()
	taken_over(cluster, replica)
	skynet.sleep(random(0, 100))
	net[master]:plug()
	healed(cluster, master)
	return true
end

-- The nodes do not hear from a master, which hears them, and whom clients reach.
function cuts.mute_among_nodes(cluster, net, random)
	local master, replica = pair_of(cluster, random(3))
	for i = 1, 6 do
		if i ~= master then
			net[i]:deaf_to(net[master])
		end
	end
	taken_over(cluster, replica)
	skynet.sleep(random(0, 100))
	for i = 1, 6 do
		if i ~= master then
			net[i]:hear(net[master])
		end
	end
	healed(cluster, master)
	return true
end

-- Replies do not come back.
function cuts.replies(cluster, net, random)
	local master = pair_of(cluster, random(3))
	net.here:deaf_to(net[master])
	skynet.sleep(random(50, 400))
	net.here:hear(net[master])
end

-- Requests do not arrive.
function cuts.requests(cluster, net, random)
	local master = pair_of(cluster, random(3))
	net[master]:deaf_to(net.here)
	skynet.sleep(random(50, 400))
	net[master]:hear(net.here)
end

-- Nobody is reached for a while.
function cuts.all(_, net, random)
	for i = 1, 6 do
		net[i]:deaf_to(net.here)
	end
	skynet.sleep(random(50, 200))
	for i = 1, 6 do
		net[i]:hear(net.here)
	end
end

local names = { "cable", "mute_among_nodes", "replies", "requests", "all" }

local function checked(cluster, seed)
	local list = {}
	for i = 1, 2 do
		list[i] = test.service "cache_checker"
		skynet.call(list[i], "lua", "start", cluster:uri(), { heartbeat = 0.5 }, TIMEOUT, ("c%d-%d"):format(seed, i), 10)
	end
	return function()
		for _, one in ipairs(list) do
			local result = skynet.call(one, "lua", "stop")
			test.equal({ result.stale, result.hung }, { {}, 0 })
			test.truthy(result.acknowledged > 0, result.last)
		end
	end
end

-- What was acknowledged is there again after cuts that nobody took over in.
local function round(cluster, net, db, seed, wanted)
	math.randomseed(seed)
	local replies, maybe = 0, 0
	local check = checked(cluster, seed)
	for i, name in ipairs(wanted) do
		local list = writers.start_all(cluster:uri(), TIMEOUT, nil, COROUTINES, ("w%d-%d-"):format(seed, i))
		writers.go_on(list, test.count(500))
		local lossy = cuts[name](cluster, net, math.random)
		writers.go_on(list, test.count(500))
		skynet.error(("seed %d: %s"):format(seed, name))
		local n, doubtful = writers.finish(db, list, TIMEOUT, not lossy)
		replies, maybe = replies + n, maybe + doubtful
		for key in db:scan_iter { match = "w*", count = 1000 } do
			pcall(db.del, db, key)
		end
	end
	check()
	return replies, maybe
end

test.case("cables that are cut, also in one direction: every write is explained", { timeout = 390 * SOAK }, function()
	local net = namespaces.start(6)
	local cluster = clusters.start(nil, nil, net)
	local db = redis.connect(cluster:uri(), { timeout = 20 })
	local replies, maybe = 0, 0
	for i = 1, SOAK do
		local wanted = names
		if SOAK > 1 then
			wanted = {}
			for k = 1, 4 do
				wanted[k] = names[(i + k * (i % 4 + 1)) % #names + 1]
			end
		end
		local n, doubtful = round(cluster, net, db, test.seed + i, wanted)
		replies, maybe = replies + n, maybe + doubtful
		skynet.error(("%d seeds: %d replies, %d maybe applied"):format(i, replies, maybe))
	end
	test.truthy(replies > test.count(5000) and maybe > 0)
end)

test.run()
