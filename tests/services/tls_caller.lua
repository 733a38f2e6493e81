-- Connects as it is told, and says what reef.tls knows of the connection.
local skynet = require "skynet"
local socket = require "skynet.socket"
local tls = require "reef.tls"

skynet.start(function()
	skynet.dispatch("lua", function(_, _, port, options)
		local id = assert(tls.connect("localhost", port, options))
		socket.write(id, "hello\n")
		local line = socket.readline(id)
		local info = tls.info(id)
		socket.close(id)
		skynet.retpack(line, info)
	end)
end)
