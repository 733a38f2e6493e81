-- echo.lua
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
	local listener, ip, port = assert(socket.listen("127.0.0.1", 7000))
	socket.start(listener, function(id)
		socket.start(id)
		local line = socket.readline(id)
		while line do
			socket.write(id, line .. "\n")
			line = socket.readline(id)
		end
		socket.close(id)
	end)
	skynet.error("listening on", ip, port)
end)
