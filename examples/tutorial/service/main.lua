-- service/main.lua
local config = require "reef.config"
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
	assert(config.watch "data")                      -- reads the files again when they change
	skynet.uniqueservice "scores"
	local listener, ip, port = assert(socket.listen(skynet.getenv "listen"))
	socket.start(listener, function(id)
		skynet.newservice("player", id)
	end)
	skynet.error("players may come to", ip, port)
end)
