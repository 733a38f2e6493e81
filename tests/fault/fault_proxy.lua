-- The fault proxy itself, between redis-cli and a redis-server.
local process = require "test.process"
local proxy = require "test.proxy"
local redis = require "test.redis"
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

test.case("the same seed does the same to the same bytes", function()
	local server = redis.start()
	local seen = {}
	for round = 1, 2 do
		local through = proxy.start(server.port, 42)
		through:set { cut = 20, delay = { 10, 2 }, split = 3 }
		for _ = 1, 10 do
			cli(through, "ECHO", "twenty bytes or so...")
		end
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
