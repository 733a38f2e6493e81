---@meta bson
-- BSON, the documents of MongoDB. Times are in seconds (`date`) or in milliseconds (`datetime`).
--
-- See docs/mongo.md for how Lua's values become BSON.
--
--     local object = bson.encode { name = "Ada", tags = bson.array {} }
--     print(#object, object:decode().name)
--
-- Values that Lua does not have are strings that begin with a zero byte: they can be compared and used as keys.

---@class bson
---@field null string
---@field undefined string
---@field minkey string
---@field maxkey string
local bson = {}

---@class bson.object an encoded document: `#object` is its size in bytes, `tostring(object)` the bytes
local object = {}

---@return table
function object:decode() end

---Lets fields of fixed size at the top be replaced in place: `object.key = value` of the same type.
function object:makeindex() end

---Encodes a table. Raises what cannot be encoded, with its path.
---@param document table|bson.object|lightuserdata
---@return bson.object
function bson.encode(document) end

---Encodes pairs in the order in which they are given.
---@param key string
---@param value any not nil
---@param ... any more pairs
---@return bson.object
function bson.encode_order(key, value, ...) end

---Decodes; nil gives nothing.
---@param object bson.object|string|lightuserdata|nil
---@return table?
function bson.decode(object) end

---The same, and nothing is lost: encoding gives the same bytes. Raises for a key that comes twice.
---@param object bson.object|string|lightuserdata
---@return table
function bson.decode_exact(object) end

---Bytes as an object. Raises when they are not BSON, in depth.
---@param bytes string
---@return bson.object
function bson.object(bytes) end

---Where the bytes of an object are, for as long as the object lives.
---@param object bson.object
---@return lightuserdata
function bson.to_lightuserdata(object) end

---Extended JSON, version 2.
---@param document bson.object|table|string
---@param mode? "relaxed"|"canonical" "relaxed" by default
---@return string
function bson.to_json(document, mode) end

---Reads Extended JSON. Raises with the place of the mistake.
---@param text string
---@return bson.object
function bson.from_json(text) end

---What type a value is, or will be.
---@param value any
---@return string name as "objectid", "date", "number"
---@return any value
---@return any extra
function bson.type(value) end

---The name by which MongoDB's `$type` knows it.
---@param value any
---@return string name as "objectId", "int", "long"
---@return any ... its parts
function bson.kind(value) end

---A table that is an array, also when it is empty.
---@param list? table
---@return table
function bson.array(list) end

---Is it one?
---@param value any
---@return boolean
function bson.is_array(value) end

---A table that keeps the order of its keys.
---@param key? string
---@param value? any
---@param ... any more pairs
---@return table
function bson.document(key, value, ...) end

---A new object id, or the one with that text.
---@param hex? string 24 digits
---@return string
function bson.objectid(hex) end

---@param seconds integer since 1970
---@return string
function bson.date(seconds) end

---@param milliseconds integer since 1970
---@return string
function bson.datetime(milliseconds) end

---@param seconds integer since 1970
---@param counter? integer of the process by default
---@return string
function bson.timestamp(seconds, counter) end

---@param pattern string
---@param options? string letters
---@return string
function bson.regex(pattern, options) end

---@param bytes string
---@param subtype? integer 0 by default
---@return string
function bson.binary(bytes, subtype) end

---A new UUID (version 4), or the one with that text.
---@param text? string
---@return string
function bson.uuid(text) end

---An integer that is an int64 also where an int32 would do.
---@param n integer
---@return string
function bson.int64(n) end

---@param text string as "1.20"
---@return string
function bson.decimal128(text) end

---A string that may begin with a zero byte.
---@param text string
---@return string
function bson.string(text) end

---@param source string
---@param scope? table
---@return string
function bson.code(source, scope) end

---@param text string
---@return string
function bson.symbol(text) end

---@param collection string
---@param id string an object id
---@return string
function bson.dbpointer(collection, id) end

return bson
