-- Starting services: CPU and resident memory of each, for a trivial one and one that requires a module of 2,000 lines
-- (made by bench/run), and how fast they are ended.
local bench = require "bench"
local skynet = require "skynet"

local role = ...
if role then
	local module = role == "large" and require "large" or { answer = function() end }
	skynet.start(function()
		skynet.dispatch("lua", function()
			skynet.retpack(module.answer())
		end)
	end)
	return
end

bench.main(function()
	local n = bench.option("N", 2000)
	for _, kind in ipairs { "small", "large" } do
		local services = { skynet.newservice("spawn", kind) }
		collectgarbage()
		local before = bench.resident()
		bench.measure("spawn_" .. kind, n, function()
			for i = 1, n do
				services[i] = skynet.newservice("spawn", kind)
			end
		end)
		bench.result("memory_" .. kind, { kib = (bench.resident() - before) / n / 1024 })
		bench.measure("kill_" .. kind, n, function()
			for i = 1, n do
				skynet.kill(services[i])
			end
			skynet.call(".launcher", "lua", "LIST")
		end)
	end
end)
