-- Subscribes to a subject of the bus, or to a channel, when it is told to, and says how often it has heard each number.
local bus = require "reef.bus"
local multicast = require "skynet.multicast"
local skynet = require "skynet"

local heard, kept = {}, nil
local command = {}

local function hear(n)
	heard[n] = (heard[n] or 0) + 1
end

function command.subscribe(where)
	if type(where) == "string" then
		kept = bus.subscribe(where, function(_, n)
			hear(n)
		end)
	else
		kept = multicast.new { channel = where, dispatch = function(_, _, n)
			hear(n)
		end }
		kept:subscribe()
	end
end

function command.leave()
	local close = kept.close or kept.unsubscribe
	close(kept)
end

function command.heard()
	return heard
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, name, ...)
		skynet.retpack(command[name](...))
	end)
end)
