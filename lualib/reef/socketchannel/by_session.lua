-- Session mode: one function reads any reply and says which request it belongs to. Of requests with the same session
-- the first gets the first reply.
local skynet = require "skynet"
local waits = require "reef.socketchannel.waits"

local answer = waits.answer

local by_session = {}

---@param self socketchannel
---@param item table
function by_session.add(self, item)
	local first = self.pending[item.key]
	if first then
		(first.tail or first).next = item
		first.tail = item
	else
		self.pending[item.key] = item
	end
	return item
end

-- The first that waits for a session goes.
local function take_first(self, session)
	local item = self.pending[session]
	local after = item.next
	if after and item.tail ~= after then
		after.tail = item.tail
	end
	self.pending[session] = after
end

---@param self socketchannel
---@param item table
function by_session.take_out(self, item)
	local before = self.pending[item.key]
	if before == item then
		return take_first(self, item.key)
	end
	local first = before
	while before and before.next ~= item do
		before = before.next
	end
	if before then
		before.next = item.next
		if first.tail == item then
			first.tail = before ~= first and before or nil
		end
	end
end

---@param _ socketchannel
function by_session.clear(_)
end

---What has come for a `response` whose coroutine was ended is for nobody.
---@param _ socketchannel
function by_session.keep(_)
end

local function read(self, sock)
	while self.sock == sock do
		local ok, session, good, data, more = pcall(self.parse, sock)
		if not ok then
			return waits.read_failed(self, sock, session)
		end
		local item = self.sock == sock and self.pending[session]
		if item then
			if good and more then
				item.partial = true
			else
				take_first(self, session)
				if item.done then
					self.tombstones = self.tombstones - 1
				end
			end
			answer(self, item, good, data, more)
		elseif self.sock == sock then
			skynet.error("socket: unknown session : " .. tostring(session))
		end
	end
end

---Begins to read from a connection.
---@param self socketchannel
---@param sock table
function by_session.begin(self, sock)
	skynet.fork(read, self, sock)
end

return by_session
