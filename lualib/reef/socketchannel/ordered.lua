-- Order mode: replies come in the order of the requests, and each request brings the function that reads its reply.
-- One coroutine reads for everybody.
local buffered = require("reef.socketcore").buffered
local errors = require "reef.channel.error"
local plain = require("reef.socketchannel.reader").plain
local skynet = require "skynet"
local socket = require "reef.socket"
local waits = require "reef.socketchannel.waits"

local answer = waits.answer

local ordered = {}

---@param self socketchannel
---@param item table
function ordered.add(self, item)
	self.last = self.last + 1
	self.pending[self.last] = item
	if self.idle then
		skynet.wakeup(self.idle)
	end
	return item
end

---One that is not the first goes, or one whose reply has not begun.
---@param self socketchannel
---@param item table
function ordered.take_out(self, item)
	local pending = self.pending
	for i = self.first, self.last do
		if pending[i] == item then
			table.move(pending, i + 1, self.last + 1, i)
			self.last = self.last - 1
			return
		end
	end
end

---A connection is over.
---@param self socketchannel
function ordered.clear(self)
	self.first, self.last = 1, 0
	if self.idle then
		skynet.wakeup(self.idle)
	end
end

---What has come for a `response` whose coroutine was ended is for the next one.
---@param self socketchannel
---@param value any
function ordered.keep(self, value)
	table.insert(self.kept, { true, value })
end

-- What has come for a `response` that ended meanwhile is for the next one.
local function inherit(self, item, good, data)
	local heir = self.pending[self.first]
	if item.partial then
		return item
	elseif heir and heir.unasked and not heir.done then
		self.pending[self.first] = nil
		self.first = self.first + 1
		return heir
	end
	table.insert(self.kept, { good, data })
	return item
end

local function read(self, sock)
	local id, can_wait = sock[1], self.reader == plain
	while self.sock == sock do
		local item = self.pending[self.first]
		if not item then
			-- A token of its own: another coroutine may read for the next connection by then.
			self.idle = sock
			skynet.wait(sock)
			if self.idle == sock then
				self.idle = nil
			end
		elseif can_wait and item.unasked and not item.begun and buffered(id) == 0 and socket.disconnected(id) == false then
			-- Not by its reader: until something comes, another may take its place.
			socket.block(id)
		else
			item.begun = true
			local ok, good, data, more = pcall(item.key, sock)
			if not ok then
				return waits.read_failed(self, sock, good)
			end
			if self.sock == sock then
				if good and more then
					item.partial = true
				else
					self.pending[self.first] = nil
					self.first = self.first + 1
					if item.done then
						self.tombstones = self.tombstones - 1
						if item.unasked then
							item = inherit(self, item, good, data)
						end
					end
				end
				answer(self, item, good, data, more)
			end
		end
	end
end

---Begins to read from a connection.
---@param self socketchannel
---@param sock table
function ordered.begin(self, sock)
	socket.onclose(sock[1], function()
		-- With nobody reading nobody else would notice.
		if self.sock == sock and self.pending[self.first] == nil then
			skynet.error "socket closed by peer"
			self:drop(errors.socket)
		end
	end)
	skynet.fork(read, self, sock)
end

return ordered
