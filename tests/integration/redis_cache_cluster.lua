-- timeout: 300
-- reef.redis.cache with a real cluster: hits and invalidation from every node, what one node's loss and a slot's move
-- take with them, bounds.
local cache = require "reef.redis.cache"
local clusters = require "test.redis_cluster"
local fault = require "test.proxy"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local test = require "test"

local function gets(cluster)
	local n = 0
	for _, node in ipairs(cluster.nodes) do
		n = n + (math.tointeger(tonumber(node:cli("INFO", "commandstats"):match "cmdstat_get:calls=(%d+)" or 0)) or 0)
	end
	return n
end

local function open(target, options)
	local db = cache.open(target, options)
	test.eventually("tracking of all masters", 20, function()
		return db:cache_stat().on
	end)
	return db
end

local parts = {}

parts[1] = { "a hit asks no node, and others' writes are told by each", function(cluster, other)
	for mode, target in pairs { ["each key"] = cluster:uri(), broadcast = cluster:uri(1) } do
		local db = open(target, { prefixes = mode == "broadcast" and { "user:", "item:" } or nil, heartbeat = 60 })
		for round = 1, 5 do
			for i = 1, 30 do
				other:set("user:" .. i, round)
			end
			for i = 1, 30 do
				test.eventually("the new value", 10, function()
					return db:get("user:" .. i) == tostring(round)
				end)
			end
			local before = gets(cluster)
			for i = 1, 30 do
				test.equal(db:get("user:" .. i), tostring(round))
			end
			test.equal(gets(cluster), before, mode)
		end
		other:flushall()
		for i = 1, 30 do
			test.eventually("nothing", 10, function()
				return db:get("user:" .. i) == nil
			end)
		end
	end
end }

parts[2] = { "what is written here is seen at once, in any slot and by any way", function(cluster)
	local db = open(cluster:uri())
	for i = 1, 50 do
		db:set("k" .. i, i)
		test.equal(db:get("k" .. i), tostring(i))
	end
	db:mset("k1", "a", "k2", "b", "k3", "c")
	test.equal(db:mget("k1", "k2", "k3", "none"), { "a", "b", "c", nil })
	db:del("k1", "k2")
	test.equal({ db:get "k1", db:get "k2", db:get "k3" }, { nil, nil, "c" })
	db:multi()
	db:incr "n"
	db:exec()
	test.equal(db:get "n", "1")
	db:pipeline { { "INCR", "n" } }
	db:eval("return redis.call('INCR', KEYS[1])", 1, "n")
	test.equal(db:get "n", "3")
	db:flushall()
	test.equal({ db:get "n", db:get "k3" }, { nil, nil })
end }

parts[3] = { "a lost connection takes with it what came from that node, and no more", function(cluster, other)
	local nat, proxies, hosts = {}, {}, {}
	for i, node in ipairs(cluster.nodes) do
		proxies[i] = fault.start(node.port)
		hosts[i] = "127.0.0.1:" .. proxies[i].port
		nat["127.0.0.1:" .. node.port] = hosts[i]
	end
	local db = open({ hosts = hosts, nat = nat, connect_timeout = 2 }, { heartbeat = 0.5, db = redis.connect({
		hosts = hosts, nat = nat }) })
	local keys = {}
	for i = 1, 60 do
		keys[i] = "key" .. i
		other:set(keys[i], "old")
		db:get(keys[i])
	end
	for _, how in ipairs { "cut", "hold" } do
		for i = 1, 60 do
			test.equal(db:get(keys[i]), "old")
		end
		local entries, losses = db:cache_stat().entries, db:cache_stat().losses
		test.equal(entries, 60)
		proxies[1][how](proxies[1])
		local here, there = 0, 0
		for _, key in ipairs(keys) do
			-- The first node's slots, as the cluster begins.
			local at_first = other:keyslot(key) <= 5460
			here, there = here + (at_first and 1 or 0), there + (at_first and 0 or 1)
		end
		test.truthy(here > 0 and there > 0)
		test.eventually("the loss", 20, function()
			return db:cache_stat().losses > losses
		end)
		test.equal(db:cache_stat().entries, there, how)
		proxies[1]:heal()
		test.eventually("tracking again", 20, function()
			return db:cache_stat().on
		end)
	end
	for _, proxy in ipairs(proxies) do
		proxy.process:kill()
	end
end }

parts[4] = { "a slot that moves takes its values with it, and no others", function(cluster, other)
	local db = open(cluster:uri(4), { heartbeat = 0.5 })
	local moving, staying = "{a}1", "{b}1"
	other:set(moving, "old")
	other:set(staying, "old")
	local slot = other:keyslot(moving)
	local from = cluster:master_of(slot)
	local to = cluster:master_of((slot + 8000) % 16384)
	test.different(from, to)
	test.equal({ db:get(moving), db:get(staying), db:get "{a}none" }, { "old", "old", nil })
	cluster:begin_move(slot, from, to)
	-- While it is under way.
	other:set("{a}none", "made")
	test.eventually("what was made elsewhere", 10, function()
		return db:get "{a}none" == "made"
	end)
	cluster:move_keys(slot, from, to)
	test.equal(db:get(moving), "old")
	other:set(moving, "new")
	test.eventually("what was written elsewhere", 10, function()
		return db:get(moving) == "new"
	end)
	cluster:end_move(slot, from, to)
	db:set(moving, "newer")
	test.equal(db:get(moving), "newer")
	local before = gets(cluster)
	test.equal({ db:get(staying), gets(cluster) }, { "old", before })
	test.eventually("a hit again", 10, function()
		before = gets(cluster)
		return db:get(moving) == "newer" and gets(cluster) == before
	end)
	cluster:move(slot, to, from)
end }

parts[5] = { "bytes are bounded over all nodes", function(cluster)
	local db = open(cluster:uri(2), { bytes = 100000 })
	local value = ("v"):rep(1000)
	for i = 1, 300 do
		db:set("b" .. i, value .. i)
		test.truthy(db:get("b" .. i) == value .. i)
	end
	local stat = db:cache_stat()
	test.truthy(stat.bytes <= 100000 and stat.entries > 10 and stat.evicted > 0, test.show(stat))
end }

parts[6] = { "a db of something else is refused", function(cluster)
	local one = redis.connect { host = "127.0.0.1", port = cluster.nodes[1].port }
	test.raises("same deployment", cache.open, cluster:uri(), { db = one })
	test.raises("same deployment", cache.open, { host = "127.0.0.1", port = cluster.nodes[1].port },
		{ db = redis.connect(cluster:uri()) })
end }

parts[7] = { "who has written where a slot is now does not read from where it was", function(cluster, other)
	-- The old master is cut off from the others, and answers for a while as if nothing had happened.
	local db = open(cluster:uri(3), { heartbeat = 60 })
	local key, theirs = "{c}1", "{c}2"
	local slot = other:keyslot(key)
	db:set(key, 1)
	other:set(theirs, 1)
	test.eventually("what others wrote", 10, function()
		return db:get(key) == "1" and db:get(theirs) == "1"
	end)
	local from = cluster:master_of(slot)
	local replica = from > 3 and from - 3 or from + 3
	cluster.nodes[from]:freeze()
	cluster.nodes[from].frozen = true
	cluster.nodes[replica]:cli("CLUSTER", "FAILOVER", "TAKEOVER")
	test.eventually("a write at the new master", 30, function()
		return (pcall(db.set, db, key, 2))
	end)
	-- The old master tells nothing, and is still connected to.
	test.eventually("others' write at the new master", 30, function()
		return (pcall(other.set, other, theirs, 2))
	end)
	test.eventually("what they wrote", 10, function()
		return db:get(theirs) == "2"
	end)
	cluster.nodes[from]:thaw()
	cluster.nodes[from].frozen = nil
	for _ = 1, 200 do
		test.equal(db:get(key), "2")
		skynet.sleep(0)
	end
	cluster:settled(60)
end }

test.case("one cluster whose values are kept", { timeout = 290 }, function()
	local cluster = clusters.start { "--cluster-node-timeout", "5000" }
	local other = redis.connect(cluster:uri())
	for _, part in ipairs(parts) do
		local ok, err = xpcall(part[2], debug.traceback, cluster, other)
		if not ok then
			test.fail(part[1] .. ": " .. tostring(err))
		end
	end
end)

test.run()
