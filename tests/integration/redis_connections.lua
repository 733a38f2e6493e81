-- timeout: 300
-- Connections of skynet.db.redis: whose commands go where, and what comes back after a loss.
local peer = require "reef.test.peer"
local redis = require "skynet.db.redis"
local connect = require "test.redis_client"
local server = require "test.redis"
local skynet = require "skynet"
local socketchannel = require "skynet.socketchannel"
local test = require "test"

test.case("MULTI blocks of many coroutines do not mix", function()
	local db = connect(server.start())
	test.together(40, function(i)
		for round = 1, 5 do
			test.equal(db:multi(), "OK")
			test.equal(db:set("key:" .. i, round), "QUEUED")
			skynet.yield()
			test.equal(db:incr("n:" .. i), "QUEUED")
			test.equal(db:exec(), { "OK", round })
		end
		test.equal(db:get("n:" .. i), "5")
	end)
	test.equal(db:status().bound, 0)
	test.equal(db:status().own, 0)
end)

test.case("WATCH notices what others do, and loses nothing", { timeout = 60 }, function()
	local db = connect(server.start(), { pool = 8 })
	db:set("n", 0)
	local conflicts = 0
	test.together(20, function()
		for _ = 1, 10 do
			while true do
				db:watch "n"
				local n = tonumber(db:get "n")
				skynet.yield()
				db:multi()
				db:set("n", n + 1)
				if db:exec() then
					break
				end
				conflicts = conflicts + 1
			end
		end
	end)
	test.equal(db:get "n", "200")
	test.truthy(conflicts > 0)
end)

test.case("DISCARD and UNWATCH end what was begun", function()
	local db = connect(server.start())
	db:multi()
	db:set("k", 1)
	test.equal(db:discard(), "OK")
	test.equal(db:exists "k", false)
	db:watch "k"
	test.equal(db:status().bound, 1)
	db:unwatch()
	test.equal(db:status().bound, 0)
	db:watch "k"
	db:multi()
	test.equal(db:unwatch(), "QUEUED")
	test.equal(db:status().bound, 1)
	test.equal(db:exec(), { "OK" })
	test.raises("EXEC without MULTI", db.exec, db)
	test.raises("wrong number", db.multi, db, "x")
	test.equal(db:status().bound, 0)
end)

test.case("a transaction in one pipeline needs no connection of its own", function()
	local s = server.start()
	local db, outside = connect(s), connect(s)
	local out = db:pipeline({ { "MULTI" }, { "INCR", "n" }, { "INCR", "n" }, { "EXEC" } }, {})
	test.equal(out[4], { ok = true, out = { 1, 2 } })
	test.equal(db:status().bound, 0)
	-- Left open, it belongs to the coroutine until it is ended.
	db:pipeline { { "WATCH", "n" }, { "MULTI" }, { "INCR", "n" } }
	test.equal(db:status().bound, 1)
	skynet.fork(function()
		db:set("other", db:get "n")
	end)
	test.eventually("the other one's write", 10, function()
		return outside:get "other" == "2"
	end)
	test.equal(db:pipeline { { "INCR", "n" }, { "EXEC" } }, { 3, 4 })
	test.equal(db:status().bound, 0)
end)

test.case("what a coroutine forgot to end is discarded when it is over", function()
	local db = connect(server.start(), { pool = 1 })
	skynet.fork(function()
		db:multi()
		db:set("k", 1)
	end)
	test.eventually("the other one's transaction", 10, function()
		return db:status().bound == 1
	end)
	skynet.sleep(2)
	-- The only connection for transactions is taken by somebody who is gone.
	db:multi()
	db:get "k"
	test.equal(db:exec(), {})
	test.equal(db:exists "k", false)
	test.equal(db:status().bound, 0)
end)

test.case("a coroutine that is ended inside a transaction leaves nothing behind", function()
	local db = connect(server.start())
	local victim = skynet.fork(function()
		db:multi()
		db:set("k", 1)
		db:blpop("none", 0)
		skynet.sleep(100000)
	end)
	test.eventually("the other one's transaction", 10, function()
		return db:status().bound == 1
	end)
	skynet.sleep(5)
	skynet.killthread(victim)
	skynet.sleep(101)
	db:multi()
	db:discard()
	test.equal(db:status().bound, 0)
	test.equal(db:exists "k", false)
end)

test.case("blocking commands delay nobody", function()
	local db = connect(server.start())
	local got = {}
	for i = 1, 10 do
		skynet.fork(function()
			got[i] = db:blpop("list:" .. i, 0)
		end)
	end
	skynet.fork(function()
		got.timeout = { db:blpop("none", 0.05) }
	end)
	test.within(5, function()
		for i = 1, 100 do
			test.equal(db:incr "n", i)
		end
	end)
	for i = 1, 10 do
		db:rpush("list:" .. i, "v" .. i)
	end
	test.eventually("all answers", 10, function()
		return #got == 10 and got.timeout
	end)
	for i = 1, 10 do
		test.equal(got[i], { "list:" .. i, "v" .. i })
	end
	test.equal(got.timeout, {})
	test.equal(db:status().own, 0)
end)

test.case("each kind of blocking command is known", function()
	local db = connect(server.start())
	test.together(8, function(i)
		local f = ({
			function() test.equal(db:brpop({ "none", 0.05 }), nil) end,
			function() test.equal(db:blmove("none", "other", "left", "right", 0.05), nil) end,
			function() test.equal(db:bzpopmin("none", 0.05), nil) end,
			function() test.equal(db:blmpop(0.05, 1, "none", "left"), nil) end,
			function() test.equal(db:xread("block", 50, "streams", "none", "$"), nil) end,
			function() test.equal(db:wait(0, 50), 0) end,
			function() test.equal(db:brpoplpush("none", "other", 1), nil) end,
			function()
				local out = db:pipeline({ { "PING" }, { "BLPOP", "none", 0.05 }, { "PING" } }, {})
				test.equal(out[3].out, "PONG")
			end,
		})[i]
		f()
	end)
	-- Only those that began to wait needed a connection; XREAD without BLOCK does not.
	local own = db[2].own.lender
	own:forget_idle()
	test.equal(db:xread("streams", "none", "0"), nil)
	test.equal(#own.idle, 0)
end)

test.case("the number of connections is limited, and who waits in vain is told why", function()
	local db = connect(server.start(), { pool = 2 })
	for _ = 1, 2 do
		skynet.fork(function()
			db:blpop("list", 0)
		end)
	end
	test.eventually("both connections", 10, function()
		return db:status().own == 2
	end)
	local err = test.raises("option pool", function()
		local v = db:with { timeout = 0.1 }:blpop("list", 0)
		return v
	end)
	test.equal({ err.code, err.outcome }, { "pool", "not sent" })
	local third
	skynet.fork(function()
		third = db:blpop("list", 1)
	end)
	db:rpush("list", 1)
	db:rpush("list", 2)
	db:rpush("list", 3)
	test.eventually("the third", 10, function()
		return third
	end)
	test.equal(third, { "list", "3" })
end)

test.case("a blocking command that is given up takes nothing", function()
	local db = connect(server.start())
	local err = test.raises("no reply in time", function()
		local v = db:with { timeout = 0.1 }:blpop("list", 0)
		return v
	end)
	test.equal({ err.code, err.outcome }, { "timeout", "maybe applied" })
	local victim = skynet.fork(function()
		db:blpop("list", 0)
	end)
	test.eventually("the victim", 10, function()
		return db:status().own == 1
	end)
	skynet.sleep(5)
	skynet.killthread(victim)
	test.eventually("the server to forget both", 10, function()
		return db:info("clients"):find "blocked_clients:0"
	end)
	db:rpush("list", "kept")
	test.equal(db:llen "list", 1)
	test.equal(db:status().own, 0)
end)

test.case("a late reply never reaches a later request", function()
	local s = server.start()
	local db = connect(s)
	local hasty = db:with { timeout = 0.2 }
	s:freeze()
	local err = test.raises("no reply in time", hasty.echo, hasty, "late")
	test.equal({ err.code, err.outcome, err.command }, { "timeout", "maybe applied", "ECHO" })
	test.between(err.waited, 0.2, 5)
	test.truthy(err == socketchannel.error)
	test.matches(tostring(err), "^%[Error: socket%] redis 127.0.0.1:%d+: ECHO failed after .* %(maybe applied")
	s:thaw()
	for i = 1, 100 do
		test.equal(db:echo(i), tostring(i))
	end
	local status = db:status()
	test.equal({ status.late, status.tombstones }, { 1, 0 })
end)

test.case("too many late replies cost the connection, and nobody is mistaken", function()
	local s = server.start()
	local db = connect(s, { limits = { tombstones = 10 } })
	local hasty = db:with { timeout = 0.1 }
	s:freeze()
	test.together(50, function(i)
		local ok, err = pcall(hasty.echo, hasty, i)
		test.equal(ok, false)
		test.equal(err.outcome, "maybe applied")
	end)
	test.equal(db:status().state, "closed")
	s:thaw()
	test.equal(db:echo "again", "again")
end)

test.case("a coroutine that is ended does not confuse the others", function()
	local db = connect(server.start())
	local victims = {}
	for i = 1, 100 do
		victims[i] = skynet.fork(function()
			while true do
				db:echo("victim " .. i)
			end
		end)
	end
	for round = 1, 200 do
		test.equal(db:echo(round), tostring(round))
		if victims[round] then
			skynet.killthread(victims[round])
		end
	end
	test.eventually("every reply", 10, function()
		return db:status().in_flight == 0 and db:status().tombstones == 0
	end)
end)

test.case("connections that nobody uses any more are closed", function()
	local s = server.start()
	local watcher = connect(s)
	local function count()
		return select(2, watcher:client("list"):gsub("id=", ""))
	end
	do
		local db = redis.connect { host = "127.0.0.1", port = s.port, overload = function() end }
		db:blpop("none", 0.01)
		db:multi()
		db:exec()
		db:with { timeout = 1 }:ping()
		local w = redis.watch { host = "127.0.0.1", port = s.port }
		w:subscribe "ch"
		test.equal(count(), 4)
	end
	test.eventually("one connection", 20, function()
		collectgarbage()
		return count() == 1
	end)
end)

test.case("a connection refused is an error at once, with everything in it", function()
	local port = require("test.process").free_port()
	local ok, err = pcall(redis.connect, { host = "127.0.0.1", port = port })
	test.equal(ok, false)
	test.equal({ err.code, err.outcome, err.host }, { "connect", "not sent", "redis 127.0.0.1:" .. port })
	test.matches(err.message, "Connection refused")
	test.truthy(err == socketchannel.error)
end)

test.case("a server that does not answer the login says so once, with one outcome", { timeout = 60 }, function()
	for what, script in pairs {
		["no reply in time"] = function(c) c:stall() end,
		["the server closed the connection"] = function(c)
			c:read(1)
			c:close()
		end,
	} do
		local silent = peer.start(script)
		local ok, err = pcall(redis.connect, { host = "127.0.0.1", port = silent.port, connect_timeout = 0.3, db = 1 })
		test.equal(ok, false)
		test.equal(err.outcome, "not sent")
		test.matches(err.message, "^redis 127%.0%.0%.1:%d+: connect failed after [^:()]*: login: " .. what
			.. " %(not sent%)$")
	end
end)

test.case("published messages arrive, also by pattern", function()
	local s = server.start()
	local db = connect(s)
	for resp = 2, 3 do
		local w = redis.watch { host = "127.0.0.1", port = s.port, resp = resp }
		w:subscribe("a", "b")
		w:psubscribe "p.*"
		local got = {}
		skynet.fork(function()
			while #got < 3 do
				got[#got + 1] = { w:message() }
			end
		end)
		test.eventually("the subscriptions", 10, function()
			return db:publish("a", 1) == 1
		end)
		test.equal(db:publish("b", "two"), 1)
		test.eventually("the pattern", 10, function()
			return db:publish("p.x", 3) == 1
		end)
		test.eventually("the messages", 10, function()
			return #got == 3
		end)
		test.equal(got, { { "1", "a" }, { "two", "b" }, { "3", "p.x", "p.*" } })
		w:unsubscribe "a"
		test.eventually("the end of one", 10, function()
			return db:publish("a", 1) == 0
		end)
		w:disconnect()
		test.eventually("the end of all", 10, function()
			return db:publish("b", 1) == 0
		end)
	end
end)

test.case("a slow subscriber is not drowned", function()
	local s = server.start()
	local db = connect(s)
	local w = redis.watch { host = "127.0.0.1", port = s.port, limits = { queue = 100 } }
	w:subscribe "ch"
	test.eventually("the subscription", 10, function()
		return db:publish("ch", 0) == 1
	end)
	local ops = {}
	for i = 1, 5000 do
		ops[i] = { "PUBLISH", "ch", i }
	end
	db:pipeline(ops)
	local status
	test.eventually("the limit", 10, function()
		status = w.link.connection:info()
		return status.queued >= 100
	end)
	-- What one read brought is there; the rest waits outside.
	test.truthy(status.queued < 5000)
	for i = 0, 5000 do
		test.equal(w:message(), tostring(i))
	end
	w:disconnect()
end)

test.run()
