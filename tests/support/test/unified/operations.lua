-- The operations of the unified test format on clients, databases, collections, sessions and cursors. Those of the test
-- runner itself are in runner_operations.lua.
local match = require "test.unified.match"
local skip = require "test.unified.skip"

local operations = {}

-- What the driver does not have, by what it is called.
local missing = {
	["client-side encryption"] = {
		"createDataKey", "encrypt", "decrypt", "rewrapManyDataKey", "deleteKey", "getKey", "getKeys", "getKeyByAltName",
		"addKeyAltName", "removeKeyAltName",
	},
}

for what, names in pairs(missing) do
	for _, name in ipairs(names) do
		operations[name] = function()
			skip(what)
		end
	end
end

-- Arguments as the driver's options, without those that are no options.
local function options_of(run, args, ...)
	local options = {}
	for k, v in pairs(args) do
		options[k] = match.plain(v)
	end
	for _, k in ipairs { ... } do
		options[k] = nil
	end
	if options.session then
		options.session = run.entities[options.session]
	end
	options.readPreference = match.read_preference(options.readPreference)
	options.writeConcern = match.write_concern(options.writeConcern)
	return options
end

-- ---- collections ----

function operations.insertOne(run, c, a)
	return c:insertOne(a.document, options_of(run, a, "document"))
end

-- The specification has results by the index of their document, from 0 on, as text.
local function by_index(list)
	if not list then
		return nil
	end
	local out = {}
	for i, v in pairs(list) do
		out[tostring(i - 1)] = v
	end
	return out
end

function operations.insertMany(run, c, a)
	local result = c:insertMany(a.documents, options_of(run, a, "documents"))
	result.insertedIds = by_index(result.insertedIds)
	return result
end

for _, name in ipairs { "updateOne", "updateMany", "findOneAndUpdate" } do
	operations[name] = function(run, c, a)
		return c[name](c, a.filter, a.update, options_of(run, a, "filter", "update"))
	end
end

for _, name in ipairs { "replaceOne", "findOneAndReplace" } do
	operations[name] = function(run, c, a)
		return c[name](c, a.filter, a.replacement, options_of(run, a, "filter", "replacement"))
	end
end

for _, name in ipairs { "deleteOne", "deleteMany", "findOneAndDelete", "countDocuments", "count" } do
	operations[name] = function(run, c, a)
		return c[name](c, a.filter, options_of(run, a, "filter"))
	end
end

local function shape_bulk(result)
	if result then
		result.insertedIds, result.upsertedIds = by_index(result.insertedIds), by_index(result.upsertedIds)
	end
	return result
end

function operations.bulkWrite(run, c, a)
	local ok, result = pcall(c.bulkWrite, c, a.requests, options_of(run, a, "requests"))
	if not ok then
		if type(result) == "table" then
			shape_bulk(result.result)
		end
		error(result, 0)
	end
	return shape_bulk(result)
end

local function find(run, c, a)
	return (rawget(c, "files") or c):findWith(a.filter, options_of(run, a, "filter"))
end

function operations.find(run, c, a)
	return find(run, c, a):toArray()
end

-- A cursor is made with its first batch.
function operations.createFindCursor(run, c, a)
	local cursor = find(run, c, a)
	cursor:hasNext()
	return cursor
end

function operations.findOne(run, c, a)
	local options = options_of(run, a, "filter")
	options.limit = -1
	return c:findWith(a.filter, options):toArray()[1]
end

function operations.distinct(run, c, a)
	return c:distinct(a.fieldName, a.filter, options_of(run, a, "fieldName", "filter"))
end

function operations.estimatedDocumentCount(run, c, a)
	return c:estimatedDocumentCount(options_of(run, a))
end

function operations.aggregate(run, object, a)
	return object:aggregate(a.pipeline, options_of(run, a, "pipeline")):toArray()
end

function operations.createIndex(run, c, a)
	local options = options_of(run, a, "keys")
	local model = {}
	for key, direction in pairs(a.keys) do
		model[#model + 1] = { [key] = direction }
	end
	for k, v in pairs(options) do
		if k ~= "session" and k ~= "timeoutMS" and k ~= "rawData" and k ~= "comment" and k ~= "maxTimeMS" then
			model[k], options[k] = v, nil
		end
	end
	return c:createIndexesWith({ model }, options)[1]
end

function operations.dropIndex(run, c, a)
	c:dropIndex(a.name, options_of(run, a, "name"))
end

function operations.dropIndexes(run, c, a)
	c:dropIndexes(options_of(run, a))
end

for _, name in ipairs { "listIndexes", "listIndexNames" } do
	operations[name] = function(run, c, a)
		return c[name](c, options_of(run, a))
	end
end

function operations.createSearchIndex(run, c, a)
	return c:createSearchIndex(a.model, options_of(run, a, "model"))
end

function operations.createSearchIndexes(run, c, a)
	return c:createSearchIndexes(a.models, options_of(run, a, "models"))
end

function operations.updateSearchIndex(run, c, a)
	c:updateSearchIndex(a.name, a.definition, options_of(run, a, "name", "definition"))
end

function operations.dropSearchIndex(run, c, a)
	c:dropSearchIndex(a.name, options_of(run, a, "name"))
end

function operations.listSearchIndexes(run, c, a)
	local options = options_of(run, a, "name", "aggregationOptions")
	for k, v in pairs(match.fields(a.aggregationOptions or {})) do
		options[k] = match.plain(v)
	end
	return c:listSearchIndexes(a.name, options):toArray()
end

function operations.mapReduce(run, c, a)
	return c:mapReduce(a.map, a.reduce, a.out, options_of(run, a, "map", "reduce", "out"))
end

function operations.createChangeStream(run, object, a)
	local stream = object:watch(a.pipeline, options_of(run, a, "pipeline"))
	run.streams[#run.streams + 1] = stream
	return stream
end

function operations.rename(run, object, a)
	if a.newFilename then
		object:rename(a.id, a.newFilename, options_of(run, a, "id", "newFilename"))
	else
		object:rename(a.to, options_of(run, a, "to"))
	end
end

-- ---- files ----

local function bytes_of(source)
	return (source["$$hexBytes"]:gsub("%x%x", function(hex)
		return string.char(tonumber(hex, 16))
	end))
end

local function upload_options(run, a)
	local options = options_of(run, a, "source", "filename", "id", "disableMD5")
	options.chunkSizeBytes = match.plain(options.chunkSizeBytes)
	return options
end

function operations.upload(run, bucket, a)
	return bucket:uploadFromStream(a.filename, bytes_of(a.source), upload_options(run, a))
end

function operations.uploadWithId(run, bucket, a)
	return bucket:uploadFromStreamWithId(a.id, a.filename, bytes_of(a.source), upload_options(run, a))
end

local function gather(open, bucket, key, options)
	local parts = {}
	open(bucket, key, function(bytes)
		parts[#parts + 1] = bytes
	end, options)
	return table.concat(parts)
end

function operations.download(run, bucket, a)
	return gather(bucket.downloadToStream, bucket, a.id, options_of(run, a, "id"))
end

-- As older files have it.
operations.openDownloadStream = operations.download

function operations.downloadByName(run, bucket, a)
	return gather(bucket.downloadToStreamByName, bucket, a.filename, options_of(run, a, "filename"))
end

function operations.delete(run, bucket, a)
	bucket:delete(a.id, options_of(run, a, "id"))
end

function operations.deleteByName(run, bucket, a)
	bucket:deleteByName(a.filename, options_of(run, a, "filename"))
end

function operations.renameByName(run, bucket, a)
	bucket:renameByName(a.filename, a.newFilename, options_of(run, a, "filename", "newFilename"))
end

function operations.drop(run, object, a)
	object:drop(options_of(run, a))
end

-- ---- databases ----

function operations.runCommand(run, db, a)
	return db:runCommand(a.command, options_of(run, a, "command", "commandName"))
end

local function command_cursor(run, db, a)
	return db:runCursorCommand(a.command, options_of(run, a, "command", "commandName", "cursorType"))
end

function operations.runCursorCommand(run, db, a)
	return command_cursor(run, db, a):toArray()
end

function operations.createCommandCursor(run, db, a)
	local cursor = command_cursor(run, db, a)
	cursor:hasNext()
	return cursor
end

function operations.listCollections(run, db, a)
	return db:listCollections(a.filter, options_of(run, a, "filter"))
end

function operations.listCollectionNames(run, db, a)
	return db:listCollectionNames(a.filter, options_of(run, a, "filter"))
end

operations.listCollectionObjects = operations.listCollections

function operations.createCollection(run, db, a)
	return db:createCollection(a.collection, options_of(run, a, "collection"))
end

function operations.dropCollection(run, db, a)
	db:getCollection(a.collection):drop(options_of(run, a, "collection"))
end

function operations.dropDatabase(run, client, a)
	client:database(a.database):dropDatabase(options_of(run, a, "database"))
end

function operations.modifyCollection(run, db, a)
	db:modifyCollection(a.collection, options_of(run, a, "collection"))
end

-- ---- clients ----

for _, name in ipairs { "listDatabases", "listDatabaseNames" } do
	operations[name] = function(run, client, a)
		return client[name](client, options_of(run, a))
	end
end

operations.listDatabaseObjects = operations.listDatabases

local function shape_client_bulk(result)
	for _, name in ipairs { "insertResults", "updateResults", "deleteResults" } do
		result[name] = by_index(result[name])
	end
	return result
end

function operations.clientBulkWrite(run, client, a)
	local models = {}
	for i, model in ipairs(a.models) do
		models[i] = match.fields(model)
	end
	local ok, result = pcall(client.bulkWrite, client, models, options_of(run, a, "models"))
	if ok then
		return shape_client_bulk(result)
	elseif type(result) == "table" and result.result then
		shape_client_bulk(result.result)
	end
	error(result, 0)
end

-- ---- transactions ----

---Options of transactions as the driver has them.
function operations.transaction_options(a)
	local options = {}
	for k, v in pairs(match.fields(a or {})) do
		options[k] = match.plain(v)
	end
	options.callback = nil
	options.readPreference = match.read_preference(options.readPreference)
	options.writeConcern = match.write_concern(options.writeConcern)
	return options
end

function operations.startTransaction(_, session, a)
	session:startTransaction(operations.transaction_options(a))
end

function operations.commitTransaction(_, session, a)
	session:commitTransaction { timeoutMS = match.plain(a.timeoutMS) }
end

function operations.abortTransaction(_, session, a)
	session:abortTransaction { timeoutMS = match.plain(a.timeoutMS) }
end

function operations.withTransaction(run, session, a)
	session:withTransaction(function()
		for _, op in ipairs(a.callback) do
			run:operation(op, true)
		end
	end, operations.transaction_options(a))
end

-- ---- sessions and cursors ----

function operations.endSession(_, session)
	session:endSession()
end

function operations.getSnapshotTime(_, session)
	return session:getSnapshotTime()
end

function operations.close(_, object)
	object:close()
end

function operations.iterateUntilDocumentOrError(_, cursor)
	if cursor.tryNext and not cursor.hasNext then
		return cursor:next()
	end
	return cursor:hasNext() and cursor:next() or nil
end

-- At most one getMore.
function operations.iterateOnce(_, cursor)
	return cursor:tryNext()
end

return operations
