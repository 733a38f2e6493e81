-- Answers late, with an error, or not at all.
local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function(_, _, how, ...)
		if how == "late" then
			skynet.sleep(math.random(0, 2))
		elseif how == "error" then
			error(("no %s today"):format(...))
		elseif how == "end" then
			skynet.exit()
		end
		skynet.retpack(skynet.time(), ...)
	end)
end)
