-- Lets calls wait, and says how many do, until it is killed.
local skynet = require "skynet"

local count = 0

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what)
		if what == "count" then
			return skynet.retpack(count)
		end
		count = count + 1
		skynet.wait()
	end)
end)
