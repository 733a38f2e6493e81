-- The commands that read and write documents: each takes a command as it came and answers a reply without `ok`.
local bson = require "bson"
local changes = require "test.peer.changes"
local cursors = require "test.peer.cursors"
local expression = require "test.peer.expression"
local failure = require "test.peer.failure"
local pipeline = require "test.peer.pipeline"
local query = require "test.peer.query"
local value = require "test.peer.value"

local commands = {}

local plain = value.plain

---@class test.peer.request
---@field member test.mongo_member
---@field set table the deployment: store, cursors, version
---@field db string

-- ---- cursors ----

function commands.getMore(command, request)
	local cursor = request.set.cursors[plain(command.getMore)]
	if not cursor then
		failure.raise(43, "cursor id %d not found", plain(command.getMore))
	end
	if cursor.stream then
		return changes.more(command, request, cursor.stream)
	end
	return cursors.more(request.set, command, cursor)
end

function commands.killCursors(command, request)
	for _, id in ipairs(command.cursors) do
		request.set.cursors[plain(id)] = nil
	end
	return { cursorsKilled = command.cursors }
end

-- ---- reading ----

-- The time that a snapshot read sees, nil without one.
local function snapshot_time(command, request)
	local concern = command.readConcern
	if not concern or concern.level ~= "snapshot" or command.autocommit ~= nil then
		return nil
	end
	if concern.atClusterTime then
		local _, seconds = bson.type(concern.atClusterTime)
		return seconds
	end
	return request.set.store.time
end

-- The documents of a collection or a view.
local function documents_of(request, name, time)
	local collection = request.set.store:find(request.db, name)
	local view = collection and collection.options.viewOn
	if view then
		return pipeline.run(documents_of(request, view, time), collection.options.pipeline or {},
			{ store = request.set.store, db = request.db })
	end
	return request.set.store:documents(request.db, name, time)
end

local function narrow(docs, command)
	local first = (plain(command.skip) or 0) + 1
	local limit = math.abs(plain(command.limit) or 0)
	return table.move(docs, first, limit > 0 and math.min(#docs, first + limit - 1) or #docs, 1, {})
end

local function context_of(command)
	return { let = expression.variables(command.let), collation = command.collation, sort = command.sort }
end

function commands.find(command, request)
	query.check(command.filter or {})
	local time = snapshot_time(command, request)
	local store = request.set.store
	local docs = store.matching(documents_of(request, command.find, time), command.filter or {}, context_of(command))
	local out = {}
	local variables = expression.variables(command.let)
	for i, doc in ipairs(narrow(docs, command)) do
		doc = query.project(doc, command.returnKey and { _id = 1 } or command.projection, variables)
		if command.showRecordId and not command.returnKey then
			doc = value.copy(doc)
			doc["$recordId"] = bson.int64(i)
		end
		out[i] = doc
	end
	return cursors.open(request.set, out, request.db .. "." .. command.find, {
		size = plain(command.batchSize), single = command.singleBatch, tailable = command.tailable, time = time,
	})
end

function commands.aggregate(command, request)
	local time = snapshot_time(command, request)
	local name = command.aggregate
	if command.pipeline[1] and command.pipeline[1]["$changeStream"] then
		return changes.open(command, request)
	end
	local docs = type(name) == "string" and documents_of(request, name, time) or {}
	docs = pipeline.run(docs, command.pipeline, {
		store = request.set.store, db = request.db, name = name, let = expression.variables(command.let),
		collation = command.collation,
	})
	if command.explain then
		return { queryPlanner = {} }
	end
	local ns = request.db .. "." .. (type(name) == "string" and name or "$cmd.aggregate")
	return cursors.open(request.set, docs, ns, { size = plain((command.cursor or {}).batchSize), time = time })
end

function commands.count(command, request)
	local docs = request.set.store.matching(documents_of(request, command.count), command.query or {}, context_of(command))
	return { n = #narrow(docs, command) }
end

-- There is no JavaScript here: the one function that the suites have, the sum of x + 1.
function commands.mapReduce(command, request)
	local sum, n = 0, 0
	for _, doc in ipairs(documents_of(request, command.mapReduce)) do
		if query.match(doc, command.query or {}, {}) then
			sum, n = sum + (plain(doc.x) or 0) + 1, n + 1
		end
	end
	local results = bson.array(n > 0 and { bson.document("_id", 0, "value", sum) } or {})
	if type(command.out) == "table" and command.out.inline then
		return { results = results }
	end
	return { result = command.out }
end

function commands.distinct(command, request)
	local time = snapshot_time(command, request)
	local docs = request.set.store.matching(documents_of(request, command.distinct, time), command.query or {},
		context_of(command))
	local values = {}
	local function add(v)
		for _, other in ipairs(values) do
			if value.equal(v, other, command.collation) then
				return
			end
		end
		values[#values + 1] = v
	end
	for _, doc in ipairs(docs) do
		for _, v in ipairs(value.at(doc, command.key)) do
			for _, item in ipairs(type(v) == "table" and bson.is_array(v) and v or { v }) do
				add(item)
			end
		end
	end
	table.sort(values, function(a, b)
		return value.compare(a, b) < 0
	end)
	return { values = bson.array(values), atClusterTime = time and bson.timestamp(time, 1) or nil }
end

-- ---- writing ----

-- Does each statement; what one of them meets goes to writeErrors, and ends an ordered command.
local function each(command, statements, reply, work)
	for i, statement in ipairs(statements) do
		local ok, err = pcall(work, statement, i - 1)
		if not ok then
			if type(err) ~= "table" then
				error(err, 0)
			end
			reply.writeErrors = reply.writeErrors or bson.array {}
			table.insert(reply.writeErrors, value.document("index", i - 1, "code", err.code, "errmsg", err.errmsg,
				"errInfo", err.errInfo, "keyPattern", err.keyPattern, "keyValue", err.keyValue))
			if command.ordered ~= false then
				break
			end
		end
	end
	return reply
end

local function update_context(statement, command)
	return {
		multi = statement.multi, upsert = statement.upsert, arrayFilters = statement.arrayFilters,
		collation = statement.collation, let = expression.variables(command.let), sort = statement.sort,
		bypass = command.bypassDocumentValidation,
	}
end

function commands.insert(command, request)
	local reply = { n = 0 }
	return each(command, command.documents, reply, function(doc)
		request.set.store:insert(request.db, command.insert, doc, { bypass = command.bypassDocumentValidation })
		reply.n = reply.n + 1
	end)
end

function commands.update(command, request)
	for _, statement in ipairs(command.updates) do
		if type(statement.u) == "table" and bson.is_array(statement.u) then
			pipeline.check(statement.u)
		end
	end
	local reply = { n = 0, nModified = 0 }
	return each(command, command.updates, reply, function(statement, index)
		local n, modified, upserted = request.set.store:update(request.db, command.update, statement.q, statement.u,
			update_context(statement, command))
		reply.n = reply.n + n + (upserted and 1 or 0)
		reply.nModified = reply.nModified + modified
		if upserted then
			reply.upserted = reply.upserted or bson.array {}
			table.insert(reply.upserted, value.document("index", index, "_id", upserted._id))
		end
	end)
end

commands["delete"] = function(command, request)
	local reply, store = { n = 0 }, request.set.store
	return each(command, command.deletes, reply, function(statement)
		local context = { collation = statement.collation, let = expression.variables(command.let) }
		reply.n = reply.n + #store:remove(request.db, command.delete, statement.q, plain(statement.limit), context)
	end)
end

function commands.findAndModify(command, request)
	local store = request.set.store
	local before, after, matched, upserted, _
	local context = update_context(command, command)
	if command.remove then
		local found = store.matching(store:documents(request.db, command.findAndModify), command.query or {}, context)
		before = found[1]
		matched = before and 1 or 0
		if before then
			store:remove(request.db, command.findAndModify, value.document("_id", before._id), 1, {})
		end
	else
		matched, _, upserted, before, after = store:update(request.db, command.findAndModify, command.query or {},
			command.update, context)
	end
	local shown = command.new and after or not command.new and before or nil
	return {
		lastErrorObject = value.document("n", upserted and 1 or matched, "updatedExisting",
			not command.remove and (matched > 0) or nil, "upserted", upserted and upserted._id),
		value = shown and query.project(shown, command.fields, expression.variables(command.let)) or bson.null,
	}
end

-- ---- writes to several collections ----

local function bulk_insert(op, ns, request, command, reply)
	request.set.store:insert(ns.db, ns.name, op.document, { bypass = command.bypassDocumentValidation })
	reply.nInserted = reply.nInserted + 1
	return { n = 1 }
end

local function bulk_update(op, ns, request, command, reply)
	local context = update_context(op, command)
	local n, modified, upserted = request.set.store:update(ns.db, ns.name, op.filter, op.updateMods, context)
	reply.nMatched = reply.nMatched + n
	reply.nModified = reply.nModified + modified
	reply.nUpserted = reply.nUpserted + (upserted and 1 or 0)
	return { n = n + (upserted and 1 or 0), nModified = modified, upserted = upserted and { _id = upserted._id } or nil }
end

local function bulk_delete(op, ns, request, command, reply)
	local context = { collation = op.collation, let = expression.variables(command.let) }
	local n = #request.set.store:remove(ns.db, ns.name, op.filter, op.multi and 0 or 1, context)
	reply.nDeleted = reply.nDeleted + n
	return { n = n }
end

local bulk = { insert = bulk_insert, update = bulk_update, delete = bulk_delete }

function commands.bulkWrite(command, request)
	local reply = { nErrors = 0, nInserted = 0, nMatched = 0, nModified = 0, nUpserted = 0, nDeleted = 0 }
	local results = {}
	for i, op in ipairs(command.ops) do
		local kind, at = value.first(op)
		local db, name = command.nsInfo[plain(at) + 1].ns:match "^([^.]*)%.(.*)$"
		local ok, result = pcall(bulk[kind], op, { db = db, name = name }, request, command, reply)
		if not ok and type(result) ~= "table" then
			error(result, 0)
		elseif not ok then
			reply.nErrors = reply.nErrors + 1
			result = { ok = 0, n = 0, code = result.code, errmsg = result.errmsg, errInfo = result.errInfo }
		else
			result.ok = 1
		end
		result.idx = i - 1
		if not ok or not command.errorsOnly then
			results[#results + 1] = result
		end
		if not ok and command.ordered ~= false then
			break
		end
	end
	local size = plain((command.cursor or {}).batchSize)
	reply.cursor = cursors.open(request.set, results, "admin.$cmd.bulkWrite", { size = size }).cursor
	return reply
end

return commands
