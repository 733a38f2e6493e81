-- timeout: 300
-- reef.pool with a real server: sharing, order, fairness, limits, pinned connections, changes while it works.
local pool = require "reef.pool"
local server = require "test.redis"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local function open(s, options)
	local db = pool.redis({ host = "127.0.0.1", port = s.port }, options)
	test.defer(pcall, pool.close, db)
	return db
end

local function caller(s, options)
	local address = test.service "pool_caller"
	skynet.call(address, "lua", "open", { host = "127.0.0.1", port = s.port }, options)
	return address
end

local function connections(db, pinned)
	local n = 0
	for _, c in ipairs(pool.stat(db).connections) do
		n = n + (c.pinned == pinned and c.state == "open" and 1 or 0)
	end
	return n
end

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

test.case("a subscriber has one of the pool's connections, and the driver's methods", { timeout = 60 }, function()
	local s = server.start()
	for resp = 2, 3 do
		local db = pool.redis({ host = "127.0.0.1", port = s.port, resp = resp })
		test.defer(pcall, pool.close, db)
		local w = pool.watch(db)
		w:subscribe("a", "b")
		w:psubscribe "p.*"
		local got = {}
		skynet.fork(function()
			while pcall(function()
				got[#got + 1] = { w:message() }
			end) do end -- luacheck: ignore 542
			got.over = true
		end)
		test.eventually("the subscriptions", 10, function()
			return db:publish("a", 1) == 1 and db:publish("b", 2) == 1 and db:publish("p.x", 3) == 1
		end)
		test.eventually("the messages", 10, function()
			local n = #got
			return n >= 3 and got[n][1] == "3"
		end)
		local n = #got
		test.equal({ got[n - 2], got[n - 1], got[n] }, { { "1", "a" }, { "2", "b" }, { "3", "p.x", "p.*" } })
		test.equal(connections(db, true), 1)
		w:unsubscribe "a"
		test.eventually("the end of one", 10, function()
			return db:publish("a", 1) == 0
		end)
		w:disconnect()
		test.eventually("the end of all", 10, function()
			return got.over and db:publish("b", 1) == 0 and connections(db, true) == 0
		end)
	end
end)

test.case("a subscriber can be made from a target, too, and does not delay the pool's end", { timeout = 60 }, function()
	local s = server.start()
	local options = { drain = 1000 }
	local w = pool.watch({ host = "127.0.0.1", port = s.port }, options)
	local db = open(s, options)
	w:subscribe "news"
	local got
	skynet.fork(function()
		got = w:message()
	end)
	test.eventually("the message", 10, function()
		db:publish("news", "hello")
		return got
	end)
	test.equal(got, "hello")
	w:disconnect()
	local again = pool.watch(db)
	again:subscribe "news"
	test.eventually("the subscription", 10, function()
		return db:publish("news", "x") == 1
	end)
	pool.close(db)
	again:disconnect()
end)

test.case("a slow subscriber gets everything in order, and only its own connection waits", { timeout = 120 }, function()
	local s = server.start()
	local db = open(s)
	local w = pool.watch(db)
	w:subscribe "ch"
	test.eventually("the subscription", 10, function()
		return db:publish("ch", 0) == 1
	end)
	local n, filling = test.count(20000), ("x"):rep(200)
	for first = 1, n, 1000 do
		local ops = {}
		for i = first, first + 999 do
			ops[#ops + 1] = { "PUBLISH", "ch", i .. filling }
		end
		test.equal(db:pipeline(ops), 1)
	end
	-- Nobody has read anything: what is too much for us is left to the system, or to the server.
	for _, c in ipairs(pool.stat(db).connections) do
		test.truthy(c.bytes_in < 4 << 20)
	end
	test.equal(w:message(), "0")
	for i = 1, (n + 999) // 1000 * 1000 do
		if w:message() ~= i .. filling then
			error("message " .. i)
		end
	end
	w:disconnect()
end)

test.case("a subscriber whose service or coroutine ends gives its connection back", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s)
	local other = caller(s)
	skynet.call(other, "lua", "subscribe", "ch")
	do
		local w = pool.watch(db)
		w:subscribe "ch"
		local reader = skynet.fork(function()
			w:message()
		end)
		test.eventually("both", 10, function()
			return db:publish("ch", 1) == 2
		end)
		skynet.killthread(reader)
	end
	skynet.kill(other)
	test.eventually("nobody", 20, function()
		collectgarbage()
		return db:publish("ch", 1) == 0 and connections(db, true) == 0
	end)
end)

test.case("what comes to a subscriber is not lost with a coroutine that waited for it", { timeout = 60 }, function()
	local MOST <const> = 200
	local s = server.start()
	local w = pool.watch(open(s))
	w:subscribe "news"
	local db, got = open(s), {}
	skynet.fork(function()
		for i = 1, MOST do
			db:publish("news", i)
			if math.random(4) == 1 then
				skynet.sleep(math.random(0, 2))
			end
		end
	end)
	while #got < MOST do
		local reading, over
		skynet.fork(function()
			reading = coroutine.running()
			got[#got + 1] = tonumber((w:message()))
			over = true
		end)
		for _ = 1, math.random(1, 30) do
			skynet.yield()
		end
		if not over and math.random(2) == 1 then
			skynet.killthread(reading)
		else
			test.eventually("a message", 10, function()
				return over
			end)
		end
	end
	for i = 1, MOST do
		test.equal(got[i], i)
	end
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
