-- Takes its messages raw and hands them to the dispatcher itself.

local skynet = require "skynet"
local core = require "skynet.core"

local last

skynet.start(function()
	skynet.dispatch("lua", function(session, _, what, ...)
		if session == 0 then
			last = what
			skynet.sleep(1)
		elseif what == "last" then
			skynet.retpack("forwarded", what, last)
		else
			skynet.sleep(1)
			skynet.retpack("forwarded", what, ...)
		end
	end)
	core.callback(function(kind, message, size, session, source)
		skynet.dispatch_message(kind, message, size, session, source)
		core.trash(message, size)
	end, true)
end)
