-- Writes to several collections in one command (MongoDB 8.0 and later), by the specification "Bulk Write".
--
--     client:bulkWrite({
--         { insertOne = { namespace = "shop.orders", document = { _id = 7 } } },
--         { updateOne = { namespace = "shop.stock", filter = { _id = "pen" }, update = { ["$inc"] = { n = -1 } } } },
--     }, { verboseResults = true })
local bson = require "bson"
local bulk = require "reef.mongo.bulk"
local core = require "reef.mongo.core"
local cursor = require "reef.mongo.cursor"
local documents = require "reef.mongo.documents"
local errors = require "reef.mongo.errors"
local known = require "reef.mongo.known"
local limits = require "reef.mongo.limits"
local replies = require "reef.mongo.replies"

local client_bulk = {}

-- MongoDB 8.0.
local LEAST_WIRE = 25
local MOST_WRITES, MOST_BYTES = 100000, 48000000 - 16384

-- ---- models to statements ----

local function copy_options(statement, model, ...)
	for _, key in ipairs { ... } do
		if model[key] ~= nil then
			statement[key] = key == "arrayFilters" and bson.array(model[key]) or model[key]
		end
	end
	return statement
end

local function update(index, model, changes, multi)
	local statement = bson.document("update", index, "filter", model.filter, "updateMods", changes, "multi", multi)
	return copy_options(statement, model, "upsert", "arrayFilters", "hint", "collation", "sort"), multi
end

local models = {}

function models.insertOne(index, model)
	local document = documents.with_id(model.document)
	return bson.document("insert", index, "document", document), false, document._id
end

function models.updateOne(index, model)
	return update(index, model, documents.check_update(model.update), false)
end

function models.updateMany(index, model)
	return update(index, model, documents.check_update(model.update), true)
end

function models.replaceOne(index, model)
	return update(index, model, documents.check_replacement(model.replacement), false)
end

local function delete(index, model, multi)
	local statement = bson.document("delete", index, "filter", model.filter, "multi", multi)
	return copy_options(statement, model, "hint", "collation"), multi
end

function models.deleteOne(index, model)
	return delete(index, model, false)
end

function models.deleteMany(index, model)
	return delete(index, model, true)
end

-- All statements; the namespaces they count; the kind and the id of each; which of them change many documents.
local function prepare(list)
	local all = { statements = {}, namespaces = bson.array {}, kinds = {}, ids = {}, multi = {} }
	local places = {}
	for i, item in ipairs(list) do
		local name = next(item)
		local make = models[name] or error("mongo: unknown write model " .. tostring(name), 0)
		local model = item[name]
		known.check_model(name, model, true)
		local ns = model.namespace
		if type(ns) ~= "string" or not ns:find "^[^.]+%.." then
			error(("mongo: write model %d has no namespace 'database.collection'"):format(i), 0)
		end
		if not places[ns] then
			table.insert(all.namespaces, { ns = ns })
			places[ns] = #all.namespaces - 1
		end
		all.statements[i], all.multi[i], all.ids[i] = make(places[ns], model)
		all.kinds[i] = name
	end
	return all
end

-- ---- results ----

local function new_result(verbose)
	local result = { insertedCount = 0, upsertedCount = 0, matchedCount = 0, modifiedCount = 0, deletedCount = 0 }
	if verbose then
		result.insertResults, result.updateResults, result.deleteResults = {}, {}, {}
	end
	return result
end

local function add_counts(result, reply)
	result.insertedCount = result.insertedCount + (reply.nInserted or 0)
	result.upsertedCount = result.upsertedCount + (reply.nUpserted or 0)
	result.matchedCount = result.matchedCount + (reply.nMatched or 0)
	result.modifiedCount = result.modifiedCount + (reply.nModified or 0)
	result.deletedCount = result.deletedCount + (reply.nDeleted or 0)
end

-- What one statement came to.
local function add_result(result, all, item, place)
	local kind = all.kinds[place]
	if kind == "insertOne" then
		result.insertResults[place] = { insertedId = all.ids[place] }
	elseif kind == "deleteOne" or kind == "deleteMany" then
		result.deleteResults[place] = { deletedCount = item.n }
	else
		result.updateResults[place] = {
			matchedCount = item.n, modifiedCount = item.nModified or 0, upsertedId = item.upserted and item.upserted._id,
		}
	end
end

---@class mongo.client_bulk_state
---@field result table
---@field write_errors table[]
---@field concern_errors table[]

-- Raises unless it is what a reply says of one of `count` statements.
local function check_item(item, count, address)
	local why = replies.check_document(item, replies.shapes.write_item)
		or item.idx >= count and ("it speaks of statement %d, of %d"):format(item.idx, count)
	if why then
		error(replies.malformed(address, "bulkWrite", why), 0)
	end
end

-- Reads the results of one command to their end. An error that ends it is raised.
local function collect(client, state, all, reply, first, count, options, address, held)
	local before = #state.write_errors
	add_counts(state.result, reply)
	if reply.writeConcernError then
		table.insert(state.concern_errors, reply.writeConcernError)
	end
	local results <close> = cursor.of_reply(client, "admin", reply, address, {
		session = options.session, deadline = options.deadline, timed = options.timed, held = held,
	})
	for item in results:each() do
		check_item(item, count, address)
		local place = first + item.idx
		if item.ok ~= 1 then
			table.insert(state.write_errors, {
				index = place - 1, code = item.code, errmsg = item.errmsg, errInfo = item.errInfo,
			})
		elseif options.verboseResults then
			add_result(state.result, all, item, place)
		end
	end
	local failed = #state.write_errors - before
	local done = failed == 0 or (options.ordered == false and failed < count)
		or (options.ordered ~= false and state.write_errors[before + 1].index >= first)
	state.done = state.done or done
end

-- The error of all that went wrong; `cause` ended the whole before its end.
local function failure(state, cause, address)
	local first = state.write_errors[1] or state.concern_errors[1]
	local err = cause
	if not errors.is(err) then
		err = errors.new {
			code = first.code or "unknown", outcome = state.write_errors[1] and "rejected" or "maybe applied",
			host = "mongo " .. address, command = "bulkWrite", message = first.errmsg or "unknown error",
			kind = state.write_errors[1] and errors.kind(first.code) or not state.write_errors[1] and "write concern" or nil,
			details = first.errInfo, reply = state.reply,
		}
	end
	err.writeErrors = state.write_errors[1] and state.write_errors or nil
	err.writeConcernErrors = state.concern_errors[1] and state.concern_errors or nil
	err.result = state.done and state.result or nil
	return err
end

-- ---- running ----

local function check_options(options)
	local unacknowledged = options.writeConcern and options.writeConcern.w == 0
	if unacknowledged and options.verboseResults then
		error("mongo: Cannot request unacknowledged write concern and verbose results", 0)
	elseif unacknowledged and options.ordered ~= false then
		error("mongo: Cannot request unacknowledged write concern and ordered writes", 0)
	end
	return unacknowledged
end

local function body_of(all, options)
	local body = { "bulkWrite", 1, "errorsOnly", not options.verboseResults, "ordered", options.ordered ~= false,
		"nsInfo", all.namespaces }
	for _, key in ipairs { "bypassDocumentValidation", "let", "comment", "rawData", "writeConcern" } do
		if options[key] ~= nil then
			body[#body + 1], body[#body + 2] = key, options[key]
		end
	end
	return body
end

local function has_multi(all, first, last)
	for i = first, last do
		if all.multi[i] then
			return true
		end
	end
	return false
end

---@param client mongo.core_client
---@param list table[] { insertOne | updateOne | updateMany | replaceOne | deleteOne | deleteMany = model }
---@param options { ordered: boolean|nil, verboseResults: boolean|nil, bypassDocumentValidation: boolean|nil,
---  comment: any, let: table|nil, writeConcern: table|nil, session: mongo.session|nil, timeoutMS: integer|nil }
---@return table counts, and with verboseResults what became of each; raises an error object with `writeErrors`,
---  `writeConcernErrors` and, if anything was done, `result`
function client_bulk.run(client, list, options)
	if not list[1] then
		error("mongo: a bulk write must not be empty", 0)
	end
	local all = prepare(list)
	local limit = limits.set({}, { timeout = client.timeout }, options)
	local deadline = limit.deadline
	local unacknowledged = check_options(options)
	options = setmetatable({ deadline = deadline, timed = limit.timed }, { __index = options })
	local state = { result = new_result(options.verboseResults), write_errors = {}, concern_errors = {} }
	local first, cause, address = 1, nil, "no server"
	repeat
		local encoded, batch, next_first = pcall(core.batch, all.statements, first, MOST_BYTES, MOST_WRITES)
		if not encoded then
			cause = batch
			break
		end
		local op = {
			opens = true,
			db = "admin", name = "bulkWrite", body = body_of(all, options), identifier = "ops",
			documents = table.move(all.statements, first, next_first - 1, 1, {}), batch = batch, write = true,
			retry = not has_multi(all, first, next_first - 1), session = options.session, deadline = deadline,
			timed = limit.timed,
			unacknowledged = unacknowledged, batches = true, shape = "writes", least_wire = LEAST_WIRE,
			least_why = "bulkWrite of a client needs MongoDB 8.0 or later",
		}
		local ok, reply, err, host = pcall(client.execute, client, op)
		core.release(batch)
		address = host or address
		if not ok then
			cause = reply
		elseif reply.ok ~= 1 then
			cause = err
		elseif not unacknowledged then
			state.reply = reply
			local read, problem = pcall(collect, client, state, all, reply, first, next_first - first, options, address, op.held)
			cause = not read and errors.in_part(problem, "bulkWrite", true) or nil
		end
		if cause then
			break
		end
		first = next_first
	until first > #all.statements or (options.ordered ~= false and state.write_errors[1])
	if cause and first > 1 and (unacknowledged or bulk.is_something(state.result)) then
		cause = errors.in_part(cause, "bulkWrite", unacknowledged)
	elseif cause and not errors.is(cause) then
		-- The caller's fault: nothing was sent, or done.
		error(cause, 0)
	end
	if cause or state.write_errors[1] or state.concern_errors[1] then
		error(failure(state, cause, address), 0)
	end
	state.result.acknowledged = not unacknowledged
	return state.result
end

-- ---- the form that skynet's users know ----

---{ op = "insert"|"update"|"delete", collection = "db.coll", ... }: answers instead of raising.
---@return boolean ok
---@return string|nil err
---@return table reply
---@return integer[] failed_indexes
function client_bulk.run_ops(client, ops, comment, is_ordered, bypass, errors_only)
	local spaces, index, list = {}, {}, {}
	for i, op in ipairs(ops) do
		local ns = op.collection
		if not index[ns] then
			spaces[#spaces + 1] = { ns = ns }
			index[ns] = #spaces - 1
		end
		if op.op == "insert" then
			list[i] = bson.document("insert", index[ns], "document", op.insert)
		elseif op.op == "update" then
			list[i] = bson.document("update", index[ns], "filter", op.filter, "updateMods", op.update,
				"multi", op.multi or false, "upsert", op.upsert or false)
			list[i].constants, list[i].collation, list[i].hit = op.constants, op.collation, op.hit
		elseif op.op == "delete" then
			list[i] = bson.document("delete", index[ns], "filter", op.filter, "multi", op.multi or false)
			list[i].collation, list[i].hit = op.collation, op.hit
		else
			error("Invalid op " .. tostring(op.op))
		end
	end
	local body = { "bulkWrite", 1, "ops", bson.array(list), "nsInfo", bson.array(spaces),
		"ordered", is_ordered ~= false, "bypassDocumentValidation", bypass or false, "errorsOnly", errors_only or false }
	if comment then
		body[#body + 1], body[#body + 2] = "comment", comment
	end
	local reply, _, address = client:execute {
		db = "admin", name = "bulkWrite", body = body, write = true, shape = "writes",
	}
	local failed, text = {}, errors.text_of_reply(reply)
	for _, item in ipairs(reply.ok == 1 and reply.cursor and reply.cursor.firstBatch or {}) do
		check_item(item, #ops, address)
		if item.ok ~= 1 then
			failed[#failed + 1] = item.idx + 1
			text = text or item.errmsg
		end
	end
	return reply.ok == 1 and not text, text, reply, failed
end

return client_bulk
