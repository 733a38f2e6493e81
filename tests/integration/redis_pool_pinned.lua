-- timeout: 300
-- reef.pool with a real server: transactions and blocking commands, which have a connection of their own for a while.
local ends = require "test.redis_pool"
local pool = require "reef.pool"
local server = require "test.redis"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local open, caller, connections = ends.open, ends.caller, ends.connections

test.case("transactions do not mix, and leave nothing behind", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s, { pinned = 4, queue_timeout = 30 })
	test.together(40, function(i)
		for round = 1, 5 do
			test.equal(db:multi(), "OK")
			test.equal(db:set("key:" .. i, round), "QUEUED")
			skynet.yield()
			test.equal(db:incr("n:" .. i), "QUEUED")
			test.equal(db:exec(), { "OK", round })
		end
	end)
	test.between(connections(db, true), 1, 4)
	test.equal(db:status().bound, 0)
	db:set("n", 0)
	test.together(10, function()
		for _ = 1, 5 do
			repeat
				db:watch "n"
				local n = tonumber(db:get "n")
				skynet.yield()
				db:multi()
				db:set("n", n + 1)
			until db:exec()
		end
	end)
	test.equal(db:get "n", "50")
end)

test.case("a transaction that is forgotten never reaches the next user of its connection", function()
	local s = server.start()
	local db = open(s, { pinned = 1, queue_timeout = 20 })
	skynet.fork(function()
		db:multi()
		db:set("forgotten", 1)
	end)
	test.eventually("the transaction", 10, function()
		return db:status().bound == 1
	end)
	skynet.sleep(120)
	test.equal(db:multi(), "OK")
	test.equal(db:get "forgotten", "QUEUED")
	test.equal(db:exec(), {})
	-- A service that is killed in the middle.
	local other = caller(s)
	skynet.call(other, "lua", "hold", "multi")
	test.eventually("its connection", 10, function()
		for _, c in ipairs(pool.stat(db).connections) do
			if c.taken then
				return true
			end
		end
	end)
	skynet.kill(other)
	test.equal(db:multi(), "OK")
	test.equal(db:discard(), "OK")
	test.equal(db:exists "forgotten", false)
end)

test.case("a connection that was changed is not given to anybody else", function()
	local db = open(server.start(), { pinned = 1, queue_timeout = 20 })
	test.raises("SELECT would change a connection that others use", db.select, db, 5)
	test.raises("SELECT, AUTH or CLIENT would change", db.pipeline, db, { { "SELECT", 5 } })
	test.raises("SELECT, AUTH or CLIENT would change", db.pipeline, db, { { "client", "SetName", "x" } })
	test.raises("client would change", db.pipeline, db, { { "PING" }, { "client", "Reply", "off" } })
	test.raises("CLIENT TRACKING would change", db.client, db, "tracking", "on")
	test.raises("would change", db.subscribe, db, "x")
	db:watch "k"
	db:select(5)
	db:unwatch()
	db:multi()
	db:set("k", 1)
	db:exec()
	test.equal(db:get "k", "1")
end)

-- What a transaction may do to its connection before it ends, in one way or another.
local misdeeds = {
	function(db) db:select(math.random(1, 15)) end,
	function(db) db:auth("bob", "secret") end,
	function(db) db:client("setname", "bob") end,
	function(db) db:client("tracking", "on") end,
	function(db) db:client("no-evict", "on") end,
	function(db) db:pipeline { { "SELECT", 3 }, { "CLIENT", "SETNAME", "x" } } end,
	function(db) pcall(db.client, db, "reply", "off") end,
	function(db) pcall(db.pipeline, db, { { "CLIENT", "REPLY", "SKIP" } }) end,
	function(db) pcall(db.subscribe, db, "x") end,
	function(db) db:multi() db:set("k", 1) end,
	function(db) db:multi() pcall(db.exec, db) db:multi() end,
	function(db) db:pipeline { { "WATCH", "touched" }, { "MULTI" }, { "SET", "k", 1 } } end,
	function(db) pcall(db.with(db, { timeout = 0.02 }).blpop, db, "never", 0.01) end,
	function(db) local w = pool.watch(db) w:subscribe "x" w:disconnect() end,
	function() error("in the middle", 0) end,
	function() skynet.sleep(1) end,
}
local endings = {
	function(db) db:unwatch() end,
	function(db) db:discard() end,
	function(db) db:multi() db:get "k" db:exec() end,
	function() end, -- forgets it
}

test.case("nothing that a transaction did to its connection reaches the next one", { timeout = 120 }, function()
	local s = server.start()
	local db = open(s, { pinned = 2, queue_timeout = 30, resp = 3 })
	db:acl("setuser", "bob", "on", ">secret", "allcommands", "allkeys", "allchannels")
	math.randomseed(test.seed)
	for _ = 1, test.count(300) do
		local deeds = { misdeeds[math.random(#misdeeds)], misdeeds[math.random(#misdeeds)] }
		local ending = endings[math.random(#endings)]
		local over = false
		skynet.fork(function()
			pcall(function()
				db:watch "touched"
				for _, deed in ipairs(deeds) do
					deed(db)
				end
			end)
			pcall(ending, db)
			over = true
		end)
		test.eventually("its end", 20, function()
			return over
		end)
		-- Both connections are looked at; a key that he watched is touched meanwhile.
		local seen = 0
		test.together(2, function()
			db:watch "mine"
			seen = seen + 1
			test.eventually("the other connection", 40, function()
				return seen == 2
			end)
			local info = db:client "info"
			for _, field in ipairs { "db=0 ", "name= ", "user=default ", "multi=%-1 ", " sub=0 ", "psub=0 ", "flags=N " } do
				test.matches(info, field)
			end
			db:multi()
			db:incr "touched"
			db:get "k"
			local results = db:exec()
			test.truthy(results and #results >= 1)
		end)
	end
	test.equal(db:client "getname", nil)
	test.equal(db:status().bound, 0)
end)

test.case("what an ended coroutine has left comes to whoever waits, in any service", { timeout = 120 }, function()
	local s = server.start()
	local db = open(s, { pinned = 1, queue_timeout = 30 })
	for _, how in ipairs { "returns", "raises", "is ended" } do
		for _ = 1, 2 do
			local other = caller(s, { pinned = 1, queue_timeout = 30 })
			skynet.call(other, "lua", "forget", how)
			db:watch "k"
			db:multi()
			db:set("k", "here")
			test.equal(db:exec(), { "OK" })
			test.equal(db:get "k", "here")
		end
	end
end)

test.case("blocking commands delay nobody, and one that is given up takes nothing", function()
	local s = server.start()
	local db = open(s)
	local got = {}
	for i = 1, 5 do
		skynet.fork(function()
			got[i] = db:blpop("list:" .. i, 0)
		end)
	end
	for i = 1, 50 do
		test.equal(db:incr "n", i)
	end
	for i = 1, 5 do
		db:rpush("list:" .. i, "v" .. i)
	end
	test.eventually("all answers", 10, function()
		return #got == 5
	end)
	test.equal(got[3], { "list:3", "v3" })
	test.raises("no reply in time", function()
		local v = db:with { timeout = 0.1 }:blpop("list", 0)
		return v
	end)
	local victim = skynet.fork(function()
		db:blpop("list", 0)
	end)
	local other = caller(s)
	skynet.call(other, "lua", "hold", "blpop", "list", 0)
	test.eventually("both", 10, function()
		return db:info("clients"):find "blocked_clients:2"
	end)
	skynet.killthread(victim)
	skynet.kill(other)
	test.eventually("the server to forget them", 10, function()
		return db:info("clients"):find "blocked_clients:0"
	end)
	db:rpush("list", "kept")
	test.equal(db:llen "list", 1)
	test.equal(db:wait(0, 10), 0)
end)

test.run()
