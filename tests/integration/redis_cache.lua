-- timeout: 120
-- reef.redis.cache with a real server: hits, invalidation, losses, bounds, expiry, dog-piles.
local cache = require "reef.redis.cache"
local fault = require "test.proxy"
local redis = require "skynet.db.redis"
local server = require "test.redis"
local skynet = require "skynet"
local test = require "test"

local function target(port)
	return { host = "127.0.0.1", port = port, timeout = 5, connect_timeout = 1 }
end

local function open(port, options)
	local db = cache.open(target(port), options)
	test.eventually("tracking", 10, function()
		return db:cache_stat().on
	end)
	return db
end

local function gets(s)
	return tonumber(s:cli("INFO", "commandstats"):match "cmdstat_get:calls=(%d+)" or 0)
end

test.case("what is read again is not asked for again, in any service", function()
	local s = server.start()
	local db = open(s.port)
	local long = ("x"):rep(100000)
	test.equal(db:set("a", "short"), "OK")
	test.equal(db:set("long", long), "OK")
	for _ = 1, 10 do
		test.equal(db:get "a", "short")
		test.truthy(db:get "long" == long)
		test.equal(db:get "none", nil)
		test.equal(db:get(7), nil)
	end
	test.equal(gets(s), 4)
	test.equal(db:mget("a", "none", "long"), { "short", nil, long })
	local reader = test.service "cache_reader"
	skynet.call(reader, "lua", "open", target(s.port))
	test.equal(skynet.call(reader, "lua", "call", "get", "a"), "short")
	test.equal(gets(s), 4)
	-- As keys of tables they are as any string.
	test.equal(({ short = 1 })[db:get "a"], 1)
	test.equal(({ [long] = 2 })[db:get "long"], 2)
	local stat = db:cache_stat()
	test.truthy(stat.hits > 30 and stat.entries == 4 and stat.bytes > 100000)
	test.raises("WRONGTYPE", function()
		db:lpush("list", 1)
		return db:get "list"
	end)
end)

for _, mode in ipairs { "per key", "broadcast" } do
	test.case("others' writes are told, " .. mode, function()
		local s = server.start()
		local db = open(s.port, { prefixes = mode == "broadcast" and { "user:", "item:" } or nil })
		local other = redis.connect(target(s.port))
		for i = 1, 20 do
			other:set("user:1", i)
			test.eventually("the new value", 5, function()
				return db:get "user:1" == tostring(i)
			end)
		end
		local before = gets(s)
		for _ = 1, 10 do
			db:get "user:1"
			db:get "else"
		end
		test.equal(gets(s) - before, mode == "broadcast" and 10 or 1)
		other:del "user:1"
		test.eventually("nothing", 5, function()
			return db:get "user:1" == nil
		end)
		other:set("user:1", "x")
		test.eventually("something again", 5, function()
			return db:get "user:1" == "x"
		end)
		other:flushall()
		test.eventually("nothing again", 5, function()
			return db:get "user:1" == nil
		end)
	end)
end

test.case("nobody reads what is older than what he has seen acknowledged", { timeout = 60 }, function()
	local s = server.start()
	local readers = {}
	for i = 1, 8 do
		readers[i] = test.service "cache_reader"
		skynet.call(readers[i], "lua", "open", target(s.port))
	end
	local stale, back, reads = 0, 0, 0
	test.together(8, function(i)
		if i <= 4 then
			local found = skynet.call(readers[i], "lua", "check", "own" .. i .. ":", test.count(1000), 5)
			stale = stale + found
		else
			local b, r = skynet.call(readers[i], "lua", "follow", "own1:1", 50)
			back, reads = back + b, reads + r
		end
	end)
	test.equal({ stale, back }, { 0, 0 })
	test.truthy(reads > 100)
end)

test.case("writes in transactions, pipelines and scripts count, too", function()
	local s = server.start()
	local db = open(s.port)
	db:set("n", 1)
	test.equal(db:get "n", "1")
	db:multi()
	db:incr "n"
	test.equal(db:exec(), { 2 })
	test.equal(db:get "n", "2")
	-- What is read in a transaction comes from the server, and what was read after WATCH is what it is about.
	db:multi()
	test.equal(db:get "n", "QUEUED")
	db:incr "m"
	test.equal(db:exec(), { "2", 1 })
	test.equal({ db:get "n", db:get "m" }, { "2", "1" })
	local asked = gets(s)
	db:watch "n"
	test.equal({ db:get "n", db:mget("n") }, { "2", { "2" } })
	test.equal(gets(s), asked + 1)
	db:unwatch()
	test.equal(db:get "n", "2")
	test.equal(gets(s), asked + 1)
	test.equal(db:with { timeout = 3 }:set("m", 5), "OK")
	test.equal({ db:get "m", db:with { timeout = 3 }:get "m" }, { "5", "5" })
	db:pipeline({ { "INCR", "n" }, { "INCR", "n" } }, {})
	test.equal(db:get "n", "4")
	db:eval("return redis.call('INCR', KEYS[1])", 1, "n")
	test.equal(db:get "n", "5")
	db:mset("n", 6, "m", 7)
	test.equal({ db:get "n", db:get "m" }, { "6", "7" })
	db:rename("m", "n")
	test.equal({ db:get "n", db:get "m" }, { "7", nil })
	db:flushdb()
	test.equal(db:get "n", nil)
end)

test.case("all is forgotten when the connection is lost or silent, or the server another", { timeout = 60 }, function()
	local s = server.start()
	local proxy = fault.start(s.port)
	local other = redis.connect(target(s.port))
	local db = open(proxy.port, { heartbeat = 0.2, db = redis.connect(target(s.port)) })
	for _, how in ipairs { "cut", "hold" } do
		other:set("a", "old")
		test.eventually("the old value", 10, function()
			return db:get "a" == "old" and db:cache_stat().entries > 0
		end)
		local losses = db:cache_stat().losses
		proxy[how](proxy)
		other:set("a", "new")
		test.eventually("the loss", 10, function()
			return db:cache_stat().losses > losses
		end)
		test.equal(db:get "a", "new")
		proxy:heal()
		test.eventually("tracking again", 10, function()
			return db:cache_stat().on
		end)
	end
	other:set("a", "old")
	test.equal(db:get "a", "old")
	s:restart()
	test.eventually("the loss", 10, function()
		local ok, value = pcall(db.get, db, "a")
		return ok and value == nil
	end)
end)

test.case("values end with their keys' time", function()
	local s = server.start()
	local db = open(s.port)
	db:set("a", 1, "PX", 300)
	db:set("b", 1)
	test.equal({ db:get "a", db:get "b" }, { "1", "1" })
	skynet.sleep(32)
	test.equal({ db:get "a", db:get "b" }, { nil, "1" })
end)

test.case("a cache has no more bytes than it may", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s.port, { bytes = 200000 })
	local value = ("v"):rep(1000)
	local held = {}
	for round = 1, 3 do
		for i = 1, 1000 do
			if round == 1 then
				db:set("k" .. i, value .. i)
			end
			local got = db:get("k" .. i)
			test.truthy(got == value .. i)
			if i % 10 == 0 then
				held[i] = got
			end
		end
		local stat = db:cache_stat()
		test.truthy(stat.bytes <= 200000 and stat.entries > 0, "bytes " .. stat.bytes)
		test.truthy(stat.evicted > 0)
	end
	-- What a service holds stays what it is.
	collectgarbage()
	for i, text in pairs(held) do
		test.truthy(text == value .. i)
	end
end)

test.case("one asks, the others wait", function()
	local s = server.start()
	-- A silent server is not given up here.
	local patient = { host = "127.0.0.1", port = s.port, timeout = 60, connect_timeout = 60 }
	local db = cache.open(patient, { heartbeat = 60 })
	test.eventually("tracking", 10, function()
		return db:cache_stat().on
	end)
	redis.connect(patient):set("hot", "value")
	local readers = {}
	for i = 1, 10 do
		readers[i] = test.service "cache_reader"
		skynet.call(readers[i], "lua", "open", patient)
	end
	s:freeze()
	local answered = 0
	for i = 1, 100 do
		skynet.fork(function()
			test.equal(skynet.call(readers[i % 10 + 1], "lua", "call", "get", "hot"), "value")
			answered = answered + 1
		end)
	end
	skynet.sleep(10)
	s:thaw()
	test.eventually("all answers", 10, function()
		return answered == 100
	end)
	test.equal(gets(s), 1)
	test.equal(db:get "hot", "value")
end)

test.run()
