-- The commands about collections, indexes, databases and sessions: as in commands.lua.
local bson = require "bson"
local changes = require "test.peer.changes"
local cursors = require "test.peer.cursors"
local failure = require "test.peer.failure"
local value = require "test.peer.value"

local commands = {}

local function list_reply(items, ns, command, request)
	return cursors.open(request.set, items, ns, { size = value.plain((command.cursor or {}).batchSize) })
end

local function sorted(t)
	local keys = {}
	for k in pairs(t) do
		keys[#keys + 1] = k
	end
	table.sort(keys)
	return keys
end

function commands.ping()
	return {}
end

commands.endSessions, commands.killAllSessions = commands.ping, commands.ping
commands.testVersion2, commands.testDeprecationInVersion2 = commands.ping, commands.ping
commands.replSetFreeze, commands.logout = commands.ping, commands.ping

function commands.checkMetadataConsistency(command, request)
	return list_reply({}, "admin.$cmd.aggregate", command, request)
end

function commands.buildInfo(_, request)
	return { version = request.set.version, gitVersion = "peer" }
end

function commands.getParameter()
	return { requireApiVersion = false }
end

function commands.connectionStatus()
	return { authInfo = { authenticatedUsers = bson.array {}, authenticatedUserRoles = bson.array {} } }
end

function commands.listDatabases(command, request)
	local databases = {}
	for _, name in ipairs(sorted(request.set.store.databases)) do
		local item = bson.document("name", name)
		if not command.nameOnly then
			item.sizeOnDisk, item.empty = bson.int64(4096), false
		end
		databases[#databases + 1] = item
	end
	return { databases = bson.array(databases), totalSize = bson.int64(4096 * #databases) }
end

function commands.listCollections(command, request)
	local collections = request.set.store.databases[request.db] or {}
	local items = {}
	for _, name in ipairs(sorted(collections)) do
		local collection = collections[name]
		local kind = collection.options.viewOn and "view" or "collection"
		local item = bson.document("name", name, "type", kind)
		if not command.nameOnly then
			item.options = collection.options
			item.info = { readOnly = kind == "view" }
		end
		if request.set.store.matching({ item }, command.filter or {}, {})[1] then
			items[#items + 1] = item
		end
	end
	return list_reply(items, request.db .. ".$cmd.listCollections", command, request)
end

function commands.listIndexes(command, request)
	local collection = request.set.store:find(request.db, command.listIndexes)
	if not collection then
		failure.raise(26, "ns does not exist: %s.%s", request.db, command.listIndexes)
	end
	return list_reply(collection.indexes, request.db .. "." .. command.listIndexes, command, request)
end

function commands.create(command, request)
	if request.set.store:find(request.db, command.create) then
		failure.raise(48, "Collection %s.%s already exists.", request.db, command.create)
	end
	local options = bson.document()
	for _, key in ipairs { "capped", "size", "max", "viewOn", "pipeline", "validator", "collation", "expireAfterSeconds",
		"timeseries", "clusteredIndex", "changeStreamPreAndPostImages", "encryptedFields" } do
		options[key] = command[key]
	end
	local made = request.set.store:create(request.db, command.create, options)
	if options.clusteredIndex then
		options.clusteredIndex.v = 2
		made.indexes = { bson.document("v", 2, "key", options.clusteredIndex.key, "name", options.clusteredIndex.name,
			"unique", true, "clustered", true) }
	end
	return {}
end

-- An index may become unique in two steps: first nothing new may be there twice, then nothing at all.
local function modify_index(collection, wanted)
	for _, index in ipairs(collection.indexes) do
		if index.name == wanted.name or wanted.keyPattern and value.equal(index.key, wanted.keyPattern) then
			if wanted.prepareUnique ~= nil then
				index.prepareUnique = wanted.prepareUnique
			end
			if wanted.unique then
				local violations = collection:violations(index)
				if violations[1] then
					failure.raise(359, { errmsg = "Cannot convert the index to unique. Please resolve conflicting documents.",
						violations = violations })
				end
				index.unique, index.prepareUnique = true, nil
			end
			return
		end
	end
	failure.raise(27, "cannot find index")
end

function commands.collMod(command, request)
	local collection = request.set.store:need(request.db, command.collMod)
	for _, key in ipairs { "validator", "changeStreamPreAndPostImages" } do
		collection.options[key] = command[key] or collection.options[key]
	end
	if command.index then
		modify_index(collection, command.index)
	end
	changes.note(request.set.store, { operationType = "modify", db = request.db, coll = command.collMod,
		uuid = collection.uuid, operationDescription = value.document("index", command.index) })
	return {}
end

function commands.shardCollection(command, request)
	if request.set.topology ~= "sharded" then
		failure.raise(59, "no such command: 'shardCollection'")
	end
	local db, name = command.shardCollection:match "^([^.]*)%.(.*)$"
	local collection = request.set.store:need(db, name)
	changes.note(request.set.store, { operationType = "shardCollection", db = db, coll = name, uuid = collection.uuid,
		operationDescription = value.document("shardKey", command.key) })
	return { collectionsharded = command.shardCollection }
end

function commands.drop(command, request)
	if not request.set.store:drop(request.db, command.drop) and request.set.number < 7000000 then
		failure.raise(26, "ns not found")
	end
	return {}
end

function commands.dropDatabase(_, request)
	request.set.store.databases[request.db] = nil
	return {}
end

function commands.createIndexes(command, request)
	local collection = request.set.store:need(request.db, command.createIndexes)
	local before = #collection.indexes
	for _, index in ipairs(command.indexes) do
		local known = false
		for _, other in ipairs(collection.indexes) do
			known = known or other.name == index.name
		end
		if not known then
			local stored = value.copy(index)
			stored.v = 2
			table.insert(collection.indexes, stored)
			changes.note(request.set.store, { operationType = "createIndexes", db = request.db, coll = command.createIndexes,
				uuid = collection.uuid, operationDescription = value.document("indexes", bson.array { stored }) })
		end
	end
	return { numIndexesBefore = before, numIndexesAfter = #collection.indexes, createdCollectionAutomatically = false }
end

function commands.dropIndexes(command, request)
	local collection = request.set.store:need(request.db, command.dropIndexes)
	local before = #collection.indexes
	for i = before, 2, -1 do
		if command.index == "*" or collection.indexes[i].name == command.index then
			changes.note(request.set.store, { operationType = "dropIndexes", db = request.db, coll = command.dropIndexes,
				uuid = collection.uuid, operationDescription = value.document("indexes",
					bson.array { table.remove(collection.indexes, i) }) })
		end
	end
	if command.index ~= "*" and #collection.indexes == before then
		failure.raise(27, "index not found with name [%s]", tostring(command.index))
	end
	return { nIndexesWas = before }
end

-- Search indexes are what this server has not.
for _, name in ipairs { "createSearchIndexes", "updateSearchIndex", "dropSearchIndex" } do
	commands[name] = function()
		failure.raise(31082, "Search index commands are only supported with Atlas.")
	end
end

function commands.renameCollection(command, request)
	local from_db, from = command.renameCollection:match "^([^.]*)%.(.*)$"
	local db, name = command.to:match "^([^.]*)%.(.*)$"
	local store = request.set.store
	if not store:find(from_db, from) then
		failure.raise(26, "Source collection %s does not exist", command.renameCollection)
	elseif store:find(db, name) and not command.dropTarget then
		failure.raise(48, "target namespace exists")
	end
	store:rename(from_db, from, db, name, command.dropTarget)
	return {}
end

function commands.replSetStepDown(_, request)
	local set = request.set
	set:elect(set.primary % #set.members + 1)
	return {}
end

return commands
