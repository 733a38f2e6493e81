-- A TCP server that does what a script says, byte for byte. Times are in hundredths of a second.
--
-- It is for what no real server would do, or only once in a year.
--
--     local peer = require("reef.test.peer").start(function(c)       -- runs for each connection
--         test.equal(c:line(), "HELLO")
--         c:write "WELC"
--         c:stall()                                                 -- says nothing more, and stays
--     end)
--     connect to 127.0.0.1, peer.port
--     peer.connections                                              -- so far
--     peer:refuse() peer:accept()                                   -- new connections; the port stays the same
--
-- When the script comes back, the connection is closed. What it raises fails the case at its end, unless the connection
-- was lost. The server ends with the case that started it.
local skynet = require "skynet"
local socket = require "reef.socket"
local test = require "reef.test"

---@class reef.test.peer
---@field port integer of 127.0.0.1
---@field connections integer  that were accepted so far
local peer = {}
peer.__index = peer

---@class reef.test.connection
---@field number integer  1 for the first that was accepted
local connection = {}
connection.__index = connection

local LOST = {}

---The next n bytes; ends the script if the connection has ended before, or does.
---@param n integer
---@return string
function connection:read(n)
	return socket.read(self.id, n) or error(LOST)
end

---The next line, without its end.
---@param ending string|nil "\n" by default; "\r\n", say
---@return string
function connection:line(ending)
	return socket.readline(self.id, ending or "\n") or error(LOST)
end

---Waits until the client has closed its side; returns what came before that.
---@return string
function connection:rest()
	return socket.readall(self.id)
end

---@param bytes string
function connection:write(bytes)
	socket.write(self.id, bytes)
end

---Writes a few bytes at a time.
---@param bytes string
---@param size integer|nil bytes in a piece (1)
---@param pause number|nil hundredths of a second between pieces (1)
function connection:trickle(bytes, size, pause)
	size = size or 1
	for at = 1, #bytes, size do
		if socket.invalid(self.id) then
			error(LOST)
		end
		socket.write(self.id, bytes:sub(at, at + size - 1))
		skynet.sleep(pause or 1)
	end
end

---Closes at once: what was written and has not left is lost; if something that the client sent was not read, the client
---sees a reset.
function connection:cut()
	socket.shutdown(self.id)
end

---Reads nothing, writes nothing and does not close, until the case is over.
function connection:stall()
	self.peer.stalled[self] = true
	skynet.wait(self)
	error(LOST)
end

---Closes when what was written has left.
function connection:close()
	socket.close(self.id)
end

local function serve(self, id, script)
	self.connections = self.connections + 1
	local c = setmetatable({ id = id, number = self.connections, peer = self }, connection)
	self.open[id] = true
	socket.start(id)
	local ok, reason = xpcall(script, function(reason)
		return reason == LOST and reason or debug.traceback(tostring(reason), 2)
	end, c)
	if not ok and reason ~= LOST then
		self.problem = self.problem or reason
	end
	self.open[id] = nil
	socket.close(id)
end

local function listen(self)
	local id, _, port = socket.listen("127.0.0.1", self.port or 0)
	self.id, self.port = id, port
	socket.start(id, function(client)
		serve(self, client, self.script)
	end)
end

local function finish(self)
	self:refuse()
	for id in pairs(self.open) do
		socket.shutdown(id)
	end
	for c in pairs(self.stalled) do
		skynet.wakeup(c)
	end
	if self.problem then
		error(self.problem, 0)
	end
end

---@param script fun(c: reef.test.connection)
---@return reef.test.peer
function peer.start(script)
	local self = setmetatable({ script = script, connections = 0, open = {}, stalled = {} }, peer)
	listen(self)
	test.defer(finish, self)
	return self
end

---Lets no new connection in: clients are told that nobody listens. Those that are there go on.
function peer:refuse()
	if self.id then
		socket.close(self.id)
		self.id = nil
	end
end

---Lets connections in again.
function peer:accept()
	if not self.id then
		listen(self)
	end
end

---Ends all connections at once.
function peer:cut()
	for id in pairs(self.open) do
		socket.shutdown(id)
	end
end

return peer
