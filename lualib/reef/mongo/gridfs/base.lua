-- What reading and writing files of GridFS have in common.
local bson = require "bson"
local errors = require "reef.mongo.errors"
local limits = require "reef.mongo.limits"

local base = {}

---Bytes of pieces that go to the server, or come from it, at once.
base.BATCH = 4 * 1024 * 1024
---What a piece takes beside its bytes, here and at the server.
base.PIECE = 256

---Raises what is wrong with a file.
---@param kind string
---@param text string
function base.fail(kind, text)
	error(errors.new({ code = "gridfs", kind = kind, outcome = "rejected", command = "GridFS" }, text), 0)
end

---An id for messages.
---@return string
function base.show(id)
	return bson.type(id) == "objectid" and select(2, bson.type(id)) or tostring(id)
end

---Options for all operations of one piece of work: they share its time.
---@param bucket mongo.bucket
---@param options table|nil
---@return table
function base.within(bucket, options)
	local limit = limits.set({}, bucket.files:settings(), options or {})
	return { within = limit, session = options and options.session }
end

---The same for an operation with options of its own.
---@return table more
function base.with(limit, more)
	more.within, more.session = limit.within, limit.session
	return more
end

---@return boolean
function base.has_method(object, name)
	local kind = type(object)
	return (kind == "table" or kind == "userdata") and object[name] ~= nil
end

return base
