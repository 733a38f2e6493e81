-- What cannot be simulated, by name.
local skynet = require "skynet"
local socket = require "skynet.socket"

local what = ...
local uses = {
	execute = function()
		os.execute "true"
	end,
	popen = function()
		io.popen "true"
	end,
	programs = function()
		require "reef.programs".spawn { "true" }
	end,
	udp = function()
		socket.udp(print)
	end,
	stdin = function()
		socket.bind(0)
	end,
	tls = function()
		local id = assert(socket.listen("127.0.0.1", 1000))
		socket.start(id, print)
		socket.open("127.0.0.1", 1000, { tls = true })
	end,
	client = function()
		require "client.socket".connect("127.0.0.1", 1)
	end,
}

skynet.start(function()
	skynet.fork(uses[what])
	skynet.sleep(1000)
	error "it was not refused"
end)
