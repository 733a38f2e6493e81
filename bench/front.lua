-- A gate with an agent for each client, which sends every packet back. Loaded from outside (bench/yard/load.c); the
-- same bytes through bench/echo.lua are the yardstick. KIND is gate (the Lua service) or cgate (the C service).
local skynet = require "skynet"
require "skynet.manager"
local bench = require "bench"

local count = bench.option("CLIENTS", 10000)
local agents = {}

local function start_lua(address)
	local gate = skynet.newservice "gate"
	skynet.dispatch("lua", function(_, _, _, what, fd)
		if what == "open" then
			skynet.send(gate, "lua", "forward", fd, 0, table.remove(agents))
		end
	end)
	local _, port = skynet.call(gate, "lua", "open", { address = address, port = 0, maxclient = 65536, backlog = 4096 })
	return port
end

local function start_c(address)
	local port = 20000 + skynet.self() + os.time() % 10000
	local gate
	skynet.register_protocol {
		name = "text",
		id = skynet.PTYPE_TEXT,
		pack = tostring,
		unpack = skynet.tostring,
		dispatch = function(_, _, text)
			local fd = text:match "^(%d+) open"
			if fd then
				skynet.send(gate, "text", ("forward %s %s :0"):format(fd, skynet.address(table.remove(agents))))
				skynet.send(gate, "text", "start " .. fd)
			end
		end,
	}
	repeat
		port = port + 1
		gate = skynet.launch("gate", "S", skynet.address(skynet.self()), address .. ":" .. port, 0, 65536)
	until gate
	return port
end

skynet.start(function()
	for i = 1, count do
		agents[i] = skynet.newservice "front_agent"
	end
	print("PORT " .. (os.getenv "KIND" == "cgate" and start_c or start_lua) "127.0.0.1")
	io.stdout:flush()
end)
