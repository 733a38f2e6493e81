-- One operation, in one or two attempts: what is worth a second one, and which error is told when both fail. By the
-- specifications "Retryable Reads" and "Retryable Writes".
--
-- Repeated once are reads, writes that carry a number by which the server recognises them, and whatever was certainly
-- not sent; nothing is when the client's retryReads or retryWrites says so.
local now = require "reef.base.now"
local errors = require "reef.mongo.errors"

local attempts = {}

-- Seconds that an operation takes at most, unless somebody says otherwise.
local DEFAULT_TIMEOUT = 30
-- The first wire version (MongoDB 4.4) whose servers say themselves which errors are worth another attempt.
local LABELS_BY_SERVER = 9
-- What a server without a journal of sessions says to a write with a number.
local ILLEGAL_OPERATION = 20

local retryable_codes = {
	[6] = true, [7] = true, [89] = true, [91] = true, [134] = true, [189] = true, [262] = true, [9001] = true,
	[10107] = true, [11600] = true, [11602] = true, [13435] = true, [13436] = true,
}

-- ---- sessions and numbers ----

-- Does the deployment recognise a write that comes again?
local function knows_numbers(server)
	return server.type ~= "Standalone" and server.logicalSessionTimeoutMinutes ~= nil
end

---What an operation has taken, to be given back when it is over, however it ends.
---@class mongo.loan
---@field session mongo.session|nil
---@field number integer|nil of a write, the same for all attempts
---@field connections mongo.pool|nil
---@field connection mongo.pooled|nil taken from there

---Lends a session to an operation that has none, and numbers a write that may come again: called when there is a
---connection to send it on.
---@param client mongo.core_client
---@param server mongo.server
---@param op mongo.command
---@param loan mongo.loan
---@return integer|nil number
function attempts.prepare(client, server, op, loan)
	if op.unacknowledged then
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
	if loan.connection then
		loan.connections:check_in(loan.connection)
	end
	if loan.session then
		loan.session:endSession()
	end
end }

-- ---- errors ----

local function concern_code(err)
	return type(err.writeConcernError) == "table" and err.writeConcernError.code or nil
end

-- Gives the error of a numbered write the label that says whether another attempt may help.
local function label(err, server)
	local old = (server.maxWireVersion or 0) < LABELS_BY_SERVER
	if not err.reply then
		err.labels.RetryableWriteError = err.code ~= "auth" or nil
	elseif old and (retryable_codes[err.reply.code] or server.type ~= "Mongos" and retryable_codes[concern_code(err)]) then
		err.labels.RetryableWriteError = true
	elseif err.code == ILLEGAL_OPERATION and err.message:find("^Transaction numbers") then
		err.message = "This MongoDB deployment does not support retryable writes. Please add retryWrites=false to "
			.. "your connection string."
	end
end

local function may_repeat(client, op, err, numbered)
	if err.code == "auth" or err.code == "overload"
		or (err.code == "timeout" and (err.reason or err.outcome ~= "not sent")) then
		return false
	elseif (op.write and not client.retry_writes) or (not op.write and not client.retry_reads) then
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

-- The server for the next attempt. Raises when there is none: what the last attempt met, if there was one.
local function server_for(client, op, avoid, last)
	if op.address then
		local server = client.topology.description.servers[op.address]
		if not server or not client.pools[op.address] then
			error(last or client:no_server(op, now(), op.address .. " is gone"), 0)
		end
		return server
	end
	if not last then
		return client:select(op, op.deadline)
	end
	op.avoid = avoid
	local ok, server = pcall(client.select, client, op, op.deadline)
	if not ok or (op.write and op.retry and not knows_numbers(server)) then
		error(last, 0)
	end
	return server
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
		op.timeout_given = timeout ~= nil and timeout > 0
		op.deadline = timeout == 0 and math.huge or now() + (timeout and timeout / 1000 or DEFAULT_TIMEOUT)
	end
	if op.session then
		op.session:check(client, op)
	end
	local loan <close> = setmetatable({ session = nil, connections = nil, connection = nil }, loan_meta)
	local first, first_reply, avoid
	for attempt = 1, 2 do
		local server = server_for(client, op, avoid, first)
		if op.least_wire and (server.maxWireVersion or 0) < op.least_wire then
			error(errors.new({ code = "incompatible", outcome = "not sent", command = op.name },
				"the server is too old for an option of this operation, and would not say so"), 0)
		end
		local reply, err = client:attempt(server, op, loan)
		if err then
			err.attempts = attempt
			if loan.number then
				label(err, server)
			end
		end
		if not err or attempt == 2 or now() >= op.deadline or not may_repeat(client, op, err, loan.number ~= nil) then
			if first and err and err.labels.NoWritesPerformed then
				first.attempts = attempt
				reply, err = first_reply, first
			end
			if not reply then
				error(err, 0)
			end
			return reply, err, server.address
		end
		first, first_reply = err, reply
		avoid = { [server.address] = true }
	end
end

return attempts
