-- Adds numbers, one message of its second mailbox at a time.

local skynet = require "skynet"
local mqueue = require "skynet.mqueue"

local sum = 0

skynet.start(function()
	mqueue.register(function(command, n)
		local old = sum
		skynet.sleep(1)
		assert(command == "add", "bad queue command")
		sum = old + n
		return sum
	end)
	skynet.dispatch("lua", function()
		skynet.retpack(mqueue.size())
	end)
end)
