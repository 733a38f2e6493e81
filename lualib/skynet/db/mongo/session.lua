-- Logical sessions: ids that the server knows a client's work by. By the specification "Driver Sessions".
--
-- An operation that was given none borrows one; ids are used again, the newest first. The server forgets an id after
-- `logicalSessionTimeoutMinutes`, so one that is nearly forgotten is not used any more.
local bson = require "bson"
local skynet = require "skynet"

---@class mongo.session
---@field id string binary value of the id
---@field lsid table what commands carry
---@field txnNumber integer counts retryable writes
---@field implicit boolean
local session = {}
session.__index = session

local pool = {}
pool.__index = pool

local function minutes()
	return skynet.hpc() / 6e10
end

function session.new_pool()
	return setmetatable({}, pool)
end

---@param timeout integer|nil of the topology, minutes
---@return mongo.session
function pool:take(timeout, implicit, options)
	local server
	repeat
		server = table.remove(self)
	until not server or not timeout or minutes() - server.used < timeout - 1
	server = server or { lsid = { id = bson.uuid() }, txnNumber = 0 }
	return setmetatable({ server = server, lsid = server.lsid, pool = self, implicit = implicit, options = options or {} },
		session)
end

---The number of the next retryable write.
---@return integer
function session:next_number()
	self.server.txnNumber = self.server.txnNumber + 1
	return self.server.txnNumber
end

function session:mark_used()
	self.server.used = minutes()
end

---A command of this session got no reply: who knows what the server thinks of it.
function session:mark_dirty()
	self.server.dirty = true
end

---Is timestamp a later than b? Either may be nil.
---@return boolean
function session.later(a, b)
	if not a or not b then
		return a ~= nil
	end
	local _, seconds_a, increment_a = bson.type(a)
	local _, seconds_b, increment_b = bson.type(b)
	return seconds_a > seconds_b or (seconds_a == seconds_b and increment_a > increment_b)
end

---Notes what a reply says of time, for causal consistency.
function session:learn(reply)
	self:mark_used()
	if session.later(reply.operationTime, self.operationTime) then
		self.operationTime = reply.operationTime
	end
end

---Ends the session; what it was given out for is over.
function session:endSession()
	local server = self.server
	if server and self.pool then
		self.server = nil
		if not server.dirty and server.used then
			self.pool[#self.pool + 1] = server
		end
	end
end

---All ids that wait for use, at most `n`, for endSessions.
function pool:drain(n)
	local ids = {}
	while self[1] and #ids < n do
		ids[#ids + 1] = table.remove(self).lsid
	end
	return ids
end

return session
