-- The network of a simulation, a promise each.
local sim = require "reef.sim"
local skynet = require "skynet"
local socket = require "skynet.socket"

local name = ...
local cases = {}

-- A peer on the host `b` that sends back what it gets, and what a client on `a` has of it.
local function echo()
	local ended = {}
	sim.place "b"
	local listener = socket.listen("0.0.0.0", 80)
	socket.start(listener, function(id, peer)
		ended.peer = peer
		socket.start(id)
		skynet.fork(function()
			while true do
				local bytes = socket.read(id)
				if not bytes then
					break
				end
				socket.write(id, bytes)
			end
			ended.server = true
			socket.close(id)
		end)
	end)
	sim.place "a"
	return ended, listener
end

function cases.bytes()
	local ended = echo()
	sim.network { delay = { 0.001, 0.2 }, stall = 0.2, stall_most = 1, slow = 0.3 }
	local id = assert(socket.open("b", 80))
	sim.check(ended.peer:match "^10%.0%.0%.%d+:%d+$", "the peer is %s", ended.peer)
	local text = {}
	for i = 1, 3000 do
		text[i] = tostring(math.random(1 << 30))
	end
	local all = table.concat(text, ",")
	skynet.fork(function()
		for piece in all:gmatch(("."):rep(100) .. "?") do
			socket.write(id, piece)
			if math.random(10) == 1 then
				skynet.sleep(math.random(10))
			end
		end
		socket.write(id, all:sub(#all // 100 * 100 + 1))
	end)
	sim.check(socket.read(id, #all // 100 * 100) == all:sub(1, #all // 100 * 100), "the bytes are not the same")
	socket.close(id)
	sim.eventually(60, "the other end hears of the end", function()
		return ended.server
	end)
end

-- Each host has its own ports, at any address and at 127.0.0.1.
function cases.hosts()
	for _, host in ipairs { "a", "b", "localhost" } do
		sim.place(host)
		for port, address in pairs { [80] = "0.0.0.0", [81] = "127.0.0.1" } do
			local listener, said = socket.listen(address, port)
			sim.check(said == address, "it listens at %s", said)
			socket.start(listener, function(id)
				socket.start(id)
				socket.write(id, host .. "\n")
			end)
		end
		local again = pcall(socket.listen, "0.0.0.0", 80)
		sim.check(not again, "%s has two listeners at a port", host)
	end
	local function greeting(host, port)
		local id = assert(socket.open(host, port))
		local said = socket.readline(id)
		socket.close(id)
		return said
	end
	for _, here in ipairs { "localhost", "b", "a" } do
		sim.place(here)
		for _, there in ipairs { "a", "b" } do
			sim.check(greeting(there, 80) == there, "another host than %s", there)
		end
		for _, own in ipairs { "127.0.0.1", "localhost", "0.0.0.0" } do
			sim.check(greeting(own, 80) == here, "%s is not %s", own, here)
		end
	end
end

function cases.refused()
	local id, why = socket.open("b", 81)
	sim.check(not id and why == "Connection refused", "%s", why)
end

function cases.partition()
	echo()
	local id = assert(socket.open("b", 80))
	sim.partition("a", "b")
	local since = sim.elapsed()
	socket.write(id, "x")
	skynet.timeout(500, function()
		sim.heal("a", "b")
	end)
	sim.check(socket.read(id, 1) == "x", "the byte is lost")
	sim.check(sim.elapsed() - since >= 5, "it came through after %f", sim.elapsed() - since)
	sim.partition("a", "b")
	local other, why = socket.open("b", 80)
	sim.check(not other and why == "Connection timed out", "%s", why)
	sim.heal()
	assert(socket.open("b", 80))
end

function cases.reset()
	local ended = echo()
	local id = assert(socket.open("b", 80))
	sim.check(sim.reset { to = "c" } == 0, "another host's")
	sim.check(sim.reset { to = "b", from = "a", port = 80 } == 1, "none was reset")
	sim.check(not socket.read(id), "it can still be read")
	sim.eventually(10, "the other end hears of it", function()
		return ended.server
	end)
end

function cases.half_close()
	echo()
	local id = assert(socket.open("b", 80))
	sim.check(sim.half_close { to = "b" } == 1, "none was half closed")
	sim.check(not socket.read(id), "there is more")
	sim.check(socket.write(id, "x"), "it does not take any more")
end

function cases.slow_reader()
	sim.place "b"
	local got = 0
	local listener = socket.listen("0.0.0.0", 80)
	socket.start(listener, function(id)
		socket.start(id)
		skynet.fork(function()
			while true do
				local bytes = socket.read(id, 1000)
				if not bytes then
					return
				end
				got = got + #bytes
				skynet.sleep(1)
			end
		end)
	end)
	sim.network { slow = 1 }
	local id = assert(socket.open("b", 80))
	socket.write(id, ("x"):rep(100000))
	sim.eventually(1000, "all has come", function()
		return got == 100000
	end)
	sim.check(sim.elapsed() > 4, "it took but %f s", sim.elapsed())
end

function cases.clock_jump()
	local wall, now = os.time(), skynet.now()
	sim.clock_jump(3600)
	sim.check(os.time() - wall >= 3600, "the wall clock is where it was")
	sim.check(skynet.now() - now < 100, "skynet.now has jumped")
	sim.clock_jump(-7200)
	sim.check(os.time() < wall, "the wall clock does not go back")
end

function cases.kill()
	local address = skynet.newservice("network", "sleeper")
	skynet.fork(sim.kill, address)
	sim.check(not pcall(skynet.call, address, "lua"), "it lives")
end

function cases.unix()
	local listener = socket.listen "/nowhere/it.sock"
	socket.start(listener, function(id)
		socket.start(id)
		socket.write(id, "hello")
	end)
	local id = assert(socket.open "/nowhere/it.sock")
	sim.check(socket.read(id, 5) == "hello", "no greeting")
end

skynet.start(function()
	if name == "sleeper" then
		skynet.dispatch("lua", function()
			skynet.wait()
		end)
		return
	end
	cases[name]()
	sim.finish()
end)
