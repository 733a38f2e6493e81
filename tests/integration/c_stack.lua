-- timeout: 240
-- Lua functions in C that wait in their midst: tests/modules/stacked.c, built outside the tree with the installed
-- headers.
local outside = require "test.outside"
local skynet = require "skynet"
require "skynet.manager"
local test = require "test"

local stacked

test.case("the module is built with what is installed", { timeout = 150 }, function()
	stacked = outside.load "stacked"
end)

local function answerer()
	local address = skynet.newservice "text_answerer"
	test.defer(skynet.kill, address)
	return address
end

-- Every body has come to its end.
local function all_ended()
	test.eventually("every body ends", 30, function()
		local begun, ended = stacked.counts()
		return begun == ended
	end)
end

local function together(n, f)
	test.within(100, test.together, n, f)
end

test.case("it asks, and goes on with each reply", function()
	local other = answerer()
	test.equal({ stacked.ask(other, "a", 3, 6000) }, { "a", "a", "a" })
	test.equal({ stacked.ask(other, "later 2 later 1 b", 3, -1) }, { "later 1 b", "b", "b" })
	test.equal(stacked.sleep(1), "done")
	test.equal({ stacked.ask(other, "", 2, 6000) }, { "", "" })
	all_ended()
end)

test.case("many wait at the same time, each keeps its own, and the service goes on", function()
	local other, ticks, over = answerer(), 0, false
	skynet.fork(function()
		while not over do
			ticks = ticks + 1
			skynet.sleep(1)
		end
	end)
	together(test.count(600), function(i)
		local text = ("later %d x%d"):format(i % 7, i)
		test.equal({ stacked.ask(other, text, 2, 6000) }, { "x" .. i, "x" .. i })
		collectgarbage "step"
	end)
	over = true
	test.truthy(ticks > 1)
	all_ended()
end)

test.case("Lua that C calls waits in C functions, at any depth", function()
	local other = answerer()
	local function nested(depth)
		if depth == 0 then
			return stacked.ask(other, "later 1 deep", 1, 6000)
		end
		return stacked.around(nested, depth - 1)
	end
	together(20, function(i)
		test.equal(nested(i % 9), "deep")
	end)
	-- Within coroutines that a user makes.
	local inner = coroutine.wrap(function(...)
		coroutine.yield((stacked.ask(other, ..., 1, 6000)))
		return stacked.around(string.rep, "x", 3)
	end)
	test.equal(inner "one", "one")
	test.equal(inner(), "xxx")
	all_ended()
end)

test.case("what a body raises is raised, whatever lies between", function()
	local other = answerer()
	together(50, function(i)
		local err = {}
		local ok, got = pcall(stacked.around, function()
			stacked.ask(other, "later 1 x", 1, 6000)
			local _ <close> = setmetatable({}, { __close = function()
				stacked.sleep(1)
			end })
			error(err)
		end)
		test.equal(ok, false)
		test.truthy(rawequal(got, err), i)
	end)
	test.raises("bad argument #2", stacked.ask, other)
	test.raises("C%-call boundary", stacked.around, function()
		skynet.sleep(1)
	end)
	test.raises("C%-call boundary", stacked.around, coroutine.yield)
	-- The innermost of calls without end.
	local function endless()
		return (stacked.around(endless))
	end
	test.raises("overflow", endless)
	all_ended()
end)

test.case("late, failed, nobody, outside", function()
	local other = answerer()
	test.equal(stacked.ask(other, "later 20 x", 1, 1), "late")
	test.equal(stacked.ask(other, "later 30 y", 1, 6000), "y", "the late one has come before it")
	test.equal(stacked.ask(other, "error", 1, 6000), "failed")
	test.equal(stacked.ask(0xfffff1, "x", 1, 6000), "nobody")
	test.equal({ stacked.outside() }, { "outside", "outside" })
	local victim = answerer()
	skynet.timeout(2, function()
		skynet.kill(victim)
	end)
	test.equal(stacked.ask(victim, "never", 1, -1), "failed")
	all_ended()
end)

test.case("a coroutine that is killed while it waits: the body comes to its end", function()
	local other, waiting, gone = answerer(), {}, 0
	for i = 1, 30 do
		waiting[i] = skynet.fork(function()
			local _ <close> = setmetatable({}, { __close = function()
				gone = gone + 1
			end })
			stacked.around(function()
				return stacked.ask(other, "never", 2, i % 2 == 0 and -1 or 6000)
			end)
		end)
	end
	test.eventually("they wait", 30, function()
		local begun, ended = stacked.counts()
		return begun - ended == 60
	end)
	for i, co in ipairs(waiting) do
		if i % 2 == 0 then
			skynet.killthread(co)
		else
			stacked.around(skynet.killthread, co) -- from one stack the other's function is gone on with
		end
	end
	test.equal(gone, 30)
	local begun, ended = stacked.counts()
	test.equal(begun, ended)
end)

test.case("a service that ends while its C functions wait: each comes to its end", function()
	local other = answerer()
	for round = 1, 6 do
		local before = stacked.counts()
		local victim = skynet.newservice("stacked_victim", package.cpath, other, 30)
		test.eventually("they wait", 30, function()
			return stacked.counts() - before >= 40
		end)
		if round % 2 == 0 then
			pcall(skynet.call, victim, "lua", "exit")
		else
			skynet.kill(victim)
		end
		all_ended()
	end
end)

test.run()
