-- timeout: 200
-- Redis with Sentinels: the master is found, followed when it changes, and left when it is none any more.
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local sentinels = require "test.sentinels"
local skynet = require "skynet"
local test = require "test"
local writers = require "test.writers"
require "skynet.manager"

local SOAK = math.tointeger(tonumber(os.getenv "REEF_SOAK"))
local TIMEOUT = 5 -- seconds, of a call
-- What writers may see besides what a cluster says.
local allowed = { READONLY = true, UNBLOCKED = true }

local function epoch_of(set)
	return set:ask(1, "SENTINEL", "MASTER", "mymaster"):match "config%-epoch\n(%d+)"
end

local function another(set, old)
	test.eventually("another master", 60, function()
		local now = set:master()
		return now and now ~= old
	end)
end

-- Sentinels take their time to make replicas of former masters, and one that was frozen does nothing for half a minute.
local function whole(set)
	test.eventually("replicas and Sentinels that are ready", 120, function()
		local now = set:master()
		if not now or not set.servers[now]:says("connected_slaves:2", "INFO", "replication") then
			return false
		end
		for i = 1, 3 do
			local master = set:ask(i, "SENTINEL", "MASTER", "mymaster")
			local replicas = set:ask(i, "SENTINEL", "REPLICAS", "mymaster")
			if not set:ask(i, "INFO", "sentinel"):find "sentinel_tilt:0" or not master:find "\nflags\nmaster\n"
				or not master:find("\nport\n" .. set.servers[now].port .. "\n", 1, true)
				or select(2, replicas:gsub("\nflags\nslave\n", "")) ~= 2 then
				return false
			end
		end
		return true
	end)
end

local faults = {}

function faults.hand_over(set)
	local old = set:master()
	test.eventually("a Sentinel that does it", 30, function()
		return set:ask(1, "SENTINEL", "FAILOVER", "mymaster"):find "OK"
	end)
	another(set, old)
end

---Nobody closes the connections.
function faults.freeze(set)
	local old = set:master()
	local server = set.servers[old]
	server:freeze()
	server.frozen = true
	another(set, old)
	return function()
		server:thaw()
		server.frozen = nil
	end
end

function faults.kill(set)
	local old = set:master()
	set.servers[old]:kill()
	another(set, old)
	return function()
		set.servers[old]:restart()
	end
end

---One Sentinel is frozen besides, and one is enough less than all.
function faults.kill_with_sentinel(set, random)
	local one = set.sentinels[random(3)]
	one:freeze()
	local heal = faults.kill(set)
	return function()
		one:signal "CONT"
		heal()
	end
end

function faults.sentinel(set, random)
	local one = set.sentinels[random(3)]
	one:freeze()
	skynet.sleep(random(50, 300))
	one:signal "CONT"
end

function faults.pause(set, random)
	local server = set.servers[set:master()]
	server:freeze()
	skynet.sleep(random(40))
	server:thaw()
end

function faults.hang_up(set)
	set.servers[set:master()]:cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
end

local names = { "hand_over", "freeze", "kill", "kill_with_sentinel", "sentinel", "pause", "hang_up" }

local function start_writers(uri, name)
	local list = {}
	for i, kind in ipairs { "direct", "pool" } do
		list[i] = writers.start(kind, uri, { timeout = TIMEOUT, connect_timeout = 1, stall = kind == "pool" and 1 or nil,
			queue_timeout = kind == "pool" and TIMEOUT or nil }, name .. kind, test.count(100))
	end
	return list
end

-- The master is followed through these faults. What was acknowledged is there again unless there is another master.
local function follow(set, uri, db, seed, wanted)
	math.randomseed(seed)
	local total, checker = writers.sums(), test.service "cache_checker"
	skynet.call(checker, "lua", "start", uri, { heartbeat = 0.5 }, TIMEOUT, "kept" .. seed, 10)
	for i, name in ipairs(wanted) do
		local list, master, epoch = start_writers(uri, ("w%d-%d-"):format(seed, i)), set:master(), epoch_of(set)
		writers.go_on(list, test.count(500))
		local heal = faults[name](set, math.random)
		writers.go_on(list, test.count(1000))
		if heal then
			heal()
			writers.go_on(list, test.count(1000))
		end
		if SOAK then
			whole(set)
		end
		local sums = writers.finish(db, list, TIMEOUT, set:master() == master and epoch_of(set) == epoch, allowed)
		-- There was a master again before anybody had waited for too long.
		test.truthy(SOAK or sums.refused <= sums.replies / 10, tostring(sums))
		total = total + sums
		skynet.error(("seed %d: %s: %s"):format(seed, name, sums))
		for _, one in ipairs(list) do
			skynet.kill(one)
		end
	end
	local _, stat = skynet.call(checker, "lua", "reads")
	test.truthy(SOAK or stat.losses > 0 and stat.hits > 100, test.show(stat))
	local checked = skynet.call(checker, "lua", "stop")
	skynet.kill(checker)
	test.equal({ checked.stale, checked.hung }, { {}, 0 })
	return total, checked.reads
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
	reader:disconnect()
	watch:disconnect()
	follow(set, uri, db, test.seed, { "hand_over", "freeze" })
end)

if SOAK then
	test.case("masters are followed, whatever becomes of servers and Sentinels", { timeout = 390 * SOAK }, function()
		local set = sentinels.start()
		local db = redis.connect(set:uri(), { timeout = 20 })
		for seed = test.seed, test.seed + SOAK - 1 do
			math.randomseed(seed)
			local wanted = { names[math.random(#names)], names[math.random(#names)] }
			local sums, reads = follow(set, set:uri(), db, seed, wanted)
			skynet.error(("seed %d done: sentinel: %s: %s, %d reads"):format(seed, table.concat(wanted, " "), sums, reads))
		end
	end)
end

test.case("without Sentinels there is an error that names them", function()
	local err = test.raises("no Sentinel answers", redis.connect, "redis+sentinel://127.0.0.1:1,127.0.0.1:2/m",
		{ connect_timeout = 0.5 })
	test.equal({ err.code, err.outcome }, { "connect", "not sent" })
	test.raises("master is required", redis.connect, "redis+sentinel://127.0.0.1:1")
	test.raises("not both", redis.connect, { sentinels = { "a" }, master = "m", cluster = true, host = "a" })
end)

test.run()
