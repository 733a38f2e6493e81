-- Answers with what it is sent; or fails, sleeps, keeps what it is told and tells it later.

local skynet = require "skynet"
local noted = {}
skynet.start(function()
	skynet.dispatch("lua", function(session, _, cmd, ...)
		if cmd == "fail" then
			error((...), 0)
		elseif cmd == "sleep" then
			skynet.sleep((...))
		elseif cmd == "note" then
			noted[#noted + 1] = (...)
		elseif cmd == "noted" then
			local all = noted
			noted = {}
			return skynet.retpack(all)
		elseif cmd == "counted" then
			return skynet.retpack(#noted)
		elseif cmd == "size" then
			return skynet.retpack(#(...))
		end
		if session ~= 0 then
			skynet.retpack(cmd, ...)
		end
	end)
end)
