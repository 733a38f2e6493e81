-- config: snax = "$REEF_TEST_ROOT/tests/services/snax/?.lua"
-- snax: services whose methods are called by name, and replaced while they run.
local skynet = require "skynet"
local services = require "reef.services"
local snax = require "skynet.snax"
local test = require "test"

test.case("methods are called by name, with real values", function()
	local counter = snax.newservice("counter", 10, { step = 2 })
	test.equal(counter.type, "counter")
	counter.post.add(5)
	local count, text, nested = counter.req.get()
	test.equal({ count, text, nested }, { 20, "text", { nested = { true } } })
	test.equal(counter.req.scaled(), 2000)
	test.equal(counter.req.module(), "a part of its own")
	test.equal(snax.bind(counter.handle, "counter"), counter)
	test.raises("is the snax service counter, not other", snax.bind, counter.handle, "other")
	snax.kill(counter, "bye")
	test.eventually("it ends", 10, function()
		return not services.alive(counter.handle)
	end)
end)

test.case("methods are numbered alike by both sides, in the order of their definition from 5", function()
	local ids = snax.interface "counter"
	test.equal(ids.system, { init = 1, exit = 2, hotfix = 3, profile = 4 })
	test.equal(ids.accept, { add = 5, fails = 9 })
	test.equal(ids.response, { get = 6, scaled = 7, fails = 8, slow = 10, log = 11, module = 12 })
end)

test.case("what is not there, and what fails, is said", function()
	local counter = snax.newservice("counter", 1)
	test.raises("post counter:nothing no exist", function()
		counter.post.nothing(1)
	end)
	test.raises("request counter:add no exist", function()
		counter.req.add(1)
	end)
	test.raises("call failed.*it fails on purpose", counter.req.fails)
	counter.post.fails()
	test.equal(counter.req.slow(), "slow")
	test.raises("cannot load the snax service no_such", snax.newservice, "no_such")
	test.raises("accept%.one is defined twice", snax.interface, "twice")
	test.raises("wrong%.lua:%d+: response%.value must be a function, not a number", snax.interface, "wrong")
	snax.kill(counter)
end)

test.case("a service whose init fails is not left behind", function()
	local before = skynet.call(".launcher", "lua", "LIST")
	test.raises("call failed.*cannot start counting", snax.newservice, "counter", "broken")
	test.eventually("it ends", 10, function()
		for address in pairs(skynet.call(".launcher", "lua", "LIST")) do
			if not before[address] then
				return false
			end
		end
		return true
	end)
end)

test.case("of a unique service there is one for each name", function()
	local found
	skynet.fork(function()
		found = snax.queryservice "counter"
	end)
	skynet.sleep(2)
	test.equal(found, nil)
	local a = snax.uniqueservice("counter", 7)
	test.equal(snax.uniqueservice("counter", 8).handle, a.handle)
	test.equal((a.req.get()), 7)
	test.eventually("the query is answered", 10, function()
		return found
	end)
	test.equal(found.handle, a.handle)
	local global = snax.globalservice("counter", 9)
	test.different(global.handle, a.handle)
	test.equal(snax.queryglobal("counter").handle, global.handle)
end)

test.case("calls before init has finished, and a second init, are errors", function()
	local handle = skynet.newservice("snaxd", "counter")
	test.raises("before init has finished", skynet.call, handle, "snax", 6)
	skynet.call(handle, "snax", 1)
	test.raises("is initialised already", skynet.call, handle, "snax", 1)
	test.raises("has no method 99", skynet.call, handle, "snax", 99)
end)

test.case("calls and their time are counted, also of those that fail", function()
	local counter = snax.newservice "counter"
	counter.post.add(1)
	pcall(counter.req.fails)
	pcall(counter.req.fails)
	counter.req.slow()
	local info = snax.profile_info(counter)
	test.equal({ info.add.count, info.fails.count, info.slow.count }, { 1, 2, 1 })
	test.between(info.slow.time, 0, 1)
	test.equal(skynet.call(counter.handle, "debug", "INFO").add.count, 1)
end)

test.case("a patch replaces methods and keeps the values of their variables", function()
	local counter = snax.newservice("counter", 10, { step = 3 })
	local old = snax.hotfix(counter, [[
		local count, step
		local bonus = 1000
		local function add(n)
			count = count + n * step + bonus
		end
		function accept.add(n)
			add(n)
		end
		function response.scaled()
			return helper(1), patched
		end
		patched = "a global of the service"
		function hotfix(by)
			local before = count
			count = count + by
			return before, "patched"
		end
	]], 5)
	test.equal(old, 10)
	test.equal((counter.req.get()), 15)
	counter.post.add(2)
	test.equal((counter.req.get()), 15 + 2 * 3 + 1000)
	test.equal(table.pack(counter.req.scaled()), { 100, "a global of the service", n = 2 })
	-- A patch of the patched code.
	snax.hotfix(counter, "local bonus function accept.add(n) bonus = n end function response.log() return bonus end")
	test.raises("Patch mismatch accept%.new", snax.hotfix, counter, "function accept.new() end")
	counter.post.add(77)
	test.equal(counter.req.log(), 77)
end)

test.case("a patch that fails changes nothing", function()
	local counter = snax.newservice("counter", 1)
	test.raises("Patch mismatch response%.nothing", snax.hotfix, counter,
		"function accept.add() end function response.nothing() end")
	test.raises("%(hotfix%):1: ", snax.hotfix, counter, "function accept.add( end end")
	test.raises("broken hook", snax.hotfix, counter,
		"function response.get() return 'half' end function hotfix() error 'broken hook' end")
	test.raises("a patch is a string, not a nil", snax.hotfix, counter)
	test.raises("a patch is a string, not a table", snax.hotfix, counter, {})
	counter.post.add(1)
	test.equal((counter.req.get()), 2)
end)

test.case("a name that means two variables is ambiguous", function()
	local ambiguous = snax.newservice "ambiguous"
	test.raises("ambiguity local value x", snax.hotfix, ambiguous, "local x function response.one() return x end")
	test.equal(ambiguous.req.one(), 1)
end)

test.run()
