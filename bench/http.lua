-- Servers that are loaded from outside (bench/yard/load.c): HTTP in the way of the API, with agents, and in
-- the way of reef.http.server; a WebSocket echo. Their ports are printed in this order.
local skynet = require "skynet"
local socket = require "skynet.socket"

local AGENTS = 4

local function agent()
	local httpd = require "http.httpd"
	local sockethelper = require "http.sockethelper"
	skynet.start(function()
		skynet.dispatch("lua", function(_, _, id)
			socket.start(id)
			local read, write = sockethelper.readfunc(id), sockethelper.writefunc(id)
			while true do
				local code, _, _, header = httpd.read_request(read, 8192)
				if code ~= 200 or header.connection == "close" then
					break
				end
				if not httpd.write_response(write, 200, "hello world\n", { ["content-type"] = "text/plain" }) then
					break
				end
			end
			socket.close(id)
		end)
	end)
end

local function main()
	local websocket = require "http.websocket"
	skynet.start(function()
		local agents = {}
		for i = 1, AGENTS do
			agents[i] = skynet.newservice("http", "agent")
		end
		local next_agent = 0
		local listener, _, port = socket.listen("127.0.0.1", 0)
		socket.start(listener, function(id)
			next_agent = next_agent % AGENTS + 1
			skynet.send(agents[next_agent], "lua", id)
		end)
		local server = require "reef.http.server".listen("127.0.0.1:0", function()
			return 200, "hello world\n", { ["content-type"] = "text/plain" }
		end, { requests = math.maxinteger })
		local echoes, _, echo_port = socket.listen("127.0.0.1", 0)
		socket.start(echoes, function(id, peer)
			websocket.accept(id, {
				message = function(ws, data, kind)
					websocket.write(ws, data, kind)
				end,
			}, "ws", peer)
		end)
		print(("PORTS %d %d %d"):format(port, server.port, echo_port))
		io.stdout:flush()
	end)
end

if ... == "agent" then
	agent()
else
	main()
end
