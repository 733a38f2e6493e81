-- A subscriber's connection, through a pool: a pinned one, on which the server speaks by itself. Stands for the
-- connection of a reef.redis.link. Whoever reads asks the pool for what has come; so nothing is read faster than
-- it is used.
local errors = require "reef.channel.error"
local skynet = require "skynet"

local AT_ONCE = 5e6 -- ns; a wait that fails sooner has not been there when the connection was lost

---@class reef.pool.listener
local listener = {}
listener.__index = listener
listener.__gc = function(self)
	self:close "nobody uses it any more"
end

---@param client table             {remote=}
---@param lender reef.pool.lender
function listener.new(client, lender)
	return setmetatable({ remote = client.remote, lender = lender, queue = {}, first = 1, last = 0 }, listener)
end

---@param link redis.link
---@return reef.channel.error|nil
function listener:borrow(link)
	local ok, entry = pcall(self.lender.take, self.lender, link.conf.connect_timeout)
	if not ok then
		return errors.is(entry) and entry or link:error("connect", tostring(entry))
	end
	self.entry, self.lost, self.lost_at = entry, nil, nil
	self.heard_at = skynet.hpc()
end

function listener:state()
	return self.entry and "open" or "closed"
end

function listener:stream()
end

function listener:sender()
	return { self.lender:handle(self.entry, 0) }
end

function listener:info()
	return { lost = self.lost, lost_at = self.lost_at, heard_at = self.heard_at, queued = self.last - self.first + 1 }
end

---@param why string|nil
---@param since integer|nil  ns: when it was lost
function listener:close(why, since)
	local entry = self.entry
	if entry then
		self.entry, self.lost, self.lost_at = nil, why, since or self.heard_at
		self.lender:give(entry, false)
	end
end

---The next thing that the server says; nil: the connection is gone. Raises when there is nothing in time.
---@param seconds number  0: for ever
function listener:message(seconds)
	while true do
		if self.first <= self.last then
			local reply = self.queue[self.first]
			self.queue[self.first] = nil
			self.first = self.first + 1
			return reply
		elseif not self.entry then
			return nil
		end
		local entry, began = self.entry, skynet.hpc()
		local ok, replies, n = pcall(self.remote.listen, self.remote, entry.pin, seconds)
		if ok and replies then
			self.queue, self.first, self.last = replies, 1, n
			self.heard_at = skynet.hpc()
		elseif ok then
			self:close "the pool is gone"
		elseif not errors.is(replies) or replies.code == "timeout" then
			error(replies, 0)
		elseif self.entry == entry then
			local ended = skynet.hpc()
			self:close(replies.why or replies.message, ended - began > AT_ONCE and ended or nil)
		end
	end
end

return listener
