-- A service on skynet.socketdriver alone: registers the socket messages itself, reports them as {type, id, ud, text}.
local driver = require "skynet.socketdriver"
local skynet = require "skynet"

local DATA <const> = 1
local events = {}
local buffers = {}
local command = {}

skynet.register_protocol {
	name = "socket",
	id = skynet.PTYPE_SOCKET,
	unpack = driver.unpack,
	dispatch = function(_, _, what, id, ud, text)
		if what == DATA then
			buffers[id] = buffers[id] or driver.buffer()
			driver.push(buffers[id], {}, text, ud)
		else
			events[#events + 1] = { what, id, ud, text }
		end
	end,
}

function command.events()
	return events
end

function command.line(id)
	return buffers[id] and driver.readline(buffers[id], {}, "\n")
end

function command.has_line(id)
	return buffers[id] and driver.readline(buffers[id], nil, "\n")
end

function command.pop(id, n)
	return driver.pop(buffers[id], {}, n)
end

function command.all(id)
	return driver.readall(buffers[id], {})
end

function command.clear(id)
	driver.clear(buffers[id], {})
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what, ...)
		skynet.retpack((command[what] or driver[what])(...))
	end)
end)
