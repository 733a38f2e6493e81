-- A service with metrics of its own: counts, and stops answering, on demand.
local metrics = require "reef.metrics"
local skynet = require "skynet"

local command = {}

function command.COUNT(n, mode)
	metrics.counter("test_games_total", 'Games that were "played".', "mode"):add(n, mode)
	metrics.gauge("test_rooms", "Open rooms."):add(1)
end

function command.OBSERVE(n, mode)
	metrics.histogram("test_size_bytes", "Sizes.", { 10, 100, 1000 }, "mode"):observe(n, mode)
end

function command.OTHER()
	metrics.histogram("test_once_seconds", "x", { 5 }):observe(1)
	command.COUNT(1, "other")
end

function command.COUNT_AND_EXIT(n, mode)
	command.COUNT(n, mode)
	skynet.fork(skynet.exit)
end

function command.FAIL()
	error "asked for"
end

function command.SPIN(seconds)
	local until_then = skynet.hpc() + seconds * 1e9
	while skynet.hpc() < until_then do -- luacheck: ignore 542
	end
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
