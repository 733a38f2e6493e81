-- Large messages that a connection is receiving in parts, by session. What is kept is what has come, never what was
-- announced; one connection may have a number of them, and a number of bytes. Whatever does not fit raises, which ends
-- the connection.

local core = require "reef.cluster.core"

---@class reef.cluster.large
---@field items table<integer, table>
---@field count integer
---@field bytes integer
---@field limit integer
local large = {}
large.__index = large

local MOST <const> = 4096 -- large messages at a time

---@param limit integer bytes
---@return reef.cluster.large
function large.new(limit)
	return setmetatable({ items = {}, count = 0, bytes = 0, limit = limit }, large)
end

---@param session integer
---@param total integer bytes that are announced
---@param about any what comes back with the message
function large:begin(session, total, about)
	if self.items[session] then
		error(("a second large message with the session %d"):format(session), 0)
	elseif total > self.limit then
		error(("a message of %d bytes: the limit is %d (cluster_limit)"):format(total, self.limit), 0)
	elseif self.count >= MOST then
		error(("more than %d large messages at a time"):format(MOST), 0)
	end
	self.count = self.count + 1
	self.items[session] = { total = total, size = 0, about = about, assembly = core.assembly(total) }
end

local function append(self, session, buffer, first, final)
	local item = self.items[session]
	if not item then
		error(("a part of no message, with the session %d"):format(session), 0)
	end
	local bytes = final - first + 1
	item.size = item.size + bytes
	self.bytes = self.bytes + bytes
	if item.size > item.total then
		error(("a message of %d bytes that was announced with %d"):format(item.size, item.total), 0)
	elseif self.bytes > self.limit then
		error(("%d bytes in unfinished messages: the limit is %d (cluster_limit)"):format(self.bytes, self.limit), 0)
	end
	item.assembly:add(buffer, first, final)
	return item, bytes
end

---Bytes of a part whose end has not come yet.
---@param session integer
---@param buffer string
---@param first integer
---@param final integer
function large:add_some(session, buffer, first, final)
	append(self, session, buffer, first, final)
end

---@param session integer
---@param buffer string
---@param first integer where the part is in it
---@param final integer
---@param last boolean
---@return lightuserdata|nil message  when it is complete; the caller's, as in lua_parts.h
---@return integer|nil size
---@return any about
function large:add(session, buffer, first, final, last)
	local item, bytes = append(self, session, buffer, first, final)
	if last and item.size < item.total then
		error(("a message of %d bytes that was announced with %d"):format(item.size, item.total), 0)
	elseif bytes == 0 and not last then
		error("an empty part", 0)
	end
	if last then
		self.items[session] = nil
		self.count = self.count - 1
		self.bytes = self.bytes - item.size
		local message, size = item.assembly:take()
		return message, size, item.about
	end
end

return large
