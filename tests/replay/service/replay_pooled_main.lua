-- Starts the service that is recorded, plays with it as a seed says, and ends the process: `seed kill ports...`. With
-- `kill` it says in the middle when the server is to be killed.
local skynet = require "skynet"

local seed, kill = ...
local ports = table.pack(select(3, ...))

skynet.start(function()
	math.randomseed(tonumber(seed))
	local pooled = skynet.newservice("replay_pooled", table.unpack(ports))
	local left = 30
	for i = 1, left do
		skynet.fork(function()
			skynet.sleep(math.random(0, 10))
			pcall(skynet.call, pooled, "lua", "play", i)
			left = left - 1
		end)
	end
	if kill == "kill" then
		skynet.sleep(5)
		print "kill it now"
	end
	while left > 0 do
		skynet.sleep(1)
	end
	skynet.call(pooled, "lua", "each", 1000)
	pcall(skynet.call, pooled, "lua", "quit")
	skynet.sleep(2)
	require("reef.process").stop()
end)
