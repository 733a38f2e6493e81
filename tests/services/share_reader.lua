-- Runs code in a VM of its own, for tests of shared data: `call(addr, "lua", source, ...)`; globals stay.
local skynet = require "skynet"

skynet.start(function()
	skynet.dispatch("lua", function(_, _, source, ...)
		skynet.ret(skynet.pack(assert(load(source, "=reader"))(...)))
	end)
end)
