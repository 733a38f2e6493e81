-- One operation, in as many attempts as may help: what is worth another one, and which error is told in the end. By the
-- specifications "Retryable Reads", "Retryable Writes", "Client Side Operations Timeout" and "Client Backpressure".
--
-- Repeated are reads, writes that carry a number by which the server recognises them, and whatever was certainly not
-- sent; nothing is when the client's retryReads or retryWrites says so. Once, or as often as there is time if the
-- operation is timed. What an overloaded server has refused is repeated whatever it is, after a pause.
local now = require "reef.base.now"
local errors = require "reef.mongo.errors"
local limits = require "reef.mongo.limits"
local skynet = require "skynet"
local transactions = require "reef.mongo.transactions"

local attempts = {}

-- Seconds that an operation takes at most, unless somebody says otherwise.
local DEFAULT_TIMEOUT = 30
-- The first wire version (MongoDB 4.4) whose servers say themselves which errors are worth another attempt.
local LABELS_BY_SERVER = 9
-- What a server without a journal of sessions says to a write with a number.
local ILLEGAL_OPERATION = 20
-- Pauses before what an overloaded server has refused is repeated, in seconds: the first, and the longest.
local FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10

local retryable_codes = {
	[6] = true, [7] = true, [89] = true, [91] = true, [134] = true, [189] = true, [262] = true, [9001] = true,
	[10107] = true, [11600] = true, [11602] = true, [13435] = true, [13436] = true,
}

-- ---- sessions and numbers ----

-- Does the deployment recognise a write that comes again?
local function knows_numbers(server)
	return server.type == "LoadBalancer" or server.type ~= "Standalone" and server.logicalSessionTimeoutMinutes ~= nil
end

---What an operation has taken, to be given back when it is over, however it ends. A client uses one again.
---@class mongo.loan
---@field client mongo.core_client
---@field session mongo.session|nil
---@field number integer|nil of a write, the same for all attempts
---@field connections mongo.pool|nil
---@field connection mongo.pooled|nil taken from there
---@field renewed boolean|nil it has logged in once more
---@field used mongo.session|nil of the command that the connection has

---Lends a session to an operation that has none, and numbers a write that may come again: called when there is a
---connection to send it on.
---@param client mongo.core_client
---@param server mongo.server
---@param op mongo.command
---@param loan mongo.loan
---@return integer|nil number
function attempts.prepare(client, server, op, loan)
	if op.unacknowledged or op.transaction then
		return nil
	end
	local minutes = server.logicalSessionTimeoutMinutes
	if not op.session and minutes then
		op.session = client.sessions:lend(minutes)
		loan.session = op.session
	end
	if op.write and op.retry and client.retry_writes and op.session and knows_numbers(server) then
		loan.number = loan.number or op.session:next_number()
	end
	return loan.number
end

local loan_meta = { __close = function(loan)
	local connection, session = loan.connection, loan.session
	if connection then
		loan.connection = nil
		if loan.used then
			-- Its coroutine was ended: the server may be at it for long, and do nothing else for that session.
			loan.used:mark_dirty()
		end
		loan.connections:check_in(connection)
	end
	if session then
		loan.session = nil
		session:endSession()
	end
	loan.number, loan.connections, loan.renewed, loan.used = nil, nil, nil, nil
	loan.client.spare_loan = loan
end }

local function take_loan(client)
	local loan = client.spare_loan
	client.spare_loan = false
	return loan or setmetatable({ client = client, session = nil, connections = nil, connection = nil }, loan_meta)
end

-- ---- errors ----

local function concern_code(err)
	return type(err.writeConcernError) == "table" and err.writeConcernError.code or nil
end

-- Gives the error of a numbered write the label that says whether another attempt may help.
local function label(err, server)
	local old = server.type ~= "LoadBalancer" and (server.maxWireVersion or 0) < LABELS_BY_SERVER
	if not err.reply then
		err.labels.RetryableWriteError = err.code ~= "auth" or nil
	elseif old and (retryable_codes[err.reply.code] or server.type ~= "Mongos" and retryable_codes[concern_code(err)]) then
		err.labels.RetryableWriteError = true
	elseif err.code == ILLEGAL_OPERATION and err.message:find("^Transaction numbers") then
		err.message = "This MongoDB deployment does not support retryable writes. Please add retryWrites=false to "
			.. "your connection string."
	end
end

-- Has the server refused it because it has too much to do, and would not mind another attempt?
local function is_overloaded(err)
	return err.labels.SystemOverloadedError == true and err.labels.RetryableError == true
end

-- Do the client's settings forbid to repeat it?
local function is_forbidden(client, op)
	if op.ending then
		return false
	elseif op.given then
		return not (client.retry_reads and client.retry_writes)
	end
	return op.write and not client.retry_writes or not op.write and not client.retry_reads
end

local function may_repeat(client, op, err, numbered)
	if err.code == "auth" or err.code == "overload"
		or (err.code == "timeout" and (err.reason or err.outcome ~= "not sent"))
	then
		return false
	elseif is_overloaded(err) then
		return not is_forbidden(client, op)
	elseif op.transaction and not op.ending then
		return false
	elseif is_forbidden(client, op) then
		return false
	elseif err.outcome == "not sent" then
		return true
	elseif not op.retry then
		return false
	elseif op.write then
		return numbered and err.labels.RetryableWriteError == true
	end
	return not err.reply or retryable_codes[err.code] == true
end

-- ---- attempts ----

-- The server of an operation that cannot go to another.
local function fixed_server(client, op, address, last)
	local server = client.topology.description.servers[address]
	if not server or not client.pools[address] then
		error(last or client:no_server(op, now(), address .. " is gone"), 0)
	end
	return server
end

-- The server for the next attempt. Raises when there is none: what the last attempt met, if there was one.
local function server_for(client, op, avoid, last)
	if op.address then
		return fixed_server(client, op, op.address, last)
	end
	local t = op.transaction
	if t and op.session.pinned then
		return fixed_server(client, op, op.session.pinned, last)
	end
	local server
	if last then
		op.avoid = avoid
		local ok
		ok, server = pcall(client.select, client, op, op.deadline)
		if not ok or (op.write and op.retry and not op.ending and not knows_numbers(server) and not is_overloaded(last)) then
			error(last, 0)
		end
	else
		server = client:select(op, op.deadline)
	end
	if t and server.type == "Mongos" and not op.ending then
		op.session.pinned = server.address
	end
	return server
end

-- Waits for what an overloaded server needs. False: not that long.
local function pause(op, retries)
	local seconds = math.random() * math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ (retries - 1))
	if now() + seconds > op.deadline then
		return false
	end
	skynet.sleep(math.ceil(seconds * 100))
	return true
end

---What is left to be done about an error before it is told or another attempt is made.
local function classify(op, err, server, loan)
	if loan.number or op.ending then
		label(err, server)
	end
	if op.transaction then
		transactions.label(op, err)
	end
	errors.name(err, op.db, errors.collection_of(op))
end

-- Lets what is told of a write say that an attempt before it may have done it. What a server answers to a numbered
-- write that it has looked at is about all attempts.
local function remember(told, before)
	if before and told.outcome ~= "maybe applied" and not (told.reply and told.reply.ok == 1) then
		told.outcome, told.cause = "maybe applied", before
		told.message = told.message .. "; an attempt before may have been applied: " .. before.message
	end
end

---Brings a command to a server and its reply back.
---@param client mongo.core_client
---@param op mongo.command
---@return table reply
---@return mongo.error|nil err what the reply reports; what happened below the protocol is raised
---@return string address of the server that answered
function attempts.execute(client, op)
	if not op.deadline then
		local timeout = client.timeout
		op.timed = timeout ~= nil
		op.deadline = timeout == 0 and math.huge or now() + (timeout and timeout / 1000 or DEFAULT_TIMEOUT)
	end
	if client.on_event then
		client.last_operation = client.last_operation + 1
		op.id = client.last_operation
	end
	if not op.session and client.current then
		op.session = client.current[coroutine.running()]
		op.unacknowledged = not op.session and op.unacknowledged or nil
	end
	if op.session then
		op.session:check(client, op)
	end
	local loan <close> = take_loan(client)
	local retries, most = 0, op.timed and math.huge or 1
	local told, told_reply, avoid, unsure
	while true do
		local server = server_for(client, op, avoid, told)
		if op.least_wire and server.type ~= "LoadBalancer" and (server.maxWireVersion or 0) < op.least_wire then
			error(errors.new({ code = "incompatible", outcome = "not sent", command = op.name },
				op.least_why or "the server is too old for an option of this operation, and would not say so"), 0)
		end
		local reply, err = client:attempt(server, op, loan)
		if not err then
			if op.transaction then
				transactions.seen(op)
			end
			return reply, nil, server.address
		end
		if err.renewed then
			goto again
		end
		retries = retries + 1
		classify(op, err, server, loan)
		if not told or not err.labels.NoWritesPerformed then
			told, told_reply = err, reply
		end
		if op.write or op.ending then
			remember(told, unsure)
			unsure = unsure or told.outcome == "maybe applied" and told or nil
		end
		told.attempts = retries
		local overloaded = err.labels.SystemOverloadedError
		if overloaded then
			most = client.adaptive_retries
		end
		local again = retries <= most and may_repeat(client, op, err, loan.number ~= nil or op.ending ~= nil)
		if op.transaction and not (again and overloaded) then
			transactions.seen(op, err)
		end
		if again and now() >= op.deadline then
			error(op.timed and limits.expired(op, told) or told, 0)
		elseif not again or (overloaded and not pause(op, retries)) then
			if not told_reply then
				error(told, 0)
			end
			return told_reply, told, server.address
		end
		if not overloaded or client.retarget then
			avoid = avoid or {}
			avoid[server.address] = true
		end
		if op.before_retry then
			op.before_retry(err)
		end
		::again::
	end
end

return attempts
