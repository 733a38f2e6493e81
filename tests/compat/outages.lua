-- What is away is said to be back.
local project = require "project"
local test = require "test"

test.case("an outage is told twice: when it begins, and when it is over", function()
	local outage = require "reef.outage"
	local skynet = require "skynet"
	local said, before = {}, skynet.error
	skynet.error = function(text)
		said[#said + 1] = text
	end
	test.defer(function()
		skynet.error = before
	end)
	local it = outage.new "the sun"
	it:ends()
	it:begins "it is dark"
	it:begins "it is still dark"
	it:ends()
	it:ends()
	it:begins()
	it:ends()
	test.equal(#said, 3)
	test.equal(said[1], "it is dark")
	test.matches(said[2], "^the sun is back after %d+%.%d s$")
	test.matches(said[3], "^the sun is back after")
end)

-- A server that comes later than its clients.
local CLIENTS <const> = [[
local skynet = require "skynet"
local socket = require "skynet.socket"
skynet.start(function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.close(listener)
	local redis = require "reef.redis"
	local direct = redis.lazy(require("reef.redis.config").new { host = "127.0.0.1", port = port })
	local pool = require("reef.pool").redis("redis://127.0.0.1:" .. port, { min = 1, connect_timeout = 5 })
	assert(not pcall(direct.ping, direct))
	pcall(pool.ping, pool)
	local id = assert(socket.listen("127.0.0.1", port))
	socket.start(id, function(client)
		socket.start(client)
		while true do
			local line = socket.readline(client, "\r\n")
			if not line then
				return
			elseif line:upper() == "PING" then
				socket.write(client, "+PONG\r\n")
			elseif line:upper() == "HELLO" or line:upper() == "CLIENT" then
				socket.write(client, "-ERR unknown command\r\n")
			end
		end
	end)
	while not (pcall(direct.ping, direct) and pcall(pool.ping, pool)) do
		skynet.sleep(5)
	end
	print "both"
	require("reef.process").stop()
end)
]]

test.case("a Redis server that a connection and a pool could not reach", { timeout = 60 }, function()
	local p = project.new { ["main.lua"] = CLIENTS }
	local exit, output = p:run(p:config())
	test.equal(exit, 0, output)
	local _, backs = output:gsub("127%.0%.0%.1:[%d/]+ is back after %d+%.%d s\n", "")
	test.equal(backs, 2, output)
end)

test.run()
