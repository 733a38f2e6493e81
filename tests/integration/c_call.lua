-- timeout: 240
-- Callbacks of C services that wait: tests/modules/caller.c, and the example of docs/c.md, built outside the tree with
-- the installed headers.
local process = require "test.process"
local outside = require "test.outside"
local skynet = require "skynet"
require "skynet.manager"
local test = require "test"

skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, pack = tostring, unpack = skynet.tostring }

local caller

test.case("the module is built with what is installed", { timeout = 150 }, function()
	caller = outside.load "caller"
end)

local function launch(size)
	local address = assert(skynet.launch("caller", size or "0"))
	test.defer(skynet.kill, address)
	return address
end

local function answerer()
	local address = skynet.newservice "text_answerer"
	test.defer(skynet.kill, address)
	return address
end

local function ask(service, text, ...)
	return skynet.call(service, "text", text:format(...))
end

-- Every callback has returned.
local function all_returned()
	test.eventually("every callback returns", 30, function()
		local begun, ended = caller.counts()
		return begun == ended
	end)
end

local function together(n, f)
	test.within(100, test.together, n, f)
end

test.case("a callback asks a service and goes on with the reply", function()
	test.equal(ask(launch(), "ask %x 6000 hello", answerer()), "done hello")
	all_returned()
end)

test.case("many callbacks of a service wait at the same time, each keeps its own", function()
	local service, other = launch(), answerer()
	together(test.count(400), function(i)
		test.equal(ask(service, "ask %x 6000 later %d text %d", other, i % 5, i), "done text " .. i)
	end)
	all_returned()
end)

test.case("services in C ask each other in chains, on all workers", function()
	local services, last = {}, answerer()
	for i = 1, 8 do
		services[i] = launch()
	end
	together(test.count(100), function(i)
		local text, expected = "later 0 x" .. i, "x" .. i
		for level = 1, i % 8 do
			text = ("ask %x 6000 %s"):format(level == 1 and last or services[level - 1], text)
			expected = "done " .. expected
		end
		local first = i % 8 == 0 and last or services[i % 8]
		test.equal(ask(first, "%s", text), expected)
	end)
	all_returned()
end)

test.case("a service asks itself", function()
	local service = launch()
	test.equal(ask(service, "ask %x 6000 sleep 1", service), "done done")
end)

test.case("calls behind each other, by many callbacks: the sums are exact", function()
	local service, other = launch(), answerer()
	local n = 50
	together(test.count(60), function()
		test.equal(ask(service, "sum %x %d", other, n), tostring(n * (n - 1) // 2))
	end)
	all_returned()
end)

test.case("a deadline ends the wait, and a reply that comes later is nobody's", function()
	local service, other = launch(), answerer()
	local _, _, strays = caller.counts()
	together(20, function(i)
		test.equal(ask(service, "ask %x %d later 30 x", other, 1 + i % 3), "late ")
	end)
	test.equal(ask(service, "ask %x 6000 later 40 x", other), "done x", "the late ones have come before it")
	test.equal(select(3, caller.counts()), strays)
	test.equal(ask(service, "ask %x 1 never", other), "late ")
	all_returned()
end)

test.case("sleeps are over in their order", function()
	local service, order = launch(), {}
	together(8, function(i)
		test.equal(ask(service, "sleep %d", (9 - i) * 20), "done")
		order[#order + 1] = 9 - i
	end)
	test.equal(order, { 1, 2, 3, 4, 5, 6, 7, 8 })
end)

test.case("whoever cannot answer is told of: an error, nobody, an end", function()
	local service, other = launch(), answerer()
	test.matches(ask(service, "ask %x 6000 error", other), "^failed .*as it was told")
	test.equal(ask(service, "ask %x 6000 x", 0xfffff1), "nobody ")
	for _ = 1, test.count(20) do
		local mortal, ended, wrong = skynet.newservice "text_answerer", 0, nil
		for i = 1, 5 do
			skynet.fork(function()
				local text = ask(service, "ask %x 6000 %s", mortal, i % 2 == 0 and "never" or "later 6000 x")
				-- One that is gone before it is asked is nobody.
				wrong = not (text:find "^failed " or text == "nobody ") and text or wrong
				ended = ended + 1
			end)
		end
		skynet.sleep(math.random(0, 2))
		skynet.kill(mortal)
		test.eventually("all calls have ended", 30, function()
			return ended == 5
		end)
		test.equal(wrong, nil)
	end
	all_returned()
end)

test.case("one that is killed and does not come back is told of, too", function()
	if test.sanitizer == "tsan" then
		test.skip "loops are not interrupted under TSan"
	end
	local service, mortal, answer = launch(), skynet.newservice "text_answerer", nil
	skynet.fork(function()
		answer = ask(service, "ask %x 6000 loop", mortal)
	end)
	skynet.sleep(10)
	skynet.kill(mortal)
	test.eventually("the call ends", 30, function()
		return answer ~= nil
	end)
	test.matches(answer, "^failed")
end)

test.case("a service ends while its callbacks wait: they are told, return, and its callers hear of it", function()
	local other = answerer()
	local _, _, _, told = caller.counts()
	local expected = 0
	for round = 1, test.count(20) do
		local service, ended = assert(skynet.launch("caller", "0")), 0
		for i = 1, 12 do
			skynet.fork(function()
				pcall(ask, service, i % 3 == 0 and "ending 1" or i % 3 == 1 and "ending 6000" or "ask %x 6000 later 6000 x",
					other)
				ended = ended + 1
			end)
		end
		expected = expected + 8
		if round % 2 == 0 then
			skynet.sleep(math.random(0, 3))
		else
			skynet.yield()
		end
		-- What is still in the mailbox never begins.
		test.eventually("all have begun", 30, function()
			local begun, finished = caller.counts()
			return begun - finished == 12
		end)
		skynet.kill(service)
		test.eventually("all calls have ended", 30, function()
			return ended == 12
		end)
		all_returned()
	end
	test.equal(select(4, caller.counts()) - told, expected)
end)

test.case("the size of a stack can be chosen", function()
	local service = launch(tostring(2 << 20))
	together(10, function()
		test.equal(ask(service, "deep %d", 1800 << 10), "same")
	end)
	all_returned()
end)

test.case("outside a callback nothing is sent", function()
	test.equal(ask(launch(), "outside"), "outside")
end)

test.case("a stack that is too small ends the process instead of spoiling what lies beside it", function()
	process.mkdir "deep"
	local f = assert(io.open("deep/deep.lua", "w"))
	f:write [[
		local skynet = require "skynet"
		require "skynet.manager"
		skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, pack = tostring, unpack = skynet.tostring }
		skynet.start(function()
			local caller = assert(skynet.launch("caller", "16384"))
			skynet.sleep(20) -- the line of the launch is written by a thread of its own
			skynet.call(caller, "text", "deep 4000000")
			print "came back"
		end)
	]]
	f:close()
	local config = process.path "deep.config"
	f = assert(io.open(config, "w"))
	f:write 'start = "deep"\nthread = 2\nharbor = 0\ncpath = "./cservice/?.so"\nluaservice = "./deep/?.lua"\n'
	f:close()
	local code, output = process.run({ test.reef, config }, 60)
	test.truthy(code ~= 0, "a status of failure")
	test.matches(output, "LAUNCH caller 16384")
	test.truthy(not output:find "came back", output)
end)

test.case("the example of the page works as it stands there", { timeout = 100 }, function()
	local f = assert(io.open(test.root .. "/docs/c.md"))
	local page = f:read "a"
	f:close()
	local code = assert(page:match "## Callbacks that wait\n\n```c\n(.-)```", "the example")
	local source = process.path "quest.c"
	f = assert(io.open(source, "w"))
	f:write(code)
	f:close()
	outside.build("quest", source)
	local quest, store = assert(skynet.launch "quest"), answerer()
	test.defer(skynet.kill, quest)
	skynet.name(".store", store)
	test.equal(skynet.call(quest, "text", "sword"), "sword and again sword")
	skynet.kill(store)
	test.equal(skynet.call(quest, "text", "sword"), "the store does not answer")
end)

test.run()
