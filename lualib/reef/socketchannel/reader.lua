-- The object that functions which parse replies read from: {id}, with `read` and `readline`, which raise at the end.
local errors = require "reef.channel.error"
local socket = require "reef.socket"

local reader = {}
reader.__index = reader

function reader:read(n)
	local data = socket.read(self[1], n)
	return data or error(errors.socket)
end

function reader:readline(separator)
	local line = socket.readline(self[1], separator)
	return line or error(errors.socket)
end

local classes = { plain = reader }

---The class of such objects, with the user's functions if he has some.
---@param desc socketchannel.desc
---@return table
function classes.of(desc)
	if not (desc.socket_read or desc.socket_readline) then
		return reader
	end
	local class = { read = desc.socket_read or reader.read, readline = desc.socket_readline or reader.readline }
	class.__index = class
	return class
end

return classes
