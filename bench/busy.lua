-- A load that goes on by itself, to measure what it costs to watch it (bench/watch.lua): SERVICES services, each of
-- which works for a moment STEPS times a second and asks its neighbour. So there is as much to do in each second,
-- watched or not.
--
-- Prints the address of its metrics server and the port of its control. That takes lines `NAME SECONDS`, switches on
-- what NAME says while it measures, and answers with CPU seconds, seconds of the clock, and steps.
local bench = require "bench"
local log = require "reef.log"
local metrics = require "reef.metrics"
local profile = require "reef.profile"
local skynet = require "skynet"
local socket = require "skynet.socket"
local trace = require "reef.trace"

local STEPS = bench.option("STEPS", 20)
local SETTLE <const> = 50 -- hundredths of a second from a switch to the measurement

local function busy()
	local neighbour, steps, talking, text = nil, 0, false, nil

	local function step()
		local names = {}
		for i = 1, 24 do
			names[i] = "item" .. (steps + i) % 100
		end
		steps, text = steps + 1, table.concat(names, ",")
		if talking then
			log.info("player has made", steps, "steps, and has", text)
		end
		skynet.call(neighbour, "lua", "look", text)
	end

	local command = {}
	function command.look(items)
		return #items
	end
	function command.begin(address, pause)
		neighbour = address
		skynet.timeout(pause, function()
			while true do
				step()
				skynet.sleep(100 // STEPS)
			end
		end)
	end
	function command.talk(on)
		talking = on
	end
	function command.steps()
		return steps
	end

	skynet.start(function()
		skynet.dispatch("lua", function(_, session, name, ...)
			local answer = command[name](...)
			if session > 0 then
				skynet.retpack(answer)
			end
		end)
	end)
end

if ... == "busy" then
	return busy()
end

local services = {}

local function all_steps()
	local sum = 0
	for _, service in ipairs(services) do
		sum = sum + skynet.call(service, "lua", "steps")
	end
	return sum
end

local function talk(on)
	for _, service in ipairs(services) do
		skynet.send(service, "lua", "talk", on)
	end
end

-- What is switched on by name; returns what switches it off. Others only look from outside. How much more that is than
-- usual is in bench/watch.lua.
local switches = {
	log = function()
		talk(true)
		return function()
			talk(false)
		end
	end,
	profile = function()
		local running = profile.start { hz = 990 }
		return function()
			running:stop()
		end
	end,
	traces = function()
		trace.start { rate = 0.1 }
		return trace.stop
	end,
}

local function measure(name, seconds)
	local off = switches[name] and switches[name]()
	skynet.sleep(SETTLE)
	local steps, cpu, wall = all_steps(), bench.cpu(), bench.wall()
	skynet.sleep(seconds * 100 // 1)
	cpu, wall = bench.cpu() - cpu, bench.wall() - wall
	steps = all_steps() - steps
	if off then
		off()
		skynet.sleep(SETTLE)
	end
	return ("%.9g %.9g %d\n"):format(cpu, wall, steps)
end

skynet.start(function()
	local count = bench.option("SERVICES", 1000)
	for i = 1, count do
		services[i] = skynet.newservice("busy", "busy")
	end
	for i, service in ipairs(services) do
		skynet.send(service, "lua", "begin", services[i % count + 1], i % (100 // STEPS))
	end
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		socket.start(id)
		local line = socket.readline(id)
		while line do
			local name, seconds = line:match "^(%a+) ([%d.]+)$"
			socket.write(id, measure(name, tonumber(seconds)))
			line = socket.readline(id)
		end
		socket.close(id)
	end)
	print(("PORTS %s %d"):format(metrics.serve "127.0.0.1:0", port))
	io.stdout:flush()
end)
