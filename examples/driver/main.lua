-- Asks a server of its own, through the driver in lines.c.
local skynet = require "skynet"
local socket = require "skynet.socket"
local lines = require "lines"

local function serve(id)
	socket.start(id)
	local line = socket.readline(id)
	if line == "quiet" then
		skynet.sleep(100)
	else
		socket.write(id, line:upper() .. "\n")
	end
	socket.close(id)
end

skynet.start(function()
	local listener, ip, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, serve)
	print(lines.ask(ip, port, "hello", 5))
	print(lines.ask(ip, port, "quiet", 0.2))
	local waiting = skynet.fork(lines.ask, ip, port, "quiet", 5)
	skynet.sleep(5)
	print("ended while it waits: " .. tostring(skynet.killthread(waiting) ~= nil))
	socket.close(listener)
	print(lines.ask(ip, port, "hello", 5))
	require("skynet.manager").abort()
end)
