-- timeout: 400
-- Redis Cluster while slots move, nodes fail over, die and freeze: no wrong reply, no call that hangs, every write that
-- was acknowledged and kept is found, and whatever may have been applied is said to be so.
local clusters = require "test.redis_cluster"
local fault = require "test.proxy"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local test = require "test"
local writers = require "test.writers"

local go_on = writers.go_on

local SOAKS = os.getenv "REEF_SOAK" ~= nil
local SOAK = tonumber(os.getenv "REEF_SOAK") or 1
local COROUTINES = test.count(SOAKS and 250 or 60) -- of each service
local TIMEOUT = 4 -- seconds, of a call

local function start(target, options, coroutines)
	return writers.start_all(target, TIMEOUT, options, coroutines)
end

local function finish(db, list, lossless)
	local sums = writers.finish(db, list, TIMEOUT, lossless)
	skynet.error(tostring(sums))
	return sums
end

local parts = {}

parts[1] = { "slots that move and masters that hand over lose nothing", function(cluster, db)
	local list = start(cluster:uri(), nil, COROUTINES)
	go_on(list, test.count(1000))
	for round = 1, SOAK do
		-- Keys that are written all the time.
		for i = 1, test.count(10) // 2 + 1 do
			local slot = db:keyslot(("direct%d-%d"):format(i % 2 * 2 + 1, i + round))
			local from = cluster:master_of(slot)
			local to = from % 3 + 1
			if cluster.nodes[to]:says("^master", "ROLE") then
				cluster:move(slot, from, to)
			end
		end
		go_on(list, test.count(1000))
		local replica = 4 + round % 3
		if cluster.nodes[replica]:says("^slave", "ROLE") then
			cluster:failover(replica)
		end
		go_on(list, test.count(1000))
	end
	finish(db, list, true)
	test.truthy(db:status().looks > 0)
end }

parts[2] = { "links that are cut, slow and in pieces: every count is explained", function(cluster, db)
	db:flushall()
	for round = 1, SOAKS and 2 * SOAK or 1 do
		-- The cluster is reached through proxies only, each with faults of its own.
		local nat, proxies, hosts = {}, {}, {}
		for i, node in ipairs(cluster.nodes) do
			proxies[i] = fault.start(node.port, test.seed + round * 10 + i)
			hosts[i] = "127.0.0.1:" .. proxies[i].port
			nat["127.0.0.1:" .. node.port] = hosts[i]
		end
		local list = start({ hosts = hosts }, { nat = nat }, test.count(50))
		for _, proxy in ipairs(proxies) do
			proxy:set { cut = SOAKS and 200000 or test.count(40000), delay = { 100000, 5 }, split = 900 }
		end
		go_on(list, test.count(5000))
		local cuts = 0
		for i, proxy in ipairs(proxies) do
			if i == round % 3 + 1 then
				proxy:cut()
			end
			cuts = cuts + proxy:stats().cuts
		end
		go_on(list, test.count(1000))
		finish(db, list, true)
		test.truthy(cuts > 0)
		db:flushall()
		for _, proxy in ipairs(proxies) do
			proxy.process:kill()
		end
	end
end }

parts[3] = { "nodes that die and freeze: calls end in time, and go on where the replica is", function(cluster)
	for _, node in ipairs(cluster.nodes) do
		node:cli("CONFIG", "SET", "cluster-node-timeout", 1000)
	end
	local list = start(cluster:uri(), nil, COROUTINES)
	go_on(list, test.count(1000))
	for round = 1, SOAK do
		local victim = (round - 1) % 3 + 1
		local node, replica = cluster.nodes[victim], cluster.nodes[victim + 3]
		local master, other = node, replica
		if not node:says("^master", "ROLE") then
			master, other = replica, node
		end
		if round % 2 == 1 then
			master:freeze()
			master.frozen = true
		else
			master:kill()
		end
		test.eventually("the replica to take over", 30, function()
			return other:says("^master", "ROLE")
		end)
		go_on(list, test.count(2000))
		if round % 2 == 1 then
			-- What is on its way to a frozen node cannot be known; it is not waited for any more when there is another.
			skynet.sleep(200)
			master:thaw()
			master.frozen = nil
		else
			master:restart()
		end
		cluster:settled(60)
		test.eventually("the old master as a replica", 30, function()
			return master:says("master_link_status:up", "INFO", "replication")
		end)
		go_on(list, test.count(1000))
	end
	test.truthy(finish(redis.connect(cluster:uri()), list, false).maybe > 0)
end }

parts[4] = { "a shard without a replica is waited for, as long as the call may take", function(cluster)
	local db = redis.connect(cluster:uri(), { timeout = 1.5, connect_timeout = 0.5 })
	local key = "somewhere"
	local victim = cluster:master_of(db:keyslot(key))
	local replica = victim > 3 and victim - 3 or victim + 3
	test.equal(db:set(key, 1), "OK")
	db:wait(1, 1000)
	-- Who may read elsewhere does so while nobody has taken over.
	local reader = redis.connect(cluster:uri(), { timeout = 1.5, connect_timeout = 0.5, read = "fallback" })
	local contract = require "skynet.db.redis.cluster".new({ host = "127.0.0.1", port = cluster.nodes[1].port },
		{ read_slave = true, timeout = 1.5, connect_timeout = 0.5 })
	test.equal({ reader:get(key), contract:get(key) }, { "1", "1" })
	cluster.nodes[victim]:kill()
	for _ = 1, 20 do
		test.equal({ reader:get(key), contract:get(key) }, { "1", "1" })
	end
	cluster.nodes[replica]:kill()
	local since = skynet.hpc()
	local err = redis.error(test.raises("", db.get, db, key))
	test.truthy((skynet.hpc() - since) / 1e9 < (test.sanitizer and 10 or 4))
	test.different(err.outcome, "applied in part")
	cluster.nodes[victim]:restart()
	cluster.nodes[replica]:restart()
	cluster:settled(60)
	test.eventually("an answer", 20, function()
		return (pcall(db.set, db, key, 2))
	end)
end }

test.case("one cluster that moves, is cut off, dies and comes back", { timeout = 390 }, function()
	-- In the first parts nobody takes over but who is told to.
	local cluster = clusters.start { "--cluster-node-timeout", "5000" }
	local db = redis.connect(cluster:uri())
	for _, part in ipairs(parts) do
		local since = skynet.now()
		local ok, err = xpcall(part[2], debug.traceback, cluster, db)
		if not ok then
			test.fail(part[1] .. ": " .. tostring(err))
		end
		skynet.error(("%s: %.1f s"):format(part[1], (skynet.now() - since) / 100))
	end
end)

test.case("an ACL user and TLS are kept on every node", { timeout = 120 }, function()
	local world = require("test.tls").world()
	local cluster = clusters.start({
		"--cluster-node-timeout", "5000", "--user", "default", "on", "nopass", "~*", "&*", "+@all", "-eval", "-incr",
		"--user", "app", "on", ">secret", "~*", "&*", "+@all",
	}, { certificate = world.good, ca_file = world.ca.file })
	local uri = cluster:uri():gsub("redis%+cluster://", "rediss+cluster://app:secret@")
	local options = { tls = { ca_file = world.ca.file } }
	local list = start(uri, options, test.count(50))
	go_on(list, test.count(500))
	local db = redis.connect(uri, options)
	local key = "direct1-1"
	cluster:move(db:keyslot(key), db:keyslot(key) // 5461 + 1, (db:keyslot(key) // 5461 + 1) % 3 + 1)
	go_on(list, test.count(500))
	cluster:failover(4)
	go_on(list, test.count(500))
	finish(db, list, true)
end)

test.run()
