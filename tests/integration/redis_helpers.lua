-- What is built on commands: locks, limiters, groups of streams, notifications about keys, credentials that change.
local clusters = require "test.redis_cluster"
local keyspace = require "reef.redis.keyspace"
local limiter = require "reef.redis.limiter"
local lock = require "reef.redis.lock"
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local server = require "test.redis"
local skynet = require "skynet"
local stream = require "reef.redis.stream"
local test = require "test"

local function open()
	local s = server.start()
	return redis.connect { host = "127.0.0.1", port = s.port }, s
end

test.case("a lock has one holder at a time, and tokens that grow", function()
	local db = open()
	local inside, most, tokens = 0, 0, {}
	test.together(20, function()
		local held <close> = lock.acquire(db, "x", { wait = 20 })
		inside = inside + 1
		most = math.max(most, inside)
		skynet.sleep(1)
		tokens[#tokens + 1] = held.token
		inside = inside - 1
	end)
	test.equal(most, 1)
	for i, token in ipairs(tokens) do
		test.equal(token, i)
	end
	local held = lock.acquire(db, "x", { ttl = 2 })
	local err = test.raises("held by somebody else", lock.acquire, db, "x", { wait = 0.1 })
	test.equal(err.code, "lock")
	-- It is extended as long as somebody holds it.
	skynet.sleep(250)
	test.equal(held:valid(), true)
	test.raises("held", lock.acquire, db, "x", { wait = 0 })
	test.equal(held:release(), true)
	test.equal(held:valid(), false)
	-- One that is not extended ends, and a later holder has a higher token.
	local lost
	held = lock.acquire(db, "x", { ttl = 0.2, extend = false })
	local other = lock.acquire(db, "x", { wait = 5 })
	test.truthy(other.token > held.token)
	test.equal({ held:valid(), held:extend(), held.lost, held:release() }, { false, false, true, false })
	test.equal(other:release(), true)
	-- Somebody takes it away.
	held = lock.acquire(db, "x", { ttl = 0.3, on_lost = function(one)
		lost = one
	end })
	db:del "lock:{x}"
	test.eventually("the loss", 5, function()
		return lost == held
	end)
	test.equal(held:valid(), false)
end)

test.case("tokens go on above what the highest was, when the server has lost its count", function()
	local db = open()
	local function token(options)
		local held <close> = lock.acquire(db, "x", options)
		return held.token
	end
	test.equal({ token(), token { above = 40 }, token { above = 7 } }, { 1, 41, 42 })
	db:flushall()
	test.equal({ token { above = 42 }, token() }, { 43, 44 })
	db:flushall()
	test.equal(token(), 1)
	for _, above in ipairs { -1, 1.5, "1", 1 << 53 } do
		test.raises("redis lock: above has to be an integer", lock.acquire, db, "x", { above = above })
	end
end)

test.case("a limiter allows a burst, and then so many in a time", function()
	local db = open()
	local one = limiter.new(db, { rate = 10, per = 1, burst = 5 })
	for i = 1, 5 do
		local allowed, _, left = one:take "a"
		test.equal({ allowed, left }, { true, 5 - i })
	end
	local allowed, wait = one:take "a"
	test.equal(allowed, false)
	test.between(wait, 0.001, 0.1)
	test.equal((one:take "b"), true)
	test.equal((one:take("b", 5)), false)
	skynet.sleep(math.ceil(wait * 100) + 1)
	test.equal((one:take "a"), true)
	test.raises("rate", limiter.new, db, { rate = 0 })
end)

test.case("a group hands out each message, and what dead consumers left", function()
	local db = open()
	local dead = {}
	local function reader(name)
		return stream.group(db, "s", "g", { consumer = name, idle = 0.3, block = 0.2, count = 3, from = "0", most = 3,
			dead = function(message)
				dead[#dead + 1] = message.id
			end })
	end
	local a = reader "a"
	for i = 1, 5 do
		a:add { n = i }
	end
	local list = a:read()
	test.equal(#list, 3)
	test.equal(list[1].fields, { n = "1" })
	a:ack(list[1].id)
	-- It ends, and begins again: what it had comes first.
	a = reader "a"
	local again = a:read()
	test.equal({ #again, again[1].id }, { 2, list[2].id })
	test.equal(a:ack(again[1].id), 1)
	test.equal(a:read()[1].fields, { n = "4" })
	-- It does not come back: somebody else takes over.
	local b = reader "b"
	local seen = {}
	test.eventually("what was left", 10, function()
		for _, message in ipairs(b:read()) do
			seen[message.fields.n] = true
			b:ack(message.id)
		end
		return seen["3"] and seen["4"] and seen["5"]
	end)
	test.equal(db:xpending("s", "g")[1], 0)
	test.equal(b:read(), {})
	-- What nobody can handle is not handed out for ever.
	local id = b:add { n = "bad" }
	local times = 0
	test.eventually("the end of it", 20, function()
		times = times + #reader("c" .. times % 2):read()
		skynet.sleep(16)
		return dead[1] == id
	end)
	test.truthy(times <= 4)
	db:xgroup("DESTROY", "s", "g")
	b:add { n = 6 }
	test.truthy(b:read()[1])
	test.raises("consumer", stream.group, db, "s", "g", {})
end)

test.case("notifications about keys come from each master of a cluster, too", { timeout = 60 }, function()
	local cluster = clusters.start()
	local single = server.start()
	for _, target in ipairs { { host = "127.0.0.1", port = single.port }, cluster:uri() } do
		local db = redis.connect(target)
		local w = keyspace.watch(target, { keys = "k*", configure = "KEA" })
		local seen = {}
		skynet.fork(function()
			pcall(function()
				while true do
					local key, event = w:message()
					seen[key] = event
				end
			end)
		end)
		for i = 1, 20 do
			test.eventually("the news of key " .. i, 10, function()
				db:set("k" .. i, 1)
				return seen["k" .. i] == "set"
			end)
		end
		db:del "k1"
		test.eventually("the deletion", 10, function()
			return seen.k1 == "del"
		end)
		test.equal(seen.x, nil)
		w:disconnect()
		db:disconnect()
	end
end)

test.case("credentials may change from login to login", function()
	local s = server.start { "--user", "app", "on", ">one", "~*", "&*", "+@all", "--user", "default", "off" }
	local asked, password = 0, "one"
	local db = redis.connect({ host = "127.0.0.1", port = s.port }, { credentials = function()
		asked = asked + 1
		return "app", password
	end, name = "me", resp = 3, info = true })
	test.equal(db:acl "WHOAMI", "app")
	test.equal(db:client "GETNAME", "me")
	db:acl("SETUSER", "app", ">two", "<one")
	password = "two"
	db:client("KILL", "TYPE", "normal", "SKIPME", "no")
	test.eventually("another login", 5, function()
		return pcall(db.ping, db)
	end)
	test.equal(db:acl "WHOAMI", "app")
	test.truthy(asked >= 2)
	test.raises("module", pool.redis, { host = "127.0.0.1", port = s.port, credentials = function() end })
	local err = test.raises("no token", redis.connect, { host = "127.0.0.1", port = s.port, credentials = function()
		error("no token", 0)
	end })
	test.equal({ err.code, err.outcome }, { "auth", "not sent" })
	package.loaded["test.credentials"] = nil
end)

test.run()
