-- Addresses and names of nodes that cannot be sent to: the call raises, and its large message is freed.
local cluster = require "skynet.cluster"
local memory = require "reef.allocator"
local process = require "test.process"
local skynet = require "skynet"
local test = require "test"

local MIB <const> = 1 << 20

skynet.dispatch("lua", function(_, _, ...)
	skynet.retpack(...)
end)

test.case("what cannot be sent to another node leaves no memory behind", { timeout = 60 }, function()
	local port = process.free_port()
	cluster.reload { here = "127.0.0.1:" .. port }
	cluster.open "here"
	local echo = skynet.self()
	local large = ("x"):rep(MIB)
	test.equal(#cluster.call("here", echo, large), MIB)
	local cases = {
		function() cluster.call("here", print, large) end,
		function() cluster.call("here", { print }, large) end,
		function() cluster.call(false, print, large) end,
		function() cluster.call(7, echo, large) end,
		function() cluster.call(nil, print, large) end,
		function() cluster.send("here", print, large) end,
		function() cluster.send({}, echo, large) end,
	}
	for i, f in ipairs(cases) do
		test.equal((pcall(f)), false, i)
	end
	collectgarbage()
	local before = memory.total()
	for _ = 1, 40 do
		for _, f in ipairs(cases) do
			pcall(f)
		end
	end
	collectgarbage()
	test.between(memory.total() - before, -1000 * MIB, 4 * MIB)
	test.equal(#cluster.call("here", echo, large), MIB)
	skynet.sleep(1)
end)

test.run()
