-- Connections of a client that wait for the next request to the same server.
--
-- Somebody reads them meanwhile: what is closed is noticed at once, and what speaks without having been asked is
-- dropped, because its bytes would be taken for the answer to the next request.
local deadline = require "reef.http.deadline"
local skynet = require "skynet"
local socket = require "reef.socket"

local idle = {}

---@class reef.http.idle
---@field lists table<string, reef.http.client.connection[]>
---@field count integer
local methods = {}
methods.__index = methods

---@param most integer       connections in all
---@param most_each integer  to one server
---@param time number        1/100 s that one waits
---@return reef.http.idle
function idle.new(most, most_each, time)
	return setmetatable({ lists = {}, count = 0, most = most, most_each = most_each, time = time }, methods)
end

local function remove(self, connection)
	local list = self.lists[connection.key]
	for i, other in ipairs(list or {}) do
		if other == connection then
			table.remove(list, i)
			self.count = self.count - 1
			if #list == 0 then
				self.lists[connection.key] = nil
			end
			return
		end
	end
end

local function drop(self, connection)
	remove(self, connection)
	connection.dead = true
	deadline.clear(connection)
	socket.close(connection.id)
end

local function watch(self, connection)
	local bytes = socket.read(connection.id)
	if connection.waits then
		drop(self, connection)
		return
	end
	-- A request has been sent meanwhile: this is its answer.
	connection.watched, connection.first = nil, bytes
	if connection.reading then
		skynet.wakeup(connection)
	end
end

---Keeps a connection, or closes it.
---@param connection reef.http.client.connection  with `key`: who it leads to
function methods:put(connection)
	local list = self.lists[connection.key] or {}
	if self.count >= self.most or #list >= self.most_each or self.time <= 0 then
		deadline.clear(connection)
		socket.close(connection.id)
		return
	end
	self.lists[connection.key] = list
	list[#list + 1] = connection
	self.count = self.count + 1
	connection.waits, connection.watched = true, true
	skynet.fork(watch, self, connection)
	deadline.set(connection, self.time, function()
		socket.shutdown(connection.id)
	end)
end

---The one that was used last, which is the most likely to be good.
---@param key string
---@return reef.http.client.connection|nil
function methods:take(key)
	while true do
		local list = self.lists[key]
		local connection = list and list[#list]
		if not connection then
			return nil
		end
		remove(self, connection)
		-- What came while this service was busy, and nobody has asked for, is read before anything is asked.
		skynet.yield()
		if not connection.dead and socket.disconnected(connection.id) == false then
			deadline.clear(connection)
			connection.waits = false
			return connection
		end
	end
end

---What comes on a connection; nil at its end.
---@param connection reef.http.client.connection
---@return string|nil|false
function idle.read(connection)
	if connection.watched then
		connection.reading = true
		skynet.wait(connection)
		connection.reading = false
	elseif not connection.first then
		return socket.read(connection.id)
	end
	local bytes = connection.first
	connection.first = nil
	return bytes
end

---Closes all.
function methods:close()
	for _, list in pairs(self.lists) do
		for _, connection in ipairs(list) do
			socket.shutdown(connection.id)
		end
	end
end

return idle
