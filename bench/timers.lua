-- A million timers: what it costs to set one, its memory, and to have one fire; and how exact sleep(1) is.
local bench = require "bench"
local skynet = require "skynet"

bench.main(function()
	local delays = {}
	for i = 1, bench.option("SLEEPS", 200) do
		local start = bench.wall()
		skynet.sleep(1)
		delays[i] = (bench.wall() - start) * 1e3
	end
	table.sort(delays)
	bench.result("sleep", { least = delays[1], p50 = delays[#delays // 2], p99 = delays[#delays * 99 // 100] })

	local n = bench.option("N", 1000000)
	local function nothing() end
	collectgarbage()
	local before = bench.resident()
	bench.measure("timer_set", n, function()
		for i = 1, n do
			skynet.timeout(600000 + i % 1000, nothing)
		end
	end)
	bench.result("timer_memory", { bytes = (bench.resident() - before) / n })

	local fired, me = 0, coroutine.running()
	local start = bench.wall()
	bench.measure("timer_fire", n, function()
		for i = 1, n do
			skynet.timeout(1 + i % 200, function()
				fired = fired + 1
				if fired == n then
					skynet.wakeup(me)
				end
			end)
		end
		skynet.wait(me)
	end)
	bench.result("timer_all", { seconds = bench.wall() - start })
end)
