-- Indexes of a collection, those for searching among them, by the specification "Index Management"; and dropping and
-- renaming the whole.
--
-- The methods that skynet's users know answer the server's reply whatever it says. With a table of options they raise
-- what went wrong.
local bson = require "bson"
local cursor = require "reef.mongo.cursor"
local documents = require "reef.mongo.documents"
local known = require "reef.mongo.known"
local limits = require "reef.mongo.limits"

---@class mongo.collection
local indexes = {}

local NONE = {}
local NAMESPACE_NOT_FOUND = 26

-- The reply of a command that writes, and what it reports.
local function run(self, name, body, options, concern, db)
	options = options or NONE
	for _, key in ipairs { "comment", "maxTimeMS", "rawData", "commitQuorum", "dropTarget" } do
		if options[key] ~= nil then
			body[#body + 1], body[#body + 2] = key, options[key]
		end
	end
	concern = options.writeConcern or concern
	if concern then
		body[#body + 1], body[#body + 2] = "writeConcern", concern
	end
	return self:core():execute(limits.set({
		db = db or self.database.name, name = name, body = body, write = true,
	}, self:settings(), options))
end

local function run_own(self, name, ...)
	return (run(self, name, { name, self.name, ... }, NONE, self:settings().write_concern))
end

-- The same, raising what went wrong.
local function run_or_raise(self, name, options, ...)
	local reply, err = run(self, name, { name, self.name, ... }, options, self:settings().write_concern)
	if err then
		error(err, 0)
	end
	return reply
end

-- ---- making ----

local function default_name(keys)
	local parts = {}
	for _, pair in ipairs(keys) do
		parts[#parts + 1] = pair[1] .. "_" .. tostring(pair[2])
	end
	return table.concat(parts, "_")
end

local function index_of(keys, options)
	assert(keys[1], "Need keys")
	local index = bson.document("key", documents.of_pairs(keys), "name", options.name or default_name(keys))
	for k, v in pairs(options) do
		if k ~= "name" then
			index[k] = v
		end
	end
	return index
end

-- { {k1=1}, {k2=-1}, unique=true }, { {"k1", 1}, {"k2", -1} } or { "k1", "k2", unique=true }
local function index_of_model(model)
	local options = {}
	for k, v in pairs(model) do
		if type(k) == "string" then
			options[k] = v
		end
	end
	return index_of(documents.in_order("the keys of an index", model), options)
end

-- ({k=1}, {options}), or a bson.document of several keys
local function index_of_document(keys, options)
	local meta = getmetatable(keys)
	if not (type(meta) == "table" and meta.__pairs) then
		assert(next(keys, (next(keys))) == nil, "Use new api for multi-keys")
	end
	return index_of(documents.in_order("the keys of an index", keys), options or {})
end

---Makes an index: ({ k = 1 }, options) or a model { { k1 = 1 }, { k2 = -1 }, unique = true }.
---@param first table
---@param options? table unique, name, ...
---@return table reply
function indexes:createIndex(first, options)
	local index = first[1] == nil and next(first) ~= nil and index_of_document(first, options) or index_of_model(first)
	return run_own(self, "createIndexes", "indexes", bson.array { index })
end

indexes.ensureIndex = indexes.createIndex

---@param ... table models as of createIndex
---@return table reply
function indexes:createIndexes(...)
	local list = {}
	for i, model in ipairs { ... } do
		list[i] = index_of_model(model)
	end
	return run_own(self, "createIndexes", "indexes", bson.array(list))
end

---Makes indexes; raises what goes wrong.
---@param models table[] as of createIndex
---@param options { session: mongo.session|nil, commitQuorum: any, comment: any, maxTimeMS: integer|nil,
---  writeConcern: table|nil, timeoutMS: integer|nil }|nil
---@return string[] names
function indexes:createIndexesWith(models, options)
	local list, names = {}, {}
	for i, model in ipairs(models) do
		list[i] = index_of_model(model)
		names[i] = list[i].name
	end
	run_or_raise(self, "createIndexes", options, "indexes", bson.array(list))
	return names
end

-- ---- dropping ----

---@param name string|table "*": all
---@param options { session: mongo.session|nil, comment: any, maxTimeMS: integer|nil, timeoutMS: integer|nil }|nil
---@return table reply
function indexes:dropIndex(name, options)
	if options then
		return run_or_raise(self, "dropIndexes", options, "index", name)
	end
	return run_own(self, "dropIndexes", "index", name)
end

---Drops all indexes but that of _id.
---@param options table|nil as of dropIndex
---@return table reply
function indexes:dropIndexes(options)
	return self:dropIndex("*", options)
end

---Drops the collection. Without options: the reply, whatever it says. With options a collection that is not there is
---no error, others are raised.
---@param options { session: mongo.session|nil, writeConcern: table|nil, timeoutMS: integer|nil, comment: any }|nil
---@return table reply
function indexes:drop(options)
	local reply, err = run(self, "drop", { "drop", self.name }, options, self:settings().write_concern)
	if err and options and not (err.reply and err.code == NAMESPACE_NOT_FOUND) then
		error(err, 0)
	end
	return reply
end

---Gives the collection another name.
---@param to string within the same database; or with a dot: database.collection
---@param options { dropTarget: boolean|nil, session: mongo.session|nil, comment: any, timeoutMS: integer|nil }|nil
---@return table reply
function indexes:rename(to, options)
	local target = to:find(".", 1, true) and to or self.database.name .. "." .. to
	local body = { "renameCollection", self.full_name, "to", target }
	local reply, err = run(self, "renameCollection", body, options, self:settings().write_concern, "admin")
	if err then
		error(err, 0)
	end
	return reply
end

-- ---- for searching ----

-- Commands of search indexes have no concerns.
local function search(self, name, options, ...)
	local reply, err = run(self, name, { name, self.name, ... }, options)
	if err then
		error(err, 0)
	end
	return reply
end

---Makes an index for searching, where the deployment has such.
---@param model { definition: table, name: string|nil, type: string|nil }
---@param options table|nil session, comment, timeoutMS
---@return string name
function indexes:createSearchIndex(model, options)
	return self:createSearchIndexes({ model }, options)[1]
end

---@param models table[]
---@param options table|nil session, comment, timeoutMS
---@return string[] names
function indexes:createSearchIndexes(models, options)
	local reply = search(self, "createSearchIndexes", options, "indexes", bson.array(models))
	local names = {}
	for i, made in ipairs(type(reply.indexesCreated) == "table" and reply.indexesCreated or {}) do
		names[i] = made.name
	end
	return names
end

---@param name string
---@param definition table
---@param options table|nil session, comment, timeoutMS
function indexes:updateSearchIndex(name, definition, options)
	search(self, "updateSearchIndex", options, "name", name, "definition", definition)
end

---@param name string one that is not there is no error
---@param options table|nil session, comment, timeoutMS
function indexes:dropSearchIndex(name, options)
	local ok, err = pcall(search, self, "dropSearchIndex", options, "name", name)
	if not ok and not (type(err) == "table" and err.reply and err.code == NAMESPACE_NOT_FOUND) then
		error(err, 0)
	end
end

---@param name string|nil nil: all
---@param options table|nil as of aggregate
---@return mongo.cursor
function indexes:listSearchIndexes(name, options)
	local pipeline = { { ["$listSearchIndexes"] = { name = name } } }
	local settings = { exact = self:settings().exact, read_preference = self:settings().read_preference,
		timeout = self:settings().timeout }
	return cursor.aggregate(self:core(), self.database.name, self.name, pipeline,
		cursor.aggregate_options(settings, pipeline, options))
end

-- ---- listing ----

-- A cursor over the indexes.
local function list_indexes(self, options)
	options = options or {}
	local body = { "listIndexes", self.name, "cursor", options.batchSize and { batchSize = options.batchSize } or {} }
	for _, key in ipairs { "comment", "rawData" } do
		if options[key] ~= nil then
			body[#body + 1], body[#body + 2] = key, options[key]
		end
	end
	local made = cursor.command(self:core(), self.database.name, "listIndexes", body,
		cursor.time({}, self:settings(), options))
	made.settings = { batchSize = options.batchSize }
	return made
end

---@param options { session: mongo.session|nil, batchSize: integer|nil, comment: any, timeoutMS: integer|nil }|nil
---@return table[] the indexes of the collection
function indexes:listIndexes(options)
	return list_indexes(self, options):toArray()
end

---@param options table|nil session, comment, timeoutMS
---@return string[]
function indexes:listIndexNames(options)
	local names = {}
	local made = list_indexes(self, options)
	for index in made:each() do
		names[#names + 1] = made:name_of(index)
	end
	return names
end

return known.guard(indexes, "collection")
