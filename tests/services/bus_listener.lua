-- Listens on the bus, and publishes there that it has heard something, in its own process' count.
local bus = require "reef.bus"
local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function(_, _, pattern)
		bus.subscribe(pattern, function(_, reply)
			skynet.send(reply, "lua", 1)
		end)
		skynet.ret()
	end)
end)
