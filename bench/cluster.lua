-- Calls between nodes over loopback; both sides are in this process, so CPU is that of both together.
local bench = require "bench"
local cluster = require "skynet.cluster"
local skynet = require "skynet"
local socket = require "skynet.socket"

local N, IN_FLIGHT = bench.option("CALLS", 200000), bench.option("IN_FLIGHT", 128)

if ... == "echo" then
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, ...)
			skynet.retpack(...)
		end)
	end)
	return
end

bench.main(function()
	local echo = skynet.newservice("cluster", "echo")
	cluster.register("echo", echo)
	cluster.reload { here = "127.0.0.1:0" }
	local ip, port = cluster.open "here"
	cluster.reload { far = ip .. ":" .. port }
	cluster.call("far", "@echo")

	bench.measure("cluster_call", N, function()
		bench.together(IN_FLIGHT, function()
			for i = 1, N // IN_FLIGHT do
				cluster.call("far", "@echo", i, "hello")
			end
		end)
	end)
	local text = ("x"):rep(3 << 20)
	bench.measure("cluster_3mb", 50, function()
		for _ = 1, 50 do
			cluster.call("far", "@echo", text)
		end
	end)

	-- What moving these bytes costs anyway: packed once, sent there and back as they are, unpacked once.
	local listener, host, at = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		socket.start(id)
		for data in function() return socket.read(id) or nil end do
			socket.write(id, data)
		end
	end)
	local id = assert(socket.open(host, at))
	bench.measure("cluster_raw_3mb", 50, function()
		for _ = 1, 50 do
			local message = skynet.packstring(text)
			socket.write(id, message)
			skynet.unpack((assert(socket.read(id, #message))))
		end
	end)
end)
