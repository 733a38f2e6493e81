-- Hands requests on to another service, which answers them or not.

local skynet = require "skynet"

local to = tonumber((...))

skynet.start(function()
	skynet.dispatch("lua", function(session, source, ...)
		skynet.redirect(to, source, "lua", session, skynet.packstring(...))
		skynet.ignoreret()
	end)
end)
