-- How long an operation may take, and other things that options of an operation say about it. By the specification
-- "Client Side Operations Timeout": `timeoutMS` of the operation, of the transaction that it is part of, of its
-- collection, database or client, whichever comes first. Without any of these an operation is not *timed*: it ends at a
-- deadline of our own (attempts.lua), and the older options for times are obeyed.
local errors = require "reef.mongo.errors"
local now = require "reef.base.now"

local limits = {}

local function refuse(why)
	error(errors.new({ code = "session", outcome = "not sent", command = "operation" }, why), 0)
end

---Raises when it is not a number of milliseconds.
---@param ms integer|nil
---@return integer|nil
function limits.check(ms)
	if ms ~= nil and (type(ms) ~= "number" or ms < 0) then
		error(("mongo: timeoutMS = %s: not a number of milliseconds"):format(tostring(ms)), 0)
	end
	return ms
end

---@param ms integer|nil milliseconds; 0: without an end
---@param default integer milliseconds
---@return number seconds
function limits.seconds(ms, default)
	ms = ms or default
	return ms == 0 and math.huge or ms / 1000
end

---@param ms integer|nil milliseconds; 0: without an end
---@return number|nil deadline
function limits.deadline(ms)
	return ms and (ms > 0 and now() + ms / 1000 or math.huge)
end

-- What an operation must not say for itself in a transaction.
local function check_transaction(session, options)
	local t = session.transaction
	if not t or (t.state ~= "starting" and t.state ~= "in progress") then
		return
	elseif options.readConcern ~= nil then
		refuse "Cannot set read concern after starting a transaction"
	elseif options.writeConcern ~= nil then
		refuse "Cannot set write concern after starting a transaction"
	elseif options.readPreference and options.readPreference.mode ~= "primary" then
		refuse "read preference in a transaction must be primary"
	end
end

---Sets what the options say of the operation's time and session.
---@param op table of which `session`, `deadline` and `timed` are set
---@param settings { timeout: integer|nil }
---@param options { timeoutMS: integer|nil, session: mongo.session|nil, within: table|nil } within: the `op` of what
---  this is a part of
---@return table op
function limits.set(op, settings, options)
	local session, ms, within = options.session, options.timeoutMS, options.within
	if within then
		op.session, op.deadline, op.timed = session, within.deadline, within.timed
		return op
	end
	if session then
		op.session = session
		check_transaction(session, options)
		if session.deadline and ms ~= nil then
			refuse "timeoutMS cannot be set for an operation within withTransaction that has one"
		elseif session.deadline then
			op.deadline, op.timed = session.deadline, true
			return op
		end
	end
	if ms == nil then
		ms = settings.timeout
	end
	if ms ~= nil then
		limits.check(ms)
		op.deadline, op.timed = limits.deadline(ms), true
	end
	return op
end

---The error of an operation whose time is over, with what it met last.
---@param op mongo.command
---@param cause mongo.error|nil
---@return mongo.error
function limits.expired(op, cause)
	if cause and (cause.code == "timeout" or cause.code == 50 or cause.timeout) then
		return cause
	end
	local err = errors.new({
		code = "timeout", timeout = true, reason = "expired", outcome = cause and cause.outcome or "not sent",
		command = op.name,
		host = cause and cause.host, reply = cause and cause.reply, labels = cause and cause.labels, cause = cause,
		attempts = cause and cause.attempts, waited = op.since and now() - op.since,
	}, cause and "its time is over: " .. tostring(cause) or "its time is over")
	return errors.name(err, op.db, errors.collection_of(op))
end

return limits
