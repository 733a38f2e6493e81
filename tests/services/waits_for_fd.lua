-- Waits for a descriptor of the process until it ends.
local fd = require "reef.fd"
local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function(_, _, number)
		skynet.fork(function()
			while true do
				fd.wait(number, "r", 3000)
				skynet.yield()
			end
		end)
		skynet.retpack()
	end)
end)
