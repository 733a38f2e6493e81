-- A collection with the methods that skynet's users know. Those of the driver specifications are in
-- crud.lua, those about indexes in indexes.lua.
--
-- Writes are acknowledged. Those without `safe` in their name say in the log when they fail, and answer the same three
-- values as the others: true or false, the reason, the reply. With `acknowledged = false` in the client's settings they
-- are sent and forgotten, as they used to be.
local bson = require "bson"
local bulk = require "reef.mongo.bulk"
local cursor = require "reef.mongo.cursor"
local errors = require "reef.mongo.errors"
local skynet = require "skynet"

---@class mongo.collection
---@field name string
---@field full_name string
---@field database mongo.database
local collection = {}

-- The client behind it.
function collection:core()
	return self.database.client._core
end

-- Its ways to read and write.
function collection:settings()
	return rawget(self, "_settings")
end

local function triple(reply)
	local err = errors.text_of_reply(reply)
	return reply.ok == 1 and not err, err, reply
end

-- Statements as they go to the server.
function collection:write(kind, statements)
	return bulk.run(self:core(), {
		db = self.database.name, collection = self.name, kind = kind, statements = statements,
		extra = self:settings().write_extra,
	})
end

local function safe_write(self, kind, statements)
	return triple((self:write(kind, statements)))
end

-- The same for methods that never raised because nobody waited for the answer.
local function loud_write(self, kind, statements)
	local settings = self:settings()
	if settings.acknowledged == false then
		bulk.run(self:core(), {
			db = self.database.name, collection = self.name, kind = kind, statements = statements, unacknowledged = true,
			extra = { "writeConcern", { w = 0 } },
		})
		return
	end
	local called, ok, err, reply = pcall(safe_write, self, kind, statements)
	if not called then
		ok, err, reply = false, ok, nil
	end
	if not ok then
		skynet.error(("mongo: %s into %s failed: %s"):format(kind, self.full_name, tostring(err)))
	end
	return ok, err, reply
end

local function with_id(doc)
	if type(doc) == "table" and doc._id == nil then
		doc._id = bson.objectid()
	end
	return doc
end

-- Adds ids and puts the encoded form in the place of each document, as callers may rely on.
local function encode_all(docs)
	for i, doc in ipairs(docs) do
		docs[i] = bson.encode(with_id(doc))
	end
	return docs
end

local function update_of(query, update, upsert, multi)
	return { q = query, u = update, upsert = upsert or nil, multi = multi or nil }
end

local function updates_of(list)
	local out = {}
	for i, u in ipairs(list) do
		out[i] = update_of(u.query, u.update, u.upsert, u.multi)
	end
	return out
end

local function delete_of(query, single)
	return { q = query, limit = single and 1 or 0 }
end

local function deletes_of(queries, single)
	local out = {}
	for i, query in ipairs(queries) do
		out[i] = delete_of(query, single)
	end
	return out
end

-- ---- writing ----

---Inserts a document; what fails is in the log.
---@param doc table gets an `_id` if it has none
---@return boolean ok
---@return string? err
---@return table? reply
function collection:insert(doc)
	return loud_write(self, "insert", { with_id(doc) })
end

---Inserts a document.
---@param doc table
---@return boolean ok
---@return string? err
---@return table? reply
function collection:safe_insert(doc)
	return safe_write(self, "insert", { doc })
end

---Inserts a document that is encoded.
---@param object bson.object
---@return boolean ok
---@return string? err
---@return table? reply
function collection:raw_safe_insert(object)
	return safe_write(self, "insert", { object })
end

---Inserts documents, which are encoded in place; what fails is in the log. Also insert_many.
---@param docs table[]
---@return boolean ok
---@return string? err
---@return table? reply
function collection:batch_insert(docs)
	return loud_write(self, "insert", encode_all(docs))
end

---Inserts documents, which are encoded in place. Also safe_insert_many.
---@param docs table[]
---@return boolean ok
---@return string? err
---@return table? reply
function collection:safe_batch_insert(docs)
	return safe_write(self, "insert", encode_all(docs))
end

collection.insert_many = collection.batch_insert
collection.safe_insert_many = collection.safe_batch_insert

---Updates the first document that matches, or with `multi` all; what fails is in the log.
---@param query table
---@param update table
---@param upsert? boolean
---@param multi? boolean
---@return boolean ok
---@return string? err
---@return table? reply
function collection:update(query, update, upsert, multi)
	return loud_write(self, "update", { update_of(query, update, upsert, multi) })
end

---Updates the first document that matches, or with `multi` all.
---@param query table
---@param update table
---@param upsert? boolean
---@param multi? boolean
---@return boolean ok
---@return string? err
---@return table? reply
function collection:safe_update(query, update, upsert, multi)
	return safe_write(self, "update", { update_of(query, update, upsert, multi) })
end

---Several updates; what fails is in the log.
---@param list { query: table, update: table, upsert: boolean?, multi: boolean? }[]
---@return boolean ok
---@return string? err
---@return table? reply
function collection:batch_update(list)
	return loud_write(self, "update", updates_of(list))
end

---Several updates.
---@param list { query: table, update: table, upsert: boolean?, multi: boolean? }[]
---@return boolean ok
---@return string? err
---@return table? reply
function collection:safe_batch_update(list)
	return safe_write(self, "update", updates_of(list))
end

---An update that is encoded, as the command has it.
---@param object bson.object
---@return boolean ok
---@return string? err
---@return table? reply
function collection:raw_safe_update(object)
	return safe_write(self, "update", { object })
end

---Deletes all documents that match, or one; what fails is in the log.
---@param query table
---@param single? boolean
---@return boolean ok
---@return string? err
---@return table? reply
function collection:delete(query, single)
	return loud_write(self, "delete", { delete_of(query, single) })
end

---Deletes all documents that match, or one.
---@param query table
---@param single? boolean
---@return boolean ok
---@return string? err
---@return table? reply
function collection:safe_delete(query, single)
	return safe_write(self, "delete", { delete_of(query, single) })
end

---Several deletions.
---@param queries table[]
---@param single? boolean
---@return boolean ok
---@return string? err
---@return table? reply
function collection:safe_batch_delete(queries, single)
	return safe_write(self, "delete", deletes_of(queries, single))
end

---A deletion that is encoded, as the command has it.
---@param object bson.object
---@return boolean ok
---@return string? err
---@return table? reply
function collection:raw_safe_delete(object)
	return safe_write(self, "delete", { object })
end

-- ---- reading ----

-- How it reads.
function collection:read_options()
	local settings = self:settings()
	return { readPreference = settings.read_preference, exact = settings.exact }
end

---A cursor over what matches; nothing is asked before its first use.
---@param query? table
---@param projection? table
---@return mongo.find
function collection:find(query, projection)
	return cursor.find(self:core(), self.database.name, self.name, {
		filter = query or {}, projection = projection, readConcern = self:settings().read_concern,
	}, self:read_options())
end

---The first document that matches, or nil.
---@param query? table
---@param projection? table
---@return table?
function collection:findOne(query, projection)
	local settings = self:settings()
	local body = { "find", self.name, "filter", query or {}, "limit", 1, "singleBatch", true }
	if projection then
		body[9], body[10] = "projection", projection
	end
	if settings.read_concern then
		body[#body + 1], body[#body + 2] = "readConcern", settings.read_concern
	end
	return cursor.first(self:core(), {
		db = self.database.name, name = "find", body = body, retry = true, preference = settings.read_preference,
		exact = settings.exact, batches = true, shape = "first_batch", plain = true,
		-- Room for what is filled in on its way.
		session = nil, deadline = nil, timed = nil,
	})
end

---Changes or removes one document.
---@param doc table query, and update or remove; the rest by the names in the command
---@return table reply `value` is the document
function collection:findAndModify(doc)
	assert(doc.query)
	assert(doc.update or doc.remove)
	local body = { "findAndModify", self.name }
	for k, v in pairs(doc) do
		body[#body + 1] = k
		body[#body + 1] = v
	end
	return (self:core():execute {
		db = self.database.name, name = "findAndModify", body = body, write = true, retry = true,
	})
end

---A cursor over what a pipeline gives.
---@param pipeline table stages
---@param options? table by their names in the specification
---@return mongo.aggregate
function collection:aggregate(pipeline, options)
	return cursor.aggregate(self:core(), self.database.name, self.name, pipeline,
		cursor.aggregate_options(self:settings(), pipeline, options))
end

return collection
