-- Two services send three messages each to this one. `order.lua WORD`: the run fails when they come in the order of
-- WORD.
local sim = require "reef.sim"
local skynet = require "skynet"

local unwanted, name, to = ...

skynet.start(function()
	if name then
		skynet.dispatch("lua", function()
			for i = 1, 3 do
				skynet.send(tonumber(to), "lua", name, i)
				skynet.yield()
			end
		end)
		return
	end
	local came, last = {}, { a = 0, b = 0 }
	skynet.dispatch("lua", function(_, _, who, i)
		sim.check(i == last[who] + 1, "%s%d came after %s%d", who, i, who, last[who])
		last[who] = i
		came[#came + 1] = who
	end)
	local a, b = skynet.newservice("order", "-", "a", skynet.self()), skynet.newservice("order", "-", "b", skynet.self())
	skynet.send(a, "lua")
	skynet.send(b, "lua")
	skynet.fork(function()
		sim.eventually(1, "all have come", function()
			return #came == 6
		end)
		sim.check(table.concat(came) ~= unwanted, "the order was %s", unwanted)
		sim.finish()
	end)
end)
