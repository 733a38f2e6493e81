-- A service that filters socket messages through skynet.netpack and reports what it got as {type, id, ...}.
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"
local skynet = require "skynet"

local queue
local got = {}

local function packet(id, data, size)
	got[#got + 1] = { "data", id, netpack.tostring(data, size) }
end

skynet.register_protocol {
	name = "socket",
	id = skynet.PTYPE_SOCKET,
	unpack = function(message, size)
		return netpack.filter(queue, message, size)
	end,
	dispatch = function(_, _, q, what, id, ...)
		queue = q
		if what == "data" then
			packet(id, ...)
		elseif what == "more" then
			for more, data, size in netpack.pop, queue do
				packet(more, data, size)
			end
		elseif what then
			got[#got + 1] = { what, id, ... }
			if what == "open" then
				driver.start(id)
			end
		end
	end,
}

local command = {}

function command.listen()
	driver.start(driver.listen("127.0.0.1", 0))
end

function command.got()
	return got
end

function command.send(id, text)
	driver.send(id, netpack.pack(text))
end

function command.clear()
	netpack.clear(queue)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what, ...)
		skynet.retpack(command[what](...))
	end)
end)
