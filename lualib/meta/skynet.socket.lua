---@meta skynet.socket
-- What of reef.socket is written in C.

local socket = {}

---Waits for bytes. Raises when the socket is not this service's, as all that reads does.
---@param id integer
---@param n? integer exactly so many; without it what is there, at least one byte
---@return string|false data false: the connection has ended
---@return string? rest what came before that end
function socket.read(id, n) end

---Waits for a line.
---@param id integer
---@param separator? string "\n" by default; may have several bytes
---@return string|false line without its end; false: the connection has ended
---@return string? rest
function socket.readline(id, separator) end

---Waits for the end of the connection.
---@param id integer
---@return string|false data all that came; false: it had ended before, and nothing is left
function socket.readall(id) end

---Waits for something new, which it leaves to be read.
---@param id integer
---@return boolean connected
function socket.block(id) end

---Sends. Never waits: what the network does not take yet is kept (`socket_write_limit` of the configuration).
---@param id integer
---@param data string|table|lightuserdata|userdata a table is a list of strings and numbers; a lightuserdata's memory is taken
---@param size? integer of a lightuserdata or userdata
---@return boolean accepted false: there is no such socket, or it is closing
function socket.write(id, data, size) end

---As write, behind all that waits to be sent by `write`.
---@param id integer
---@param data string|table|lightuserdata|userdata
---@param size? integer
---@return boolean accepted
function socket.lwrite(id, data, size) end

---Receives no more until somebody reads.
---@param id integer
function socket.pause(id) end

---Closes a socket that has more unread bytes than that, with a line in the log.
---@param id integer
---@param bytes integer
function socket.limit(id, bytes) end

---Is it none of this service's?
---@param id integer
---@return boolean
function socket.invalid(id) end

---Has its connection ended? nil: it is none of this service's.
---@param id integer
---@return boolean?
function socket.disconnected(id) end

---Ends a connection at once; what has not left is dropped. `close` is still due.
---@param id integer
function socket.shutdown(id) end

---Closes a socket that is none of this service's.
---@param id integer
function socket.close_fd(id) end

---A length that was sent in 1 to 4 bytes, big-endian. Raises for other sizes.
---@param bytes string
---@return integer
function socket.header(bytes) end

---The addresses of a host. Blocks its worker, unlike skynet.dns and `open`. Raises when there are none.
---@param host string
---@return string[]
function socket.resolve(host) end

---All sockets of the process: id, type, address (of the owner), what was read and written, what waits to be sent.
---@return table[]
function socket.netstat() end

---Sends a datagram.
---@param id integer
---@param from string an address as callbacks get it
---@param data string
---@return boolean accepted
function socket.sendto(id, from, data) end

---An address of a callback as people read it.
---@param from string
---@return string ip
---@return integer port
function socket.udp_address(from) end

return socket
