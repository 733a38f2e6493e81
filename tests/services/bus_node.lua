-- A process on the bus, for tests: `@main` of a cluster.
local bus = require "reef.bus"
local cluster = require "skynet.cluster"
local multicast = require "skynet.multicast"
local skynet = require "skynet"

local subscriptions, received, lost = {}, {}, {}
local channels = {}
local command = {}

function command.subscribe(pattern)
	local s, warning = bus.subscribe(pattern, function(subject, ...)
		received[#received + 1] = { subject, ... }
	end, { lost = function(count, subject)
		lost[#lost + 1] = { count, subject }
	end })
	subscriptions[pattern] = s
	return warning
end

function command.many(n, pattern)
	for _ = 1, n do
		skynet.call(skynet.newservice "bus_listener", "lua", pattern)
	end
end

function command.unsubscribe(pattern)
	subscriptions[pattern]:close()
end

function command.publish(...)
	local ok, result = pcall(bus.publish, ...)
	return ok, ok and result or result.outcome, not ok and tostring(result) or nil
end

function command.publish_many(n, subject)
	local failed = 0
	for i = 1, n do
		failed = failed + (pcall(bus.publish, subject, i) and 0 or 1)
	end
	pcall(bus.flush, 5)
	return failed
end

function command.received()
	local all = received
	received = {}
	return all
end

function command.lost()
	return lost
end

function command.status()
	return bus.status()
end

function command.channel(number)
	local channel = multicast.new { channel = number, dispatch = function(_, _, ...)
		received[#received + 1] = { "channel", ... }
	end }
	channels[channel.channel] = channel
	return channel.channel
end

function command.on_channel(number, method, ...)
	channels[number][method](channels[number], ...)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
	cluster.register "main"
	cluster.open(math.tointeger(tonumber(skynet.getenv "port")))
	print "ready"
	io.stdout:flush()
end)
