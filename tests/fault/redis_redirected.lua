-- timeout: 120
-- Pipelines and batches of which a node redirects some operations: the others keep their replies, whatever becomes of
-- those that were redirected, and nothing is done twice.
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local redis = require "skynet.db.redis"
local scripted = require "test.scripted"
local socket = require "skynet.socket"
local test = require "test"

local resp = scripted.resp

-- A node that says that it has all slots, or that who is at the port `elsewhere` has them.
local function node(answer)
	local self
	self = scripted.start(function(words)
		local word = words[1]:upper()
		if word == "CLUSTER" then
			local map = { { 0, 16383, { "127.0.0.1", self.elsewhere or self.port, "id" } } }
			return words[2] == "SLOTS" and resp(map):sub(1, -3) or "-ERR unknown"
		end
		return answer(words, self)
	end)
	return self
end

local function connect(one, timeout)
	local db = redis.connect { hosts = { "127.0.0.1:" .. one.port }, timeout = timeout or 1, connect_timeout = 1 }
	test.defer(pcall, db.disconnect, db)
	return db
end

-- A place where nobody listens.
local function nowhere()
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.close(id)
	return port
end

-- A node that never answers anything but its login.
local function silent()
	return scripted.start(function(words)
		return words[1] == "PING" and "+PONG" or words[1] == "INCR" and "" or nil
	end)
end

-- INCR is counted by key; keys with "away" in their name are at `port`.
local function counting(port)
	local counts = {}
	return node(function(words, self)
		if words[1] ~= "INCR" then
			return nil
		elseif words[2]:find "away" then
			self.elsewhere = port
			return ("-MOVED %d 127.0.0.1:%d"):format(core.slot(words[2]), port)
		end
		counts[words[2]] = (counts[words[2]] or 0) + 1
		return ":" .. counts[words[2]]
	end), counts
end

test.case("a batch keeps the replies that came beside one that was redirected in vain", { timeout = 60 }, function()
	local one, counts = counting(nowhere())
	local db = connect(one)
	local results = db:batch({ { "INCR", "a" }, { "INCR", "away" }, { "INCR", "b" } }, {})
	test.equal(results[1], { ok = true, out = 1 })
	test.equal(results[3], { ok = true, out = 1 })
	test.equal(results[2].ok, false)
	test.equal(results[2].out.outcome, "not sent")
	test.equal(counts, { a = 1, b = 1 })
end)

test.case("a pipeline of which one was redirected in vain says that others were applied", { timeout = 60 }, function()
	for port, outcome in pairs { [nowhere()] = "applied in part", [silent().port] = "maybe applied" } do
		local one, counts = counting(port)
		local db = connect(one)
		local results = {}
		local ok, err = pcall(db.pipeline, db, { { "INCR", "{x}a" }, { "INCR", "{x}away" }, { "INCR", "{x}b" } }, results)
		test.equal(ok, false)
		test.truthy(errors.is(err), tostring(err))
		test.equal(err.outcome, outcome)
		test.equal(counts, { ["{x}a"] = 1, ["{x}b"] = 1 })
		test.equal(results[1], { ok = true, out = 1 })
		test.equal(results[3], { ok = true, out = 1 })
		test.equal(results[2].ok, false)
	end
end)

test.case("redirected operations have the time of one call together", { timeout = 60 }, function()
	local one = counting(silent().port)
	local db = connect(one)
	local ops = {}
	for i = 1, 12 do
		ops[i] = { "INCR", "away" .. i }
	end
	local results
	test.within(4, function()
		results = db:batch(ops, {})
	end)
	for i = 1, 12 do
		test.equal(results[i].ok, false)
	end
end)

test.case("commands around a transaction in a pipeline are not done again with it", { timeout = 60 }, function()
	for _, code in ipairs { "MOVED", "ASK", "TRYAGAIN" } do
		local multi, incr, executed = false, 0, 0
		local one
		one = node(function(words)
			local word = words[1]
			if word == "MULTI" then
				multi = true
			elseif word == "EXEC" then
				multi, executed = false, executed + 1
				return executed < 3 and "-EXECABORT Transaction discarded because of previous errors." or "*1\r\n+OK"
			elseif word == "INCR" and not multi then
				incr = incr + 1
				return ":" .. incr
			elseif multi then
				return executed < 2 and (code == "TRYAGAIN" and "-TRYAGAIN not now"
					or ("-%s %d 127.0.0.1:%d"):format(code, core.slot(words[2]), one.port)) or "+QUEUED"
			end
		end)
		local db = connect(one)
		local results = db:pipeline({ { "INCR", "{x}n" }, { "MULTI" }, { "SET", "{x}k", 1 }, { "EXEC" } }, {})
		test.equal(incr, 1, code)
		test.equal(results[1], { ok = true, out = 1 })
		test.equal(results[4].ok, false)
		test.matches(results[4].out, "^EXECABORT")
		-- By itself it is.
		executed = 0
		results = db:pipeline({ { "MULTI" }, { "SET", "{x}k", 1 }, { "EXEC" } }, {})
		test.equal(results[3], { ok = true, out = { "OK" } }, code)
		test.equal(incr, 1)
	end
end)

test.run()
