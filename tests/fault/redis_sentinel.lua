-- timeout: 200
-- Redis with Sentinels: the master is found, followed when it changes, and left when it is none any more.
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local sentinels = require "test.sentinels"
local skynet = require "skynet"
local test = require "test"
local writers = require "test.writers"

local go_on = writers.go_on

-- The master is followed when it hands over, freezes and dies.
local function follow(set, uri)
	local list = {}
	local checker = test.service "cache_checker"
	skynet.call(checker, "lua", "start", uri, { heartbeat = 0.5 }, 5, "kept", 10)
	for i, kind in ipairs { "direct", "pool" } do
		list[i] = writers.start(kind, uri, { timeout = 5, connect_timeout = 1, stall = kind == "pool" and 1 or nil,
			queue_timeout = kind == "pool" and 5 or nil }, kind, test.count(100))
	end
	go_on(list, test.count(500))
	-- By order.
	set:ask(1, "SENTINEL", "FAILOVER", "mymaster")
	test.eventually("another master", 30, function()
		return set:master() ~= 1 and set:master()
	end)
	go_on(list, test.count(1000))
	-- By a freeze: nobody closes the connections.
	local master = set:master()
	local frozen = set.servers[master]
	frozen:freeze()
	frozen.frozen = true
	test.eventually("another master", 30, function()
		return set:master()
	end)
	go_on(list, test.count(1000))
	frozen:thaw()
	frozen.frozen = nil
	go_on(list, test.count(1000))
	-- By death, with one Sentinel frozen besides. Sentinels take their time to make replicas of former masters.
	if os.getenv "REEF_SOAK" then
		test.eventually("replicas that are ready", 60, function()
			local now = set:master()
			return now and set.servers[now]:says("connected_slaves:2", "INFO", "replication")
		end)
		set.sentinels[1]:freeze()
		set.servers[set:master()]:kill()
		test.eventually("another master", 60, function()
			return set:master()
		end)
		go_on(list, test.count(1000))
	end
	local _, stat = skynet.call(checker, "lua", "reads")
	test.truthy(stat.losses > 0 and stat.hits > 100, test.show(stat))
	local checked = skynet.call(checker, "lua", "stop")
	test.equal({ checked.stale, checked.hung }, { {}, 0 })
	for i, one in ipairs(list) do
		local result = skynet.call(one, "lua", "stop")
		test.equal({ result.wrong, result.hung }, { nil, 0 })
		test.truthy(result.longest < (test.sanitizer and 30 or 9), "longest call " .. result.longest)
		for code in pairs(result.rejected) do
			test.truthy(code == "READONLY" or code == "LOADING" or code == "MASTERDOWN" or code == "UNBLOCKED", code)
		end
		-- There was a master again before anybody had waited for too long.
		test.truthy(result.refused <= result.replies / 10, "refused " .. result.refused .. ": " .. tostring(result.last))
		skynet.error(("%d: %d replies, %d refused"):format(i, result.replies, result.refused))
	end
end

test.case("Sentinels have a user of their own; replicas are read; masters are followed", { timeout = 150 }, function()
	local set = sentinels.start({ "--user", "app", "on", ">secret", "~*", "&*", "+@all" },
		"user default on nopass ~* &* +@all\nuser watcher on >sesame ~* &* +@all")
	local uri = set:uri():gsub("//", "//app:secret@", 1) .. "?sentinel_username=watcher&sentinel_auth=sesame"
	-- The Sentinels do not know the servers' user.
	local db = redis.connect(uri)
	test.equal(db:acl "WHOAMI", "app")
	test.equal(db:set("a", 1), "OK")
	test.equal(db:wait(2, 1000), 2)
	local reader = redis.connect(uri, { read = "replica" })
	test.equal(reader:get "a", "1")
	test.equal(reader:role()[1], "slave")
	test.raises("READONLY", reader.set, reader, "a", 2)
	local pooled = pool.redis(uri)
	test.defer(pool.close, pooled)
	test.equal(pooled:get "a", "1")
	test.equal(pooled:acl "WHOAMI", "app")
	test.raises("WRONGPASS", redis.connect, uri:gsub("sesame", "wrong"), { connect_timeout = 1 })
	test.raises("mymaster2", redis.connect, (set:uri():gsub("mymaster", "mymaster2")), { connect_timeout = 1 })
	-- Through a pool one waits for a master to appear, and is told why there is none.
	for wrong, why in pairs { [set:uri():gsub("mymaster", "mymaster2")] = "mymaster2",
		["redis+sentinel://127.0.0.1:1/m"] = "no Sentinel answers" } do
		local nobody = pool.redis(wrong, { connect_timeout = 1, queue_timeout = 0.5 })
		test.raises(why, nobody.get, nobody, "a")
		pool.close(nobody)
	end
	local watch = redis.watch(set:uri())
	watch:subscribe "news"
	test.eventually("a subscriber", 5, function()
		return db:publish("news", "x") == 1
	end)
	test.equal(watch:message(), "x")
	db:multi()
	db:incr "a"
	test.equal(db:exec(), { 2 })
	db:disconnect()
	reader:disconnect()
	watch:disconnect()
	follow(set, uri)
end)

test.case("without Sentinels there is an error that names them", function()
	local err = test.raises("no Sentinel answers", redis.connect, "redis+sentinel://127.0.0.1:1,127.0.0.1:2/m",
		{ connect_timeout = 0.5 })
	test.equal({ err.code, err.outcome }, { "connect", "not sent" })
	test.raises("master is required", redis.connect, "redis+sentinel://127.0.0.1:1")
	test.raises("not both", redis.connect, { sentinels = { "a" }, master = "m", cluster = true, host = "a" })
end)

test.run()
