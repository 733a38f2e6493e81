-- Does what it is told: a message is the text of a function and its arguments; what it returns is the reply.

local skynet = require "skynet"

local function reply(session, ...)
	if session ~= 0 then
		skynet.retpack(...)
	end
end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, source, ...)
		reply(session, assert(load(source, "=(actor)"))(...))
	end)
end)
