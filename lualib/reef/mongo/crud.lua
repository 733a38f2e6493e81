-- The operations of the driver specifications "CRUD", with their names, options and results. They raise error objects.
local bson = require "bson"
local bulk = require "reef.mongo.bulk"
local core = require "reef.mongo.core"
local cursor = require "reef.mongo.cursor"
local documents = require "reef.mongo.documents"
local errors = require "reef.mongo.errors"
local known = require "reef.mongo.known"
local limits = require "reef.mongo.limits"
local replies = require "reef.mongo.replies"

---@class mongo.collection
local crud = {}

local check_replacement, check_update = documents.check_replacement, documents.check_update
local first_key, prepare = documents.first_key, documents.with_id

local function concern_of(self, options)
	if options.writeConcern ~= nil then
		return options.writeConcern
	elseif options.session and options.session:inTransaction() then
		return nil
	end
	return self:settings().write_concern
end

-- Appends those of `keys` that the options have.
local function add_options(body, options, keys)
	for _, key in ipairs(keys) do
		if options[key] ~= nil then
			body[#body + 1] = key
			body[#body + 1] = options[key]
		end
	end
	return body
end

local NONE = {}
local WRITE_OPTIONS = { "bypassDocumentValidation", "comment", "let", "rawData" }

local function write_extra(self, options)
	local concern = concern_of(self, options)
	if not concern and options == NONE then
		return nil, nil
	end
	local extra = add_options({}, options, WRITE_OPTIONS)
	if concern then
		extra[#extra + 1] = "writeConcern"
		extra[#extra + 1] = concern
	end
	return extra, concern and concern.w == 0
end

-- The wire version of MongoDB 4.4. Earlier ones do not know hints of all writes, and nobody hears of it when the write
-- is not acknowledged.
local HINTS = 9

local function has_hint(statements)
	for _, statement in ipairs(statements) do
		if type(statement) == "table" and statement.hint ~= nil then
			return true
		end
	end
	return false
end

-- The reply of a write, and whether it comes from the server; raises what went wrong with the reply in `err.partial`.
-- `limit` is of all that it is a part of.
local function write(self, kind, statements, options, limit)
	local extra, unacknowledged = write_extra(self, options)
	if #statements == 1 and not unacknowledged and not limit then
		local op = bulk.command(self.database.name, self.name, kind, statements, options.ordered, extra)
		limits.set(op, self:settings(), options)
		local reply, err = bulk.execute(self:core(), op, 1)
		if err then
			err.partial = reply
			error(err, 0)
		end
		return reply, true
	end
	local b = {
		db = self.database.name, collection = self.name, kind = kind, statements = statements, extra = extra,
		ordered = options.ordered, unacknowledged = unacknowledged,
		least_wire = unacknowledged and kind == "delete" and has_hint(statements) and HINTS or nil,
	}
	if limit then
		b.session, b.deadline, b.timed = limit.session, limit.deadline, limit.timed
	else
		limits.set(b, self:settings(), options)
	end
	local reply, err = bulk.run(self:core(), b)
	if err then
		err.partial = reply
		error(err, 0)
	end
	return reply, not unacknowledged
end

-- ---- insert ----

---Inserts a document. Raises what goes wrong, as all of these do.
---@param doc table gets an `_id` if it has none
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return { acknowledged: boolean, insertedId: any }
function crud:insertOne(doc, options)
	local _, acknowledged = write(self, "insert", { prepare(doc) }, options or NONE)
	return { acknowledged = acknowledged, insertedId = doc._id }
end

-- Notes the ids of those that were inserted: not of those with an error, nor, in order, of those behind it.
local function note_ids(ids, reply, places, docs)
	local failed, n = {}, reply.answered or #docs
	for _, item in ipairs(reply.writeErrors or {}) do
		failed[item.index + 1] = true
	end
	for i = 1, n do
		if failed[i] and reply.ordered then
			break
		elseif not failed[i] then
			ids[places and places[i] or i] = docs[i]._id
		end
	end
end

---Inserts documents.
---@param docs table[]
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return { acknowledged: boolean, insertedCount: integer, insertedIds: any[] } raises an error object with the same of
---  those that were inserted in `result`
function crud:insertMany(docs, options)
	local ids = core.identify(docs)
	options = options or NONE
	local ok, reply, acknowledged = pcall(write, self, "insert", docs, options)
	if not ok then
		local partial = errors.is(reply) and reply.partial
		if partial and (partial.ok == 1 or partial.answered) then
			local done = {}
			partial.ordered = options.ordered ~= false
			note_ids(done, partial, nil, docs)
			reply.result = {
				insertedCount = partial.n or 0, insertedIds = done, matchedCount = 0, modifiedCount = 0, deletedCount = 0,
				upsertedCount = 0, upsertedIds = {},
			}
		end
		error(reply, 0)
	end
	return { acknowledged = acknowledged, insertedCount = reply.n, insertedIds = ids }
end

-- ---- update ----

local statement_options = { "upsert", "multi", "collation", "arrayFilters", "hint", "sort" }

local function update_statement(filter, update, options, multi)
	local statement = bson.document("q", filter, "u", update)
	for _, key in ipairs(statement_options) do
		if options[key] ~= nil then
			statement[key] = key == "arrayFilters" and bson.array(options[key]) or options[key]
		end
	end
	if multi then
		statement.multi = true
	end
	return statement
end

local function update_result(reply, acknowledged)
	local upserted = reply.upserted or {}
	if not acknowledged then
		return { acknowledged = false }
	end
	return {
		acknowledged = true,
		matchedCount = (reply.n or 0) - #upserted,
		modifiedCount = reply.nModified,
		upsertedCount = #upserted,
		upsertedId = upserted[1] and upserted[1]._id,
	}
end

---Updates the first document that matches.
---@param filter table
---@param update table operators, or a pipeline
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return { matchedCount: integer, modifiedCount: integer, upsertedCount: integer, upsertedId: any }
function crud:updateOne(filter, update, options)
	options = options or {}
	return update_result(write(self, "update", { update_statement(filter, check_update(update), options) }, options))
end

---Updates all documents that match.
---@param filter table
---@param update table operators, or a pipeline
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return { matchedCount: integer, modifiedCount: integer, upsertedCount: integer, upsertedId: any }
function crud:updateMany(filter, update, options)
	options = options or {}
	return update_result(write(self, "update", { update_statement(filter, check_update(update), options, true) }, options))
end

---Replaces the first document that matches.
---@param filter table
---@param replacement table
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return { matchedCount: integer, modifiedCount: integer, upsertedCount: integer, upsertedId: any }
function crud:replaceOne(filter, replacement, options)
	options = options or {}
	local statement = update_statement(filter, check_replacement(replacement), options)
	return update_result(write(self, "update", { statement }, options))
end

-- ---- delete ----

local function delete_statement(filter, options, limit)
	local statement = bson.document("q", filter, "limit", limit)
	statement.collation, statement.hint = options.collation, options.hint
	return statement
end

local function delete_result(reply, acknowledged)
	return { acknowledged = acknowledged, deletedCount = acknowledged and reply.n or nil }
end

---Deletes the first document that matches.
---@param filter table
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return { deletedCount: integer }
function crud:deleteOne(filter, options)
	options = options or {}
	return delete_result(write(self, "delete", { delete_statement(filter, options, 1) }, options))
end

---Deletes all documents that match.
---@param filter table
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return { deletedCount: integer }
function crud:deleteMany(filter, options)
	options = options or {}
	return delete_result(write(self, "delete", { delete_statement(filter, options, 0) }, options))
end

-- ---- find one and do something ----

local function execute(self, op, options)
	op.db = self.database.name
	op.exact = self:settings().exact
	limits.set(op, self:settings(), options)
	local reply, err, address = self:core():execute(op)
	if err then
		error(err, 0)
	end
	return reply, address
end

local function find_and(self, filter, words, options)
	local body = { "findAndModify", self.name, "query", filter }
	table.move(words, 1, #words, #body + 1, body)
	if options.projection then
		body[#body + 1], body[#body + 2] = "fields", options.projection
	end
	add_options(body, options, {
		"sort", "upsert", "collation", "hint", "bypassDocumentValidation", "comment", "let", "maxTimeMS", "rawData",
	})
	if options.arrayFilters then
		body[#body + 1], body[#body + 2] = "arrayFilters", bson.array(options.arrayFilters)
	end
	local concern = concern_of(self, options)
	if concern then
		body[#body + 1], body[#body + 2] = "writeConcern", concern
	end
	local unacknowledged = concern and concern.w == 0
	local reply = execute(self, {
		name = "findAndModify", body = body, write = true, retry = not unacknowledged, unacknowledged = unacknowledged,
		least_wire = unacknowledged and options.hint ~= nil and HINTS or nil, shape = "value",
	}, options)
	return reply.value
end

---@param filter table
---@param update table operators, or a pipeline
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return table|nil the document as it was, or as it is with options.returnDocument = "after"
function crud:findOneAndUpdate(filter, update, options)
	options = options or {}
	local after = options.returnDocument and options.returnDocument:lower() == "after"
	return find_and(self, filter, { "update", check_update(update), "new", after or false }, options)
end

---Replaces one document.
---@param filter table
---@param replacement table
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return table? document
function crud:findOneAndReplace(filter, replacement, options)
	options = options or {}
	local after = options.returnDocument and options.returnDocument:lower() == "after"
	return find_and(self, filter, { "update", check_replacement(replacement), "new", after or false }, options)
end

---Deletes one document.
---@param filter table
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return table? document
function crud:findOneAndDelete(filter, options)
	return find_and(self, filter, { "remove", true }, options or {})
end

-- ---- counting and distinct values ----

-- The reply, and who sent it.
local function read_op(self, name, body, options, shape)
	local settings = self:settings()
	local concern = options.readConcern or settings.read_concern
	if concern then
		body[#body + 1], body[#body + 2] = "readConcern", concern
	end
	return execute(self, {
		name = name, body = body, retry = true, preference = options.readPreference or settings.read_preference,
		shape = shape,
	}, options)
end

---@param filter table
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return integer
function crud:countDocuments(filter, options)
	options = options or {}
	local pipeline = { { ["$match"] = filter or {} } }
	if options.skip then
		pipeline[#pipeline + 1] = { ["$skip"] = options.skip }
	end
	if options.limit then
		pipeline[#pipeline + 1] = { ["$limit"] = options.limit }
	end
	pipeline[#pipeline + 1] = { ["$group"] = { _id = 1, n = { ["$sum"] = 1 } } }
	local body = { "aggregate", self.name, "pipeline", bson.array(pipeline), "cursor", {} }
	add_options(body, options, { "collation", "hint", "comment", "maxTimeMS", "rawData" })
	local reply, address = read_op(self, "aggregate", body, options, "first_batch")
	local counted = reply.cursor.firstBatch[1]
	local why = counted and replies.check_document(counted, replies.shapes.count)
	if why then
		error(replies.malformed(address, "aggregate", why), 0)
	end
	return counted and counted.n or 0
end

---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return integer
function crud:estimatedDocumentCount(options)
	options = options or {}
	local body = add_options({ "count", self.name }, options, { "maxTimeMS", "comment", "rawData" })
	return read_op(self, "count", body, options, "count").n
end

---How many documents match, by the command that countDocuments replaces: fast, but wrong on sharded clusters.
---@param filter table|nil
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return integer
function crud:count(filter, options)
	options = options or {}
	local body = { "count", self.name, "query", filter or {} }
	add_options(body, options, { "skip", "limit", "hint", "collation", "comment", "maxTimeMS", "rawData" })
	return read_op(self, "count", body, options, "count").n
end

---@param key string
---@param filter table|nil
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return any[]
function crud:distinct(key, filter, options)
	options = options or {}
	local body = { "distinct", self.name, "key", key, "query", filter or {} }
	add_options(body, options, { "collation", "comment", "hint", "maxTimeMS", "rawData" })
	return read_op(self, "distinct", body, options, "values").values
end

---The cursor of a find with options by their names in the specification.
---@param filter table|nil
---@param options table|nil by their names in the driver specification; session, timeoutMS
function crud:findWith(filter, options)
	options = options or {}
	local client = self:settings()
	local settings = { filter = filter or {}, readConcern = options.readConcern or client.read_concern }
	for _, key in ipairs {
		"sort", "projection", "hint", "skip", "limit", "batchSize", "comment", "maxTimeMS", "max", "min", "returnKey",
		"showRecordId", "noCursorTimeout", "allowPartialResults", "collation", "allowDiskUse", "let", "rawData",
	} do
		settings[key] = options[key]
	end
	if cursor.is_tailable(options) then
		settings.tailable = true
		settings.awaitData = options.cursorType == "tailableAwait" or nil
	end
	if settings.limit and settings.limit < 0 then
		settings.limit, settings.singleBatch = -settings.limit, true
	end
	return cursor.find(self:core(), self.database.name, self.name, settings, cursor.time({
		readPreference = options.readPreference or client.read_preference, exact = client.exact,
	}, client, options))
end

---Watches what happens to the collection.
---@param pipeline table|nil stages that choose and change what is told
---@param options mongo.change_stream_options|nil
---@return mongo.change_stream
function crud:watch(pipeline, options)
	return require "reef.mongo.change_stream".watch(self:core(), self.database.name, self.name, pipeline, self:settings(),
		options)
end

---The results of a map-reduce. Servers would rather be given an aggregation.
---@param map string bson.code
---@param reduce string bson.code
---@param out any `{ inline = 1 }`, or where the results go
---@param options table|nil by their names in the command; session, readPreference, timeoutMS
---@return table[]|nil of `inline`
function crud:mapReduce(map, reduce, out, options)
	options = options or {}
	local settings = self:settings()
	local body = { "mapReduce", self.name, "map", map, "reduce", reduce, "out", out }
	add_options(body, options, {
		"query", "sort", "limit", "finalize", "scope", "jsMode", "verbose", "bypassDocumentValidation", "collation",
		"comment", "maxTimeMS",
	})
	local inline = type(out) == "table" and out.inline ~= nil
	local concern
	if inline then
		concern = options.readConcern or settings.read_concern
	else
		concern = concern_of(self, options)
	end
	if concern then
		body[#body + 1], body[#body + 2] = inline and "readConcern" or "writeConcern", concern
	end
	local reply = execute(self, {
		name = "mapReduce", body = body, write = not inline or nil,
		preference = inline and (options.readPreference or settings.read_preference) or nil,
	}, options)
	return inline and reply.results or nil
end

-- ---- bulk ----

local models = {}

function models.insertOne(m)
	return "insert", prepare(m.document)
end

function models.updateOne(m)
	return "update", update_statement(m.filter, check_update(m.update), m)
end

function models.updateMany(m)
	return "update", update_statement(m.filter, check_update(m.update), m, true)
end

function models.replaceOne(m)
	return "update", update_statement(m.filter, check_replacement(m.replacement), m)
end

function models.deleteOne(m)
	return "delete", delete_statement(m.filter, m, 1)
end

function models.deleteMany(m)
	return "delete", delete_statement(m.filter, m, 0)
end

-- Runs of statements of one kind, in order; or one a kind when order does not matter.
local function group(requests, ordered)
	local groups, by_kind = {}, {}
	for i, request in ipairs(requests) do
		local name = first_key(request)
		local model = request[name]
		local make = models[name] or error("mongo: unknown write model " .. tostring(name), 0)
		known.check_model(name, model)
		local kind, statement = make(model)
		local last = ordered and groups[#groups] or by_kind[kind]
		if not last or last.kind ~= kind then
			last = { kind = kind, statements = {}, places = {} }
			groups[#groups + 1], by_kind[kind] = last, last
		end
		table.insert(last.statements, statement)
		table.insert(last.places, i)
	end
	return groups
end

local function count(result, kind, reply, places, statements)
	local upserted = reply.upserted or {}
	if kind == "insert" then
		result.insertedCount = result.insertedCount + (reply.n or 0)
		note_ids(result.insertedIds, reply, places, statements)
	elseif kind == "delete" then
		result.deletedCount = result.deletedCount + (reply.n or 0)
	else
		result.matchedCount = result.matchedCount + (reply.n or 0) - #upserted
		result.modifiedCount = result.modifiedCount + (reply.nModified or 0)
		result.upsertedCount = result.upsertedCount + #upserted
		for _, item in ipairs(upserted) do
			result.upsertedIds[places[item.index + 1]] = item._id
		end
	end
end

-- What is told of a bulk write: what ended it, else what went wrong first; and all errors of statements.
local function join(failure, err, places, ends)
	for _, item in ipairs(err.writeErrors or {}) do
		item.index = places[item.index + 1] - 1
	end
	if not failure then
		return err
	end
	local all, told = failure.writeErrors or {}, ends and err or failure
	table.move(err.writeErrors or {}, 1, #(err.writeErrors or {}), #all + 1, all)
	told.writeErrors = all[1] and all
	return told
end

---Writes of any kind: { { insertOne = { document = d } }, { updateOne = { filter = f, update = u } }, ... }
---@param requests table[]
---@param options table|nil by their names in the driver specification; session, timeoutMS
---@return table counts and ids; raises an error object with writeErrors and the counts so far in `result`
function crud:bulkWrite(requests, options)
	options = options or {}
	if not requests[1] then
		error("mongo: a bulk write must not be empty", 0)
	end
	local ordered = options.ordered ~= false
	local concern = concern_of(self, options)
	local unacknowledged = concern and concern.w == 0
	local result = {
		insertedCount = 0, matchedCount = 0, modifiedCount = 0, deletedCount = 0, upsertedCount = 0, insertedIds = {},
		upsertedIds = {},
	}
	local failure, sent
	local limit = limits.set({}, self:settings(), options)
	for _, g in ipairs(group(requests, ordered)) do
		local ok, reply = pcall(write, self, g.kind, g.statements, options, limit)
		local told = ok and reply or errors.is(reply) and reply.partial or {}
		-- What the server says of single statements does not end it.
		local ends = not ok and (told.ok ~= 1 or told.answered ~= nil)
		if told.ok == 1 or told.answered then
			told.ordered = ordered
			count(result, g.kind, told, g.places, g.statements)
		end
		if ends and (bulk.is_something(result) or unacknowledged and sent) then
			reply = errors.in_part(reply, "bulkWrite", unacknowledged)
		elseif ends and not errors.is(reply) then
			error(reply, 0)
		end
		if not ok then
			failure = join(failure, reply, g.places, ends)
		end
		if ends or not ok and ordered and reply.writeErrors then
			break
		end
		sent = true
	end
	if failure then
		failure.result = result
		error(failure, 0)
	end
	return unacknowledged and { acknowledged = false } or result
end

return known.guard(crud, "collection")
