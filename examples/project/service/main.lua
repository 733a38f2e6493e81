-- The first service: starts the others.
local skynet = require "skynet"

skynet.start(function()
	skynet.newservice("debug_console", skynet.getenv "console")
	local port = skynet.call(skynet.newservice("door", skynet.getenv "port"), "lua", "port")
	skynet.error(("ready: clients may come to port %d"):format(port))
	skynet.exit()
end)
