---@meta skynet.db.mongo
-- Methods of reef.mongo that are made from lists of names, and those of its optional parts.

---@class mongo.find
local find = {}

---@param n integer
---@return mongo.find
function find:skip(n) end

---@param n integer
---@return mongo.find
function find:limit(n) end

---The index to be used.
---@param index string|table its name, or its keys in order
---@return mongo.find
function find:hint(index) end

---@param milliseconds integer that the server may work
---@return mongo.find
function find:maxTimeMS(milliseconds) end

---@param n integer documents in a reply
---@return mongo.find
function find:batchSize(n) end

---@class mongo.collection
local collection = {}

---As batch_insert.
---@param docs table[]
function collection:insert_many(docs) end

---As safe_batch_insert.
---@param docs table[]
---@return boolean ok
---@return string? err
---@return table? reply
function collection:safe_insert_many(docs) end

---As createIndex.
---@param first table
---@param options? table
---@return table reply
function collection:ensureIndex(first, options) end

---@class mongo.database
local database = {}

---After `mongo.enable "transaction"`: runs f in a transaction, of which all operations of this coroutine are part.
---Commits when f returns, aborts when it raises. New code has `session:withTransaction`, which also tries again.
---@param f fun()
---@return any failure nil: it was committed
function database:run_transaction(f) end

---As `database.name`.
---@param name string
---@return mongo.collection
function database:getCollection(name) end
