-- The bell: there is one in the whole cluster. Says at which node it is, and how often this one has been rung.
local skynet = require "skynet"

local rung = 0

skynet.start(function()
	skynet.dispatch("lua", function()
		rung = rung + 1
		skynet.retpack(skynet.getenv "cluster_name", rung)
	end)
end)
