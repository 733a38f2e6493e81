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
---@param outcome "rejected"|"maybe applied"|nil default: rejected
function base.fail(kind, text, outcome)
	error(errors.new({ code = "gridfs", kind = kind, outcome = outcome or "rejected", command = "GridFS" }, text), 0)
end

---An id for messages.
---@return string
function base.show(id)
	return bson.type(id) == "objectid" and select(2, bson.type(id)) or tostring(id)
end

---What a filter says of the id of a file: an expression or a document of operators is an id like any other, and no id
---is not all of them.
---@return any
function base.is(id)
	local kind = bson.type(id)
	if id == nil then
		error("mongo: the id of a file is nil", 0)
	elseif kind == "table" or kind == "regex" then
		return { ["$eq"] = id }
	end
	return id
end

---Raises for what is no name of a file, and would be a filter.
---@return string name
function base.check_name(name)
	local kind = bson.type(name)
	if kind ~= "string" then
		error(("mongo: the name of a file is a %s, not text"):format(kind), 0)
	end
	return name
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
