-- Sockets as functions that raise when the connection ends. Times are in hundredths of a second.
local skynet_socket = require "skynet.socket"
local stream = require "reef.http.stream"

local sockethelper = {}

---What is raised when the peer has closed.
sockethelper.socket_error = stream.socket_error

local socket_error = sockethelper.socket_error
local socket_read = skynet_socket.read

local function read(id, n)
	return socket_read(id, n) or error(socket_error)
end

---@param id integer
---@param pre string|nil  bytes that have been read already
---@return fun(n: integer|nil): string  exactly n bytes, or whatever there is
function sockethelper.readfunc(id, pre)
	if not pre or pre == "" then
		return stream.of(function(n)
			return socket_read(id, n) or error(socket_error)
		end, id, true)
	end
	return stream.of(function(n)
		if pre == "" then
			return read(id, n)
		end
		local bytes = pre
		if n == nil or n == #bytes then
			pre = ""
			return bytes
		elseif n < #bytes then
			pre = bytes:sub(n + 1)
			return bytes:sub(1, n)
		end
		pre = ""
		return bytes .. read(id, n - #bytes)
	end, id)
end

---@param id integer
---@return fun(bytes: string)
function sockethelper.writefunc(id)
	return stream.of(function(bytes)
		if not skynet_socket.write(id, bytes) then
			error(socket_error)
		end
	end, id)
end

---@param id integer
---@return string
function sockethelper.readall(id)
	return skynet_socket.readall(id) or ""
end

---Connects, or raises.
---@param host string
---@param port integer|nil
---@param timeout number|nil  1/100 s; 30 s
---@return integer id
function sockethelper.connect(host, port, timeout)
	return skynet_socket.open(host, port, timeout) or error(socket_error)
end

---@param id integer
function sockethelper.close(id)
	skynet_socket.close(id)
end

---@param id integer
function sockethelper.shutdown(id)
	skynet_socket.shutdown(id)
end

return sockethelper
