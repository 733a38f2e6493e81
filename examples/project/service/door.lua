-- Lets clients in: each line that one sends is a name, and is answered with a greeting. `door PORT`.
local greeting = require "greeting"
local skynet = require "skynet"
local socket = require "skynet.socket"

local LONGEST_LINE = 200 -- bytes

local wanted_port = ...
local port

-- Talks to a client until it leaves.
local function serve(client, visitors)
	socket.start(client)
	socket.limit(client, LONGEST_LINE)
	while true do
		local name = socket.readline(client, "\n")
		if not name then
			break
		end
		local visits = skynet.call(visitors, "lua", "visit", name)
		socket.write(client, greeting.of(name, visits) .. "\n")
	end
	socket.close(client)
end

skynet.start(function()
	local visitors = skynet.uniqueservice "visitors"
	local id, _, listening = socket.listen("127.0.0.1", tonumber(wanted_port))
	port = listening
	socket.start(id, function(client)
		serve(client, visitors)
	end)
	skynet.dispatch("lua", function(_, _, what)
		assert(what == "port", "door: unknown command")
		skynet.retpack(port)
	end)
end)
