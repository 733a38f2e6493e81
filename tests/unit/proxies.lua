-- timeout: 240
-- Generic proxies: reef.proxy.timeout, limit and balance.
local balance = require "reef.proxy.balance"
local limit = require "reef.proxy.limit"
local skynet = require "skynet"
local test = require "test"
local timeout = require "reef.proxy.timeout"
require "skynet.manager"

local function proxy(address)
	test.defer(pcall, skynet.kill, address)
	return address
end

local function info(address)
	return skynet.call(address, "debug", "INFO")
end

-- Runs f(1) ... f(n) in coroutines of their own and waits for all; what each returned or raised.
local function together(n, f)
	local left, token, results = n, {}, {}
	for i = 1, n do
		skynet.fork(function()
			results[i] = { pcall(f, i) }
			left = left - 1
			if left == 0 then
				skynet.wakeup(token)
			end
		end)
	end
	if left > 0 then
		skynet.wait(token)
	end
	return results
end

-- ---- timeout ----

test.case("timeout: what comes in time passes through as it is", function()
	local address = proxy(timeout.new(test.service "slow", 20))
	test.equal({ skynet.call(address, "lua", "echo", 1, { a = "b" }, nil, 2.5) }, { 1, { a = "b" }, nil, 2.5 })
	test.raises("call failed: .*no such thing", skynet.call, address, "lua", "fail", "no such thing")
	skynet.send(address, "lua", "note", "sent")
	test.eventually("the message without a reply", 10, function()
		return skynet.call(address, "lua", "noted") == "sent"
	end)
	test.equal(info(address).expired, 0)
end)

test.case("timeout: a deadline holds, and a late reply reaches nobody", function()
	local slow = test.service "slow"
	local address = proxy(timeout.new(slow, 0.1))
	local since = skynet.hpc()
	test.raises("no reply from :%x+ within 0.1 s %(maybe applied%)", skynet.call, address, "lua", "wait", 30, "late")
	test.truthy(skynet.hpc() - since >= 100000000)
	for i = 1, 100 do
		test.equal(skynet.call(address, "lua", "echo", i), i)
		skynet.sleep(i < 40 and 1 or 0)
	end
	test.equal(info(address), { requests = 101, expired = 1 })
	timeout.set(address, 20)
	test.equal(skynet.call(address, "lua", "wait", 20, "in time"), "in time")
end)

test.case("timeout: a service that is gone is an error at once", function()
	local slow = test.service "slow"
	local address = proxy(timeout.new(slow, 60))
	local results
	skynet.fork(function()
		results = together(10, function()
			skynet.call(address, "lua", "wait", 100000)
		end)
	end)
	skynet.sleep(5)
	skynet.kill(slow)
	test.eventually("the errors", 10, function()
		return results
	end)
	for _, result in ipairs(results) do
		test.equal(result[1], false)
	end
	test.raises("gone %(not sent%)", skynet.call, address, "lua", "echo", 1)
end)

test.case("the end of a proxy is an error for all who wait", function()
	local slow = test.service "slow"
	for _, address in ipairs {
		timeout.new(slow, 60), limit.new(slow, { concurrent = 5, wait = 60 }), balance.new("slow", { n = 1, window = 5 }),
	} do
		local results
		skynet.fork(function()
			results = together(10, function()
				skynet.call(address, "lua", "wait", 100000)
			end)
		end)
		skynet.sleep(5)
		skynet.kill(address)
		test.eventually("the errors", 10, function()
			return results
		end)
		for _, result in ipairs(results) do
			test.matches(result[2], "the proxy was ended")
		end
	end
end)

-- ---- limit ----

test.case("limit: never more at work than allowed, and all are answered", function()
	local slow = test.service "slow"
	local address = proxy(limit.new(slow, { concurrent = 3, queue = 1000, wait = 60 }))
	local results = together(100, function(i)
		return skynet.call(address, "lua", "wait", 1, i)
	end)
	for i, result in ipairs(results) do
		test.equal(result, { true, i })
	end
	test.equal(skynet.call(slow, "lua", "most"), 3)
	local stat = info(address)
	test.equal({ stat.running, stat.queued, stat.shed }, { 0, 0, 0 })
end)

test.case("limit: a full queue is an error at once that says how full", function()
	local address = proxy(limit.new(test.service "slow", { concurrent = 2, queue = 3, wait = 60 }))
	local results = together(10, function(i)
		return skynet.call(address, "lua", "wait", 20, i)
	end)
	local shed = 0
	for _, result in ipairs(results) do
		if not result[1] then
			shed = shed + 1
			test.matches(result[2], "overload: the queue is full; 2 requests at work, 3 waiting %(not sent%)")
		end
	end
	test.equal(shed, 5)
end)

test.case("limit: nobody waits longer than allowed, also when nothing moves", function()
	local address = proxy(limit.new(test.service "slow", { concurrent = 1, wait = 0.2 }))
	skynet.fork(pcall, skynet.call, address, "lua", "wait", 100000)
	skynet.sleep(1)
	local since = skynet.hpc()
	test.raises("overload: waited 0%.%d+ s", skynet.call, address, "lua", "echo", 1)
	test.truthy(skynet.hpc() - since >= 200000000)
	test.equal(info(address).queued, 0)
end)

test.case("limit: who would wait too long is told before he waits", function()
	local address = proxy(limit.new(test.service "slow", { concurrent = 1, queue = 1000, wait = 2 }))
	-- The pace becomes known: not more than twenty in a second.
	together(10, function()
		skynet.call(address, "lua", "wait", 5)
	end)
	local waited, early = 0, 0
	for _, result in ipairs(together(100, function()
		skynet.call(address, "lua", "wait", 5)
	end)) do
		if not result[1] then
			local text = tostring(result[2])
			early = early + (text:find "it would wait about" and 1 or 0)
			waited = waited + (text:find "overload: waited" and 1 or 0)
		end
	end
	test.truthy(early >= 50)
	test.truthy(early > waited)
end)

test.case("limit: priorities go first, and take the places of others", function()
	local slow = test.service "slow"
	local address = proxy(limit.new(slow, { concurrent = 1, queue = 4, wait = 60, priority = { pay = 2, idle = 0 } }))
	local results = {}
	local function ask(name, command, ...)
		local args = table.pack(command, ...)
		skynet.fork(function()
			results[name] = { pcall(skynet.call, address, "lua", table.unpack(args, 1, args.n)) }
		end)
		skynet.yield()
	end
	ask("first", "wait", 20)
	test.eventually("the first", 10, function()
		return info(address).running == 1
	end)
	for i = 1, 2 do
		ask("idle" .. i, "idle", "idle" .. i)
		ask("echo" .. i, "echo", "echo" .. i)
	end
	ask("pay1", "pay", "pay1")
	ask("pay2", "pay", "pay2")
	ask("idle3", "idle", "idle3")
	test.eventually("all", 20, function()
		return results.first and results.pay1 and results.pay2 and results.echo1 and results.echo2 and results.idle1 and
			results.idle2 and results.idle3
	end)
	test.matches(results.idle1[2], "higher priority")
	test.matches(results.idle2[2], "higher priority")
	test.matches(results.idle3[2], "the queue is full")
	test.equal(skynet.call(slow, "lua", "order"), { "pay1", "pay2", "echo1", "echo2" })
end)

test.case("limit: options change while it works", function()
	local slow = test.service "slow"
	local address = proxy(limit.new(slow, { concurrent = 1, wait = 60 }))
	local results
	skynet.fork(function()
		results = together(20, function()
			return skynet.call(address, "lua", "wait", 10)
		end)
	end)
	test.eventually("the queue", 10, function()
		return info(address).queued == 19
	end)
	limit.set(address, { concurrent = 19 })
	test.eventually("all", 10, function()
		return results
	end)
	test.equal(skynet.call(slow, "lua", "most"), 19)
	test.raises("concurrent has to be a number of at least 1", limit.set, address, { concurrent = 0 })
end)

-- ---- balance ----

test.case("balance: whoever has least to do gets it", function()
	local address = proxy(balance.new("slow", { n = 4, window = 100 }))
	local counts = {}
	for _, result in ipairs(together(80, function()
		return skynet.call(address, "lua", "who", 3)
	end)) do
		test.equal(result[1], true)
		counts[result[2]] = (counts[result[2]] or 0) + 1
	end
	local n = 0
	for _, count in pairs(counts) do
		n = n + 1
		test.equal(count, 20)
	end
	test.equal(n, 4)
end)

test.case("balance: dead instances are replaced, nothing that was not started is lost", { timeout = 120 }, function()
	local address = proxy(balance.new("slow", { n = 3, window = 8 }))
	local over, answered, failed, killed = false, 0, 0, 0
	skynet.fork(function()
		while killed < 15 do
			skynet.sleep(3)
			local instances = info(address).instances
			local victim = instances[math.random(math.max(#instances, 1))]
			-- It is killed in there, so what lies in its mailbox has not begun. One that is dead may still be in the list.
			if victim and pcall(skynet.call, victim, "lua", "block", 5000) then
				skynet.sleep(1)
				skynet.kill(victim)
				killed = killed + 1
			end
		end
		over = true
	end)
	while not over do
		for _, result in ipairs(together(60, function(i)
			return skynet.call(address, "lua", "quick", i)
		end)) do
			if result[1] then
				answered = answered + 1
			else
				failed = failed + 1
			end
		end
	end
	test.equal(failed, 0)
	test.truthy(answered > 100)
	test.eventually("all are replaced", 20, function()
		return info(address).replaced == killed
	end)
	test.truthy(info(address).repeated > 0)
	test.eventually("three instances", 20, function()
		return #info(address).instances == 3
	end)
end)

test.case("balance: what an instance had begun fails when it dies, and is not repeated", function()
	local address = proxy(balance.new("slow", { n = 1 }))
	local results
	skynet.fork(function()
		results = together(5, function()
			return skynet.call(address, "lua", "wait", 100000)
		end)
	end)
	test.eventually("the requests", 10, function()
		return info(address).running == 5
	end)
	skynet.sleep(2)
	skynet.kill(info(address).instances[1])
	test.eventually("the errors", 10, function()
		return results
	end)
	for _, result in ipairs(results) do
		test.equal(result[1], false)
	end
	test.equal(skynet.call(address, "lua", "echo", "next"), "next")
end)

test.case("balance: the number of instances changes while it works", function()
	local address = proxy(balance.new("slow", { n = 1, window = 4 }))
	local over, failed = 0, nil
	for _ = 1, 20 do
		skynet.fork(function()
			for i = 1, 20 do
				local ok, v = pcall(skynet.call, address, "lua", "wait", 1, i)
				failed = failed or not ok and v or ok and v ~= i and "wrong reply"
			end
			over = over + 1
		end)
	end
	for _, n in ipairs { 5, 2, 4, 1 } do
		balance.set(address, { n = n })
		test.eventually(n .. " instances", 20, function()
			return #info(address).instances == n
		end)
	end
	test.eventually("all", 60, function()
		return over == 20
	end)
	test.truthy(not failed, failed)
end)

test.case("balance: instances that cannot be started are an error of new", function()
	test.raises("slow", balance.new, "slow", { args = { "refuse" } })
	test.raises("n has to be a number", balance.new, "slow", { n = 0 })
end)

test.case("proxies can be put one in front of the other", function()
	local workers = proxy(balance.new("slow", { n = 2, window = 1 }))
	local limited = proxy(limit.new(workers, { concurrent = 2, queue = 10, wait = 60 }))
	local address = proxy(timeout.new(limited, 20))
	local answered, shed = 0, 0
	for i, result in ipairs(together(20, function(i)
		return skynet.call(address, "lua", "wait", 5, i)
	end)) do
		if result[1] then
			test.equal(result[2], i)
			answered = answered + 1
		else
			test.matches(result[2], "overload")
			shed = shed + 1
		end
	end
	test.equal({ answered, shed }, { 12, 8 })
end)

test.run()
