-- timeout: 300
-- reef.pool with a real server: sharing, order, fairness, limits, changes while it works.
local ends = require "test.redis_pool"
local pool = require "reef.pool"
local server = require "test.redis"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local open, caller, connections = ends.open, ends.caller, ends.connections

test.case("the driver's methods give the driver's results", function()
	local db = open(server.start())
	test.equal(db:set("a", 1), "OK")
	test.equal({ db:get "a", db:get "none", db:incr "a", db:exists "a" }, { "1", nil, 2, true })
	test.equal(db:mget("a", "none", "a"), { "2", nil, "2" })
	test.equal(db:get "empty", nil)
	db:set("empty", "")
	test.equal(db:get "empty", "")
	test.equal(db:incrby("a", -10), -8)
	test.raises("WRONGTYPE", db.lpush, db, "a", 1)
	test.equal(db:pipeline({ { "SET", "x", 1 }, { "INCR", "x" }, { "LPUSH", "x", 1 }, { "GET", "x" } }, {})[2],
		{ ok = true, out = 2 })
	test.equal(db:pipeline { { "SET", "x", 5 }, { "GET", "x" } }, "5")
	local large = ("\r\n\0x"):rep(500000)
	db:set("large", large)
	test.truthy(db:get "large" == large)
	local list = {}
	for i = 1, 5000 do
		list[i] = "element " .. i
	end
	db:rpush("list", table.unpack(list, 1, 5000))
	test.equal(db:lrange("list", 0, -1), list)
	local seen = 0
	for _ in db:scan_iter { count = 2 } do
		seen = seen + 1
	end
	test.equal(seen, 5)
	test.equal(require("skynet.db.redis").script "return ARGV[1]"(db, {}, "x"), "x")
	test.raises("nil", db.set, db, "a", nil)
end)

test.case("RESP3, a password and a database are the connections' own business", function()
	local s = server.start { "--requirepass", "secret" }
	local db = pool.redis(("redis://:secret@127.0.0.1:%d/3?resp=3"):format(s.port), { errors = "object" })
	test.defer(pcall, pool.close, db)
	db:hset("h", "f", 1)
	test.equal(db:hgetall "h", { f = "1" })
	test.equal(s:cli("-a", "secret", "-n", "3", "EXISTS", "h"):match "%d$", "1")
	local err = test.raises("WRONGTYPE", db.get, db, "h")
	test.equal({ err.code, err.outcome }, { "WRONGTYPE", "rejected" })
	local wrong = pool.redis(("redis://:wrong@127.0.0.1:%d"):format(s.port))
	test.defer(pcall, pool.close, wrong)
	err = test.raises("WRONGPASS", wrong.get, wrong, "a")
	test.equal({ err.code, err.outcome }, { "auth", "not sent" })
end)

test.case("all services that name a target share its connections", function()
	local s = server.start()
	local callers = {}
	for i = 1, 20 do
		callers[i] = caller(s, { size = 3 })
	end
	test.together(20, function(i)
		test.equal(skynet.call(callers[i], "lua", "echo", 50, "caller" .. i).answered, 50)
	end)
	local db = open(s)
	test.equal(pool.stat(db).options.size, 3)
	test.equal(tonumber(db:info("clients"):match "connected_clients:(%d+)"), 3)
	test.truthy(pool.stat()["redis 127.0.0.1:" .. s.port .. "/0"].requests > 1000)
	local other = open(s, { pool = "other", size = 1 })
	test.different(pool.stat(other).address, pool.stat(db).address)
end)

test.case("a caller's requests keep their order", function()
	local db = open(server.start(), { size = 4, window = 8 })
	for round = 1, 20 do
		local last = 0
		test.together(200, function(i)
			test.equal(db:rpush("list" .. round, i), i)
			test.truthy(i == last + 1)
			last = i
		end)
	end
end)

test.case("requests with one key keep their order, others need not", function()
	local s = server.start()
	local db = open(s, { size = 4, window = 8, routing = "key" })
	for round = 1, 10 do
		test.together(400, function(i)
			local list = round .. ":" .. i % 10
			test.equal(db:rpush(list, i), (i - 1) // 10 + (i % 10 == 0 and 1 or 1))
		end)
	end
	local busy = 0
	for _, c in ipairs(pool.stat(db).connections) do
		busy = busy + (c.requests > 100 and 1 or 0)
	end
	test.truthy(busy >= 2)
end)

test.case("who asks for little does not wait for who asks for much", function()
	local s = server.start()
	local options = { size = 1, window = 4, queue = 100000, queue_timeout = 30, stall = 0 }
	local hog, modest = caller(s, options), caller(s, options)
	local db = open(s)
	s:freeze()
	for address, n in pairs { [hog] = 2000, [modest] = 20 } do
		local queued = pool.stat(db).queued
		skynet.send(address, "lua", "flood", n, 1, "rpush", "order", address == hog and "hog" or "modest")
		test.eventually("the queue", 10, function()
			return pool.stat(db).queued >= queued + n - options.window
		end)
	end
	s:thaw()
	test.eventually("all", 10, function()
		return db:llen "order" == 2020
	end)
	-- In turn, so a request waits for one of the other's, not for all of them; a window full may have left before.
	for place, who in ipairs(db:lrange("order", 0, -1)) do
		test.truthy(who == "hog" or place <= 2 * 20 + options.window)
	end
end)

test.case("overload is answered at once and says how long the queue is", function()
	local s = server.start()
	local db = open(s, { size = 1, window = 2, queue = 10, queue_timeout = 30 })
	s:freeze()
	local errors, done = {}, 0
	for _ = 1, 30 do
		skynet.fork(function()
			local ok, err = pcall(db.ping, db)
			done = done + 1
			if not ok then
				errors[#errors + 1] = err
			end
		end)
	end
	test.eventually("the refusals", 10, function()
		return #errors >= 18
	end)
	test.equal({ errors[1].code, errors[1].outcome }, { "overload", "not sent" })
	test.matches(errors[1].message, "the queue is full: %d+ requests waiting")
	s:thaw()
	test.eventually("the others", 10, function()
		return done == 30
	end)
	local stat = pool.stat(db)
	test.equal(stat.overload, #errors)
	test.between(30 - #errors, 7, 12)
end)

test.case("nobody waits in the queue, or for a reply, for longer than he said", function()
	local s = server.start()
	local db = open(s, { size = 1, window = 1, queue_timeout = 0.2, stall = 0 })
	s:freeze()
	local sent, waiting
	skynet.fork(function()
		sent = { pcall(db.with(db, { timeout = 0.5 }).ping, db:with { timeout = 0.5 }) }
	end)
	skynet.yield()
	skynet.fork(function()
		waiting = { pcall(db.ping, db) }
	end)
	test.eventually("both errors", 10, function()
		return sent and waiting
	end)
	test.equal({ sent[2].code, sent[2].outcome }, { "timeout", "maybe applied" })
	test.equal({ waiting[2].code, waiting[2].outcome }, { "overload", "not sent" })
	test.truthy(waiting[2].waited >= 0.2)
	s:thaw()
	test.equal(db:echo "next", "next")
	test.equal(pool.stat(db).late, 1)
end)

test.case("a pool is warm when it can be used, and what died in silence is replaced", { timeout = 60 }, function()
	local s = server.start()
	local through = require("test.proxy").start(s.port)
	local db = open(through, { size = 3, check = 0.2, connect_timeout = 0.5 })
	test.equal(connections(db, false), 3)
	test.equal(pool.stat(db).requests, 0)
	through:hold()
	test.eventually("that it is noticed", 20, function()
		return connections(db, false) == 0
	end)
	through:heal()
	test.eventually("the others", 20, function()
		return connections(db, false) == 3
	end)
	test.equal(pool.stat(db).reconnects, 3)
	test.equal(db:ping(), "PONG")
end)

test.case("a coroutine or service that ends does not confuse the others", function()
	local s = server.start()
	local db = open(s, { size = 1 })
	local victims = {}
	for i = 1, 50 do
		victims[i] = skynet.fork(function()
			while true do
				db:echo("victim " .. i)
			end
		end)
	end
	local services = {}
	for i = 1, 10 do
		services[i] = caller(s)
		skynet.send(services[i], "lua", "echo", 1000000, "service")
	end
	for round = 1, 100 do
		test.equal(db:echo(round), tostring(round))
		if victims[round] then
			skynet.killthread(victims[round])
		end
		if round % 10 == 0 then
			skynet.kill(services[round // 10])
		end
	end
	test.eventually("every reply", 10, function()
		local stat = pool.stat(db)
		return stat.in_flight == 0 and stat.queued == 0
	end)
end)

test.case("the size changes while it works, and nothing is lost", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s, { size = 1, window = 16 })
	local over, result = false, nil
	local worker = caller(s)
	skynet.fork(function()
		result = skynet.call(worker, "lua", "echo", test.count(20000), "resize")
		over = true
	end)
	for _, size in ipairs { 8, 2, 5, 1, 3 } do
		pool.set(db, { size = size })
		test.eventually(size .. " connections", 20, function()
			return connections(db, false) == size and #pool.stat(db).connections == size
		end)
	end
	test.eventually("the worker", 60, function()
		return over
	end)
	test.equal({ result.answered, result.wrong }, { test.count(20000), nil })
	test.raises("size has to be a number of at least 1", pool.set, db, { size = 0 })
end)

test.case("a small pool grows when it has to, and shrinks when it is idle", function()
	local db = open(server.start(), { size = 4, min = 1, window = 2, idle = 0.3 })
	test.equal(connections(db, false), 1)
	test.together(200, function(i)
		test.equal(db:echo(i), tostring(i))
	end)
	test.truthy(pool.stat(db).connects > 1)
	test.eventually("one connection", 20, function()
		return connections(db, false) == 1
	end)
end)

test.case("old connections are replaced, and nothing is lost", { timeout = 60 }, function()
	local db = open(server.start(), { size = 2, max_age = 0.3 })
	local since, n = skynet.now(), 0
	while skynet.now() - since < 200 do
		test.together(50, function(i)
			test.equal(db:echo(i), tostring(i))
		end)
		n = n + 50
	end
	local stat = pool.stat(db)
	test.truthy(stat.connects > 5)
	test.equal(stat.lost, 0)
end)

test.case("closing a pool finishes what was accepted, and the next request opens it again", function()
	local s = server.start()
	local db = open(s, { size = 1, window = 4 })
	local answered, refused, failed = 0, 0, nil
	for i = 1, 500 do
		skynet.fork(function()
			local ok, reply = pcall(db.echo, db, i)
			if ok then
				answered = answered + 1
			elseif reply.outcome == "not sent" then
				refused = refused + 1
			else
				failed = reply
			end
		end)
	end
	skynet.yield()
	local before = pool.stat(db).address
	pool.close(db)
	test.eventually("all", 10, function()
		return answered + refused == 500 or failed
	end)
	test.equal({ answered, failed }, { 500, nil })
	test.eventually("the end of the service", 10, function()
		return not pcall(skynet.call, before, "debug", "PING")
	end)
	test.equal(db:echo "again", "again")
end)

test.case("a pool whose service is killed fails its callers and is made anew", function()
	local s = server.start()
	local db = open(s, { stall = 0 })
	s:freeze()
	local errors = {}
	for _ = 1, 20 do
		skynet.fork(function()
			local _, err = pcall(db.ping, db)
			errors[#errors + 1] = err
		end)
	end
	test.eventually("the requests", 10, function()
		return pool.stat(db).in_flight == 20
	end)
	skynet.kill(pool.stat(db).address)
	test.eventually("the errors", 10, function()
		return #errors == 20
	end)
	for _, err in ipairs(errors) do
		test.equal(err.outcome, "maybe applied")
	end
	s:thaw()
	test.equal(db:echo "again", "again")
end)

test.case("statistics count what happened, and slow requests are told", function()
	local slow = {}
	local db = open(server.start(), { slow = 0.05, on_slow = function(command, seconds)
		slow[#slow + 1] = { command, seconds }
	end })
	for _ = 1, 100 do
		db:set("k", "v")
	end
	pcall(db.lpush, db, "k", 1)
	db:eval("local n = 0 while n < 3 * 10^7 do n = n + 1 end", 0)
	local stat = pool.stat(db)
	test.equal({ stat.requests, stat.replies, stat.rejected, stat.slow }, { 102, 102, 1, 1 })
	test.equal({ stat.in_flight, stat.queued, stat.overload, stat.timeouts, stat.lost }, { 0, 0, 0, 0, 0 })
	test.truthy(stat.bytes_out > 2700 and stat.bytes_in > 500)
	test.truthy(stat.time.p50 > 0 and stat.time.p50 <= stat.time.p99 and stat.time.p99 <= stat.time.max)
	test.truthy(stat.time.max >= 0.05)
	test.equal({ #slow, slow[1][1] }, { 1, "EVAL" })
	test.truthy(slow[1][2] >= 0.05)
end)

test.run()
