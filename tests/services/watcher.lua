-- A monitor: remembers whose end it was told.

local skynet = require "skynet"

local seen = {}

skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
	unpack = function() end,
	dispatch = function(_, address)
		seen[address] = true
	end,
}

skynet.start(function()
	skynet.dispatch("lua", function()
		skynet.retpack(seen)
	end)
end)
