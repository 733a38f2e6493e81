-- Change streams of the peer: what was written, as the events that servers tell, and cursors over them.
local bson = require "bson"
local failure = require "test.peer.failure"
local pipeline = require "test.peer.pipeline"
local skynet = require "skynet"
local value = require "test.peer.value"

local changes = {}

-- Hundredths of a second that a getMore without a limit waits for a change.
local AWAIT = 80

-- ---- what was written ----

---Notes that something was done. Copies of a store (transaction.lua) tell nothing.
---@param store table
---@param event table operationType, db, coll, and what goes with it
function changes.note(store, event)
	local list = store.events
	if list then
		event.seq = #list + 1
		event.time = store.time
		list[#list + 1] = event
	end
end

local compare, differences

local function is_prefix(short, long)
	if #short >= #long then
		return false
	end
	for i, v in ipairs(short) do
		if not value.equal(v, long[i]) then
			return false
		end
	end
	return true
end

-- Notes the path to a field of which its name with dots does not tell where it leads.
local function note_path(found, name, path)
	for _, part in ipairs(path) do
		if type(part) == "string" and part:find "^%d+$" or tostring(part):find(".", 1, true) then
			found.disambiguatedPaths[name] = bson.array(table.move(path, 1, #path, 1, {}))
			return
		end
	end
end

local function items_differ(old, v, path, found)
	for i, item in ipairs(v) do
		if not value.equal(item, old[i]) then
			path[#path + 1] = i - 1
			compare(old[i], item, path, found)
			path[#path] = nil
		end
	end
end

local function is_list(v)
	return type(v) == "table" and bson.is_array(v)
end

-- A field that was there before and has another value now.
function compare(old, v, path, found)
	local name = table.concat(path, ".")
	if is_list(v) and is_list(old) and is_prefix(v, old) then
		table.insert(found.truncatedArrays, { field = name, newSize = #v })
	elseif is_list(v) and is_list(old) and #v == #old then
		items_differ(old, v, path, found)
	elseif type(v) == "table" and type(old) == "table" and not is_list(v) and not is_list(old) then
		differences(old, v, path, found)
	else
		found.updatedFields[name] = v
		note_path(found, name, path)
	end
end

function differences(before, after, path, found)
	for key, v in pairs(after) do
		local old = before[key]
		path[#path + 1] = key
		if old == nil then
			local name = table.concat(path, ".")
			found.updatedFields[name] = v
			note_path(found, name, path)
		elseif not value.equal(old, v) then
			compare(old, v, path, found)
		end
		path[#path] = nil
	end
	for key in pairs(before) do
		if after[key] == nil then
			path[#path + 1] = key
			local name = table.concat(path, ".")
			table.insert(found.removedFields, name)
			note_path(found, name, path)
			path[#path] = nil
		end
	end
end

---@return table updateDescription
function changes.describe(before, after)
	local found = {
		updatedFields = bson.document(), removedFields = bson.array {}, truncatedArrays = bson.array {},
		disambiguatedPaths = bson.document(),
	}
	differences(before, after, {}, found)
	return found
end

-- ---- what a stream tells ----

local function token(seq, invalidate)
	return { _data = ("%016X%s"):format(seq, invalidate and "FF" or "") }
end

local function seq_of(resume)
	return tonumber(resume._data:sub(1, 16), 16)
end

local expanded = { create = true, modify = true, createIndexes = true, dropIndexes = true, shardCollection = true }

local function concerns(stream, event)
	if stream.db == nil then
		return event.db ~= "admin"
	end
	return event.db == stream.db and (stream.coll == nil or event.coll == stream.coll)
end

-- A document as it was kept, or what a stream is told where it was not.
local function image(wanted, event, doc)
	if event.images then
		return doc
	elseif wanted == "required" then
		failure.raise(347, { errmsg = "Change stream was configured to require an image of the document, which was not found",
			errorLabels = bson.array { "NonResumableChangeStreamError" } })
	end
	return bson.null
end

local function add_images(stage, event, doc)
	local full, before = stage.fullDocument, stage.fullDocumentBeforeChange
	if event.operationType == "update" and (full == "whenAvailable" or full == "required") then
		doc.fullDocument = image(full, event, event.fullDocument)
	elseif event.operationType == "update" and full and full ~= "default" then
		doc.fullDocument = event.fullDocument
	end
	if event.before and before and before ~= "off" then
		doc.fullDocumentBeforeChange = image(before, event, event.before)
	end
end

local function told(stream, event, set)
	local doc = value.document("_id", token(event.seq), "operationType", event.operationType,
		"clusterTime", bson.timestamp(event.time, 1), "wallTime", set.number >= 6000000 and bson.date(os.time()) or nil)
	if event.operationType == "insert" or event.operationType == "replace" then
		doc.fullDocument = event.fullDocument
	elseif event.operationType == "update" then
		doc.updateDescription = value.copy(event.updateDescription)
		if not stream.stage.showExpandedEvents or set.number < 6001000 then
			doc.updateDescription.disambiguatedPaths = nil
		end
	end
	add_images(stream.stage, event, doc)
	doc.ns = value.document("db", event.db, "coll", event.coll)
	doc.to, doc.documentKey = event.to, event.documentKey
	if stream.stage.showExpandedEvents then
		doc.collectionUUID, doc.operationDescription = event.uuid, event.operationDescription
		doc.nsType = set.number >= 8001000 and event.nsType or nil
	end
	return doc
end

-- The documents for events that have come since; marks the end of a stream whose collection is gone.
local function gather(stream, set, context, limit)
	local docs = {}
	local list = set.store.events
	while stream.seq < #list and not stream.over and #docs < limit do
		stream.seq = stream.seq + 1
		local event = list[stream.seq]
		if concerns(stream, event) and (stream.stage.showExpandedEvents or not expanded[event.operationType]) then
			local some = { told(stream, event, set) }
			if stream.coll and (event.operationType == "drop" or event.operationType == "rename") then
				some[2] = value.document("_id", token(event.seq, true), "operationType", "invalidate",
					"clusterTime", bson.timestamp(event.time, 1), "wallTime",
					set.number >= 6000000 and bson.date(os.time()) or nil)
				stream.over = true
			end
			for _, doc in ipairs(some) do
				local id = doc._id
				doc = pipeline.run({ doc }, stream.rest, context)[1]
				if doc and not (doc._id and value.equal(doc._id, id)) and set.number >= 4002000 then
					failure.raise(280, {
						errmsg = "Encountered an event whose _id field, which contains the resume token, was modified",
						errorLabels = bson.array { "NonResumableChangeStreamError" },
					})
				end
				docs[#docs + 1] = doc
			end
		end
	end
	return docs
end

local function reply(stream, key, docs)
	return { cursor = value.document(key, bson.array(docs), "id", bson.int64(stream.over and 0 or stream.id),
		"ns", stream.ns, "postBatchResumeToken", token(stream.seq)) }
end

-- Where to begin.
local function first_seq(stage, set)
	local resume = stage.resumeAfter or stage.startAfter
	if resume then
		if type(resume) ~= "table" or type(resume._data) ~= "string" then
			failure.raise(260, "the resume token is none")
		end
		return seq_of(resume)
	elseif stage.startAtOperationTime then
		local _, seconds = bson.type(stage.startAtOperationTime)
		for _, event in ipairs(set.store.events) do
			if event.time >= seconds then
				return event.seq - 1
			end
		end
	end
	return #set.store.events
end

---Does a command `aggregate` whose pipeline begins with $changeStream.
---@return table reply
function changes.open(command, request)
	local set, stage = request.set, command.pipeline[1]["$changeStream"]
	if set.topology == "single" then
		failure.raise(40573, "The $changeStream stage is only supported on replica sets")
	end
	set.last_cursor = (set.last_cursor or 100) + 1
	local coll = type(command.aggregate) == "string" and command.aggregate or nil
	local stream = {
		stage = stage, id = set.last_cursor, coll = coll, db = not stage.allChangesForCluster and request.db or nil,
		ns = request.db .. "." .. (coll or "$cmd.aggregate"),
		rest = table.move(command.pipeline, 2, #command.pipeline, 1, {}),
		seq = first_seq(stage, set), size = value.plain((command.cursor or {}).batchSize),
	}
	-- Stages that no server knows are refused at once.
	pipeline.check(stream.rest)
	set.cursors[stream.id] = { stream = stream, ns = stream.ns }
	local context = { store = set.store, db = request.db }
	return reply(stream, "firstBatch", gather(stream, set, context, stream.size or 101))
end

---Does a getMore of such a cursor.
---@return table reply
function changes.more(command, request, stream)
	local context = { store = request.set.store, db = request.db }
	local limit = value.plain(command.batchSize) or stream.size or 101
	local ends = skynet.now() + (command.maxTimeMS and math.ceil(value.plain(command.maxTimeMS) / 10) or AWAIT)
	local docs = gather(stream, request.set, context, limit)
	while not docs[1] and not stream.over and skynet.now() < ends and request.set.cursors[stream.id] do
		skynet.sleep(1)
		docs = gather(stream, request.set, context, limit)
	end
	if stream.over then
		request.set.cursors[stream.id] = nil
	end
	return reply(stream, "nextBatch", docs)
end

return changes
