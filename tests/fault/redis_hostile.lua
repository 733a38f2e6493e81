-- timeout: 120
-- Nodes and Sentinels that mean no good: redirections to nowhere and to more nodes than there can be, hosts that are no
-- names, maps too deep or too large, events that are none, NAT maps that lead astray.
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local skynet = require "skynet"
local test = require "test"

local fake, resp = scripted.start, scripted.resp

local function all(port)
	return { { 0, 16383, { "127.0.0.1", port, "id" } } }
end

-- Answers CLUSTER SLOTS by what `slots(port)` returns, a list or bytes, and everything else by `answer(words, port)`.
local function node(slots, answer)
	local self
	self = fake(function(words)
		if words[1] == "CLUSTER" then
			local reply = words[2] == "SLOTS" and slots(self.port)
			self.looks = (self.looks or 0) + (reply and 1 or 0)
			return type(reply) == "string" and reply or reply and resp(reply):sub(1, -3) or "-ERR unknown subcommand"
		end
		return answer and answer(words, self.port) or words[1] == "GET" and resp("from " .. self.port):sub(1, -3) or nil
	end)
	return self
end

local function connect(options, ...)
	local conf = { hosts = {}, timeout = 2, connect_timeout = 2 }
	for i, one in ipairs { ... } do
		conf.hosts[i] = "127.0.0.1:" .. one.port
	end
	for name, value in pairs(options or {}) do
		conf[name] = value
	end
	local db = redis.connect(conf)
	test.defer(pcall, db.disconnect, db)
	return db
end

local function closed_port()
	return require("test.process").free_port()
end

test.case("redirections to nowhere end in time, and nothing was applied", { timeout = 60 }, function()
	local port = closed_port()
	for _, where in ipairs { "127.0.0.1:" .. port, "no.such.host.invalid:1", ("x"):rep(3000) .. ":7", "[::1]:" .. port,
		"\1\27[2J:80", "a b:1", ":" .. port } do
		for _, word in ipairs { "MOVED", "ASK" } do
			local one = node(all, function(words)
				return words[1] == "GET" and ("-%s 1 %s"):format(word, where) or nil
			end)
			local db = connect({ timeout = 0.5 }, one)
			local ok, err = test.within(20, pcall, db.get, db, "k")
			test.equal(ok, false)
			err = redis.error(err)
			test.truthy(err.outcome == "not sent" or err.outcome == "rejected", ("%s %q: %s"):format(word, where, err))
			-- It is asked again as before.
			test.equal(db:echo "x", "OK")
		end
	end
end)

test.case("nobody is connected to just because somebody names him without end", { timeout = 60 }, function()
	local n = 0
	local one = node(all, function(words)
		if words[1] == "GET" then
			n = n + 1
			return ("-MOVED %d 127.1.%d.%d:1"):format(n % 16384, n // 250, n % 250 + 1)
		end
	end)
	local db = connect({ timeout = 0.2 }, one)
	-- All that were ever made, whether or not they have been closed since.
	local made, make = 0, db[2].open
	db[2].open = function(...)
		made = made + 1
		return make(...)
	end
	local since = skynet.hpc()
	test.together(50, function()
		while n < 2000 do
			test.equal((pcall(db.get, db, "k")), false)
		end
	end)
	-- 128 in ten seconds, and the one that there is.
	local most = 128 * (2 + (skynet.hpc() - since) / 1e10) + 1
	test.truthy(made <= most, made .. " nodes")
end)

test.case("maps that change with every look do not make a storm of looks", { timeout = 60 }, function()
	local turn = 0
	local nodes = {}
	local function flapping()
		turn = turn + 1
		local a, b = nodes[turn % 2 + 1].port, nodes[2 - turn % 2].port
		return { { 0, 8191, { "127.0.0.1", a, "a" } }, { 8192, 16383, { "127.0.0.1", b, "b" } } }
	end
	for i = 1, 2 do
		nodes[i] = node(flapping, function(words, port)
			return words[1] == "GET" and ("-MOVED 1 127.0.0.1:%d"):format(port == nodes[1].port and nodes[2].port
				or nodes[1].port) or nil
		end)
	end
	local db = connect({ timeout = 1 }, nodes[1], nodes[2])
	local since, before = skynet.hpc(), db:status().looks
	test.together(100, function()
		pcall(db.get, db, "k")
	end)
	local seconds = (skynet.hpc() - since) / 1e9
	-- At most one in fifty milliseconds, however many ask for one.
	test.truthy(db:status().looks - before <= seconds / 0.05 + 2, db:status().looks - before .. " looks")
end)

test.case("maps with hosts that are none, too deep or too large: another node is asked", { timeout = 60 }, function()
	local good = node(all)
	local null_host = "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$-1\r\n:%d\r\n$1\r\na"
	local one
	one = node(function(port)
		return null_host:format(port)
	end)
	-- Who does not know where he is, is where he was asked.
	test.equal(connect(nil, one):get "k", "from " .. one.port)
	for name, bytes in pairs {
		deep = ("*1\r\n"):rep(5000) .. ":1", wide = "*1000000000\r\n:1", long = "$9223372036854775807\r\nabc",
		["a number as host"] = "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n*0\r\n:1\r\n$1\r\na",
		["a hole"] = "*1\r\n*4\r\n:0\r\n:16383\r\n$-1\r\n*3\r\n$1\r\nh\r\n:1\r\n$1\r\na",
		["metadata that is none"] = "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$-1\r\n:1\r\n$1\r\na\r\n:7",
		["floats"] = "*1\r\n*3\r\n+0.5\r\n+x\r\n*3\r\n$1\r\nh\r\n:1\r\n$1\r\na",
		["an error inside"] = "*1\r\n-ERR no",
		["the same range twice"] = "*2\r\n" .. ("*3\r\n:0\r\n:16383\r\n*3\r\n$1\r\nh\r\n:1\r\n$1\r\na\r\n"):rep(2):sub(1, -3),
	} do
		local bad = node(function()
			return bytes
		end)
		test.equal(connect(nil, bad, good):get "k", "from " .. good.port, name)
	end
end)

test.case("NAT maps that lead astray are refused, or said", { timeout = 60 }, function()
	local one = node(all)
	local at = "127.0.0.1:" .. one.port
	for _, to in ipairs { 7, true, "", ":7", "h:0", "h:99999", { port = 1 }, { host = "", port = 1 }, { "h", 0 },
		{ "h", "x" }, {} } do
		test.raises("redis: nat is", redis.connect, { hosts = { at }, nat = { [at] = to } })
	end
	test.raises("redis: nat is", redis.connect, { hosts = { at }, nat = { ["127.0.0.1"] = "h:1" } })
	test.raises("redis: nat is a table or a function", redis.connect, { hosts = { at }, nat = "h" })
	for _, f in ipairs { function()
		return 7, 7
	end, function()
		return "h", "x"
	end, function()
		return "h", 70000
	end, function()
		error "no nat"
	end } do
		test.raises("nat", redis.connect, { hosts = { at }, nat = f, connect_timeout = 1 })
	end
	-- What it does not name stays where it is; what it names may be a host alone.
	test.equal(connect({ nat = { ["10.0.0.1:1"] = "10.0.0.2:1" } }, one):get "k", "from " .. one.port)
	test.equal(connect({ nat = { [at] = "localhost" } }, one):get "k", "from " .. one.port)
	test.equal(connect({ nat = { [at] = { "127.0.0.1", tostring(one.port) } } }, one):get "k", "from " .. one.port)
end)

-- A Sentinel that says where the master is by `master()`, and more by `answer`. `tell(text)`: to whoever listens.
local function sentinel(master, answer)
	local listeners = {}
	local self
	self = fake(function(words, write)
		local reply = answer and answer(words)
		if reply then
			return reply
		elseif words[1] == "SENTINEL" and words[2] == "GET-MASTER-ADDR-BY-NAME" then
			local port = master()
			return type(port) == "string" and port or resp { "127.0.0.1", tostring(port) }:sub(1, -3)
		elseif words[1] == "SENTINEL" and words[2] == "MASTER" then
			return resp { "name", "m", "config-epoch", "1" }:sub(1, -3)
		elseif words[1] == "SENTINEL" then
			return "*0"
		elseif words[1] == "SUBSCRIBE" then
			listeners[#listeners + 1] = write
			return "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1"
		end
	end)
	function self.tell(text)
		test.eventually("a listener", 10, function()
			return listeners[1]
		end)
		listeners[#listeners](resp { "message", "+switch-master", text })
	end
	return self
end

local function server_that_is(role)
	return fake(function(words)
		return words[1] == "ROLE" and ("*3\r\n$%d\r\n%s\r\n:0\r\n*0"):format(#role, role)
			or words[1] == "GET" and "+" .. role or nil
	end)
end

local function watched(...)
	local list = {}
	for i, one in ipairs { ... } do
		list[i] = "127.0.0.1:" .. one.port
	end
	local db = redis.connect { sentinels = list, master = "m", timeout = 5, connect_timeout = 3 }
	test.defer(pcall, db.disconnect, db)
	return db
end

test.case("Sentinels that disagree: only who is a master is used", { timeout = 60 }, function()
	local master, replica = server_that_is "master", server_that_is "slave"
	local right = sentinel(function()
		return master.port
	end)
	local wrong = sentinel(function()
		return replica.port
	end)
	local nothing = {}
	for i, bytes in ipairs { "*2\r\n$-1\r\n$4\r\n6379", "*2\r\n$1\r\nh\r\n$1\r\nx", "*2\r\n:1\r\n:2", "*0", ":1",
		"*2\r\n$1\r\nh\r\n$20\r\n99999999999999999999" } do
		nothing[i] = sentinel(function()
			return bytes
		end)
	end
	-- Whom they ask first is a matter of chance.
	test.eventually("the wrong one to be asked", 20, function()
		test.equal(watched(wrong, right):get "k", "master")
		test.equal(watched(right, table.unpack(nothing)):get "k", "master")
		return wrong.asked > 0
	end)
	for _, bad in ipairs(nothing) do
		test.raises("names a master", watched, bad)
	end
end)

test.case("events that are none change nothing, and those after them are heard", { timeout = 60 }, function()
	local old, new = server_that_is "master", server_that_is "master"
	local at = old
	local one = sentinel(function()
		return at.port
	end)
	local db = watched(one)
	test.equal(db:get "k", "master")
	for _, text in ipairs { "", "m", "m a 1 b 99999999999999999999", "m a 1 b x", "m a 1 b 0", "m a 1  7",
		"other 127.0.0.1 1 127.0.0.1 1", "m 127.0.0.1 1 127.0.0.1 70000", ("m "):rep(10000) } do
		one.tell(text)
	end
	test.equal(db:get "k", "master")
	local before = new.asked
	at = new
	one.tell(("m 127.0.0.1 %d 127.0.0.1 %d"):format(old.port, new.port))
	test.eventually("commands at the new master", 20, function()
		db:get "k"
		return new.asked > before
	end)
end)

test.case("Sentinels that nobody can count are not all asked", { timeout = 60 }, function()
	local master = server_that_is "master"
	local n = 0
	local one
	one = sentinel(function()
		return master.port
	end, function(words)
		if words[2] ~= "SENTINELS" then
			return nil
		end
		local list = {}
		for i = 1, 1000 do
			n = n + 1
			list[i] = { "ip", "127.2." .. n // 250 % 250 .. "." .. n % 250 + 1, "port", tostring(i % 3 == 0 and 0 or i) }
		end
		list[1001] = {}
		return resp(list):sub(1, -3)
	end)
	local db = watched(one)
	test.equal(db:get "k", "master")
	test.truthy(#db[2].sentinel.places <= 64, #db[2].sentinel.places)
end)

test.run()
