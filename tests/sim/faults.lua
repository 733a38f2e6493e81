-- Five faults, of which the third and the fifth together make the run fail.
local sim = require "reef.sim"
local skynet = require "skynet"

skynet.start(function()
	local happened = {}
	for i = 1, 5 do
		happened[i] = sim.fault(1)
	end
	sim.check(not (happened[3] and happened[5]), "the third and the fifth")
	sim.finish()
end)
