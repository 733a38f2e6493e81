-- The frames between nodes of a cluster, for scripted peers that know nothing but sockets.
local socket = require "skynet.socket"

local pack, unpack = string.pack, string.unpack

local frames = {}

function frames.hex(s)
	return (s:gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end))
end

function frames.framed(payload)
	return pack(">s2", payload)
end

---The payload of the next frame, nil at the end.
function frames.receive(id)
	local length = socket.read(id, 2)
	return length and assert(socket.read(id, (unpack(">I2", length)))) or nil
end

return frames
