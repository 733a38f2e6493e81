-- Large messages that a connection is receiving in parts, by session. What is kept is what has come, never what was
-- announced; one connection may have a number of them, and a number of bytes. Whatever does not fit raises, which ends
-- the connection.

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
	self.items[session] = { total = total, size = 0, about = about }
end

---@param session integer
---@param part string
---@param last boolean
---@return string|nil message  when it is complete
---@return any about
function large:add(session, part, last)
	local item = self.items[session]
	if not item then
		error(("a part of no message, with the session %d"):format(session), 0)
	end
	item.size = item.size + #part
	self.bytes = self.bytes + #part
	if item.size > item.total or last and item.size < item.total then
		error(("a message of %d bytes that was announced with %d"):format(item.size, item.total), 0)
	elseif self.bytes > self.limit then
		error(("%d bytes in unfinished messages: the limit is %d (cluster_limit)"):format(self.bytes, self.limit), 0)
	elseif part == "" and not last then
		error("an empty part", 0)
	end
	item[#item + 1] = part
	if last then
		self.items[session] = nil
		self.count = self.count - 1
		self.bytes = self.bytes - item.size
		return table.concat(item), item.about
	end
end

return large
