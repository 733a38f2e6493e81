-- Waits in C functions in three ways until it is ended, N times at once: for SERVICE, which does not answer, for time to
-- pass, and below Lua that C has called.
local cpath, service, n = ...
package.cpath = cpath
local skynet = require "skynet"
local stacked = require "stacked"

skynet.start(function()
	for i = 1, tonumber(n) do
		skynet.fork(function()
			if i % 3 == 0 then
				stacked.around(function()
					return stacked.ask(math.tointeger(tonumber(service)), "never", 1, -1)
				end)
			elseif i % 3 == 1 then
				stacked.ask(math.tointeger(tonumber(service)), "never", 1, -1)
			else
				stacked.sleep(1000000)
			end
		end)
	end
	skynet.dispatch("lua", function(_, _, what)
		if what == "exit" then
			skynet.exit()
		end
		skynet.retpack(skynet.task())
	end)
end)
