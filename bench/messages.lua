-- Calls between pairs of services, a flood of sends, and how soon an idle service is woken by a busy one. The yardstick
-- `switch` is a coroutine switch there and back in this very VM: what no runtime that resumes coroutines can beat.
local bench = require "bench"
local skynet = require "skynet"

local role = ...
if role == "echo" then
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, ...)
			skynet.retpack(...)
		end)
	end)
	return
elseif role == "caller" then
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, peer, n)
			for i = 1, n do
				skynet.call(peer, "lua", "ping", i)
			end
			skynet.retpack(true)
		end)
	end)
	return
elseif role == "counter" then
	skynet.start(function()
		local count = 0
		skynet.dispatch("lua", function(_, _, what)
			if what == "count" then
				skynet.retpack(count)
			else
				count = count + 1
			end
		end)
	end)
	return
elseif role == "sleeper" then
	skynet.start(function()
		local delays = {}
		skynet.dispatch("lua", function(_, _, sent)
			if sent then
				delays[#delays + 1] = skynet.hpc() - sent
			else
				skynet.retpack(delays)
			end
		end)
	end)
	return
end

---@param label? string behind the result's name
local function calls(pairs_count, n, label)
	local callers, echoes = {}, {}
	for i = 1, pairs_count do
		callers[i] = skynet.newservice("messages", "caller")
		echoes[i] = skynet.newservice("messages", "echo")
	end
	local function run(each)
		bench.together(pairs_count, function(i)
			skynet.call(callers[i], "lua", echoes[i], each)
		end)
	end
	local each = n // pairs_count
	run(each // 10)
	bench.measure("call_" .. pairs_count .. (label or ""), each * pairs_count, function()
		run(each)
	end)
end

-- Many services in turn ask one: each is far from the processor's caches when its reply comes.
local function crowd(width, n)
	local callers, echo = {}, skynet.newservice("messages", "echo")
	for i = 1, width do
		callers[i] = skynet.newservice("messages", "caller")
	end
	local function run(each)
		bench.together(width, function(i)
			skynet.call(callers[i], "lua", echo, each)
		end)
	end
	run(2)
	bench.measure("crowd_" .. width, n // width * width, function()
		run(n // width)
	end)
end

local function flood(n)
	local counter = skynet.newservice("messages", "counter")
	bench.measure("send", n, function()
		for i = 1, n do
			skynet.send(counter, "lua", "add", i)
		end
		assert(skynet.call(counter, "lua", "count") == n)
	end)
end

local function hand_over(n)
	local sleeper = skynet.newservice("messages", "sleeper")
	for _ = 1, n do
		skynet.send(sleeper, "lua", skynet.hpc())
		local stop = skynet.hpc() + 5000000
		while skynet.hpc() < stop do end -- luacheck: ignore 542
		skynet.sleep(1)
	end
	local delays = skynet.call(sleeper, "lua")
	table.sort(delays)
	bench.result("hand_over", { p50 = delays[#delays // 2] / 1e3, p99 = delays[#delays * 99 // 100] / 1e3 })
end

bench.main(function()
	local n = bench.option("N", 400000)
	-- Calls alone, for a comparison of numbers of workers.
	local label = os.getenv "CALLS"
	if label then
		calls(1, n, label)
		calls(100, n, label)
		return
	end
	local co = coroutine.wrap(function(...)
		while true do
			coroutine.yield(...)
		end
	end)
	bench.measure("switch", n, function()
		for i = 1, n do
			co("ping", i)
		end
	end)
	calls(1, n)
	calls(16, n)
	crowd(128, n)
	crowd(10000, n)
	flood(2 * n)
	hand_over(bench.option("HAND_OVERS", 200))
end)
