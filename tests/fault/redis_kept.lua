-- timeout: 120
-- What is built on commands when it matters: values kept here while servers say in a rare order that keys have changed,
-- locks of a silent server, holders that are killed, options without sense.
local cache = require "reef.redis.cache"
local keyspace = require "reef.redis.keyspace"
local limiter = require "reef.redis.limiter"
local lock = require "reef.redis.lock"
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local server = require "test.redis"
local skynet = require "skynet"
local stream = require "reef.redis.stream"
local test = require "test"
require "skynet.manager"

local fake, resp = scripted.start, scripted.resp

local function now()
	return skynet.hpc() / 1e9
end

local HELLO = "%1\r\n$5\r\nproto\r\n:3"
local TOLD = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n"

test.case("a value that has changed before its time to live came is not kept", { timeout = 60 }, function()
	for _, how in ipairs { "between", "between, in pieces", "behind", "behind, in pieces" } do
		local value, old = "old", true
		local s = fake(function(words, write)
			local pieces = how:find "pieces"
			if words[1] == "HELLO" then
				return HELLO
			elseif words[1] == "GET" and old then
				local text = resp(value)
				if how:find "between" then
					value = "new"
					if pieces then
						write(text)
						skynet.sleep(5)
						write(TOLD)
						skynet.sleep(5)
					else
						write(text .. TOLD)
					end
					return ""
				end
				write(text)
				return ""
			elseif words[1] == "GET" then
				return resp(value):sub(1, -3)
			elseif words[1] == "PTTL" then
				if old and how:find "behind" then
					value = "new"
					if pieces then
						write ":-1\r\n"
						skynet.sleep(5)
						write(TOLD)
					else
						write(":-1\r\n" .. TOLD)
					end
					old = false
					return ""
				end
				old = false
				return ":-1"
			end
		end)
		local target = { host = "127.0.0.1", port = s.port, timeout = 3, connect_timeout = 3 }
		local db = cache.open(target, { heartbeat = 60, db = redis.connect(target) })
		test.eventually("tracking", 10, function()
			return db:cache_stat().on
		end)
		db:get "k"
		test.eventually("the new value, " .. how, 10, function()
			return db:get "k" == "new"
		end)
		test.equal(db:get "k", "new", how)
	end
end)

test.case("who holds a lock learns in time that he cannot be sure of it", { timeout = 60 }, function()
	local s = server.start()
	local db = redis.connect { host = "127.0.0.1", port = s.port, timeout = 20 }
	local lost
	local held = lock.acquire(db, "x", { ttl = 0.6, on_lost = function(one)
		lost = one
	end })
	s:freeze()
	local since = now()
	test.eventually("the loss", 15, function()
		return lost == held
	end)
	test.truthy(now() - since < 8, "told after " .. now() - since)
	test.equal({ held:valid(), held.lost }, { false, true })
	-- Nobody waits for one for longer than he said.
	since = now()
	test.raises("", lock.acquire, db, "y", { wait = 0.5 })
	test.truthy(now() - since < 10, "waited " .. now() - since)
	s:thaw()
end)

test.case("a silent server is waited for as long as the call may take, and no longer", { timeout = 60 }, function()
	local s = server.start()
	local target = { host = "127.0.0.1", port = s.port, timeout = 30, connect_timeout = 30 }
	-- The cache does not give it up meanwhile.
	local db = cache.open(target, { heartbeat = 60 })
	test.eventually("tracking", 10, function()
		return db:cache_stat().on
	end)
	db:set("k", 1)
	s:freeze()
	local hasty = db:with { timeout = 0.3 }
	local patient
	skynet.fork(function()
		patient = db:get "k"
	end)
	for _ = 1, 2 do
		local err = test.within(10, function()
			return test.raises("no reply in time", hasty.get, hasty, "k")
		end)
		test.equal({ err.code, err.outcome, err.command }, { "timeout", "maybe applied", "GET" })
	end
	test.equal(patient, nil)
	s:thaw()
	test.eventually("an answer for who had time", 20, function()
		return patient == "1"
	end)
	test.equal(hasty:get "k", "1")
end)

test.case("options that make no sense are refused by name", function()
	local s = server.start()
	local db = redis.connect { host = "127.0.0.1", port = s.port }
	local target = { host = "127.0.0.1", port = s.port }
	for name, values in pairs {
		bytes = { 0, -1, 1.5, "64MB" }, prefixes = { "user:", {}, { 1 } }, ttl = { -1, "x", 0 / 0 },
		heartbeat = { 0, -1, "x" },
	} do
		for _, value in ipairs(values) do
			test.raises("redis cache: " .. name, cache.open, target, { [name] = value })
		end
	end
	for name, values in pairs { ttl = { 0, "x", 0 / 0 }, wait = { -1, "x" }, on_lost = { true } } do
		for _, value in ipairs(values) do
			test.raises("redis lock: " .. name, lock.acquire, db, "x", { [name] = value })
		end
	end
	local one = limiter.new(db, { rate = 5, burst = 3 })
	for _, n in ipairs { -1, "x", 0 / 0 } do
		test.raises("redis limiter", one.take, one, "x", n)
	end
	test.equal({ one:take("x", 4) }, { false, math.huge, 3 })
	test.raises("redis limiter", limiter.new, db)
	for name, values in pairs { idle = { -1, "x" }, count = { 0, "x" }, block = { -1, "x" }, most = { "x" } } do
		for _, value in ipairs(values) do
			test.raises("redis stream: " .. name, stream.group, db, "s", "g", { consumer = "c", [name] = value })
		end
	end
	test.raises("redis keyspace", keyspace.watch, target, { keys = 7 })
end)

local function resident()
	local f <close> = assert(io.open "/proc/self/statm")
	return tonumber(f:read "a":match "^%d+ (%d+)") * 4096
end

test.case("values that come and go cost no memory, and never go back", { timeout = 60 }, function()
	local s = server.start()
	local target = { host = "127.0.0.1", port = s.port, timeout = 5, connect_timeout = 3 }
	local db = cache.open(target, { bytes = 2 << 20 })
	test.eventually("tracking", 10, function()
		return db:cache_stat().on
	end)
	-- Somebody else's numbers only grow; what is read of them must not go back, whatever is done to the keys.
	local other, stop, back, newest = redis.connect(target), false, 0, {}
	local writing, number = true, 0
	local filler = ("x"):rep(3000)
	skynet.fork(function()
		while not stop do
			number = number + 1
			local key = "n" .. math.random(50)
			if number % 97 == 0 then
				other:set(key, number, "PX", 20)
			elseif number % 1009 == 0 then
				other:flushall()
			else
				other:set(key, ("%d %s"):format(number, filler))
			end
		end
		writing = false
	end)
	local before
	local rounds = test.count(20000)
	for i = 1, rounds do
		local key = "n" .. math.random(50)
		local value = db:get(key)
		local n = value and tonumber(value:match "^%d+") or newest[key] or 0
		back, newest[key] = back + (n < (newest[key] or 0) and 1 or 0), n
		if i % 10 == 0 then
			db:get("none" .. i)
			skynet.sleep(0)
		end
		if i == rounds // 2 then
			collectgarbage()
			before = resident()
		end
	end
	stop = true
	test.eventually("the writer's end", 10, function()
		return not writing
	end)
	collectgarbage()
	test.equal(back, 0)
	test.truthy(number > rounds / 100, "writes " .. number)
	test.truthy(db:cache_stat().bytes <= 2 << 20)
	if not test.sanitizer then
		test.truthy(resident() - before < 16 << 20, ("%d bytes more"):format(resident() - before))
	end
	-- What the server holds in the end is what is read.
	for i = 1, 50 do
		test.eventually("the last value", 5, function()
			return db:get("n" .. i) == other:get("n" .. i)
		end)
	end
end)

test.case("who is killed leaves neither a transaction nor a subscriber, and a lock ends by itself", { timeout = 60 },
	function()
		local s = server.start { "--cluster-enabled", "yes" }
		s:cli("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
		test.eventually("a cluster", 10, function()
			return s:says("cluster_state:ok", "CLUSTER", "INFO")
		end)
		local uri = "redis+cluster://127.0.0.1:" .. s.port
		local db = redis.connect(uri)
		local function clients()
			return select(2, s:cli("CLIENT", "LIST"):gsub("id=", ""))
		end
		db:set("k", 0)
		test.eventually("few clients", 10, function()
			return clients() <= 3
		end)
		local before = clients()
		for _, kind in ipairs { "direct", "pool" } do
			local one = test.service "holds_redis"
			skynet.call(one, "lua", kind, uri)
			test.raises("held", lock.acquire, db, "mine" .. kind, { wait = 0 })
			test.truthy(clients() > before)
			skynet.kill(one)
			test.eventually("a lock that is free", 20, function()
				return (pcall(lock.acquire, db, "mine" .. kind, { wait = 0, extend = false }))
			end)
			test.equal(db:get "k", "0")
			test.eventually("no subscriber", 10, function()
				return not s:says("sub=[1-9]", "CLIENT", "LIST") and not s:says("multi=[0-9]", "CLIENT", "LIST")
			end)
		end
	end)

test.run()
