-- Services that have subscribed to something, each once. One message to all of them is in memory once. Those that are
-- gone are forgotten by the next message that finds nobody.

local core = require "skynet.core"

---@class reef.subscribers
---@field list integer[]
---@field place table<integer, integer> where each is in the list
local subscribers = {}
subscribers.__index = subscribers

---@return reef.subscribers
function subscribers.new()
	return setmetatable({ list = {}, place = {} }, subscribers)
end

---@param handle integer
function subscribers:add(handle)
	if not self.place[handle] then
		table.insert(self.list, handle)
		self.place[handle] = #self.list
	end
end

---@param handle integer
function subscribers:remove(handle)
	local at = self.place[handle]
	if at then
		local moved = table.remove(self.list)
		self.place[handle] = nil
		if moved ~= handle then
			self.list[at], self.place[moved] = moved, at
		end
	end
end

---@return boolean
function subscribers:empty()
	return not self.list[1]
end

---Sends to all.
---@param source integer
---@param kind integer type of the message
---@param session integer
---@param message string
---@return integer count how many have it
function subscribers:publish(source, kind, session, message)
	local n = #self.list
	if n == 0 then
		return 0
	end
	local gone = core.publish(self.list, source, kind, session, message) or {}
	for _, handle in ipairs(gone) do
		self:remove(handle)
	end
	return n - #gone
end

return subscribers
