-- The gate is recorded: clients come, say something, and go.
local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"

local open, said = 0, {}

skynet.start(function()
	local gate = skynet.newservice "gate"
	skynet.dispatch("lua", function(_, _, _, what, fd, text)
		if what == "open" then
			open = open + 1
			skynet.call(gate, "lua", "accept", fd)
		elseif what == "data" then
			said[#said + 1] = text
		elseif what == "close" or what == "error" then
			open = open - 1
		end
	end)
	local _, port = skynet.call(gate, "lua", "open", { address = "127.0.0.1", port = 0, maxclient = 64 })
	for i = 1, 5 do
		local id = assert(socket.open("127.0.0.1", port))
		local text = ("client %d says %s"):format(i, ("x"):rep(i * 700))
		local packet = string.pack(">s2", text)
		socket.write(id, packet:sub(1, 10))
		skynet.sleep(1)
		socket.write(id, packet:sub(11) .. string.pack(">s2", "bye " .. i))
		repeat
			skynet.sleep(1)
		until #said == 2 * i
		assert(said[2 * i - 1] == text and said[2 * i] == "bye " .. i)
		socket.close(id)
	end
	repeat
		skynet.sleep(1)
	until open == 0
	print("it did", true, #said)
	skynet.call(gate, "lua", "close")
	skynet.kill(gate)
	skynet.sleep(2)
	skynet.abort()
end)
