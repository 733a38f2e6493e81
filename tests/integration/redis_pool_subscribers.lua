-- timeout: 300
-- reef.pool with a real server: subscribers, each on a connection of the pool.
local ends = require "test.redis_pool"
local pool = require "reef.pool"
local server = require "test.redis"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local open, caller, connections = ends.open, ends.caller, ends.connections

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

test.run()
