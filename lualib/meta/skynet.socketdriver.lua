---@meta skynet.socketdriver
-- Sockets for services that dispatch socket messages themselves, and buffers for what they receive. Most services want
-- skynet.socket, which reads in coroutines; see docs/sockets.md.
--
-- Messages have the type `skynet.PTYPE_SOCKET`; `unpack` says what is in one: 1 data, 2 connected or started, 3 closed
-- by the peer, 4 somebody connected, 5 error, 6 datagram, 7 warning (kilobytes that wait). Arguments called `pool` have
-- no use here, and may be anything.

local driver = {}

---Begins to connect; a message says how that ended. Raises when it cannot even begin.
---@param host string or "host:port"
---@param port? integer
---@return integer id
function driver.connect(host, port) end

---Listens, from `start` on. Raises `<host>:<port>: <reason>: Listen error`.
---@param host string or "host:port"; "" is every address
---@param port? integer 0: any that is free
---@param backlog? integer connections that may wait; 32
---@return integer id
function driver.listen(host, port, backlog) end

---Takes over a listening socket, an accepted one, or one of another service: messages come from now on.
---@param id integer
function driver.start(id) end

---Takes over a descriptor of the system.
---@param fd integer
---@return integer id
function driver.bind(fd) end

---Closes it when what was sent has left.
---@param id integer
function driver.close(id) end

---Closes it at once.
---@param id integer
function driver.shutdown(id) end

---Reads no more, until `start`.
---@param id integer
function driver.pause(id) end

---Sends small packets at once (TCP_NODELAY).
---@param id integer
---@return boolean there false: no such socket
function driver.nodelay(id) end

---Sends bytes.
---@param id integer
---@param data string|lightuserdata|table the memory of a lightuserdata is taken; a table is a list of strings
---@param size? integer of a lightuserdata
---@return boolean accepted false: there is no such socket
function driver.send(id, data, size) end

---As send, behind all that waits to be sent.
---@param id integer
---@param data string|lightuserdata|table
---@param size? integer
---@return boolean accepted
function driver.lsend(id, data, size) end

---A socket for datagrams.
---@param host? string bound to that address
---@param port? integer
---@return integer id
function driver.udp(host, port) end

---A socket for datagrams that is bound, of either family.
---@param host string
---@param port integer
---@return integer id
function driver.udp_listen(host, port) end

---A socket for datagrams with a destination, so that `send` works.
---@param host string
---@param port integer
---@return integer id
function driver.udp_dial(host, port) end

---Sets the destination of a socket. Raises `udp connect failed`.
---@param id integer
---@param host string
---@param port integer
function driver.udp_connect(id, host, port) end

---Sends a datagram.
---@param id integer
---@param address string as `unpack` returned it
---@param data string
---@return boolean accepted
function driver.udp_send(id, address, data) end

---An address as people read it.
---@param address string
---@return string ip
---@return integer port
function driver.udp_address(address) end

---What is in a socket message.
---@param message lightuserdata
---@param size integer
---@return integer type 1 to 7
---@return integer id
---@return integer ud bytes of data, id of who connected, kilobytes of a warning
---@return lightuserdata|string data the caller's, to be freed with `drop` or given to `push`; or a text
---@return string? address of a datagram
function driver.unpack(message, size) end

---Frees bytes that `unpack` returned.
---@param data lightuserdata
---@param size integer
function driver.drop(data, size) end

---A copy of a string in memory that `send` takes.
---@param text string
---@return lightuserdata data the caller's
---@return integer size
function driver.str2p(text) end

---A buffer for what is received.
---@return userdata buffer
function driver.buffer() end

---Appends bytes, and takes them.
---@param buffer userdata
---@param pool any
---@param data lightuserdata
---@param size integer
---@return integer bytes that are in it now
function driver.push(buffer, pool, data, size) end

---Takes the first bytes out of it.
---@param buffer userdata
---@param pool any
---@param n integer
---@return string? bytes nil: there are fewer
---@return integer left bytes
function driver.pop(buffer, pool, n) end

---Takes a line out of it; without a pool: is there one?
---@param buffer userdata
---@param pool any
---@param separator? string "\n" by default
---@return string|boolean|nil line without its end
function driver.readline(buffer, pool, separator) end

---Takes all out of it.
---@param buffer userdata
---@param pool? any
---@return string
function driver.readall(buffer, pool) end

---Frees what is in it.
---@param buffer userdata?
---@param pool? any
function driver.clear(buffer, pool) end

---A length that was sent in 1 to 4 bytes, big-endian. Raises for other sizes.
---@param bytes string
---@return integer
function driver.header(bytes) end

---All sockets of the process, as `socket.netstat` lists them.
---@return table[]
function driver.info() end

---The addresses of a host. Blocks its worker, unlike skynet.dns. Raises when there are none.
---@param host string
---@return string[] addresses
function driver.resolve(host) end

return driver
