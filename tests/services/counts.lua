-- A service with metrics of its own: counts, and stops answering, on demand.
local metrics = require "reef.metrics"
local skynet = require "skynet"

local command = {}

function command.COUNT(n, mode)
	metrics.counter("test_games_total", 'Games that were "played".', "mode"):add(n, mode)
	metrics.gauge("test_rooms", "Open rooms."):add(1)
end

function command.STALL()
	metrics.collect(function()
		skynet.wait()
	end)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
