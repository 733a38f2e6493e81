-- Starts the service that is recorded, plays with it as a seed says, and ends the process:
-- `seed redis-port mongo-port`.
local skynet = require "skynet"
require "skynet.manager"

local seed, redis, mongo = ...

skynet.start(function()
	math.randomseed(tonumber(seed))
	local echo = skynet.newservice "replay_echo"
	local played = skynet.newservice("replay_played", seed, echo, redis, mongo)
	local left = 40
	for i = 1, left do
		skynet.fork(function()
			skynet.sleep(math.random(0, 5))
			pcall(skynet.call, played, "lua", "play", i, math.random(1000))
			left = left - 1
		end)
		if math.random(3) == 1 then
			skynet.send(played, "lua", "play", -i, 0)
		end
	end
	while left > 0 do
		skynet.sleep(1)
	end
	pcall(skynet.call, played, "lua", "quit")
	skynet.abort()
end)
