-- timeout: 120
-- config: await_threads = 3
-- C functions that block, on helper threads: tests/modules/slow.c, built outside the tree with the installed headers.
local process = require "test.process"
local outside = require "test.outside"
local skynet = require "skynet"
require "skynet.manager"
local test = require "test"

local THREADS <const> = 3

skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, pack = tostring, unpack = skynet.tostring }

local slow

test.case("the module is built with what is installed", { timeout = 100 }, function()
	slow = outside.load "slow"
end)

-- All works are over, and each was freed once.
local function all_freed()
	test.eventually("every work is freed", 20, function()
		local made, freed = slow.counts()
		local running, waiting = require("reef.await").count()
		return made == freed and running == 0 and waiting == 0
	end)
end

test.case("a coroutine waits for its function while the service goes on", function()
	local ticks, over = 0, false
	skynet.fork(function()
		while not over do
			ticks = ticks + 1
			skynet.sleep(1)
		end
	end)
	test.equal({ slow.run(200, "result") }, { "result", 200 })
	over = true
	test.truthy(ticks >= 3, ticks)
	all_freed()
end)

test.case("many run, never more at a time than there are threads, each has its own result", function()
	local n, done = test.count(300), 0
	for i = 1, n do
		skynet.fork(function()
			test.equal({ slow.run(i % 4, "text " .. i) }, { "text " .. i, i % 4 })
			done = done + 1
		end)
	end
	test.eventually("all are done", 60, function()
		return done == n
	end)
	local _, _, _, most = slow.counts()
	test.between(most, 2, THREADS)
	all_freed()
end)

test.case("an error in making the results is the caller's", function()
	test.raises("as it was told", slow.run, 1, "error")
	test.raises("C%-call boundary", string.gsub, "x", "x", function()
		slow.run(1, "where nothing can wait")
	end)
	all_freed()
end)

test.case("a deadline ends the wait, and the work is left alone", function()
	test.raises("slow: not done in time", slow.run, 500, "late", 0.05)
	all_freed()
	test.equal({ slow.run(1, "in time", 30) }, { "in time", 1 })
end)

test.case("coroutines are ended while their functions wait, run, and are over", function()
	local _, _, before = slow.counts()
	local n, threads = test.count(200), {}
	for i = 1, n do
		threads[i] = skynet.fork(slow.run, i % 5, "unwanted")
	end
	for i = 1, n do
		if i % 20 == 0 then
			skynet.sleep(math.random(0, 1))
		end
		skynet.killthread(threads[i])
	end
	all_freed()
	local _, _, after = slow.counts()
	test.truthy(after - before < n, "what was ended before its turn has not been run")
end)

test.case("services end while their functions wait and run", function()
	for i = 1, test.count(30) do
		local user = skynet.newservice "slow_user"
		skynet.call(user, "lua", 10, i % 8)
		skynet.sleep(math.random(0, 2))
		skynet.kill(user)
	end
	all_freed()
	test.equal((slow.run(0, "still works")), "still works")
end)

test.case("a C service hears when its function is over", function()
	local address = assert(skynet.launch "slow")
	test.defer(skynet.kill, address)
	local got = 0
	for i = 1, 50 do
		skynet.fork(function()
			test.equal(skynet.call(address, "text", ("%d text %d"):format(i % 3, i)), "text " .. i)
			got = got + 1
		end)
	end
	test.eventually("all are answered", 20, function()
		return got == 50
	end)
	all_freed()
end)

test.case("a C service takes its works back, waiting and running ones", function()
	local address = assert(skynet.launch "slow")
	test.defer(skynet.kill, address)
	local answers = { cancelled = 0 }
	for _ = 1, 6 do
		skynet.fork(function()
			local answer = skynet.call(address, "text", "300 x")
			answers[answer] = (answers[answer] or 0) + 1
		end)
	end
	skynet.sleep(5)
	for _ = 1, 6 do
		test.equal(skynet.call(address, "text", "cancel"), "yes")
	end
	test.equal(skynet.call(address, "text", "cancel"), "nothing")
	test.eventually("all are answered", 20, function()
		return answers.cancelled == 6
	end)
	all_freed()
end)

test.case("a C service ends while its functions wait and run: its callers are told", function()
	for _ = 1, test.count(20) do
		local address, ended = assert(skynet.launch "slow"), 0
		for i = 1, 8 do
			skynet.fork(function()
				pcall(skynet.call, address, "text", (i * 5) .. " x")
				ended = ended + 1
			end)
		end
		skynet.yield()
		skynet.kill(address)
		test.eventually("all calls have ended", 20, function()
			return ended == 8
		end)
	end
	all_freed()
end)

test.case("a process ends though a function does not come back", function()
	local path = process.path "end.lua"
	local f = assert(io.open(path, "w"))
	f:write [[
		local skynet = require "skynet"
		package.cpath = "./cservice/?.so"
		skynet.start(function()
			local slow = require "slow"
			for i = 1, 20 do
				skynet.fork(slow.run, 3600000, "x")
			end
			skynet.fork(function()
				repeat skynet.sleep(1) until require("reef.await").count() == 8
				skynet.exit()
			end)
		end)
	]]
	f:close()
	local code, output = process.run({ test.reef, "run", path }, 60)
	test.equal(code, 0, output)
	test.matches(output, "8 C functions on helper threads are left alone")
end)

test.run()
