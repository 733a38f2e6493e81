-- The peer's documents: databases of collections, kept in memory. Stored documents are never changed, only replaced, so
-- what a collection held at some time is a list of them.
local bson = require "bson"
local changes = require "test.peer.changes"
local failure = require "test.peer.failure"
local query = require "test.peer.query"
local update = require "test.peer.update"
local value = require "test.peer.value"

local store = {}
store.__index = store

---@class test.peer.collection
---@field name string
---@field documents table[]
---@field options table
---@field indexes table[]

local collection_methods = {}
local collection_meta = { __index = collection_methods }

---The documents that have the same keys of an index, as a server tells them.
---@return table[] { ids = }
function collection_methods:violations(index)
	local found = bson.array {}
	for i, doc in ipairs(self.documents) do
		local ids = bson.array { doc._id }
		for j, other in ipairs(self.documents) do
			local same = j ~= i
			for path in pairs(index.key) do
				same = same and value.equal(value.get(other, path), value.get(doc, path))
			end
			if same and j < i then
				ids = nil
				break
			elseif same then
				ids[#ids + 1] = other._id
			end
		end
		if ids and ids[2] then
			found[#found + 1] = { ids = ids }
		end
	end
	return found
end

function store.new()
	return setmetatable({ databases = {}, time = 1, past = {}, events = {} }, store)
end

---A new time: the store changed.
function store:advance()
	self.time = self.time + 1
end

-- ---- collections ----

---@return test.peer.collection|nil
function store:find(db, name)
	return (self.databases[db] or {})[name]
end

---@return test.peer.collection
function store:create(db, name, options)
	local collections = self.databases[db]
	if not collections then
		collections = {}
		self.databases[db] = collections
	end
	local collection = setmetatable({
		uuid = bson.uuid(), name = name, documents = {}, options = options or {},
		indexes = { bson.document("v", 2, "key", bson.document("_id", 1), "name", "_id_") },
	}, collection_meta)
	collections[name] = collection
	self:changed(db, name)
	changes.note(self, {
		operationType = "create", db = db, coll = name, uuid = collection.uuid,
		nsType = collection.options.timeseries and "timeseries" or collection.options.viewOn and "view" or "collection",
	})
	return collection
end

function store:need(db, name)
	return self:find(db, name) or self:create(db, name)
end

function store:drop(db, name)
	local collections = self.databases[db] or {}
	local there = collections[name]
	collections[name] = nil
	self:changed(db, name)
	if there then
		changes.note(self, { operationType = "drop", db = db, coll = name, uuid = there.uuid })
	end
	return there ~= nil
end

---A collection gets another name; what has it so far goes.
---@param drop_target boolean|nil
function store:rename(from_db, from, db, name, drop_target)
	local collection = self.databases[from_db][from]
	self.databases[from_db][from] = nil
	self.databases[db] = self.databases[db] or {}
	collection.name = name
	self.databases[db][name] = collection
	self:changed(from_db, from)
	self:changed(db, name)
	local to = bson.document("db", db, "coll", name)
	changes.note(self, { operationType = "rename", db = from_db, coll = from, to = to, uuid = collection.uuid,
		operationDescription = value.document("to", to, "dropTarget", drop_target) })
end

-- ---- the past ----

---Something was written: notes what is there now.
function store:changed(db, name)
	self:advance()
	local key = db .. "." .. name
	self.past[key] = self.past[key] or {}
	local collection = self:find(db, name)
	local documents = collection and collection.documents or {}
	table.insert(self.past[key], { time = self.time, documents = table.move(documents, 1, #documents, 1, {}) })
end

---The documents of a collection, or of the view of that name, now or at a time that was.
---@param time integer|nil
---@return table[]
function store:documents(db, name, time)
	local collection = self:find(db, name)
	if time then
		local found = {}
		for _, moment in ipairs(self.past[db .. "." .. name] or {}) do
			if moment.time <= time then
				found = moment.documents
			end
		end
		return found
	end
	return collection and collection.documents or {}
end

-- ---- writing ----

local function check_valid(collection, doc, bypass)
	local validator = collection.options.validator
	if validator and not bypass and not query.match(doc, validator, {}) then
		failure.raise(121, { errmsg = "Document failed validation",
			errInfo = { failingDocumentId = doc._id, details = { operatorName = "validator" } } })
	end
end

local function check_unique(collection, ns, doc, except)
	for _, index in ipairs(collection.indexes) do
		local primary = index.name == "_id_" and not collection.options.timeseries
		if index.unique or index.prepareUnique or primary then
			for _, other in ipairs(collection.documents) do
				local same = other ~= except
				for path in pairs(index.key) do
					same = same and value.equal(value.get(other, path), value.get(doc, path))
				end
				if same then
					local key = bson.document()
					for path in pairs(index.key) do
						key[path] = value.get(doc, path)
					end
					failure.raise(11000, { errmsg = ("E11000 duplicate key error collection: %s index: %s dup key: %s"):format(
						ns, index.name, bson.to_json(bson.encode(key), "relaxed")), keyPattern = index.key, keyValue = key })
				end
			end
		end
	end
end

-- A document is about to be written; of a transaction (transaction.lua).
function store:note(db, name, doc)
	local on_write = rawget(self, "on_write")
	if on_write then
		on_write(db, name, doc)
	end
end

---@param context { bypass: boolean|nil }
function store:insert(db, name, doc, context)
	local collection = self:need(db, name)
	local stored = doc
	if doc._id == nil then
		stored = bson.document("_id", bson.objectid())
		for k, v in pairs(doc) do
			stored[k] = v
		end
	end
	check_valid(collection, stored, context.bypass)
	check_unique(collection, db .. "." .. name, stored)
	self:note(db, name, stored)
	table.insert(collection.documents, stored)
	self:changed(db, name)
	changes.note(self, { operationType = "insert", db = db, coll = name, fullDocument = stored, uuid = collection.uuid,
		documentKey = { _id = stored._id } })
	return stored
end

-- Are documents kept as they were before and behind a change?
local function has_images(collection)
	return (collection.options.changeStreamPreAndPostImages or {}).enabled == true
end

local function matching(documents, filter, context)
	local found = {}
	for _, doc in ipairs(documents) do
		if query.match(doc, filter, context) then
			found[#found + 1] = doc
		end
	end
	return context.sort and query.sort(found, context.sort, context.collation) or found
end

store.matching = matching

local function place(documents, doc)
	for i, other in ipairs(documents) do
		if other == doc then
			return i
		end
	end
end

---@param context { multi: boolean|nil, upsert: boolean|nil, arrayFilters: table|nil, let: table|nil,
---  collation: table|nil, sort: table|nil, bypass: boolean|nil }
---@return integer matched
---@return integer modified
---@return table|nil upserted
---@return table|nil before the first document as it was
---@return table|nil after and as it is
function store:update(db, name, filter, changed, context)
	local collection = self:need(db, name)
	local found = matching(collection.documents, filter, context)
	if not found[1] and context.upsert then
		local inserting = setmetatable({ inserting = true }, { __index = context })
		local doc = self:insert(db, name, update.apply(update.seed(filter), changed, inserting), context)
		return 0, 0, doc, nil, doc
	end
	local modified, last = 0, context.multi and #found or math.min(1, #found)
	local after
	for i = 1, last do
		local new = update.apply(found[i], changed, context)
		after = after or new
		-- A filter may take its time: somebody else may have been here.
		if not value.equal(new, found[i]) and place(collection.documents, found[i]) then
			check_valid(collection, new, context.bypass)
			check_unique(collection, db .. "." .. name, new, found[i])
			self:note(db, name, new)
			collection.documents[place(collection.documents, found[i])] = new
			modified = modified + 1
			local replaced = not bson.is_array(changed) and not value.is_operator(value.first(changed))
			changes.note(self, { operationType = replaced and "replace" or "update", db = db, coll = name, fullDocument = new,
				before = found[i], uuid = collection.uuid, images = has_images(collection), documentKey = { _id = new._id },
				updateDescription = not replaced and changes.describe(found[i], new) or nil })
		end
	end
	if modified > 0 then
		self:changed(db, name)
	end
	return last, modified, nil, found[1], after
end

---@param limit integer 0: all
---@return table[] removed
function store:remove(db, name, filter, limit, context)
	local collection = self:find(db, name)
	if not collection then
		return {}
	end
	local found = matching(collection.documents, filter, context)
	for i = #found, limit + 1, -1 do
		if limit > 0 then
			found[i] = nil
		end
	end
	for _, doc in ipairs(found) do
		self:note(db, name, doc)
		table.remove(collection.documents, place(collection.documents, doc))
		changes.note(self, { operationType = "delete", db = db, coll = name, documentKey = { _id = doc._id }, before = doc,
			uuid = collection.uuid, images = has_images(collection) })
	end
	if found[1] then
		self:changed(db, name)
	end
	return found
end

return store
