-- timeout: 300
-- Connections that work and are of no use: a replica after a failover, a server that is full, loads, or wants another
-- password. Each ends in an error that says why, and in a better connection as soon as there is one.
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local server = require "test.redis"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local function now()
	return skynet.hpc() / 1e9
end

-- A name that leads to one server now and to another later: passes on what it gets to where `to` says.
local function name_of(to)
	local self = { to = to, connects = 0 }
	local id, _, port = socket.listen("127.0.0.1", 0)
	local function pass(from, into)
		skynet.fork(function()
			while true do
				local bytes = socket.read(from)
				if not bytes or not socket.write(into, bytes) then
					break
				end
			end
			socket.close(from)
			socket.close(into)
		end)
	end
	socket.start(id, function(client)
		self.connects = self.connects + 1
		socket.start(client)
		local onward = socket.open("127.0.0.1", self.to.port)
		if onward then
			pass(client, onward)
			pass(onward, client)
		else
			socket.close(client)
		end
	end)
	test.defer(socket.close, id)
	self.port = port
	return self
end

local function own(port)
	local db = redis.connect { host = "127.0.0.1", port = port, timeout = 2 }
	test.defer(pcall, db.disconnect, db)
	return db
end

local function pooled(port)
	local db = pool.redis({ host = "127.0.0.1", port = port }, { size = 2 })
	test.defer(pcall, pool.close, db)
	return db
end

for kind, make in pairs { ["a connection of one's own"] = own, ["a pool"] = pooled } do
	test.case("after a failover writes go on where the name leads to now: " .. kind, { timeout = 60 }, function()
		local old, new = server.start(), server.start()
		local name = name_of(old)
		local db = make(name.port)
		db:set("k", 1)
		-- A transaction and a blocking command leave connections behind, which are no better.
		db:multi()
		db:incr "k"
		db:exec()
		db:blpop("none", 0.01)
		new:cli("SET", "k", "10")
		old:cli("REPLICAOF", "127.0.0.1", tostring(new.port))
		local err = test.raises("READONLY", function()
			local v = db:incr "k"
			return v
		end)
		test.equal(redis.error(err).code, "READONLY")
		-- Reads are served by the old one, and are not disturbed while there is no better.
		local since = now()
		while now() - since < 1 do
			pcall(db.set, db, "x", 1)
			test.equal(db:echo "x", "x")
			skynet.sleep(1)
		end
		local connects = name.connects
		test.truthy(connects < 20, connects)
		name.to = new
		test.eventually("a write", 10, function()
			return pcall(db.set, db, "x", 1)
		end)
		test.eventually("a transaction", 10, function()
			return pcall(function()
				db:multi()
				db:set("y", 1)
				db:exec()
			end)
		end)
		test.equal({ db:get "x", new:cli("GET", "y") }, { "1", "1" })
		test.equal(db:blpop("none", 0.01), nil)
		skynet.sleep(30)
		test.equal(db:incr "x", 2)
	end)
end

test.case("requests that are on their way when a better connection comes are answered", { timeout = 60 }, function()
	local old, new = server.start(), server.start()
	local name = name_of(old)
	local db = own(name.port)
	old:cli("REPLICAOF", "127.0.0.1", tostring(new.port))
	local wrong, done, stop = 0, 0, false
	for i = 1, 50 do
		skynet.fork(function()
			while not stop do
				local ok, reply = pcall(db.echo, db, i)
				wrong = wrong + ((ok and reply == tostring(i)) and 0 or 1)
			end
			done = done + 1
		end)
	end
	skynet.sleep(10)
	name.to = new
	test.eventually("a write", 10, function()
		return pcall(db.set, db, "x", 1)
	end)
	skynet.sleep(20)
	stop = true
	test.eventually("all", 10, function()
		return done == 50
	end)
	test.equal(wrong, 0)
end)

test.case("a server that is full says so, and is used when it has room", { timeout = 60 }, function()
	local s = server.start { "--maxclients", "1" }
	local _, first
	test.eventually("room", 10, function()
		_, first = pcall(own, s.port)
		return _
	end)
	for i = 1, test.count(30) do
		local conf = { host = "127.0.0.1", port = s.port, resp = 2 + i % 2, db = i % 3 == 0 and 1 or nil }
		local err = test.raises("max number of clients reached", redis.connect, conf)
		test.equal({ err.code, err.outcome }, { "connect", "not sent" })
	end
	local db = pooled(s.port)
	local err = test.raises("max number of clients reached", db.get, db, "k")
	test.equal({ err.code, err.outcome }, { "connect", "not sent" })
	first:disconnect()
	test.eventually("a reply", 10, function()
		return pcall(db.get, db, "k")
	end)
end)

-- Answers everything by what `answer(command)` says, "+OK" by default.
local function fake(answer)
	local self = { connects = 0 }
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(client)
		self.connects = self.connects + 1
		socket.start(client)
		while true do
			local head = socket.readline(client, "\r\n")
			if not head then
				break
			end
			local words = {}
			for i = 1, tonumber(head:sub(2)) do
				socket.readline(client, "\r\n")
				words[i] = socket.readline(client, "\r\n")
			end
			socket.write(client, (answer(table.unpack(words)) or "+OK") .. "\r\n")
		end
		socket.close(client)
	end)
	test.defer(socket.close, id)
	self.port = port
	return self
end

test.case("connecting does not say yes when the server has said no", { timeout = 60 }, function()
	local text
	local s = fake(function(command)
		return command == "PING" and text or nil
	end)
	for no, code in pairs {
		["-LOADING Redis is loading the dataset in memory"] = "connect",
		["-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."] = "connect",
		["-DENIED Redis is running in protected mode"] = "connect",
		["-ERR max number of clients + cluster connections reached"] = "connect",
		["-NOAUTH Authentication required."] = "auth",
		["-ERR operation not permitted"] = "auth",
	} do
		text = no
		local err = test.raises(no:sub(2, 12), redis.connect, { host = "127.0.0.1", port = s.port })
		test.equal({ err.code, err.outcome }, { code, "not sent" }, no)
		local db = pooled(s.port)
		err = test.raises(no:sub(2, 12), db.get, db, "k")
		test.equal({ err.code, err.outcome }, { code, "not sent" }, no)
		pool.close(db)
	end
	-- These are about PING, or about what can be ended.
	for _, yes in ipairs {
		"-NOPERM this user has no permissions to run the 'ping' command", "-BUSY Redis is busy running a script",
		"-MISCONF Redis is configured to save RDB snapshots", "-ERR unknown command 'PING'",
	} do
		text = yes
		test.equal(own(s.port):get "k", "OK")
	end
end)

test.case("a server that loads, or has lost its master, is used again in time, and not stormed", { timeout = 60 },
	function()
	local no
	local s = fake(function(command)
		if command == "ROLE" then
			return "*1\r\n$6\r\nmaster"
		end
		return no
	end)
	for kind, make in pairs { own = own, pooled = pooled } do
		no = nil
		local db = make(s.port)
		test.equal(db:get "k", "OK", kind)
		for _, text in ipairs { "-LOADING Redis is loading", "-MASTERDOWN Link is down", "-NOAUTH Required." } do
			no = text
			local before, since = s.connects, now()
			while now() - since < 1 do
				local ok, err = pcall(db.get, db, "k")
				test.equal(ok, false)
				local code, says = redis.error(err).code, text:match "^%-(%S+)"
				-- It was connected anew just then.
				test.truthy(code == says or code == "auth" and says == "NOAUTH", code)
				skynet.sleep(1)
			end
			test.between(s.connects - before, 0, 15, kind .. " " .. text)
			no = nil
			test.eventually("a reply", 10, function()
				return pcall(db.get, db, "k")
			end)
		end
	end
end)

test.case("a password that has changed is said by every call until it is right", { timeout = 60 }, function()
	local s = server.start()
	local db, pdb = own(s.port), pooled(s.port)
	db:ping()
	s:cli("CONFIG", "SET", "requirepass", "secret")
	s:cli("-a", "secret", "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	for _, some in ipairs { db, pdb } do
		test.eventually("the reason", 10, function()
			local ok, err = pcall(some.get, some, "k")
			return not ok and tostring(err):find "NOAUTH" and err.code == "auth" and err.outcome == "not sent"
		end)
	end
	test.truthy(db[2].link.failures < 20)
	s:cli("-a", "secret", "CONFIG", "SET", "requirepass", "")
	for _, some in ipairs { db, pdb } do
		test.eventually("a reply", 10, function()
			return pcall(some.get, some, "k")
		end)
	end
end)

test.run()
