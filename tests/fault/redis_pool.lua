-- timeout: 400
-- reef.pool while servers die and links are cut: no hang, no wrong reply, every failure says what it means.
local fault = require "test.proxy"
local pool = require "reef.pool"
local programs = require "test.process"
local server = require "test.redis"
local redis = require "skynet.db.redis"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local function open(port, options)
	local db = pool.redis({ host = "127.0.0.1", port = port }, options)
	test.defer(pcall, pool.close, db)
	return db
end

local function callers(n, port, options)
	local list = {}
	for i = 1, n do
		list[i] = test.service "pool_caller"
		skynet.call(list[i], "lua", "open", { host = "127.0.0.1", port = port }, options)
	end
	return list
end

-- Calls all of them with f's arguments and waits for all results.
local function ask_all(list, f)
	local results = {}
	test.together(#list, function(i)
		results[i] = table.pack(skynet.call(list[i], "lua", f(i)))
	end)
	return results
end

test.case("never a wrong reply in many numbered values through a bad link", { timeout = 300 }, function()
	local s = server.start()
	local proxy = fault.start(s.port)
	local options = { size = 4, window = 64, timeout = 5, queue_timeout = 5, stall = 1 }
	local list = callers(16, proxy.port, options)
	local each = test.count(62500)
	proxy:set { cut = 10 * each, delay = { 5 * each, 5 }, split = 700 }
	local answered, lost = 0, 0
	for i, result in ipairs(ask_all(list, function(i)
		return "echo", each, "caller " .. i
	end)) do
		result = result[1]
		test.equal(result.wrong, nil, "caller " .. i)
		test.equal(result.answered + result.not_sent + result.maybe, each)
		answered = answered + result.answered
		lost = lost + result.maybe
	end
	test.truthy(proxy:stats().cuts > 10)
	test.truthy(lost > 0)
	test.truthy(answered > 16 * each * 0.5)
	proxy:pass()
	local db = open(proxy.port)
	test.eventually("everything is settled", 20, function()
		local stat = pool.stat(db)
		return stat.in_flight == 0 and stat.queued == 0 and not stat.down
	end)
end)

test.case("replies that come a byte at a time are whole", { timeout = 120 }, function()
	local s = server.start()
	local proxy = fault.start(s.port)
	proxy:set { split = 1 }
	for _, result in ipairs(ask_all(callers(8, proxy.port, { size = 2 }), function(i)
		return "echo", test.count(200), "caller " .. i
	end)) do
		test.equal({ result[1].answered, result[1].wrong }, { test.count(200), nil })
	end
end)

test.case("a server that is killed under load: every count is explained", { timeout = 120 }, function()
	local s = server.start { "--appendonly", "yes", "--appendfsync", "always" }
	local list = callers(8, s.port, { size = 4, timeout = 5, queue_timeout = 5 })
	local each = test.count(5000)
	local results
	skynet.fork(function()
		results = ask_all(list, function()
			return "count", each, "n"
		end)
	end)
	skynet.sleep(20)
	s:restart()
	test.eventually("all", 100, function()
		return results
	end)
	local sure, maybe = 0, 0
	for _, result in ipairs(results) do
		sure, maybe = sure + result[1], maybe + result[2]
	end
	local db = open(s.port)
	test.eventually("the pool to be back", 20, function()
		return (pcall(db.ping, db))
	end)
	test.between(tonumber(db:get "n"), sure, sure + maybe)
end)

test.case("without a server requests fail at once, and work again when it is back", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s.port)
	test.equal(db:echo "first", "first")
	s:kill()
	test.eventually("the pool to notice", 10, function()
		return pool.stat(db).down
	end)
	test.within(2, function()
		for _ = 1, 1000 do
			local err = test.raises("not sent", db.ping, db)
			test.equal({ err.code, err.outcome }, { "connect", "not sent" })
		end
	end)
	s:restart()
	test.eventually("an answer", 20, function()
		return (pcall(db.ping, db))
	end)
	test.eventually("all connections", 20, function()
		local open_now = 0
		for _, c in ipairs(pool.stat(db).connections) do
			open_now = open_now + (c.state == "open" and 1 or 0)
		end
		return open_now == 4
	end)
end)

test.case("a pool can be made before there is a server", function()
	local port = programs.free_port()
	local db = open(port, { connect_timeout = 1 })
	local err = test.raises("Connection refused", db.ping, db)
	test.equal(err.outcome, "not sent")
end)

test.case("a server that freezes is given up, and nothing late reaches anybody", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s.port, { size = 2, timeout = 0.5, stall = 1, connect_timeout = 1 })
	test.equal(db:echo "first", "first")
	s:freeze()
	test.eventually("the pool to give up", 20, function()
		test.raises("", db.echo, db, "lost")
		return pool.stat(db).down
	end)
	s:thaw()
	test.eventually("an answer", 20, function()
		return (pcall(db.ping, db))
	end)
	for i = 1, 100 do
		test.equal(db:echo(i), tostring(i))
	end
end)

test.case("a transaction whose connection is lost applies nothing and says so", { timeout = 60 }, function()
	local s = server.start()
	local proxy = fault.start(s.port)
	local db = open(proxy.port)
	db:multi()
	db:set("k", 1)
	proxy:cut()
	skynet.sleep(10)
	local err = test.raises("nothing of it is applied", db.exec, db)
	test.equal(err.outcome, "not sent")
	test.equal(db:status().bound, 0)
	test.eventually("an answer", 20, function()
		return (pcall(db.ping, db))
	end)
	test.equal(db:exists "k", false)
	db:multi()
	db:set("k", 2)
	test.equal(db:exec(), { "OK" })
end)

test.case("a coroutine goes on after the connection of its transaction was lost", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s.port)
	local killer = open(s.port, { pool = "other" })
	for _, begin in ipairs { "watch", "multi" } do
		db[begin](db, begin == "watch" and "k" or nil)
		test.equal(killer:client("kill", "type", "normal", "skipme", "yes") > 0, true)
		local err = test.raises("lost", function()
			-- What is lost is noticed by the first command that needs it.
			for _ = 1, 100 do
				local v = db:get "k"
				skynet.sleep(v and 0 or 1)
			end
		end)
		test.different(err.outcome, "rejected")
		test.eventually("the others", 10, function()
			return pcall(db.set, db, "k", 1)
		end)
		test.equal(db:get "k", "1")
		db:watch "k"
		test.equal(db:get "k", "1")
		db:unwatch()
	end
end)

test.case("subscriptions through a pool come back, and the gap is told", { timeout = 60 }, function()
	local s = server.start()
	local through = fault.start(s.port)
	local direct, db = open(s.port), open(through.port, { heartbeat = 0.2, timeout = 0.5 })
	local told = {}
	local w = pool.watch(db, { gap = function(info)
		told[#told + 1] = info
	end })
	w:subscribe("a", "b")
	w:psubscribe "p*"
	local got = {}
	skynet.fork(function()
		while got[1] ~= "end" do
			got = { w:message() }
		end
	end)
	for round = 1, 4 do
		test.eventually("the subscriptions", 20, function()
			return direct:publish("a", round) == 1 and direct:publish("b", round) == 1 and direct:publish("px", round) == 1
		end)
		test.eventually("a message", 10, function()
			return got[1] == tostring(round)
		end)
		test.truthy(w.gaps >= round - 1)
		if round == 1 then
			through:cut()
		elseif round == 2 then
			through:refuse()
			through:cut()
			skynet.sleep(20)
			through:accept()
		elseif round == 3 then
			-- The link is dead, and nothing says so.
			through:hold()
			test.eventually("that it is noticed", 20, function()
				return w.link.connection:state() ~= "open"
			end)
			through:heal()
		end
		if round < 4 then
			test.eventually("the notice", 20, function()
				return #told >= round
			end)
			test.truthy(told[round].seconds >= 0 and #told[round].why > 0)
		end
	end
	direct:publish("a", "end")
	test.eventually("the end", 10, function()
		return got[1] == "end"
	end)
	w:disconnect()
end)

test.case("at the end of the process what was accepted is finished", { timeout = 60 }, function()
	local s = server.start()
	local script = programs.path "ending.lua"
	local f = assert(io.open(script, "w"))
	f:write(([[
local pool, process, skynet = require "reef.pool", require "reef.process", require "skynet"
skynet.start(function()
	skynet.fork(function()
		local db = pool.redis({ host = "127.0.0.1", port = %d }, { size = 1, window = 4 })
		for i = 1, 1000 do
			skynet.fork(db.incr, db, "n")
		end
		skynet.yield()
		process.stop(0)
	end)
end)
]]):format(s.port))
	f:close()
	local code, output = programs.run { test.reef, "run", script, cwd = test.dir }
	test.equal(code, 0, output)
	test.equal(s:cli("GET", "n"), "1000")
end)

test.case("a frozen server costs a pool no more than its limits in bytes", { timeout = 60 }, function()
	local s = server.start()
	local db = pool.redis({ host = "127.0.0.1", port = s.port, timeout = 2 }, {
		size = 2, queue_bytes = 4 << 20, unsent = 2 << 20, stall = 0,
	})
	test.defer(pool.close, db)
	db:set("k", "v")
	s:freeze()
	local value, codes, most = ("x"):rep(1 << 20), {}, 0
	test.together(60, function(i)
		local ok, err = pcall(db.set, db, "k" .. i, value)
		local code = ok and "ok" or redis.error(err).code
		codes[code] = (codes[code] or 0) + 1
		local stat = pool.stat(db)
		local held = stat.queued_bytes
		for _, c in ipairs(stat.connections) do
			held = held + c.unsent
		end
		most = math.max(most, held)
	end)
	s:thaw()
	test.truthy(codes.overload and codes.overload > 20)
	-- Each limit may be passed by one request.
	test.between(most, 1, (4 + 1 + 2 * (2 + 1)) << 20)
	test.eventually("it works again", 10, function()
		return pcall(db.set, db, "k", "v")
	end)
	test.equal(pool.stat(db).queued_bytes, 0)
end)

test.case("the limits hold also for what has piled up before a pool that was busy", { timeout = 60 }, function()
	local s = server.start()
	local db = pool.redis({ host = "127.0.0.1", port = s.port, timeout = 2 }, {
		size = 2, queue_bytes = 4 << 20, unsent = 2 << 20, stall = 0,
	})
	test.defer(pool.close, db)
	db:set("k", "v")
	s:freeze()
	-- All requests are in its mailbox before it looks at the first, so what sockets say comes behind them.
	local busy = "local t = os.clock() while os.clock() - t < 0.5 do end"
	skynet.fork(skynet.call, db[2].address, "debug", "RUN", busy, "busy")
	skynet.sleep(10)
	local value, held = ("x"):rep(1 << 20), 0
	test.together(40, function(i)
		local ok, err = pcall(db.set, db, "k" .. i, value)
		held = held + ((ok or redis.error(err).code ~= "overload") and 1 or 0)
	end)
	s:thaw()
	test.between(held, 1, 4 + 1 + 2 * (2 + 1))
end)

test.case("an answer of many megabytes comes whole, whoever it is for", { timeout = 60 }, function()
	local s = server.start()
	local db = pool.redis({ host = "127.0.0.1", port = s.port }, { size = 1 })
	test.defer(pool.close, db)
	local large = ("0123456789abcdef"):rep(1 << 21)
	db:set("large", large)
	db:set("small", "s")
	test.together(6, function(i)
		test.truthy(i % 2 == 0 and db:get "small" == "s" or i % 2 == 1 and db:get "large" == large)
	end)
	test.equal(db:get "small", "s")
end)

test.run()
