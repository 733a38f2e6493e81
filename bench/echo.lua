-- An echo server that is loaded from outside (bench/yard/load.c); bench/yard/echo.c is the same with nothing but epoll.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.start(function()
	local listener, _, port = socket.listen("127.0.0.1", 0, 4096)
	socket.start(listener, function(id)
		socket.start(id)
		while true do
			local data = socket.read(id)
			if not data then
				break
			end
			socket.write(id, data)
		end
		socket.close(id)
	end)
	print("PORT " .. port)
	io.stdout:flush()
end)
