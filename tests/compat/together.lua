-- timeout: 120
-- reef.together: services hold back their other messages while a function runs over them.
local skynet = require "skynet"
require "skynet.manager"
local test = require "test"
local together = require "reef.together"

local function accounts(n, balance)
	local list = {}
	for i = 1, n do
		list[i] = test.service("account", balance or 0)
	end
	return list
end

local function finished(list)
	test.eventually("nobody holds anything", 20, function()
		return pcall(together.run, list, { seconds = 2 }, function() end)
	end)
end

test.case("transfers in any order between many leave no deadlock and keep the sum", function()
	local all, rounds, done, lost = accounts(6, 1000), test.count(200), 0, {}
	for _ = 1, rounds do
		local a, b, c = all[math.random(6)], all[math.random(6)], all[math.random(6)]
		skynet.fork(function()
			local ok, reason = pcall(together.run, { a, b, c }, { seconds = 60 }, function()
				together.call(a, "add", -3)
				together.call(b, "add", 1)
				together.call(c, "add", 2)
			end)
			lost[#lost + 1] = not ok and reason or nil
			done = done + 1
		end)
	end
	test.eventually("all are done", 60, function()
		return done == rounds
	end)
	test.equal(lost, {})
	local sum = 0
	for _, address in ipairs(all) do
		sum = sum + skynet.call(address, "lua", "get")
	end
	test.equal(sum, 6000)
end)

test.case("what comes meanwhile waits and is handled in order", function()
	local one = accounts(1)[1]
	local n = 100
	test.equal(table.pack(together.run({ one }, function(...)
		for i = 1, n do
			skynet.send(one, "lua", "tell", i)
			if i % 10 == 0 then
				skynet.sleep(1)
			end
		end
		together.call(one, "tell", "inside")
		together.send(one, "tell", "sent")
		test.equal(together.call(one, "told"), { "inside", "sent" })
		return ...
	end, 1, nil, 3)), { 1, nil, 3, n = 3 })
	local want = { "inside", "sent" }
	for i = 1, n do
		want[#want + 1] = i
	end
	test.equal(skynet.call(one, "lua", "told"), want)
end)

test.case("messages and holders have their turn as they came", function()
	local one, order = accounts(1)[1], {}
	for i = 1, 20 do
		skynet.fork(function()
			if i % 2 == 1 then
				together.run({ one }, { seconds = 60 }, function()
					order[#order + 1] = i
					together.call(one, "tell", i)
				end)
			else
				skynet.send(one, "lua", "tell", i)
			end
		end)
		skynet.sleep(0)
	end
	test.eventually("all were there", 20, function()
		return #order == 10
	end)
	local want = {}
	for i = 1, 20 do
		want[i] = i
	end
	test.equal(skynet.call(one, "lua", "told"), want)
end)

test.case("a held service reaches another in the name of who holds both", function()
	local all = accounts(2, 10)
	together.run(all, function()
		together.call(all[1], "pass", all[2], 4)
	end)
	test.equal({ skynet.call(all[1], "lua", "get"), skynet.call(all[2], "lua", "get") }, { 6, 14 })
end)

test.case("errors of the function come through, and all are released", function()
	local all = accounts(3)
	local reason = { "an object" }
	local ok, got = pcall(together.run, all, function()
		error(reason)
	end)
	test.equal({ ok, rawequal(got, reason) }, { false, true })
	test.raises("boom", together.run, all, function()
		error "boom"
	end)
	finished(all)
end)

test.case("the deadline ends a function that waits", function()
	local all, after = accounts(2), false
	test.raises("not done within 0.2 s", together.run, all, { seconds = 0.2 }, function()
		skynet.wait()
		after = true
	end)
	test.equal(after, false)
	finished(all)
	test.equal(skynet.call(all[1], "lua", "told"), {})
end)

test.case("who cannot have all of them in time gets none", function()
	local all = accounts(2)
	local low, high = math.min(all[1], all[2]), math.max(all[1], all[2])
	local go = {}
	skynet.fork(together.run, { high }, { seconds = 60 }, function()
		skynet.wait(go)
	end)
	skynet.yield()
	test.raises("not done within", together.run, { high, low }, { seconds = 0.3 }, function() end)
	together.run({ low }, { seconds = 5 }, function() end)
	skynet.wakeup(go)
	finished(all)
end)

-- TSan hands no signal on while a loop runs, so nothing ends one.
local function needs_interrupts()
	if test.sanitizer == "tsan" then
		test.skip "loops are not interrupted under TSan"
	end
end

for _, way in ipairs { "killed", "killed in a loop", "whose coroutine is killed" } do
	test.case("a holder is " .. way .. ": all are released", function()
		if way == "killed in a loop" then
			needs_interrupts()
		end
		local all, holder = accounts(3), test.service("account", 0)
		local thread
		if way == "whose coroutine is killed" then
			thread = skynet.fork(together.run, all, { seconds = 600 }, function()
				for _, address in ipairs(all) do
					together.call(address, "tell", "held")
				end
				skynet.wait()
			end)
		else
			skynet.send(holder, "lua", "hold", all, 600, way == "killed in a loop")
		end
		skynet.sleep(20)
		for i, address in ipairs(all) do
			skynet.send(address, "lua", "tell", i)
		end
		if thread then
			skynet.killthread(thread)
		else
			skynet.kill(holder)
		end
		for i, address in ipairs(all) do
			test.equal(test.within(10, skynet.call, address, "lua", "told"), { "held", i })
		end
	end)
end

test.case("a holder that never comes back loses what it held at the deadline", function()
	needs_interrupts()
	local all, holder = accounts(1), test.service("account", 0)
	skynet.send(holder, "lua", "hold", all, 1, true)
	skynet.sleep(20)
	test.equal(test.within(15, skynet.call, all[1], "lua", "tell", "after"), 2)
	skynet.kill(holder)
end)

test.case("one of them dies: the others are released", function()
	local all = accounts(3)
	test.raises("invalid address", together.run, all, function()
		skynet.kill(all[2])
		together.call(all[2], "get")
	end)
	finished { all[1], all[3] }
	test.raises(("together: :%08x cannot be held"):format(all[2]), together.run, all, function() end)
	finished { all[1], all[3] }
end)

test.case("what cannot be is refused", function()
	local all = accounts(2)
	test.raises("hold all of them at once", together.run, { all[1] }, function()
		together.run({ all[2] }, function() end)
	end)
	test.raises("there is no service", together.run, { ".nobody" }, function() end)
	test.raises("unknown option second ", together.run, all, { second = 1 }, function() end)
	test.raises("'seconds'", together.run, all, { seconds = 0 / 0 }, function() end)
	test.raises("has to be a function", together.run, all, {})
	test.raises("have to be a list", together.run, 5, function() end)
end)

test.run()
