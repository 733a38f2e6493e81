-- Many writes of one kind to one collection: in as few messages as the server takes, answered as one.
local core = require "reef.mongo.core"
local errors = require "reef.mongo.errors"
local replies = require "reef.mongo.replies"

local bulk = {}

-- What every server since 4.2 takes, and room for the rest of the message.
local MOST_WRITES, MOST_BYTES = 100000, 48000000 - 16384

local identifiers = { insert = "documents", update = "updates", delete = "deletes" }

-- Does a reply speak of statements that it was not asked about?
local function strays(reply, count)
	for _, key in ipairs { "upserted", "writeErrors" } do
		for _, item in ipairs(reply[key] or {}) do
			if item.index >= count then
				return ("'%s' has the index %d, of %d statements"):format(key, item.index, count)
			end
		end
	end
	return nil
end

local function merge(total, reply, offset)
	total.n = total.n + (reply.n or 0)
	if reply.nModified then
		total.nModified = (total.nModified or 0) + reply.nModified
	end
	for _, key in ipairs { "upserted", "writeErrors" } do
		for _, item in ipairs(reply[key] or {}) do
			item.index = item.index + offset
			total[key] = total[key] or {}
			table.insert(total[key], item)
		end
	end
	total.writeConcernError = total.writeConcernError or reply.writeConcernError
	if reply.ok ~= 1 or reply.errmsg then
		total.ok, total.errmsg, total.code, total.codeName = 0, reply.errmsg, reply.code, reply.codeName
	end
	total.errorLabels = total.errorLabels or reply.errorLabels
end

-- May the server be asked again to do exactly this?
local function repeatable(statements)
	for _, statement in ipairs(statements) do
		if type(statement) ~= "table" or statement.multi or statement.limit == 0 then
			return false
		end
	end
	return true
end

---@class mongo.bulk
---@field db string
---@field collection string
---@field kind "insert"|"update"|"delete"
---@field statements table
---@field ordered boolean|nil default true
---@field extra table|nil keys and values for the command
---@field session mongo.session|nil
---@field deadline number|nil
---@field timed boolean|nil as in mongo.command
---@field unacknowledged boolean|nil
---@field least_wire integer|nil as in mongo.command

---A command that writes statements, as many as one message takes.
---@param db string
---@param collection string
---@param kind "insert"|"update"|"delete"
---@param statements table
---@param ordered boolean|nil default true
---@param extra table|nil keys and values for the command
---@return mongo.command
function bulk.command(db, collection, kind, statements, ordered, extra)
	local body = { kind, collection, "ordered", ordered ~= false }
	if extra then
		table.move(extra, 1, #extra, 5, body)
	end
	return {
		db = db, name = kind, body = body, identifier = identifiers[kind], documents = statements, write = true,
		retry = kind == "insert" or repeatable(statements), shape = "write", plain = extra == nil,
	}
end

---Writes what bulk.command has made.
---@param client mongo.core_client
---@param op mongo.command
---@param count integer of its statements
---@return table reply
---@return mongo.error|nil
---@return string address
function bulk.execute(client, op, count)
	local reply, err, address = client:execute(op)
	local why = (reply.upserted or reply.writeErrors) and strays(reply, count)
	if why then
		error(replies.malformed(address, op.name, why), 0)
	end
	return reply, err, address
end

-- One message with the statements from `first` on that `batch` has encoded; all of them if there is none.
local function write(client, b, batch, first, last)
	local whole = first == 1 and last == #b.statements
	local op = bulk.command(b.db, b.collection, b.kind,
		whole and b.statements or table.move(b.statements, first, last, 1, {}), b.ordered, b.extra)
	op.batch, op.session, op.deadline, op.timed = batch, b.session, b.deadline, b.timed
	op.unacknowledged, op.least_wire = b.unacknowledged, b.least_wire
	return bulk.execute(client, op, last - first + 1)
end

---Writes; answers one reply as if the server had taken all in one message, and the error it reports. When one message
---of several ends it, the reply has in `answered` how many statements were in those before it; of what is raised it is
---in `partial`.
---@param client mongo.core_client
---@param b mongo.bulk
---@return table reply
---@return mongo.error|nil
function bulk.run(client, b)
	if #b.statements == 0 then
		error(("mongo: nothing to %s"):format(b.kind), 0)
	elseif #b.statements == 1 and not b.unacknowledged then
		local reply, err = write(client, b, nil, 1, 1)
		return reply, err
	end
	local ordered = b.ordered ~= false
	local total, first = { ok = 1, n = 0 }, 1
	local host, labels, refused
	repeat
		local encoded, batch, next_first = pcall(core.batch, b.statements, first, MOST_BYTES, MOST_WRITES,
			b.kind == "insert")
		local ok, reply, err, address = encoded, batch, nil, nil
		if encoded then
			ok, reply, err, address = pcall(write, client, b, batch, first, next_first - 1)
			core.release(batch)
		end
		if first > 1 and (not ok or reply.ok ~= 1) then
			total.answered = first - 1
		end
		if not ok then
			if total.answered then
				reply = errors.in_part(reply, b.kind, b.unacknowledged)
				reply.partial, reply.writeErrors = total, total.writeErrors
			end
			error(reply, 0)
		end
		host = address
		labels = err and err.labels or labels
		merge(total, reply, first - 1)
		-- It may say more than the reply, of an attempt before.
		refused = reply.ok ~= 1 and err or nil
		first = next_first
	until first > #b.statements or (ordered and total.writeErrors) or total.ok ~= 1
	local err = refused or errors.from_reply(total, host, b.kind)
	if err then
		err.reply, err.writeErrors, err.writeConcernError = total, total.writeErrors, total.writeConcernError
		err = total.answered and errors.in_part(err, b.kind, b.unacknowledged) or err
		err.labels = labels or err.labels
		errors.name(err, b.db, b.collection)
	end
	return total, err
end

---Does the result of a bulk write say that anything was done?
---@param result { insertedCount: integer, matchedCount: integer, deletedCount: integer, upsertedCount: integer }
---@return boolean
function bulk.is_something(result)
	return result.insertedCount + result.matchedCount + result.deletedCount + result.upsertedCount > 0
end

return bulk
