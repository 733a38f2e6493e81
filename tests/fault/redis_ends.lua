-- timeout: 120
-- Coroutines that are ended while they have a part in what others wait for.
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local skynet = require "skynet"
local test = require "test"

test.case("who ends somebody in his EXEC keeps his own transaction", function()
	local one
	one = scripted.start(function(words)
		if words[1] == "EXEC" and one.slow then
			return ""
		end
		return words[1] == "EXEC" and "*1\r\n+OK" or (words[1] == "GET" or words[1] == "SET") and "+QUEUED" or nil
	end)
	local db = redis.connect { host = "127.0.0.1", port = one.port }
	test.defer(db.disconnect, db)
	db:multi()
	db:set("k", 1)
	one.slow = true
	local other = skynet.fork(function()
		db:multi()
		db:set("k", 2)
		db:exec()
	end)
	skynet.sleep(20)
	one.slow = false
	test.equal(db:status().bound, 2)
	skynet.killthread(other)
	skynet.sleep(20)
	test.equal(db:status().bound, 1)
	test.equal(db:exec(), { "OK" })
end)

-- A server that answers the first PING of a login after `seconds`.
local function slow(seconds)
	local self
	self = scripted.start(function(words)
		if words[1] == "PING" then
			self.attempts = self.attempts + 1
			if self.attempts == 1 then
				skynet.sleep(seconds * 100)
			end
			return "+PONG"
		end
		return words[1] == "GET" and "$1\r\nx" or nil
	end)
	self.attempts = 0
	return self
end

local function lazy(one, options)
	options.host, options.port = "127.0.0.1", one.port
	local db = require("reef.redis").lazy(require("reef.redis.config").new(options))
	test.defer(db.disconnect, db)
	return db
end

test.case("who waits while another connects goes on when that one is ended", { timeout = 60 }, function()
	local one = slow(0.5)
	local db = lazy(one, { connect_timeout = 20, timeout = 20 })
	local first = skynet.fork(db.get, db, "k")
	local got = {}
	for i = 1, 5 do
		skynet.fork(function()
			got[i] = { pcall(db.get, db, "k") }
		end)
	end
	test.eventually("an attempt", 10, function()
		return one.attempts == 1
	end)
	skynet.killthread(first)
	test.eventually("answers", 30, function()
		return #got == 5
	end)
	for i = 1, 5 do
		test.equal(got[i], { true, "x" })
	end
	test.equal(one.attempts, 1)
end)

test.case("who connects waits no longer than his call may take, others as long as theirs", { timeout = 60 }, function()
	local db = lazy(slow(2), { connect_timeout = 20, timeout = 20 })
	local other
	skynet.fork(function()
		skynet.sleep(5)
		other = { pcall(db.get, db, "k") }
	end)
	test.within(1.5, function()
		local ok, err = pcall(db.get, db:with { timeout = 0.2 }, "k")
		test.equal({ ok, err.code, err.outcome }, { false, "timeout", "not sent" })
	end)
	test.eventually("the other's answer", 10, function()
		return other
	end)
	test.equal(other, { true, "x" })
end)

test.case("a connection of one's own is waited for no longer than the call may take", { timeout = 60 }, function()
	local connections = 0
	local one = scripted.start(function(words)
		if words[1] == "PING" then
			connections = connections + 1
		end
		-- It does not say whether a transaction has left something behind.
		return words[1] == "UNWATCH" and "" or words[1] == "EXEC" and "*0" or nil
	end)
	local db = lazy(one, { connect_timeout = 20, timeout = 20, pool = 1 })
	db:multi()
	db:exec()
	test.within(4, function()
		local short = db:with { timeout = 1 }
		short:multi()
		short:exec()
	end)
	test.equal(db:status().own, 0)
	db:multi()
	local victim = skynet.fork(function()
		db:multi()
	end)
	db:exec()
	skynet.sleep(10)
	skynet.killthread(victim)
	test.eventually("its place", 10, function()
		return db:status().own == 0
	end)
end)

test.case("a connection that is given up for a better one fails nobody who waits for it", { timeout = 60 }, function()
	local connections, shut = 0, nil
	local one
	one = scripted.start(function(words, _, close)
		if words[1] == "PING" then
			connections = connections + 1
			-- The second is the better one, the third is to take the place of the first when that is lost.
			local seconds = ({ 0, 1, 8 })[connections] or 0
			skynet.sleep(seconds * 100)
			return "+PONG"
		elseif words[1] == "SET" then
			shut = close
			return "-READONLY You can't write against a read only replica."
		elseif words[1] == "ROLE" then
			return "*3\r\n$6\r\nmaster\r\n:0\r\n*0"
		end
		return words[1] == "GET" and "$1\r\nx" or nil
	end)
	local db = lazy(one, { connect_timeout = 20, timeout = 20 })
	test.raises("READONLY", db.set, db, "k", 1)
	test.eventually("the better one's login", 10, function()
		return connections == 2
	end)
	shut()
	skynet.sleep(10)
	local got
	test.within(6, function()
		got = { pcall(db.get, db, "k") }
	end)
	test.equal(got, { true, "x" })
	test.equal(connections, 3)
end)

test.run()
