-- Logical sessions: ids that the server knows a client's work by. By the specifications "Driver Sessions", "Causal
-- Consistency" and "Snapshot Reads".
--
-- An operation that was given none borrows one; ids are used again, the newest first. The server forgets an id after
-- `logicalSessionTimeoutMinutes`, so one that is nearly forgotten is not used any more, nor is one whose last command
-- got no answer. A session that was started by the user sees its own writes on every member (causal consistency),
-- or all of its reads are of one moment (snapshot).
local bson = require "bson"
local errors = require "reef.mongo.errors"
local now = require "reef.base.now"
local known = require "reef.mongo.known"
local skynet = require "skynet"
local transactions = require "reef.mongo.transactions"

---@class mongo.session_options
---@field causalConsistency boolean|nil reads see what the session has seen or written before; default true
---@field snapshot boolean|nil all reads see the data of one moment: that of the first read, or snapshotTime
---@field snapshotTime string|nil a timestamp, from another session's getSnapshotTime()
---@field defaultTransactionOptions mongo.transaction_options|nil of transactions that do not say otherwise
---@field defaultTimeoutMS integer|nil for committing, aborting and withTransaction

---@class mongo.session
---@field lsid table what commands carry
---@field implicit boolean
---@field operationTime string|nil timestamp of the newest thing the session knows of
---@field clusterTime table|nil newest time of the deployment that the session has heard of
---@field transaction mongo.transaction|nil the one under way, or the last
---@field pinned string|nil address of the server that has the transaction
---@field deadline number|nil of the withTransaction that runs
local session = {}
session.__index = session
for name, method in pairs(transactions.methods) do
	session[name] = method
end
known.guard(session, "session")

local pool = {}
pool.__index = pool

-- The first wire version (MongoDB 5.0) that knows snapshot reads outside of transactions.
local SNAPSHOTS = 13

-- Commands that wait for what the session has seen: those that take a read concern.
local waits = {
	find = true, aggregate = true, count = true, distinct = true, insert = true, update = true, delete = true,
	findAndModify = true, bulkWrite = true, create = true, createIndexes = true, drop = true, dropDatabase = true,
	dropIndexes = true,
}

---@param client mongo.core_client
function session.new_pool(client)
	return setmetatable({ client = client }, pool)
end

-- A session that was not used since then is nearly forgotten. `timeout` is in minutes.
local function oldest(timeout)
	return timeout and now() - 60 * (timeout - 1) or -math.huge
end

local NO_OPTIONS = {}

---A session that a user asks for.
---@param timeout integer|nil of the topology, minutes
---@param options mongo.session_options|nil
---@param defaults mongo.settings|nil of the client, for transactions
---@return mongo.session
function pool:take(timeout, options, defaults)
	options = options or {}
	if options.snapshot and options.causalConsistency then
		error("mongo: a session is causally consistent or has a snapshot, not both", 0)
	elseif options.snapshotTime and not options.snapshot then
		error("mongo: snapshotTime needs a session with snapshot = true", 0)
	end
	local server = self:take_server(timeout)
	return setmetatable({
		server = server, lsid = server.lsid, pool = self, timeout = timeout, implicit = false, options = options,
		causal = not options.snapshot and options.causalConsistency ~= false,
		snapshot_time = options.snapshotTime, defaults = defaults or NO_OPTIONS,
	}, session)
end

---The newest of those that wait for use, or a new one.
function pool:take_server(timeout)
	local limit, n = oldest(timeout), #self
	while n > 0 do
		local server = self[n]
		self[n] = nil
		if server.used > limit then
			return server
		end
		n = n - 1
	end
	return { lsid = { id = bson.uuid() }, txnNumber = 0, used = now() }
end

---A session for one operation that was given none. Nobody else sees it, so that it is used again as it is.
---@param timeout integer|nil of the topology, minutes
---@return mongo.session
function pool:lend(timeout)
	local server = self:take_server(timeout)
	local lent = server.lent
	if not lent then
		lent = setmetatable({
			lsid = server.lsid, pool = self, implicit = true, options = NO_OPTIONS, causal = false,
		}, session)
		server.lent = lent
	end
	lent.server, lent.timeout = server, timeout
	return lent
end

---All ids that wait for use, at most `n`, for endSessions.
function pool:drain(n)
	local ids = {}
	while self[1] and #ids < n do
		ids[#ids + 1] = table.remove(self).lsid
	end
	return ids
end

-- ---- what commands carry ----

local function refuse(op, why)
	error(errors.new({ code = "session", outcome = "not sent", command = op.name }, why), 0)
end

---Internal.
---Raises when an operation cannot be done in this session.
function session:check(client, op)
	if not self.server then
		refuse(op, "the session has ended")
	elseif self.pool ~= client.sessions then
		refuse(op, "the session belongs to another client")
	elseif op.unacknowledged and not self.implicit then
		refuse(op, "an unacknowledged write cannot be part of a session")
	end
	local t = self.transaction
	if t then
		transactions.enter(self, t, op)
	end
end

---The number of the next retryable write.
---@return integer
function session:next_number()
	self.server.txnNumber = self.server.txnNumber + 1
	return self.server.txnNumber
end

local function place_of(body, key)
	for i = 1, #body, 2 do
		if body[i] == key then
			return i
		end
	end
	body[#body + 1], body[#body + 2] = key, {}
	return #body - 1
end

-- What the session adds to the read concern of the command.
function session:read_concern(op)
	if self.options.snapshot then
		return { level = "snapshot", atClusterTime = self.snapshot_time }
	elseif self.causal and self.operationTime and waits[op.name] and not op.given then
		return { afterClusterTime = self.operationTime }
	end
	return nil
end

---Adds to a command's keys and values what makes it part of the session.
---@param body table
---@param op mongo.command
---@param server mongo.server that it goes to
---@param number integer|nil
function session:decorate(body, op, server, number)
	if not self.implicit and not server.logicalSessionTimeoutMinutes and server.type ~= "Unknown" then
		refuse(op, "sessions are not supported by " .. server.address)
	end
	local n = #body
	body[n + 1], body[n + 2] = "lsid", self.lsid
	if op.transaction then
		transactions.decorate(self, body, op)
		return
	elseif number then
		body[n + 3], body[n + 4] = "txnNumber", bson.int64(number)
	end
	local more = self:read_concern(op)
	if not more then
		return
	elseif self.options.snapshot and server.maxWireVersion < SNAPSHOTS then
		refuse(op, "Snapshot reads require MongoDB 5.0 or later")
	end
	local at = place_of(body, "readConcern") + 1
	for k, v in pairs(body[at]) do
		more[k] = more[k] or v
	end
	body[at] = more
end

-- ---- what replies tell ----

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

---The later of two $clusterTime documents; either may be nil. The server wants its signature back as it was, and the
---number of its key is an int64.
---@return table|nil
function session.newest(a, b)
	if not a or not b then
		return a or b
	end
	return session.later(a.clusterTime, b.clusterTime) and a or b
end

---The $clusterTime of a reply as it may be sent back.
---@return table|nil
function session.cluster_time(reply)
	local time = reply["$clusterTime"]
	local signature = time and time.signature
	if type(signature) == "table" and math.type(signature.keyId) == "integer" then
		signature.keyId = bson.int64(signature.keyId)
	end
	return time
end

---Notes what a reply says of time.
---@param reply table
---@param cluster_time table|nil of the reply
function session:learn(reply, cluster_time)
	local server = self.server
	if not server then
		return
	end
	server.used = now()
	if self.implicit then
		-- Nobody asks for what it has seen.
		return
	elseif reply.operationTime then
		self:advanceOperationTime(reply.operationTime)
	end
	if cluster_time then
		self:advanceClusterTime(cluster_time)
	end
	if self.transaction and type(reply.recoveryToken) == "table" then
		self.transaction.token = reply.recoveryToken
	end
	if self.options.snapshot and not self.snapshot_time then
		self.snapshot_time = reply.cursor and reply.cursor.atClusterTime or reply.atClusterTime
	end
end

---A command of this session got no reply: who knows what the server thinks of it.
function session:mark_dirty()
	if self.server then
		self.server.dirty = true
	end
end

-- ---- what users call ----

---The session is to see what happened up to then, for example what another session (of another process) has written.
---@param timestamp string|nil another session's operationTime
function session:advanceOperationTime(timestamp)
	if timestamp ~= nil and bson.type(timestamp) ~= "timestamp" then
		error("mongo: an operation time is a timestamp", 0)
	end
	if session.later(timestamp, self.operationTime) then
		self.operationTime = timestamp
	end
end

---@param cluster_time table|nil another session's clusterTime
function session:advanceClusterTime(cluster_time)
	if cluster_time ~= nil and (type(cluster_time) ~= "table" or bson.type(cluster_time.clusterTime) ~= "timestamp") then
		error("mongo: a cluster time is a document with the timestamp clusterTime", 0)
	end
	self.clusterTime = session.newest(cluster_time, self.clusterTime)
end

---The moment that a snapshot session reads at: nil before its first read.
---@return string|nil timestamp
function session:getSnapshotTime()
	if not self.options.snapshot then
		error("mongo: only a session with snapshot = true has a snapshot time", 0)
	end
	return self.snapshot_time
end

---Ends the session: its id may be used again, by the next. A transaction under way is aborted.
function session:endSession()
	local server, ids = self.server, self.pool
	if not server then
		return
	elseif self.transaction then
		if self:inTransaction() then
			if not coroutine.isyieldable() then
				-- Its coroutine was ended.
				skynet.fork(self.endSession, self)
				return
			end
			self:abortTransaction()
		end
		self:unpin()
	end
	self.server = nil
	local limit = oldest(self.timeout)
	while ids[1] and ids[1].used <= limit do
		table.remove(ids, 1)
	end
	if not server.dirty and server.used > limit then
		ids[#ids + 1] = server
	end
end

session.__close = session.endSession

return session
