-- What a service that others call by names of commands does with its messages.

local skynet = require "skynet"

---Calls `command[name](source, ...)` for each lua message `name, ...`, and answers with what it returns.
---@param who string for errors
---@param command table<string, function>
return function(who, command)
	skynet.dispatch("lua", function(session, source, name, ...)
		local f = command[name]
		if not f then
			error(("%s: unknown command %s"):format(who, tostring(name)), 0)
		end
		if session == 0 then
			f(source, ...)
		else
			skynet.retpack(f(source, ...))
		end
	end)
end
