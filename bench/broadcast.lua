-- One message to many clients: with reef.gate.broadcast, and written to each. Its memory is what waits until the slice
-- ends, which is what stays for clients that do not read.
local skynet = require "skynet"
local bench = require "bench"
local gate = require "reef.gate"
local memory = require "reef.allocator"
local socket = require "skynet.socket"

local SIZE, ROUNDS = 4096, 20
-- Both ends are here.
local count = math.min(bench.option("CLIENTS", 10000), 8000)

local function connect_all()
	local fds, clients = {}, {}
	local listener, _, port = socket.listen("127.0.0.1", 0, 4096)
	socket.start(listener, function(id)
		socket.start(id)
		socket.warning(id, function() end)
		fds[#fds + 1] = id
	end)
	for i = 1, count do
		clients[i] = assert(socket.open("127.0.0.1", port))
	end
	while #fds < count do
		skynet.sleep(1)
	end
	return fds, clients
end

local function read_all(clients)
	bench.together(count, function(i)
		assert(socket.read(clients[i], SIZE))
	end)
end

local ways = {
	broadcast = gate.broadcast,
	writes = function(fds, text)
		for i = 1, #fds do
			socket.write(fds[i], text)
		end
	end,
}

bench.main(function()
	local fds, clients = connect_all()
	local text = ("x"):rep(SIZE)
	for name, way in pairs(ways) do
		local cpu, bytes = 0, 0
		for _ = 1, ROUNDS do
			local allocated, before = memory.total(), bench.cpu()
			way(fds, text)
			bytes = bytes + memory.total() - allocated
			skynet.yield() -- what a slice writes leaves at its end
			cpu = cpu + bench.cpu() - before
			read_all(clients)
		end
		bench.result(name, { cpu = cpu / ROUNDS / count * 1e6, bytes = bytes / ROUNDS / count })
	end
end)
