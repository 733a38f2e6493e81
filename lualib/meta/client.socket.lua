---@meta client.socket
-- Sockets of a client program, which asks again and again whether something has come. Times are in microseconds.
--
-- It blocks its thread, so it has no place in a service.

local socket = {}

---Connects. Raises when it cannot.
---@param host string
---@param port integer
---@return integer fd
function socket.connect(host, port) end

---Sends all of it. Raises when the connection is lost.
---@param fd integer
---@param data string
function socket.send(fd, data) end

---What has come.
---@param fd integer
---@return string? data nil: nothing; "": the peer has closed
function socket.recv(fd) end

---@param fd integer
function socket.close(fd) end

---A line that was typed on standard input, without its end.
---@return string? line nil: none was typed, or there will be none
function socket.readstdin() end

---@param microseconds integer
function socket.usleep(microseconds) end

return socket
