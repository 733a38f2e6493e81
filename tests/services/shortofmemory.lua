-- A service with little memory that takes a connection over and reads n bytes: what came of it is the reply.
local skynet = require "skynet"
local socket = require "skynet.socket"

skynet.memlimit(8 * 1024 * 1024)

skynet.start(function()
	skynet.dispatch("lua", function(_, _, id, n)
		assert(socket.start(id))
		local ok, result = pcall(socket.read, id, n)
		socket.close(id)
		skynet.retpack(ok, ok and #result or tostring(result))
	end)
end)
