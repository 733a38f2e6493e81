-- Coroutines and time: core.md §3 "Scheduling inside one service", §4 "Coroutines and time" and "Environment".
local skynet = require "skynet"
local test = require "test"

local order

local function note(text)
	order[#order + 1] = text
end

test.case("in a turn: wakes in order, then failed calls, then forks, each followed by what it wakes", function()
	order = {}
	local function waiter(name, wakes)
		skynet.fork(function()
			skynet.wait(name)
			note(name)
			if wakes then
				skynet.wakeup(wakes)
			end
		end)
	end
	waiter("w1", "w3")
	waiter "w2"
	waiter "w3"
	waiter "w4"
	skynet.yield()
	skynet.fork(function()
		note "f1"
		skynet.wakeup "w4"
		skynet.fork(note, "f3")
	end)
	skynet.fork(note, "f2")
	skynet.wakeup "w2"
	skynet.wakeup "w1"
	note "handler"
	skynet.yield()
	test.equal(order, { "handler", "w2", "w1", "w3", "f1", "w4", "f2", "f3" })
end)

test.case("calls that fail together go on in order, and wake before the next fails", function()
	order = {}
	local actor = test.service "actor"
	for i = 1, 3 do
		skynet.fork(function()
			pcall(skynet.call, actor, "lua", "require 'skynet'.wait()")
			note("call " .. i)
			skynet.wakeup("after " .. i)
		end)
		skynet.fork(function()
			skynet.wait("after " .. i)
			note("woken " .. i)
		end)
	end
	skynet.yield()
	skynet.term(actor)
	skynet.yield()
	test.equal(order, { "call 1", "woken 1", "call 2", "woken 2", "call 3", "woken 3" })
end)

test.case("an error in a fork does not stop the others", function()
	order = {}
	skynet.fork(error, "by design")
	skynet.fork(note, "second")
	skynet.fork(function()
		skynet.sleep(1)
		error "by design, later"
	end)
	skynet.yield()
	test.equal(order, { "second" })
	skynet.sleep(3)
end)

test.case("fork passes arguments, nils too, and gives the coroutine", function()
	local got
	local thread = skynet.fork(function(...)
		got = table.pack(coroutine.running(), ...)
	end, 1, nil, 3, nil)
	test.equal(type(thread), "thread")
	skynet.yield()
	test.equal(got.n, 5 + 1 - 1)
	test.truthy(rawequal(got[1], thread))
	test.equal({ got[2], got[3], got[4], got[5] }, { 1, nil, 3, nil })
end)

test.case("a timer is never early, and at 0 or below it is the next turn", function()
	for _, cs in ipairs { 1, 2, 7 } do
		local start = skynet.hpc()
		skynet.sleep(cs)
		test.truthy(skynet.hpc() - start >= cs * 10000000)
	end
	order = {}
	skynet.timeout(0, function()
		note "timeout"
	end)
	skynet.timeout(-5, function()
		note "negative"
	end)
	skynet.fork(note, "fork")
	note "now"
	skynet.sleep(1)
	test.equal(order, { "now", "fork", "timeout", "negative" })
end)

test.case("times are whole numbers", function()
	test.raises("integer", skynet.sleep, 1.5)
	test.raises("integer", skynet.timeout, "1.5", print)
	test.equal(skynet.sleep(1.0), nil)
	test.equal(skynet.sleep "1", nil)
end)

test.case("timeout gives its coroutine to who wants it", function()
	local running
	local thread = skynet.timeout(1, function()
		running = coroutine.running()
	end)
	test.equal(type(thread), "thread")
	test.equal(coroutine.status(thread), "suspended")
	skynet.sleep(3)
	test.truthy(rawequal(running, thread))
	local function tail()
		return skynet.timeout(1, function()
			running = nil
		end)
	end
	test.equal(type(tail()), "thread")
	tail()
	skynet.sleep(3)
	test.equal(running, nil)
end)

test.case("many timers come in the order of their times", function()
	local times = {}
	local n = test.count(20000)
	local left = n
	local me = {}
	for i = 1, n do
		local cs = i % 17 + 1
		skynet.timeout(cs, function()
			times[#times + 1] = cs
			left = left - 1
			if left == 0 then
				skynet.wakeup(me)
			end
		end)
	end
	skynet.wait(me)
	test.equal(#times, n)
	local start = skynet.now()
	test.truthy(start)
end)

test.case("wakeup ends a sleep early, once, and tells whether there was one", function()
	local results = {}
	local thread = skynet.fork(function()
		results[#results + 1] = tostring(skynet.sleep(100000))
		results[#results + 1] = tostring(skynet.sleep(1))
	end)
	skynet.yield()
	test.equal(skynet.wakeup(thread), true)
	test.equal(skynet.wakeup(thread), true)
	test.equal(skynet.wakeup "nobody", nil)
	skynet.yield()
	test.equal(results, { "BREAK" })
	skynet.sleep(5)
	test.equal(results, { "BREAK", "nil" })
	test.equal(skynet.wakeup(thread), nil)
end)

test.case("wait returns nothing, and tokens may be anything", function()
	local n
	for _, token in ipairs { {}, "text", 12, true, print } do
		n = nil
		skynet.fork(function()
			n = select("#", skynet.wait(token))
		end)
		skynet.yield()
		test.equal(skynet.wakeup(token), true)
		skynet.yield()
		test.equal(n, 0)
	end
end)

test.case("a token serves one sleeper at a time", function()
	local token = {}
	local thread = skynet.fork(skynet.sleep, 100000, token)
	skynet.yield()
	test.raises("token duplicative", skynet.sleep, 1, token)
	test.raises("token duplicative", skynet.wait, token)
	skynet.wakeup(token)
	skynet.yield()
	test.equal(coroutine.status(thread) ~= nil, true)
	test.equal(skynet.sleep(1, token), nil)
end)

test.case("a killed coroutine is closed, its request fails, its reply is dropped", function()
	local actor = test.service "actor"
	local closed = false
	local thread = skynet.fork(function()
		local _ <close> = setmetatable({}, {
			__close = function()
				closed = true
			end,
		})
		skynet.call(actor, "lua", "require 'skynet'.sleep(2) return 1")
		closed = "went on"
	end)
	skynet.yield()
	test.truthy(rawequal(skynet.killthread(thread), thread))
	test.equal(closed, true)
	test.equal(coroutine.status(thread), "dead")
	test.equal(skynet.killthread(thread), nil)
	skynet.sleep(5)
	test.equal(closed, true)
	-- by a part of its name, in another service, with a caller
	local outcome
	skynet.fork(function()
		outcome = table.pack(pcall(skynet.call, actor, "lua", "NAME = tostring(coroutine.running()) require 'skynet'.wait()"))
	end)
	local name = test.eventually("it waits", 10, function()
		return skynet.call(actor, "lua", "return NAME")
	end)
	test.equal(skynet.call(actor, "lua", "return require 'skynet'.killthread(...) ~= nil", name:match "0x%x+"), true)
	test.eventually("the caller goes on", 10, function()
		return outcome
	end)
	test.equal(outcome[1], false)
end)

test.case("what is forked or waits for a timer can be killed before it runs", function()
	local ran = false
	local function run()
		ran = true
	end
	local fork, timer = skynet.fork(run), skynet.timeout(1, run)
	test.truthy(skynet.killthread(fork))
	test.truthy(skynet.killthread(timer))
	skynet.sleep(3)
	test.equal(ran, false)
end)

test.case("tasks are counted, listed and described", function()
	local actor = test.service "actor"
	local function tasks(code)
		return skynet.call(actor, "lua", "local skynet = require 'skynet' " .. code)
	end
	test.equal(tasks "return skynet.task()", 0)
	for _ = 1, 3 do
		skynet.send(actor, "lua", "THREAD = coroutine.running() require 'skynet'.wait()")
	end
	skynet.send(actor, "lua", "require 'skynet'.timeout(100000, print)")
	test.equal(tasks "return skynet.task()", 4)
	test.equal(tasks [[
		local n = 0
		for name, traceback in pairs(skynet.task {}) do
			assert(name:match "^thread: 0x%x+ session: %d+$", name)
			assert(traceback:find "wait", traceback)
			n = n + 1
		end
		return n
	]], 3)
	test.equal(tasks [[
		local session = skynet.task(THREAD)
		return skynet.task(session):find("stack traceback", 1, true) ~= nil
	]], true)
	test.equal(tasks "return skynet.task(123456)", "No session")
	test.equal(tasks "return skynet.task 'init'", nil)
	test.equal(tasks [[
		for name, traceback in pairs(skynet.uniqtask()) do
			if name:match "^3\tsessions:%[%d+,%d+,%d+%]\n$" and traceback:find "wait" then return true end
		end
	]], true)
end)

test.case("the user's coroutines may call, and errors reach their innermost", function()
	local actor = test.service "actor"
	local generator = coroutine.wrap(function()
		for i = 1, 3 do
			coroutine.yield(skynet.call(actor, "lua", "require 'skynet'.sleep(1) return ...", i))
		end
		return pcall(skynet.call, actor, "lua", "error 'inside'")
	end)
	test.equal({ generator(), generator(), generator() }, { 1, 2, 3 })
	local ok, reason = generator()
	test.equal(ok, false)
	test.matches(reason, "call failed: .*inside")
	-- several levels deep
	local outer = coroutine.create(function()
		local inner = coroutine.create(function()
			skynet.sleep(1)
			coroutine.yield(skynet.call(actor, "lua", "return 'deep'"))
			error "at the end"
		end)
		coroutine.yield(select(2, coroutine.resume(inner)))
		return coroutine.resume(inner)
	end)
	test.equal({ coroutine.resume(outer) }, { true, "deep" })
	ok, reason = select(2, coroutine.resume(outer))
	test.equal(ok, false)
	test.matches(reason, "at the end")
	test.equal(coroutine.status(outer), "dead")
end)

test.case("a coroutine that waits is resumed by nobody else", function()
	local co = coroutine.create(function()
		skynet.sleep(3)
		return "slept"
	end)
	local results
	skynet.fork(function()
		results = table.pack(coroutine.resume(co))
	end)
	skynet.yield()
	test.equal({ coroutine.resume(co) }, { false, "cannot resume a skynet coroutine suspend by skynet framework" })
	test.eventually("it goes on", 10, function()
		return results
	end)
	test.equal(results, table.pack(true, "slept"))
	local task = skynet.fork(skynet.sleep, 2)
	skynet.yield()
	test.equal((coroutine.resume(task)), false)
	skynet.sleep(4)
end)

test.case("a wait behind a C function is refused and leaves nothing behind", function()
	local tasks = skynet.task()
	local ok, reason = pcall(string.gsub, "x", "x", function()
		skynet.sleep(1)
	end)
	test.equal(ok, false)
	test.matches(reason, "yield across a C%-call boundary")
	local wrapped = coroutine.wrap(function()
		skynet.sleep(1)
	end)
	ok, reason = pcall(table.sort, { 1, 2 }, wrapped)
	test.equal(ok, false)
	test.matches(reason, "yield")
	test.equal(skynet.task(), tasks)
	test.equal(skynet.sleep(2), nil)
end)

test.case("a yield by itself is reported and fails the request", function()
	local actor = test.service "actor"
	test.raises("call failed: .*coroutine%.yield", skynet.call, actor, "lua", "coroutine.yield(1)")
	test.equal(skynet.call(actor, "lua", "return 1"), 1)
end)

test.case("thousands of coroutines wait at once and all go on", function()
	local n = test.count(20000)
	local left = n
	local actor = test.service "actor"
	local me = {}
	for i = 1, n do
		skynet.fork(function()
			test.equal(skynet.call(actor, "lua", "return ...", i), i)
			left = left - 1
			if left == 0 then
				skynet.wakeup(me)
			end
		end)
	end
	skynet.wait(me)
	test.equal(left, 0)
end)

test.case("time goes on as it says", function()
	test.equal(math.type(skynet.now()), "integer")
	test.equal(math.type(skynet.starttime()), "integer")
	test.between(skynet.time() - os.time(), -2, 2)
	local before = skynet.now()
	skynet.sleep(3)
	test.truthy(skynet.now() - before >= 3)
end)

test.case("the environment is written once", function()
	local key = "test_key_" .. test.seed
	test.equal(skynet.getenv(key), nil)
	skynet.setenv(key, 12)
	test.equal(skynet.getenv(key), "12")
	test.raises("Can't setenv exist key : " .. key, skynet.setenv, key, 13)
end)

test.case("stat tells numbers", function()
	for _, what in ipairs { "mqlen", "message", "cpu", "time", "endless" } do
		test.equal(type(skynet.stat(what)), "number", what)
	end
	test.equal(skynet.stat "no such thing", 0)
	test.equal(skynet.endless(), false)
	test.truthy(skynet.stat "message" > 0)
	test.truthy(skynet.stat "cpu" > 0)
end)

test.case("what is packed is unpacked", function()
	local bytes, size = skynet.pack(1, "two", { 3 })
	test.equal({ skynet.unpack(bytes, size) }, { 1, "two", { 3 } })
	test.equal(#skynet.tostring(bytes, size), size)
	test.equal({ skynet.unpack(skynet.tostring(bytes, size)) }, { 1, "two", { 3 } })
	skynet.trash(bytes, size)
	skynet.trash "a string is nothing to free"
	test.equal(select("#", skynet.unpack(nil)), 0)
	test.equal(select("#", skynet.unpack ""), 0)
	test.raises("Invalid serialize stream", skynet.unpack, "\x15\x05")
	test.equal(skynet.packstring(1), "\x0a\x01")
end)

test.case("who lists the functions sees them all", function()
	local seen = {}
	for name, value in pairs(skynet) do
		seen[name] = value
	end
	for _, name in ipairs { "send", "trash", "request", "uniqueservice", "PTYPE_LUA", "start", "memlimit" } do
		test.truthy(seen[name], name)
	end
	test.equal(skynet.no_such_function, nil)
end)

-- A service that had a burst of coroutines, then works on alone: it runs `before`, the burst, `between`, and calls with
-- `each` behind them, and returns what `gives` is. `note` is for each coroutine of the burst.
local function after_burst(parts)
	local service, echo = test.service "actor", test.service "actor"
	skynet.call(echo, "lua", [[
		local skynet = require "skynet"
		skynet.dispatch("lua", function()
			skynet.retpack()
		end)
	]])
	return skynet.call(service, "lua", ([[
		local skynet = require "skynet"
		local echo = ...
		local count, me, text = %d, coroutine.running(), nil
		$before
		for _ = 1, count do
			skynet.fork(function()
				$note
				skynet.yield()
				count = count - 1
				if count == 0 then
					skynet.wakeup(me)
				end
			end)
		end
		skynet.wait(me)
		$between
		for i = 1, 12 * 1024 do
			skynet.call(echo, "lua")
			$each
		end
		return $gives
	]]):format(parts.count):gsub("%$(%a+)", function(name)
		return parts[name] or ""
	end), echo)
end

test.case("what a burst of coroutines leaves idle goes, also when no new ones begin", { timeout = 120 }, function()
	local left = after_burst {
		count = 4096,
		before = "local threads = setmetatable({}, { __mode = 'k' })",
		note = "threads[coroutine.running()] = true",
		gives = [[(function()
			collectgarbage()
			collectgarbage()
			for _ in pairs(threads) do
				count = count + 1
			end
			return count
		end)()]],
	}
	test.truthy(left <= 64, left .. " idle coroutines are left")
end)

test.case("its memory goes, too, without a collection that the service asks for", { timeout = 120 }, function()
	local before, after = after_burst {
		count = 8192,
		before = "local before = collectgarbage 'count'",
		each = "text = ('x'):rep(300 + i % 7)",
		gives = "before, collectgarbage 'count', text",
	}
	test.truthy(after < before + 3000, before .. " KB before, " .. after .. " KB after")
end)

-- An object that is old, and one that refers to it weakly, tell whether everything was collected.
for _, choice in ipairs { [["stop"]], [["incremental", 1000, 100]], [["generational", 20, 1000]] } do
	test.case("who chooses his collector is not disturbed by a burst: " .. choice, { timeout = 120 }, function()
		local there = after_burst {
			count = 8192,
			before = [[
				local seen = setmetatable({}, { __mode = "v" })
				local function make()
					local object = {}
					seen[1] = object
					return { object }
				end
				local old = make()
			]],
			between = ("collectgarbage(%s)\nfor _ = 1, 3 do collectgarbage 'collect' end\nold[1] = nil"):format(choice),
			each = "text = ('x'):rep(100 + i % 7)",
			gives = "seen[1] ~= nil, text",
		}
		test.equal(there, true)
	end)
end

test.run()
