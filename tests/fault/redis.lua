-- timeout: 400
-- Redis servers that die, freeze and are slow, and links that are cut, while thousands of requests are on their way:
-- every call ends in time, and every reply is that of the request it is given to.
local proxy = require "test.proxy"
local redis = require "skynet.db.redis"
local server = require "test.redis"
local skynet = require "skynet"
local test = require "test"

local function now()
	return skynet.hpc() / 1e9
end

local function connect(port, options)
	options = options or {}
	options.host, options.port = "127.0.0.1", port
	local db = redis.connect(options)
	test.defer(pcall, db.disconnect, db)
	return db
end

-- `width` coroutines that ask for what nobody else asks for, until `state.stop` or `each` times. Counts what came.
local function askers(db, width, each)
	local state = { right = 0, wrong = 0, ended = 0, slowest = 0, left = width, outcomes = {} }
	for i = 1, width do
		skynet.fork(function()
			local n = 0
			while not state.stop and n < each do
				n = n + 1
				local mine, since = i .. "." .. n, now()
				local ok, reply = pcall(db.echo, db, mine)
				state.slowest = math.max(state.slowest, now() - since)
				if not ok then
					state.ended = state.ended + 1
					local outcome = type(reply) == "table" and reply.outcome or tostring(reply)
					state.outcomes[outcome] = (state.outcomes[outcome] or 0) + 1
				elseif reply == mine then
					state.right = state.right + 1
				else
					state.wrong = state.wrong + 1
					state.example = string.format("%s instead of %s", tostring(reply), mine)
				end
			end
			state.left = state.left - 1
		end)
	end
	return state
end

local function finish(state, seconds)
	test.eventually("the end of all requests", seconds, function()
		return state.left == 0
	end)
	test.equal(state.wrong, 0, state.example)
	for outcome in pairs(state.outcomes) do
		test.truthy(outcome == "not sent" or outcome == "maybe applied", outcome)
	end
end

local function idle(db)
	test.eventually("nothing in flight", 20, function()
		local status = db:status()
		return status.in_flight == 0 and status.tombstones == 0
	end)
end

test.case("a million replies reach those who asked", { timeout = 200 }, function()
	local db = connect(server.start().port, { timeout = 60 })
	local width = test.count(8192)
	local each = test.count(1000000) // width + 1
	local state = askers(db, width, each)
	finish(state, 180)
	test.equal(state.right, width * each)
	test.equal(state.ended, 0)
	idle(db)
end)

test.case("also over a link that is cut, delayed and split at any byte", { timeout = 120 }, function()
	local through = proxy.start(server.start().path)
	local db = connect(through.port, { timeout = 5, limits = { tombstones = 1000 } })
	through:set { cut = test.sanitizer and 15000 or 100000, stall = { 200000, 30 }, split = 700 }
	local state = askers(db, 500, test.count(100))
	finish(state, 100)
	test.truthy(state.right > 0)
	test.truthy(state.ended > 0)
	through:set { cut = 0, stall = 0, split = 0 }
	test.eventually("a reply", 20, function()
		return select(2, pcall(db.echo, db, "x")) == "x"
	end)
	idle(db)
end)

test.case("replies that come byte by byte", { timeout = 120 }, function()
	local through = proxy.start(server.start().path)
	local db = connect(through.port, { timeout = 60 })
	through:set { split = 1 }
	local list = {}
	for i = 1, 200 do
		list[i] = ("%d"):format(i * i)
	end
	db:rpush("list", table.unpack(list))
	local state = askers(db, 50, test.count(50))
	for _ = 1, 5 do
		test.equal(db:lrange("list", 0, -1), list)
	end
	finish(state, 100)
	test.equal(state.ended, 0)
end)

test.case("cut after each of the first bytes, nobody is given a piece", { timeout = 60 }, function()
	local through = proxy.start(server.start().port)
	local db = connect(through.port, { timeout = 5 })
	local hello = #"+PONG\r\n" -- what connecting asks for
	for n = 0, hello + 12 do -- "$5\r\nhello\r\n" has eleven bytes
		for _, how in ipairs { "fin", "rst" } do
			db[2].link.connection:close()
			through:next("down", n, how)
			local ok, reply = pcall(db.echo, db, "hello")
			if n < hello + 11 then
				test.equal(ok, false, n .. " bytes")
				-- Just in between, it may end before or after the command has left.
				test.equal(reply.outcome, (n < hello or n == hello and reply.outcome == "not sent") and "not sent"
					or "maybe applied")
			else
				test.equal(reply, "hello")
			end
		end
	end
end)

test.case("a killed server: everybody is told at once, and after its restart all is well", { timeout = 60 }, function()
	local s = server.start()
	local db = connect(s.port, { timeout = 10 })
	local state = askers(db, test.count(4000), math.huge)
	test.eventually("traffic", 10, function()
		return state.right > 10000
	end)
	local since = now()
	s:kill()
	test.eventually("the first failures", 10, function()
		return state.ended > 0
	end)
	state.stop = true
	finish(state, 20)
	test.truthy(now() - since < 20)
	test.raises("not sent", function()
		local v = db:get "k"
		return v
	end)
	s:restart()
	test.eventually("a reply", 10, function()
		return select(2, pcall(db.echo, db, "x")) == "x"
	end)
	idle(db)
end)

test.case("a frozen server: every call ends at its deadline", { timeout = 60 }, function()
	local s = server.start()
	local db = connect(s.port, { timeout = 1 })
	local state = askers(db, test.count(4000), math.huge)
	test.eventually("traffic", 10, function()
		return state.right > 1000
	end)
	s:freeze()
	skynet.sleep(20)
	state.stop = true
	finish(state, 20)
	test.truthy(state.slowest >= 1)
	s:thaw()
	test.eventually("a reply", 10, function()
		return select(2, pcall(db.echo, db, "x")) == "x"
	end)
	idle(db)
end)

test.case("a server that pauses for less than the deadline costs nobody his reply", { timeout = 60 }, function()
	local s = server.start()
	local db = connect(s.port, { timeout = 30 })
	local state = askers(db, test.count(2000), test.count(50))
	for _ = 1, 3 do
		s:freeze()
		skynet.sleep(30)
		s:thaw()
		skynet.sleep(10)
	end
	finish(state, 40)
	test.equal(state.ended, 0)
	idle(db)
end)

test.case("restarts under load", { timeout = 120 }, function()
	local s = server.start()
	local db = connect(s.port, { timeout = 2 })
	local state = askers(db, 200, math.huge)
	for _ = 1, 3 do
		local before = state.right
		test.eventually("traffic", 20, function()
			return state.right > before + 500
		end)
		s:restart()
	end
	local before = state.right
	test.eventually("traffic again", 20, function()
		return state.right > before + 500
	end)
	state.stop = true
	finish(state, 20)
	idle(db)
	-- Nothing is left of earlier connections: ours, and the one that counts.
	test.eventually("two connections", 10, function()
		return select(2, s:cli("CLIENT", "LIST"):gsub("id=", "")) == 2
	end)
end)

test.case("a server that is not there for long is not stormed, and found again", { timeout = 60 }, function()
	local s = server.start()
	local db = connect(s.port)
	s:kill()
	local state = askers(db, 300, math.huge)
	skynet.sleep(200)
	-- One attempt for all, with growing pauses: far fewer than one for each failure.
	test.truthy(db[2].link.failures < 15, db[2].link.failures)
	s:restart()
	test.eventually("traffic", 20, function()
		return state.right > 300
	end)
	state.stop = true
	finish(state, 20)
end)

test.case("nobody waits longer for the next attempt to connect than his call may take", { timeout = 60 }, function()
	local s = server.start()
	local db = redis.connect { host = "127.0.0.1", port = s.port, timeout = 20 }
	s:kill()
	for _ = 1, 6 do
		pcall(db.get, db, "k")
	end
	-- Pauses are over a second by now. Several calls end within one, unless the machine stands still.
	local hasty = db:with { timeout = 0.05 }
	test.eventually("calls that end within a pause", 30, function()
		local before = db[2].link.failures
		for _ = 1, 5 do
			local err = redis.error(test.raises("Connection refused", hasty.get, hasty, "k"))
			test.equal(err.outcome, "not sent")
		end
		return db[2].link.failures - before <= 2
	end)
	s:restart()
	test.equal(db:set("k", 1), "OK")
end)

test.case("a transaction whose connection is lost is not applied in part", { timeout = 60 }, function()
	local s = server.start()
	local through = proxy.start(s.path)
	local db, direct = connect(through.port), connect(s.port)
	direct:mset("a", 100, "b", 0)
	for round = 1, 10 do
		local ok = pcall(function()
			db:watch("a", "b")
			local a, b = db:get "a", db:get "b"
			db:multi()
			db:set("a", a - 1)
			if round % 2 == 0 then
				through:cut()
			end
			db:set("b", b + 1)
			return db:exec()
		end)
		test.equal(ok, round % 2 == 1)
		local both = direct:mget("a", "b")
		test.equal(both[1] + both[2], 100)
		test.equal(db:status().bound, 0)
	end
	test.equal(direct:get "b", "5")
end)

test.case("blocked commands are told when their server goes", { timeout = 60 }, function()
	local s = server.start()
	local db = connect(s.port)
	local ended = 0
	for i = 1, 20 do
		skynet.fork(function()
			local ok, err = pcall(db.blpop, db, "none" .. i, 0)
			if not ok and err.outcome == "maybe applied" then
				ended = ended + 1
			end
		end)
	end
	test.eventually("all to block", 10, function()
		return db:info("clients"):find "blocked_clients:20"
	end)
	s:kill()
	test.eventually("all to end", 10, function()
		return ended == 20
	end)
	test.equal(db:status().own, 0)
end)

test.case("subscriptions come back, and the gap is told", { timeout = 60 }, function()
	local s = server.start()
	local through = proxy.start(s.port)
	local db = connect(s.port)
	local told = {}
	local w = redis.watch { host = "127.0.0.1", port = through.port, gap = function(info)
		told[#told + 1] = info
	end }
	w:subscribe("a", "b")
	w:psubscribe "p*"
	local got = {}
	skynet.fork(function()
		while got[1] ~= "end" do
			got = { w:message() }
		end
	end)
	for round = 1, 3 do
		test.eventually("the subscriptions", 20, function()
			return db:publish("a", round) == 1 and db:publish("b", round) == 1 and db:publish("px", round) == 1
		end)
		test.eventually("a message", 10, function()
			return got[1] == tostring(round)
		end)
		test.equal(w.gaps, round - 1)
		if round == 1 then
			through:cut()
		elseif round == 2 then
			through:refuse()
			through:cut()
			skynet.sleep(20)
			through:accept()
		end
		if round < 3 then
			test.eventually("the notice", 20, function()
				return #told == round
			end)
			test.truthy(told[round].seconds >= 0 and #told[round].why > 0)
		end
	end
	db:publish("a", "end")
	w:disconnect()
end)

local function notices_dead_link(timeout)
	local s = server.start()
	local through = proxy.start(s.port)
	local db = connect(s.port)
	local w = redis.watch { host = "127.0.0.1", port = through.port, heartbeat = 0.1, timeout = timeout }
	w:subscribe "a"
	local got
	skynet.fork(function()
		got = w:message()
	end)
	test.eventually("the subscription", 10, function()
		return db:pubsub("numsub", "a")[2] == 1
	end)
	-- Answers to PING keep it.
	skynet.sleep(60)
	test.equal(w.gaps, 0)
	through:hold()
	test.eventually("that it is noticed", 20, function()
		return w.link.connection:state() ~= "open"
	end)
	test.equal(w.gaps, 0)
	through:heal()
	test.eventually("a message", 20, function()
		return db:publish("a", "x") > 0 and got == "x"
	end)
	test.equal(w.gaps, 1)
	w:disconnect()
end

test.case("a subscriber's dead link is noticed", { timeout = 60 }, function()
	notices_dead_link(0.3)
end)

test.case("a subscriber's dead link is noticed, also where commands have no deadline", { timeout = 60 }, function()
	notices_dead_link(0)
end)

test.case("a server that accepts and never answers is an error within the deadline", { timeout = 60 }, function()
	local through = proxy.start(server.start().port)
	through:hold()
	local err
	test.within(10, function()
		err = select(2, pcall(redis.connect, {
			host = "127.0.0.1", port = through.port, auth = "x", connect_timeout = 0.3,
		}))
	end)
	test.equal({ err.code, err.outcome }, { "connect", "not sent" })
	test.within(10, function()
		err = select(2, pcall(redis.connect, { host = "127.0.0.1", port = through.port, connect_timeout = 0.3 }))
	end)
	test.equal({ err.code, err.outcome }, { "connect", "not sent" })
	through:heal()
end)

test.case("a host that swallows packets is an error within the deadline", function()
	local err
	test.within(10, function()
		err = select(2, pcall(redis.connect, { host = "192.0.2.1", port = 6379, connect_timeout = 0.3 }))
	end)
	test.equal({ err.code, err.outcome }, { "connect", "not sent" })
end)

test.case("what is no Redis server is told from one", { timeout = 60 }, function()
	local socket = require "skynet.socket"
	for _, answer in ipairs { "HTTP/1.1 400 Bad Request\r\n\r\n", "$99999999999\r\n", ("*1\r\n"):rep(1000) } do
		local id, _, port = socket.listen("127.0.0.1", 0)
		socket.start(id, function(newid)
			socket.start(newid)
			socket.read(newid)
			socket.write(newid, answer)
			skynet.sleep(100)
			socket.close(newid)
		end)
		local err = test.raises("connect failed", connect, port)
		test.equal({ err.code, err.outcome }, { "connect", "not sent" })
		socket.close(id)
	end
end)

test.case("messages that nobody reads are bounded in bytes, and none is lost", { timeout = 60 }, function()
	local s = server.start()
	local w = redis.watch { host = "127.0.0.1", port = s.port, limits = { queue_bytes = 1 << 20 } }
	test.defer(w.disconnect, w)
	w:subscribe "news"
	local db = connect(s.port)
	local pad = ("x"):rep(10000)
	test.eventually("it listens", 5, function()
		return db:publish("news", "first") == 1
	end)
	for i = 1, 1000 do
		db:publish("news", i .. pad)
	end
	skynet.sleep(20)
	test.between(w.link.connection:info().queued_bytes, 1 << 19, (1 << 20) + 20000)
	test.equal((w:message()), "first")
	for i = 1, 1000 do
		test.equal((w:message()), i .. pad)
	end
	test.equal({ w.gaps, w.link.connection:info().queued_bytes }, { 0, 0 })
end)

test.run()
