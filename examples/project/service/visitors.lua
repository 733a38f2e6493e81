-- Knows how often somebody has come.
local skynet = require "skynet"

local visits = {} ---@type table<string, integer>

local command = {}

---@param name string
---@return integer visits with this one
function command.visit(name)
	visits[name] = (visits[name] or 0) + 1
	return visits[name]
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what, ...)
		local f = command[what] or error("visitors: unknown command " .. tostring(what))
		skynet.retpack(f(...))
	end)
end)
