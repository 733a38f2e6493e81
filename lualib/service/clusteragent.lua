-- A connection of another node to this one: see reef.cluster.agent. Started by `clusterd`.
local agent = require "reef.cluster.agent"
local process = require "reef.process"
local skynet = require "skynet"

local manager = math.tointeger(tonumber((...)))

skynet.start(function()
	process.daemon()
	agent.run(manager)
end)
