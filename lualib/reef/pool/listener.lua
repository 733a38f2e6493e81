-- A subscriber's connection, through a pool: a pinned one, on which the server speaks by itself. Stands for the
-- connection of a reef.redis.link. Whoever reads asks the pool for what has come; so nothing is read faster than
-- it is used.
local errors = require "reef.channel.error"
local skynet = require "skynet"

local AT_ONCE = 5e6 -- ns; a wait that fails sooner has not been there when the connection was lost

local WEAK <const> = { __mode = "v" }

---@class reef.pool.listener
---@field hearing table|nil  the entry on which the pool is asked for what has come
---@field waiting table[]    tokens of those who wait for that
local listener = {}
listener.__index = listener
listener.__gc = function(self)
	self:close "nobody uses it any more"
end

---@param client table             {remote=}
---@param lender reef.pool.lender
function listener.new(client, lender)
	return setmetatable({
		remote = client.remote, lender = lender, queue = {}, first = 1, last = 0, waiting = {},
	}, listener)
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

-- In a coroutine of its own, so that nothing is lost when one that waits is ended. It does not keep the listener from
-- being collected.
local function hear(weak, remote, entry, seconds)
	local began = skynet.hpc()
	local ok, replies, n = pcall(remote.listen, remote, entry.pin, seconds)
	local self = weak[1]
	if not self then
		return
	elseif self.hearing == entry then
		self.hearing = nil
	end
	local failure
	if ok and replies then
		if self.entry == entry then
			self.queue, self.first, self.last = replies, 1, n
			self.heard_at = skynet.hpc()
		end
	elseif ok then
		if self.entry == entry then
			self:close "the pool is gone"
		end
	elseif not errors.is(replies) or replies.code == "timeout" then
		failure = replies
	elseif self.entry == entry then
		local ended = skynet.hpc()
		self:close(replies.why or replies.message, ended - began > AT_ONCE and ended or nil)
	end
	local waiting = self.waiting
	self.waiting = {}
	for _, token in ipairs(waiting) do
		token.failure = failure
		skynet.wakeup(token)
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
		elseif self.hearing ~= self.entry then
			self.hearing = self.entry
			skynet.fork(hear, setmetatable({ self }, WEAK), self.remote, self.entry, seconds)
		end
		local token = {}
		self.waiting[#self.waiting + 1] = token
		skynet.wait(token)
		if token.failure then
			error(token.failure, 0)
		end
	end
end

return listener
