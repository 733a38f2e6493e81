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

local published = 0

-- The next numbers on a subject.
function command.publish_next(subject, n)
	for _ = 1, n do
		published = published + 1
		pcall(bus.publish, subject, published)
	end
end

function command.published()
	return published
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

-- Publishes numbers below 0 without end, every other one from -n on, until it is told to stop; on a subject, or on a
-- channel.
local storming = {}

function command.storm(where, n)
	local channel = type(where) == "number" and multicast.new { channel = where }
	storming[where] = true
	skynet.fork(function()
		while storming[where] do
			n = n + 2
			if channel then
				channel:publish(-n)
			else
				bus.publish(where, -n)
			end
			-- NATS ends the connection of who reads more slowly than others write.
			skynet.sleep(n % 256 < 2 and 1 or 0)
		end
		storming[where] = nil
	end)
end

function command.calm(where)
	storming[where] = false
	while storming[where] ~= nil do
		skynet.sleep(1)
	end
end

-- So many services subscribe at the same time while somebody publishes: how often each has heard 1 to 20, which are
-- published when all have, and the most that any has heard of anything.
function command.subscribe_at_once(count, where)
	local services, request = {}, skynet.request()
	for i = 1, count do
		services[i] = skynet.newservice "bus_counts"
	end
	for _, address in ipairs(services) do
		request:add { address, "lua", "subscribe", where }
	end
	for _ in request:select() do end
	local channel = type(where) == "number" and multicast.new { channel = where }
	for n = 1, 20 do
		if channel then
			channel:publish(n)
		else
			bus.publish(where, n)
		end
	end
	local all, most = {}, 0
	for i, address in ipairs(services) do
		local heard = skynet.call(address, "lua", "heard")
		all[i] = 0
		for n, times in pairs(heard) do
			all[i] = all[i] + (n > 0 and times or 0)
			most = math.max(most, times)
		end
		skynet.call(address, "lua", "leave")
	end
	return all, most
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
