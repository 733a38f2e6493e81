-- Fails as it is told, with a text that it is told.

local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function(_, _, how, text)
		if how == "raise" then
			error(text, 0)
		end
		skynet.response()(false, text)
	end)
end)
