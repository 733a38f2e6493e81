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
local function repeatable(kind, statements)
	if kind == "insert" then
		return true
	end
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

-- One message with the statements from `first` on that `batch` has encoded; all of them if there is none.
local function write(client, b, batch, first, last)
	local body = { b.kind, b.collection, "ordered", b.ordered ~= false }
	if b.extra then
		table.move(b.extra, 1, #b.extra, 5, body)
	end
	local whole = first == 1 and last == #b.statements
	local op = {
		db = b.db, name = b.kind, body = body, identifier = identifiers[b.kind], batch = batch,
		documents = whole and b.statements or table.move(b.statements, first, last, 1, {}),
		write = true, retry = repeatable(b.kind, b.statements), shape = "write", plain = b.extra == nil,
	}
	-- Most have none of these, and to look costs less than to set nil.
	if b.session or b.deadline then
		op.session, op.deadline, op.timed = b.session, b.deadline, b.timed
	end
	if b.unacknowledged then
		op.unacknowledged, op.least_wire = true, b.least_wire
	end
	local reply, err, address = client:execute(op)
	local why = (reply.upserted or reply.writeErrors) and strays(reply, last - first + 1)
	if why then
		error(replies.malformed(address, b.kind, why), 0)
	end
	return reply, err, address
end

---Writes; answers one reply as if the server had taken all in one message, and the error it reports.
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
	local host, labels
	repeat
		local batch, next_first = core.batch(b.statements, first, MOST_BYTES, MOST_WRITES, b.kind == "insert")
		local ok, reply, err, address = pcall(write, client, b, batch, first, next_first - 1)
		core.release(batch)
		if not ok then
			if errors.is(reply) and first > 1 then
				reply.partial = total
			end
			error(reply, 0)
		end
		host = address
		labels = err and err.labels or labels
		merge(total, reply, first - 1)
		first = next_first
	until first > #b.statements or (ordered and total.writeErrors) or total.ok ~= 1
	local err = errors.from_reply(total, host, b.kind)
	if err then
		err.labels = labels or err.labels
		errors.name(err, b.db, b.collection)
	end
	return total, err
end

return bulk
