-- timeout: 120
-- Nodes that say what no real one would: maps without sense, redirections in circles, silence.
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local skynet = require "skynet"
local test = require "test"

local function now()
	return skynet.hpc() / 1e9
end

local fake, resp = scripted.start, scripted.resp

-- Answers CLUSTER SLOTS by what `slots()` returns, and everything else by `answer`, or by its own port.
local function node(slots, answer)
	local self
	self = fake(function(words)
		if words[1] == "CLUSTER" then
			local reply = words[2] == "SLOTS" and slots(self.port)
			if type(reply) == "string" then
				return reply
			end
			return reply and resp(reply):sub(1, -3) or "-ERR unknown subcommand"
		end
		return answer and answer(words, self.port) or words[1] == "GET" and resp("from " .. self.port):sub(1, -3) or nil
	end)
	return self
end

local function connect(options, ...)
	local hosts = {}
	for i, one in ipairs { ... } do
		hosts[i] = "127.0.0.1:" .. one.port
	end
	local conf = { hosts = hosts, timeout = 3, connect_timeout = 3 }
	for name, value in pairs(options or {}) do
		conf[name] = value
	end
	local db = redis.connect(conf)
	test.defer(db.disconnect, db)
	return db
end

local function all(port)
	return { { 0, 16383, { "127.0.0.1", port, "id" } } }
end

test.case("a map that makes no sense is not believed: another node is asked", function()
	local good = node(all)
	for name, slots in pairs {
		overlap = { { 0, 16383, { "127.0.0.1", 1, "a" } }, { 100, 100, { "127.0.0.1", 2, "b" } } },
		twice = { { 0, 16383, { "127.0.0.1", 1, "a" } }, { 0, 16383, { "127.0.0.1", 2, "b" } } },
		backwards = { { 16383, 0, { "127.0.0.1", 1, "a" } } },
		beyond = { { 0, 16384, { "127.0.0.1", 1, "a" } } },
		below = { { -1, 16383, { "127.0.0.1", 1, "a" } } },
		["no port"] = { { 0, 16383, { "127.0.0.1", 0, "a" } } },
		["a large port"] = { { 0, 16383, { "127.0.0.1", 65536, "a" } } },
		["a port that is none"] = { { 0, 16383, { "127.0.0.1", "x", "a" } } },
		["nobody"] = { { 0, 16383 } },
		["words"] = { { "a", "b", { "127.0.0.1", 1, "a" } } },
		["numbers"] = { 1, 2, 3 },
		["a status"] = "+OK",
		["a number"] = ":7",
		["null"] = "$-1",
		["empty"] = {},
		["an empty entry"] = { {} },
	} do
		local bad = node(function()
			return slots
		end)
		local db = connect(nil, bad, good)
		test.equal(db:get "k", "from " .. good.port, name)
	end
end)

test.case("slots without a node: others work, and the error names the slot", function()
	local one = node(function(port)
		return { { 0, 99, { "127.0.0.1", port, "a" } }, { 200, 16383, { "127.0.0.1", port, "a" } } }
	end)
	local db = connect({ timeout = 0.5 }, one)
	local key
	for i = 1, 1e6 do
		key = "k" .. i
		if db:keyslot(key) >= 100 and db:keyslot(key) < 200 then
			break
		end
	end
	local err = redis.error(test.raises("nobody has slot " .. db:keyslot(key), db.get, db, key))
	test.equal(err.outcome, "not sent")
	test.equal(db:get "foo", "from " .. one.port)
	test.equal(db:pipeline { { "GET", "foo" } }, "from " .. one.port)
end)

test.case("nodes without an address of their own are where they were asked", function()
	for _, host in ipairs { "", "?" } do
		local moved
		local one = node(function(port)
			return { { 0, 16383, { host, port, "a" } } }
		end, function(words, port)
			if words[1] == "GET" and not moved then
				moved = true
				return ("-MOVED %d %s:%d"):format(1, host, port)
			end
		end)
		local db = connect(nil, one)
		test.equal(db:get "k", "from " .. one.port)
	end
end)

test.case("redirections in circles end, and say so", { timeout = 60 }, function()
	for _, word in ipairs { "MOVED", "ASK" } do
		local ports = {}
		local function away(words, port)
			if words[1] ~= "ASKING" and words[1] ~= "PING" and words[1] ~= "HELLO" then
				return ("-%s %d 127.0.0.1:%d"):format(word, 1, word == "ASK" and port or port == ports[1] and ports[2] or ports[1])
			end
		end
		local a, b = node(all, away), node(all, away)
		ports[1], ports[2] = a.port, b.port
		local db = connect({ timeout = 10 }, a, b)
		test.raises("Too many Cluster redirections", db.get, db, "k")
		local results = db:pipeline({ { "GET", "k" } }, {})
		test.equal(results[1].ok, false)
		test.truthy(results[1].out:find "Too many Cluster redirections", results[1].out)
		db:multi()
		pcall(db.incr, db, "k")
		test.equal((pcall(db.exec, db)), false)
	end
	-- What is said to be elsewhere has to be somewhere.
	for _, text in ipairs {
		"-MOVED", "-MOVED 1", "-MOVED x y", "-MOVED 1 127.0.0.1", "-MOVED 1 127.0.0.1:", "-MOVED 1 127.0.0.1:99999",
		"-MOVED -1 127.0.0.1:0", "-ASK 1 :0", "-MOVED 99999999999999999999 127.0.0.1:70000",
	} do
		local one = node(all, function(words)
			return words[1] == "GET" and text
		end)
		local db = connect({ timeout = 1 }, one)
		local since = now()
		test.raises(text:match "%-(%u+)", db.get, db, "k")
		test.truthy(now() - since < 10, text)
	end
end)

test.case("seeds are asked, however many known nodes are silent", { timeout = 60 }, function()
	-- Nodes whose addresses lead nowhere any more, as after all of them were moved elsewhere.
	local silent, ports = true, {}
	for i = 1, 30 do
		ports[i] = fake(function()
			return silent and "" or nil
		end).port
	end
	local old = true
	local alive = node(all)
	local seed = node(function()
		if not old then
			return all(alive.port)
		end
		local slots = {}
		for i, port in ipairs(ports) do
			slots[i] = { (i - 1) * 500, i < #ports and i * 500 - 1 or 16383, { "127.0.0.1", port, "id" .. i } }
		end
		return slots
	end)
	local db = connect({ timeout = 1, connect_timeout = 1 }, seed)
	old = false
	test.eventually("the new nodes", 15, function()
		return select(2, pcall(db.get, db, "k")) == "from " .. alive.port
	end)
end)

test.case("ten thousand nodes", { timeout = 60 }, function()
	local n, reply = test.count(10000), nil
	local one = node(function(port)
		local slots = {}
		for i = 1, not reply and n or 0 do
			local me = { "127.0.0.1", port, "me" }
			slots[i] = { i - 1, i < n and i - 1 or 16383,
				i < n and { "10.0." .. i // 256 .. "." .. i % 256, 7000, "id" .. i } or me, me }
		end
		reply = reply or resp(slots):sub(1, -3)
		return reply
	end)
	local db = connect({ timeout = 20, connect_timeout = 20 }, one)
	test.truthy(db:keyslot "foo" >= n)
	test.equal(db:get "foo", "from " .. one.port)
	test.equal(#db:nodes(), n)
end)

test.case("a change of the master that nobody told of is found when Sentinels can be heard again", { timeout = 60 },
	function()
		local function master_of()
			return fake(function(words)
				return words[1] == "ROLE" and "*3\r\n$6\r\nmaster\r\n:0\r\n*0" or nil
			end)
		end
		local old, new = master_of(), master_of()
		local master = old
		local listeners = {}
		local s = fake(function(words, _, close)
			if words[1] == "SENTINEL" and words[2] == "GET-MASTER-ADDR-BY-NAME" then
				return resp { "127.0.0.1", tostring(master.port) }:sub(1, -3)
			elseif words[1] == "SENTINEL" and words[2] == "MASTER" then
				return resp { "name", "m", "config-epoch", master == old and "0" or "1" }:sub(1, -3)
			elseif words[1] == "SENTINEL" then
				return "*0"
			elseif words[1] == "SUBSCRIBE" then
				listeners[#listeners + 1] = close
				return "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1"
			end
		end)
		local db = redis.connect(("redis+sentinel://127.0.0.1:%d/m"):format(s.port))
		test.defer(db.disconnect, db)
		test.equal(db:set("k", 1), "OK")
		test.eventually("a listener", 10, function()
			return listeners[1]
		end)
		local before = new.asked
		master = new
		listeners[1]()
		test.eventually("commands at the new master", 20, function()
			db:set("k", 1)
			return new.asked > before
		end)
	end)

test.run()
