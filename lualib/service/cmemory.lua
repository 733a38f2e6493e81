-- Prints how much memory the services hold, and ends.

local skynet = require "skynet"
local memory = require "reef.allocator"

skynet.start(function()
	memory.dumpinfo()
	memory.dump()
	print(("Total memory: %d, blocks: %d"):format(memory.total(), memory.block()))
	io.stdout:flush()
	skynet.exit()
end)
