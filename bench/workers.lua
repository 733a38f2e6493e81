-- Calls between pairs of services: bench/run measures them with a worker for each processor and with many more.
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
end

bench.main(function()
	local n = bench.option("N", 400000)
	for _, width in ipairs { 1, 100 } do
		local callers, echoes = {}, {}
		for i = 1, width do
			callers[i] = skynet.newservice("workers", "caller")
			echoes[i] = skynet.newservice("workers", "echo")
		end
		bench.measure(("call_%d_%s"):format(width, os.getenv "LABEL"), n, function()
			bench.together(width, function(i)
				skynet.call(callers[i], "lua", echoes[i], n // width)
			end)
		end)
	end
end)
