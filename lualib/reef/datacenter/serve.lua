-- The loop of the service `datacenterd`, wherever its tree is kept.
local process = require "reef.process"
local skynet = require "skynet"

---Answers requests from now on.
---@param command table<string, function>  by name; what they return is the answer
---@param wait function  of WAIT, which answers when it can
return function(command, wait)
	skynet.dispatch("lua", function(_, _, name, ...)
		if name == "WAIT" then
			return wait(...)
		end
		local f = command[name]
		if not f then
			error(("DATACENTER: unknown command %s"):format(tostring(name)), 0)
		end
		skynet.retpack(f(...))
	end)
	skynet.start(process.daemon)
end
