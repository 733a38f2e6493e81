-- The fault proxy itself, between redis-cli and a redis-server.
local process = require "test.process"
local proxy = require "test.proxy"
local redis = require "test.redis"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local function cli(through, ...)
	return process.run { "redis-cli", "-p", through.port, ... }
end

test.case("bytes arrive unchanged, one at a time", function()
	local server = redis.start()
	local through = proxy.start(server.path)
	through:set { split = { 1, 10 } }
	local value = ("0123456789"):rep(200)
	test.equal(select(2, cli(through, "SET", "k", value)), "OK\n")
	test.equal(select(2, cli(through, "GET", "k")), value .. "\n")
	test.equal(through:stats().connections, 2)
end)

test.case("a connection ends at the very byte that was named", function()
	local server = redis.start { "--proto-max-bulk-len", "1mb" }
	local through = proxy.start(server.port)
	for n = 0, 6 do -- the reply is "+PONG\r\n"
		local before = through:next("down", n, n % 2 == 0 and "rst" or "fin").down
		local code = cli(through, "PING")
		test.equal(code, 1, "exit code when cut after " .. n)
		test.equal(through:stats().down - before, n)
	end
	test.equal(select(2, cli(through, "PING")), "PONG\n")
end)

test.case("what is held goes on when it is healed, and refused connections are refused", function()
	local server = redis.start()
	local through = proxy.start(server.port)
	through:hold()
	local held = process.start { "redis-cli", "-p", through.port, "PING" }
	test.eventually("the connection", 10, function()
		return through:stats().living == 1
	end)
	test.truthy(held:running())
	through:heal()
	test.equal(held:wait(), 0)
	through:refuse()
	test.equal(process.can_connect(through.port), false)
	through:accept()
	test.truthy(process.can_connect(through.port))
end)

-- An open connection through the proxy to a server that answers what it gets, line by line.
local function echo()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.start(id)
		for line in function() return socket.readline(id) or nil end do
			socket.write(id, line .. "\n")
		end
		socket.write(id, "end\n")
		socket.close(id)
	end)
	local through = proxy.start(port)
	local id = assert(socket.open("127.0.0.1", through.port))
	test.defer(socket.close, id)
	return through, id
end

test.case("every byte comes later, and not more than so many a second", function()
	local through, id = echo()
	local function takes(text)
		local since = skynet.hpc()
		socket.write(id, text .. "\n")
		test.equal(socket.readline(id), text)
		return (skynet.hpc() - since) / 1e6
	end
	through:set { latency = 150 }
	test.between(takes "there and back", 300, math.huge)
	through:set { latency = 0, rate = 10000 }
	test.between(takes(("x"):rep(3000)), 300, math.huge)
	through:pass()
	test.equal(type(takes "at once"), "number")
end)

test.case("one direction is held, or ends; the other goes on", function()
	local through, id = echo()
	local got
	through:hold "down"
	socket.write(id, "a\n")
	skynet.fork(function()
		got = socket.readline(id)
	end)
	test.eventually("it has come there", 10, function()
		return through:stats().up == 2
	end)
	test.equal(got, nil)
	through:heal()
	test.eventually("the answer", 10, function()
		return got == "a"
	end)
	socket.write(id, "b\n")
	test.equal(socket.readline(id), "b")
	through:half "up"
	test.equal(socket.readline(id), "end")
	test.equal(socket.readline(id), false)
end)

test.case("the same seed does the same to the same bytes", function()
	local server = redis.start()
	local seen = {}
	for round = 1, 2 do
		local through = proxy.start(server.port, 42)
		through:set { cut = 20, delay = { 10, 2 }, split = 3 }
		for _ = 1, 10 do
			cli(through, "ECHO", "twenty bytes or so...")
		end
		through:stats() -- it has written what it did
		-- What happened after a cut depends on who noticed first; where it was cut does not.
		local cuts = {}
		for index, up, down in through.process:output():gmatch "(%d+) cut[^\n]* after up=(%d+) down=(%d+)" do
			cuts[#cuts + 1] = { index, up, down }
		end
		test.truthy(#cuts > 0, "some are cut")
		seen[round] = cuts
	end
	test.equal(seen[1], seen[2])
end)

test.run()
