-- A service with another start: everything filtered, or one type forwarded.

local skynet = require "skynet"
local manager = require "skynet.manager"

local how = ...

if how == "filter" then
	local seen = "nothing"
	manager.filter(function(...)
		seen = "filtered"
		return ...
	end, function()
		skynet.dispatch("lua", function(_, _, ...)
			if ... == "seen" then
				return skynet.retpack(seen)
			end
			skynet.retpack(seen, ...)
		end)
	end)
else
	local target
	skynet.register_protocol {
		name = "forwarded",
		id = 100,
		unpack = function(msg, sz)
			return msg, sz
		end,
		dispatch = function(session, source, msg, sz)
			skynet.ignoreret()
			skynet.redirect(target, source, "lua", session, msg, sz)
		end,
	}
	manager.forward_type({ [skynet.PTYPE_TEXT] = 100 }, function()
		skynet.dispatch("lua", function(_, _, command, address)
			if command == "raise" then
				error "unwanted"
			end
			target = address
			skynet.retpack(true)
		end)
	end)
end
