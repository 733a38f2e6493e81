-- Transactions: what sessions can do besides. By the specifications "Transactions" and "Convenient API for
-- Transactions"; words of errors are theirs.
--
-- The state of a transaction is that of its session: *starting* until the server has seen a command of it, *in
-- progress*, *committed* or *aborted*. All of its commands go to the mongos that had the first (or, behind a load
-- balancer, over the same connection): the session is pinned.
local bson = require "bson"
local errors = require "reef.mongo.errors"
local left = require "reef.mongo.left"
local limits = require "reef.mongo.limits"
local now = require "reef.base.now"
local skynet = require "skynet"

---@class mongo.transaction_options
---@field readConcern { level: string }|nil
---@field writeConcern table|nil of the commit
---@field readPreference mongo.read_preference|nil
---@field maxCommitTimeMS integer|nil
---@field timeoutMS integer|nil only of withTransaction: for all of it

---@class mongo.transaction
---@field state "starting"|"in progress"|"committed"|"aborted"
---@field number integer
---@field empty boolean|nil it was committed without any command
---@field token table|nil the server's word by which another mongos finds out what became of it
---@field span mongo.span|nil (spans.lua)
---@field guard mongo.left_guard|nil has it aborted if nobody ends it
---@field sent boolean|nil the server may have seen a command of it

local transactions = {}

-- Seconds for which withTransaction tries again, unless somebody says otherwise.
local LONGEST = 120
-- Of what a server does for a commit that comes again, at most, in ms.
local COMMIT_WTIMEOUT = 10000
-- Pauses between attempts at a whole transaction, in seconds.
local FIRST_PAUSE, FACTOR, LONGEST_PAUSE = 0.005, 1.5, 0.5
-- Write concerns that cannot ever be met: UnknownReplWriteConcern and CannotSatisfyWriteConcern.
local hopeless = { [79] = true, [100] = true }
local MAX_TIME_EXPIRED = 50

local methods = {}

local function refuse(command, why)
	error(errors.new({ code = "session", outcome = "not sent", command = command }, why), 0)
end

---Is a transaction under way?
---@return boolean
function methods:inTransaction()
	local t = self.transaction
	return t ~= nil and (t.state == "starting" or t.state == "in progress")
end

---The session's commands may go anywhere again.
function methods:unpin()
	self.pinned = nil
	local held = self.pinned_connection
	if held then
		self.pinned_connection = nil
		held:release()
	end
end

-- ---- beginning ----

---@param options mongo.transaction_options|nil
function methods:startTransaction(options)
	if not self.server then
		refuse("startTransaction", "the session has ended")
	elseif self.options.snapshot then
		refuse("startTransaction", "Transactions are not supported in snapshot sessions")
	elseif self:inTransaction() then
		refuse("startTransaction", "Transaction already in progress")
	end
	local given, default, inherited = options or {}, self.options.defaultTransactionOptions or {}, self.defaults
	local function choose(key, last)
		if given[key] ~= nil then
			return given[key]
		elseif default[key] ~= nil then
			return default[key]
		end
		return last
	end
	local concern = choose("writeConcern", inherited.write_concern)
	if concern and concern.w == 0 then
		refuse("startTransaction", "transactions do not support unacknowledged write concern")
	end
	self:unpin()
	self.transaction = {
		state = "starting", number = self:next_number(), writeConcern = concern and next(concern) and concern or nil,
		readConcern = choose("readConcern", inherited.read_concern),
		readPreference = choose("readPreference", inherited.read_preference),
		maxCommitTimeMS = choose "maxCommitTimeMS",
	}
	local tracer = self.pool.client.tracer
	if tracer then
		tracer:enter(self.transaction)
	end
end

-- Nothing has to be aborted for whoever ends.
local function settle(t)
	if t.guard then
		t.guard:release()
		t.guard = nil
	end
end

-- The transaction is over, as far as this service can tell.
local function leave(self, t)
	local client = self.pool.client
	settle(t)
	if client.tracer then
		client.tracer:leave(t)
	end
end

---A command of a transaction is about to be sent. If this service ends before it has ended the transaction, or forgets
---it, somebody else has it aborted: the server would hold what it has written for a minute.
---@param client mongo.core_client
---@param op mongo.command
---@param address string
function transactions.bequeath(client, op, address)
	local t = op.transaction
	t.sent = true
	-- Behind a load balancer nobody else reaches that service; it ends a transaction with its connection.
	if t.guard and t.guard.address == address or client.balanced then
		return
	end
	settle(t)
	t.guard = left.guard(client, address, "abortTransaction", 1, "lsid", op.session.lsid, "txnNumber",
		bson.int64(t.number), "autocommit", false, "$db", "admin")
end

-- ---- ending ----

local function majority(concern)
	local made = { wtimeout = COMMIT_WTIMEOUT }
	for k, v in pairs(concern or {}) do
		made[k] = v
	end
	made.w = "majority"
	return made
end

-- Commits or aborts at the server; raises what went wrong.
local function finish(session, name, t, again, options)
	local body = { name, 1 }
	local op = {
		db = "admin", name = name, write = true, retry = true, session = session, ending = name, deadline = options.deadline,
		timed = options.timed, body = body,
	}
	local function fill()
		local concern = again and majority(t.writeConcern) or t.writeConcern
		body[3], body[4] = nil, nil
		if concern then
			body[3], body[4] = "writeConcern", concern
		end
		if name == "commitTransaction" and t.maxCommitTimeMS then
			body[#body + 1], body[#body + 2] = "maxTimeMS", t.maxCommitTimeMS
		end
	end
	fill()
	function op.before_retry(err)
		if name == "abortTransaction" then
			session:unpin()
		elseif not err.labels.SystemOverloadedError then
			for i = #body, 3, -1 do
				body[i] = nil
			end
			again = true
			fill()
		end
	end
	local _, err = session.pool.client:execute(op)
	if err then
		error(err, 0)
	end
end

-- The time of a command that ends a transaction.
local function time_of(session, given)
	local ms = given and given.timeoutMS
	if ms ~= nil and session.deadline then
		refuse("commitTransaction", "timeoutMS cannot be set for an operation within withTransaction that has one")
	elseif session.deadline then
		return { deadline = session.deadline, timed = true }
	end
	local own = session.options.defaultTimeoutMS
	if own == nil then
		own = session.pool.client.timeout
	end
	return limits.set({}, { timeout = own }, { timeoutMS = ms })
end

-- The coroutine that would have ended it was ended itself, and nobody may wait in its place.
local function abandon(self, t)
	t.state = "aborted"
	if not t.sent then
		leave(self, t)
		return
	end
	skynet.fork(function()
		pcall(finish, self, "abortTransaction", t, false, time_of(self))
		leave(self, t)
		self:unpin()
	end)
end

---Makes what the transaction has done last. May be called again when it is not known whether that has happened (an
---error with the label UnknownTransactionCommitResult).
---@param options { timeoutMS: integer|nil }|nil
function methods:commitTransaction(options)
	local t = self.transaction
	if not t then
		refuse("commitTransaction", "No transaction started")
	elseif t.state == "aborted" then
		refuse("commitTransaction", "Cannot call commitTransaction after calling abortTransaction")
	elseif t.state == "starting" or t.empty then
		t.state, t.empty = "committed", true
		leave(self, t)
		return
	end
	local again = t.state == "committed"
	t.state = "committed"
	local told, err
	local _ <close> = setmetatable({}, { __close = function()
		if told == nil then
			abandon(self, t)
		else
			leave(self, t)
		end
	end })
	told, err = pcall(finish, self, "commitTransaction", t, again, time_of(self, options))
	if not told then
		error(err, 0)
	end
end

---Undoes what the transaction has done. What goes wrong on the way is not told: the server undoes it by itself, then.
---@param options { timeoutMS: integer|nil }|nil
function methods:abortTransaction(options)
	local t = self.transaction
	if not t then
		refuse("abortTransaction", "No transaction started")
	elseif t.state == "committed" then
		refuse("abortTransaction", "Cannot call abortTransaction after calling commitTransaction")
	elseif t.state == "aborted" then
		refuse("abortTransaction", "Cannot call abortTransaction twice")
	end
	if not coroutine.isyieldable() then
		abandon(self, t)
		return
	end
	t.state = "aborted"
	if t.sent then
		pcall(finish, self, "abortTransaction", t, false, time_of(self, options))
	end
	leave(self, t)
	self:unpin()
end

-- ---- the whole ----

local function has_label(err, name)
	return errors.is(err) and err.labels[name] == true
end

-- Is the error that a server gave up for its maxTimeMS?
local function ran_out(err)
	local concern = err.writeConcernError
	return err.code == MAX_TIME_EXPIRED or type(concern) == "table" and concern.code == MAX_TIME_EXPIRED
end

local function timeout_error(self, err, since)
	if errors.is(err) and self.deadline then
		return limits.expired({ name = "withTransaction", since = since }, err)
	end
	return err
end

local function commit_until(self, limit, since)
	while true do
		local ok, err = pcall(self.commitTransaction, self)
		if ok then
			return true
		elseif now() >= limit then
			error(timeout_error(self, err, since), 0)
		elseif has_label(err, "UnknownTransactionCommitResult") and not ran_out(err) then
			skynet.yield()
		elseif has_label(err, "TransientTransactionError") then
			return false, err
		else
			error(err, 0)
		end
	end
end

-- The callback's results if it is over, else nothing and its error.
local function attempt(self, callback, options, limit, since)
	self:startTransaction(options)
	local results = table.pack(pcall(callback, self))
	if not results[1] then
		local err = results[2]
		if self:inTransaction() then
			local deadline = self.deadline
			-- A time of its own: the transaction's may be over.
			self.deadline = nil
			pcall(self.abortTransaction, self, self.with_timeout and { timeoutMS = self.with_timeout })
			self.deadline = deadline
		end
		if has_label(err, "TransientTransactionError") then
			if now() >= limit then
				error(timeout_error(self, err, since), 0)
			end
			return nil, err
		end
		error(err, 0)
	end
	if self:inTransaction() then
		local done, err = commit_until(self, limit, since)
		if not done then
			return nil, err
		end
	end
	return results
end

---Runs a function in a transaction, which is committed when it returns and aborted when it raises. Both are tried again
---while that may help and time is left (120 s, or timeoutMS): so the function may be called several times, and must not
---do what cannot be done twice. It has to give the session to its operations, and must not keep their errors to itself.
---@param callback fun(session: mongo.session): ...
---@param options mongo.transaction_options|nil
---@return any ... what the callback returned
function methods:withTransaction(callback, options)
	local since = now()
	local given = options and options.timeoutMS
	if given == nil then
		given = self.options.defaultTimeoutMS
	end
	if given == nil then
		given = self.pool.client.timeout
	end
	limits.check(given)
	local limit = limits.deadline(given) or since + LONGEST
	self.deadline, self.with_timeout = given and limit or nil, given
	local _ <close> = setmetatable({}, { __close = function()
		self.deadline, self.with_timeout = nil, nil
		if self:inTransaction() then
			abandon(self, self.transaction)
		end
	end })
	local n, last = 0, nil
	while true do
		if last then
			local pause = math.random() * math.min(FIRST_PAUSE * FACTOR ^ (n - 1), LONGEST_PAUSE)
			if now() + pause >= limit then
				error(timeout_error(self, last, since), 0)
			end
			skynet.sleep(math.ceil(pause * 100))
		end
		n = n + 1
		local results, err = attempt(self, callback, options, limit, since)
		if results then
			return table.unpack(results, 2, results.n)
		end
		last = err
	end
end

methods.with_transaction = methods.withTransaction

transactions.methods = methods

-- ---- what commands of a transaction are ----

---An operation is about to be done in a session that has had a transaction.
---@param session mongo.session
---@param t mongo.transaction
---@param op mongo.command
function transactions.enter(session, t, op)
	if op.ending then
		op.transaction = t
		return
	elseif t.state == "committed" or t.state == "aborted" then
		session.transaction = nil
		session:unpin()
		return
	elseif op.write == nil and t.readPreference and (t.readPreference.mode or "primary") ~= "primary" then
		refuse(op.name, "read preference in a transaction must be primary")
	end
	op.transaction = t
	op.preference = nil
end

local function take(body, key)
	for i = 1, #body, 2 do
		if body[i] == key then
			local value = body[i + 1]
			table.remove(body, i)
			table.remove(body, i)
			return value
		end
	end
	return nil
end

---Makes a command part of its transaction.
---@param session mongo.session
---@param body table keys and values in turn
---@param op mongo.command
function transactions.decorate(session, body, op)
	local t = op.transaction
	local n
	if not op.ending then
		local concern = take(body, "readConcern")
		if concern and op.given then
			refuse(op.name, "Cannot set read concern after starting a transaction")
		end
		take(body, "writeConcern")
		n = #body
	else
		n = #body
		if t.token then
			body[n + 1], body[n + 2] = "recoveryToken", t.token
			n = n + 2
		end
	end
	body[n + 1], body[n + 2], body[n + 3], body[n + 4] = "txnNumber", bson.int64(t.number), "autocommit", false
	if t.state == "starting" then
		body[n + 5], body[n + 6] = "startTransaction", true
		local concern = {}
		for k, v in pairs(t.readConcern or {}) do
			concern[k] = v
		end
		if session.causal and session.operationTime then
			concern.afterClusterTime = session.operationTime
		end
		if next(concern) then
			body[n + 7], body[n + 8] = "readConcern", concern
		end
	end
end

---A command of the transaction was answered, or lost: the server may have seen it.
---@param op mongo.command
---@param err mongo.error|nil
function transactions.seen(op, err)
	local t = op.transaction
	if t.state == "starting" then
		if err and err.outcome == "not sent" then
			t.sent = nil
		else
			t.state = "in progress"
		end
	end
end

---Labels the error of a command in a transaction, and lets the session go where it has to.
---@param op mongo.command
---@param err mongo.error
function transactions.label(op, err)
	local labels, session = err.labels, op.session
	if op.ending ~= "commitTransaction" then
		if not err.reply and err.code ~= "auth" and err.code ~= "session" then
			labels.TransientTransactionError = true
		end
		if not op.ending then
			labels.RetryableWriteError = nil
		end
	elseif not err.reply or labels.RetryableWriteError or ran_out(err)
		or (err.writeConcernError and err.reply.ok == 1 and not hopeless[err.writeConcernError.code])
	then
		labels.UnknownTransactionCommitResult = err.code ~= "session" and err.code ~= "auth" or nil
	end
	if labels.TransientTransactionError or labels.UnknownTransactionCommitResult then
		session:unpin()
	end
end

return transactions
