-- Sends signals to the services whose addresses it is sent; called without one, says how many it has sent.
local skynet = require "skynet"
local core = require "skynet.core"

local sent = 0

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name)
		if name == nil then
			return skynet.retpack(sent)
		end
		for i = 1, 4 do
			core.command("SIGNAL", name .. " " .. i)
			sent = sent + 1
		end
	end)
end)
