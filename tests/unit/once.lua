-- Work done once for all who want it at the same time; and the pauses between attempts that fail.
local backoff = require "reef.backoff"
local once = require "reef.once"
local skynet = require "skynet"
local test = require "test"

test.case("whoever comes meanwhile gets the same result or error, and who comes later begins anew", function()
	local running = {}
	for round = 1, 20 do
		local made, answers = 0, {}
		local fails = round % 2 == 0
		local function make()
			made = made + 1
			skynet.sleep(1)
			if fails then
				error({ round = round }, 0)
			end
			return { round = round }
		end
		for i = 1, 10 do
			skynet.fork(function()
				local ok, result = pcall(once, running, "key", make)
				answers[i] = { ok = ok, result = result }
			end)
		end
		test.eventually("all are told", 5, function()
			return #answers == 10
		end)
		test.equal(made, 1)
		for i = 1, 10 do
			test.equal(answers[i].ok, not fails)
			test.equal(answers[i].result, answers[1].result)
		end
		test.equal(next(running), nil)
	end
end)

test.case("when the coroutine that does it is ended, those who wait hear so", function()
	local running, thread, errors = {}, nil, {}
	skynet.fork(function()
		thread = coroutine.running()
		once(running, "key", function()
			skynet.wait {}
		end)
	end)
	skynet.yield()
	for i = 1, 3 do
		skynet.fork(function()
			errors[i] = select(2, pcall(once, running, "key", error))
		end)
	end
	skynet.yield()
	skynet.killthread(thread)
	test.eventually("all are told", 5, function()
		return #errors == 3
	end)
	for i = 1, 3 do
		test.matches(errors[i], "was ended")
	end
	test.equal(once(running, "key", function()
		return 5
	end), 5)
end)

test.case("pauses double up to the longest, by half more or less", function()
	for failures = 1, 2000 do
		local middle = math.min(0.1 * 2 ^ (failures - 1), 5)
		local pause = backoff(failures, 0.1, 5)
		test.equal(pause >= middle * 0.5 and pause <= middle * 1.5, true)
	end
end)

test.run()
