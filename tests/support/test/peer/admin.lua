-- The commands about collections, indexes, databases and sessions: as in commands.lua.
local bson = require "bson"
local failure = require "test.peer.failure"
local value = require "test.peer.value"

local commands = {}

local function list_reply(items, ns)
	return { cursor = bson.document("id", bson.int64(0), "ns", ns, "firstBatch", bson.array(items)) }
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

function commands.checkMetadataConsistency()
	return list_reply({}, "admin.$cmd.aggregate")
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
	return list_reply(items, request.db .. ".$cmd.listCollections")
end

function commands.listIndexes(command, request)
	local collection = request.set.store:find(request.db, command.listIndexes)
	if not collection then
		failure.raise(26, "ns does not exist: %s.%s", request.db, command.listIndexes)
	end
	return list_reply(collection.indexes, request.db .. "." .. command.listIndexes)
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

function commands.collMod(command, request)
	local collection = request.set.store:need(request.db, command.collMod)
	for _, key in ipairs { "validator", "changeStreamPreAndPostImages" } do
		collection.options[key] = command[key] or collection.options[key]
	end
	return {}
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
		end
	end
	return { numIndexesBefore = before, numIndexesAfter = #collection.indexes, createdCollectionAutomatically = false }
end

function commands.dropIndexes(command, request)
	local collection = request.set.store:need(request.db, command.dropIndexes)
	local before = #collection.indexes
	for i = before, 2, -1 do
		if command.index == "*" or collection.indexes[i].name == command.index then
			table.remove(collection.indexes, i)
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
	store:rename(from_db, from, db, name)
	return {}
end

function commands.replSetStepDown(_, request)
	local set = request.set
	set:elect(set.primary % #set.members + 1)
	return {}
end

return commands
