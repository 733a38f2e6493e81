-- Keeps what it knows in locals, as services do.

local skynet = require "skynet"

-- luacheck: globals NEW_GLOBAL
local state = { secret = "hidden" }

skynet.start(function()
	skynet.dispatch("lua", function()
		skynet.retpack(state.secret, NEW_GLOBAL)
	end)
end)
