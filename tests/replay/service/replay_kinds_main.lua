-- Starts the service that is recorded, lets it do what it can, and ends the process: `kind ...`.
local skynet = require "skynet"
require "skynet.manager"

local arguments = table.pack(...)

skynet.start(function()
	math.randomseed(os.time())
	require("skynet.sharetable").loadtable("of another", { random = math.random() })
	local one = skynet.newservice("replay_kinds", table.unpack(arguments))
	print("it did", skynet.call(one, "lua", "go"))
	skynet.call(one, "lua", "quit")
	skynet.sleep(2)
	skynet.abort()
end)
