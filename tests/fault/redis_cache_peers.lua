-- timeout: 120
-- Servers that tell a cache what no real one would: invalidations of any shape, values that are none, a master that
-- is none any more and answers as before.
local cache = require "reef.redis.cache"
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local skynet = require "skynet"
local test = require "test"

local fake, resp = scripted.start, scripted.resp

local HELLO = "%1\r\n$5\r\nproto\r\n:3"

local function on(db)
	test.eventually("tracking", 10, function()
		return db:cache_stat().on
	end)
	return db
end

-- A server of which `value()` is the reply to GET, and `tell(bytes)` what it says besides.
local function teller(value)
	local self = { gets = 0 }
	local server = fake(function(words, write)
		if words[1] == "HELLO" then
			self.tell = write
			return HELLO
		elseif words[1] == "GET" then
			self.gets = self.gets + 1
			return value(words[2])
		elseif words[1] == "PTTL" then
			return ":-1"
		end
	end)
	local target = { host = "127.0.0.1", port = server.port, timeout = 3, connect_timeout = 3 }
	self.db = on(cache.open(target, { heartbeat = 60, db = redis.connect(target) }))
	return self
end

test.case("invalidations of any shape take out what they name, and leave the cache in order", function()
	local version = 0
	local one = teller(function()
		return resp("v" .. version):sub(1, -3)
	end)
	local key = "$1\r\nk\r\n"
	for _, bytes in ipairs {
		">2\r\n$10\r\ninvalidate\r\n*1\r\n" .. key, ">2\r\n$10\r\ninvalidate\r\n_\r\n", ">2\r\n$10\r\ninvalidate\r\n*-1\r\n",
		">2\r\n$10\r\ninvalidate\r\n*3\r\n_\r\n_\r\n" .. key, ">2\r\n$10\r\ninvalidate\r\n*2\r\n" .. key .. "_\r\n",
		">2\r\n$10\r\ninvalidate\r\n*2\r\n:7\r\n" .. key, ">2\r\n$10\r\ninvalidate\r\n*1\r\n*1\r\n" .. key,
		">2\r\n$10\r\ninvalidate\r\n" .. key, ">2\r\n$10\r\ninvalidate\r\n~1\r\n" .. key,
		">1\r\n$10\r\ninvalidate\r\n", ">3\r\n$10\r\ninvalidate\r\n*1\r\n" .. key .. ":1\r\n",
		">2\r\n+invalidate\r\n*1\r\n+k\r\n", "|1\r\n+a\r\n+b\r\n>2\r\n$10\r\ninvalidate\r\n*1\r\n" .. key,
	} do
		test.equal(one.db:get "k", "v" .. version)
		version = version + 1
		one.tell(bytes)
		test.eventually(("the new value after %q"):format(bytes), 10, function()
			return one.db:get "k" == "v" .. version
		end)
	end
	-- What is about other things leaves it alone.
	local asked = one.gets
	for _, bytes in ipairs {
		">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nk\r\n", ">1\r\n:1\r\n", ">2\r\n$10\r\ninvalidate\r\n*0\r\n",
		">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n", ">1\r\n_\r\n",
	} do
		one.tell(bytes)
	end
	skynet.sleep(10)
	test.equal({ one.db:get "k", one.gets - asked }, { "v" .. version, 0 })
	test.equal(one.db:cache_stat().losses, 0)
end)

test.case("what is no string is passed on, and not kept", function()
	local replies = {
		integer = { ":5", 5 }, list = { "*2\r\n:1\r\n:2", { 1, 2 } }, map = { "%1\r\n+a\r\n:1", { a = 1 } },
		boolean = { "#t", true }, double = { ",1.5", 1.5 }, null = { "_", nil },
		attributes = { "|1\r\n+ttl\r\n:3600\r\n+value", "value" },
	}
	local one = teller(function(key)
		return replies[key][1]
	end)
	for name, reply in pairs(replies) do
		for _ = 1, 2 do
			test.equal(one.db:get(name), reply[2], name)
		end
	end
	test.equal(one.db:cache_stat().entries, 2)
	test.equal(one.db:cache_stat().losses, 0)
end)

test.case("where a write was acknowledged is where its slot is read, whatever maps say", function()
	local nodes = {}
	local function node(i, value, set)
		nodes[i] = fake(function(words)
			if words[1] == "HELLO" then
				return HELLO
			elseif words[1] == "CLUSTER" then
				return words[2] == "SLOTS" and resp { { 0, 16383, { "127.0.0.1", nodes[1].port, "a" } } }:sub(1, -3)
					or "-ERR unknown subcommand"
			elseif words[1] == "GET" then
				return resp(value):sub(1, -3)
			elseif words[1] == "PTTL" then
				return ":-1"
			elseif words[1] == "SET" or words[1] == "MSET" then
				return set(words)
			end
		end)
	end
	local db
	-- It is replaced, but does not say so to who reads.
	node(1, "old", function(words)
		return ("-MOVED %d 127.0.0.1:%d"):format(db:keyslot(words[2]), nodes[2].port)
	end)
	node(2, "new", function()
		return "+OK"
	end)
	local target = { hosts = { "127.0.0.1:" .. nodes[1].port }, timeout = 3, connect_timeout = 3, refresh = 0.1 }
	db = on(cache.open(target, { heartbeat = 0.1, db = redis.connect(target) }))
	test.equal({ db:get "k", db:get "k", db:get "{k}2" }, { "old", "old", "old" })
	test.equal(db:set("k", "new"), "OK")
	on(db)
	-- What was kept of the slot came from who has it no more.
	test.equal(db:get "{k}2", "new")
	for _ = 1, 50 do
		test.equal(db:get "k", "new")
		db:with({ timeout = 1 }):ping()
	end
	-- Other slots stay where they are.
	test.equal(db:get "other", "old")
	-- So it is for what goes in parts, and for several commands at once.
	for name, write in pairs { pipeline = function(key)
		return db:pipeline { { "SET", key, "new" } }
	end, mset = function(key)
		return db:mset(key, "new", "another", "new")
	end, batch = function(key)
		return db:batch { { "SET", key, "new" }, { "SET", "one more", "new" } }
	end } do
		test.equal(db:get(name), "old")
		test.equal(write(name), "OK", name)
		on(db)
		test.equal(db:get(name), "new", name)
	end
	test.equal({ db:get "another", db:get "one more", db:get "other" }, { "new", "new", "old" })
end)

for kind, open in pairs { ["a connection of one's own"] = redis.connect, ["a pool"] = require("reef.pool").redis } do
	test.case("a master that has acknowledged a write is who is read, whatever Sentinels say: " .. kind, function()
		local nodes, master = {}, 1
		local function node(i, value, set)
			nodes[i] = fake(function(words)
				local replies = { HELLO = HELLO, ROLE = "*3\r\n$6\r\nmaster\r\n:0\r\n*0", GET = resp(value):sub(1, -3),
					PTTL = ":-1", SET = set }
				return replies[words[1]]
			end)
		end
		node(1, "old", "-READONLY You can't write against a read only replica.")
		node(2, "new", "+OK")
		-- Nobody is told of the change, and who asks later hears of the old one again.
		local sentinel = fake(function(words)
			if words[1] == "SENTINEL" and words[2] == "GET-MASTER-ADDR-BY-NAME" then
				return resp { "127.0.0.1", tostring(nodes[master].port) }:sub(1, -3)
			elseif words[1] == "SENTINEL" then
				return "*0"
			elseif words[1] == "SUBSCRIBE" then
				return "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1"
			end
		end)
		local target = { sentinels = { "127.0.0.1:" .. sentinel.port }, master = "m", timeout = 3, connect_timeout = 3 }
		local db = on(cache.open(target, { heartbeat = 60, db = open(target) }))
		test.equal({ db:get "k", db:get "k" }, { "old", "old" })
		master = 2
		test.eventually("a write", 20, function()
			return pcall(db.set, db, "k", "new")
		end)
		master = 1
		on(db)
		test.equal({ db:get "k", db:get "k", db:get "other" }, { "new", "new", "new" })
	end)
end

test.run()
