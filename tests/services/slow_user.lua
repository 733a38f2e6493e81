-- Runs functions of the C module tests/modules/slow.c until it is killed.
local skynet = require "skynet"
package.cpath = "./cservice/?.so;" .. package.cpath
local slow = require "slow"

skynet.start(function()
	skynet.dispatch("lua", function(_, _, n, ms)
		for i = 1, n do
			skynet.fork(slow.run, ms, "never seen " .. i)
		end
		skynet.retpack()
	end)
end)
