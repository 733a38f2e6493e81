-- Is a reply what the protocol says it is? Everything that the driver reads of a reply is looked at here, once, before
-- anybody relies on it: what is needed and is not there, or has another type, makes the reply an error; what is only
-- good to know is taken out of it then. Numbers come out as Lua's integers however they were sent, null as nothing.
local bson = require "bson"
local errors = require "reef.mongo.errors"

local is_array = bson.is_array
local shape_of = require("reef.mongo.core").shape

local replies = {}

-- Members of a replica set, by the server's manual. More are not watched.
local MOST_MEMBERS = 50

-- ---- shapes: what is read of a document (drivers/mongo/shape.h) ----

---@class mongo.reply_field
---@field kind string|function|table
---@field needed boolean|nil has to be there
---@field null boolean|nil may be null then, which is nothing
---@field told boolean|nil is taken out when it is of another kind

---@class mongo.reply_shape
---@field rest fun(doc: table): string|nil why it is not of that shape
---@field whole nil|fun(doc: table): string|nil the same with what all replies have, for `ok` = 1 and no errmsg

local function needed(kind)
	return { kind = kind, needed = true }
end

local function maybe(kind)
	return { kind = kind }
end

local function told(kind)
	return { kind = kind, told = true }
end

local is_text = shape_of { value = needed "text" }

local function text(value)
	return is_text { value = value } == nil and value or nil
end

-- Names that are told in errors.
local function name(value)
	return text(value) and #value <= 300 and not value:find "%c" and value or nil
end

local failure = { code = told "integer", errmsg = told "text", codeName = told "text", errorLabels = told { "text" } }

-- Shapes are made when they are first needed: few services meet replies of all kinds.
---@generic T
---@param make fun(): T
---@return fun(): T
local function once(make)
	local made
	return function()
		made = made or make()
		return made
	end
end

-- Of all replies.
local common_fields = once(function()
	-- A time goes back to the server with later commands: only one that it can have meant.
	local cluster_time = shape_of {
		clusterTime = needed "timestamp",
		signature = maybe(shape_of { hash = needed "binary", keyId = needed "integer" }),
	}
	return {
		ok = needed "number",
		code = failure.code, errmsg = failure.errmsg, codeName = failure.codeName, errorLabels = failure.errorLabels,
		["$err"] = told "text",
		writeErrors = maybe {
			shape_of { index = needed "count", code = told "integer", errmsg = told "text", codeName = told "text" },
		},
		writeConcernError = maybe(shape_of(failure)),
		topologyVersion = told(shape_of { processId = needed "objectid", counter = needed "integer" }),
		operationTime = told "timestamp",
		atClusterTime = told "timestamp",
		["$clusterTime"] = told(cluster_time),
	}
end)

local common = once(function()
	return shape_of(common_fields())
end)

-- Fields of replies besides, by kind.
local kinds = {}

function kinds.write()
	return {
		n = needed "count", nModified = maybe "count",
		upserted = maybe { shape_of { index = needed "count" } },
	}
end

-- Beside an error of a statement some servers leave out how many went well.
function kinds.failed_write()
	return {
		n = maybe "count", nModified = maybe "count", upserted = maybe { shape_of { index = needed "count" } },
	}
end

function kinds.count()
	return { n = needed "count" }
end

function kinds.values()
	return { values = needed "list" }
end

function kinds.value()
	return { value = { kind = "document", needed = true, null = true } }
end

function kinds.databases()
	return { databases = needed { shape_of { name = needed "text" } } }
end

function kinds.first_batch()
	return {
		cursor = needed(shape_of {
			id = needed "integer", ns = told "text", firstBatch = needed "batch", atClusterTime = told "timestamp",
			postBatchResumeToken = told "document",
		}),
	}
end

function kinds.next_batch()
	return {
		cursor = needed(shape_of {
			id = needed "integer", ns = told "text", nextBatch = needed "batch", postBatchResumeToken = told "document",
		}),
	}
end

function kinds.writes()
	return {
		nInserted = maybe "count", nUpserted = maybe "count", nMatched = maybe "count", nModified = maybe "count",
		nDeleted = maybe "count",
		cursor = needed(shape_of { id = needed "integer", ns = told "text", firstBatch = needed "batch" }),
	}
end

-- Also what hello says of a login that it has begun.
function kinds.login()
	return { conversationId = needed "integer", payload = needed "binary", done = needed "boolean" }
end

-- What a reply of a client's bulk write says of one write.
function kinds.write_item()
	return {
		ok = needed "number", idx = needed "count", n = maybe "count", nModified = maybe "count",
		upserted = maybe "document", code = told "integer", errmsg = told "text",
	}
end

-- `rest`: what a reply of that kind has besides; `whole`: with what all have.
local shape_type = {
	__index = function(shape, part)
		local fields = shape.fields()
		for key, field in next, part == "whole" and common_fields() or {} do
			fields[key] = fields[key] or key ~= "ok" and field or nil
		end
		shape[part] = shape_of(fields)
		return rawget(shape, part)
	end,
}

---What replies of some kinds have besides, when they do not report an error.
---@type table<string, mongo.reply_shape>
replies.shapes = setmetatable({}, {
	__index = function(shapes, kind)
		if kinds[kind] then
			shapes[kind] = setmetatable({ fields = kinds[kind] }, shape_type)
			return rawget(shapes, kind)
		end
	end,
})

-- ---- hello ----

-- An address that one may connect to; servers name each other with their ports.
local function address(value)
	if not text(value) or #value > 300 then
		return nil
	end
	local host, port = value:match "^(%[[%x:.]+%]):(%d+)$"
	if not host then
		host, port = value:match "^([^%c%s%[%]/:@?#]+):(%d+)$"
	end
	local n = host and #port <= 5 and math.tointeger(tonumber(port))
	return n and n > 0 and n <= 65535 and value or nil
end

local function tags(value)
	if type(value) ~= "table" or is_array(value) then
		return nil
	end
	for key, tag in pairs(value) do
		if not text(tag) or type(key) ~= "string" then
			return nil
		end
	end
	return value
end

local hello = once(function()
	return shape_of {
		isWritablePrimary = maybe "boolean", ismaster = maybe "boolean", secondary = maybe "boolean",
		hidden = maybe "boolean", arbiterOnly = maybe "boolean", isreplicaset = maybe "boolean", helloOk = told "boolean",
		msg = maybe "text", setName = maybe(name), setVersion = maybe "integer", electionId = maybe "objectid",
		primary = maybe(address), me = maybe(address),
		hosts = maybe { address }, passives = maybe { address }, arbiters = maybe { address }, tags = maybe(tags),
		minWireVersion = maybe "count", maxWireVersion = maybe "count", logicalSessionTimeoutMinutes = maybe "count",
		lastWrite = told(shape_of { lastWriteDate = maybe "date" }),
		maxBsonObjectSize = told "count", maxMessageSizeBytes = told "count", maxWriteBatchSize = told "count",
		saslSupportedMechs = told { "text" }, compression = told { "text" },
		serviceId = told "objectid", connectionId = told "integer",
		speculativeAuthenticate = told "document",
	}
end)

-- ---- what others call ----

---Looks a reply over and puts its values in the form in which they are used.
---@param reply table
---@param shape mongo.reply_shape|nil what it has to have when it reports no error
---@return string|nil why it is no reply
function replies.check(reply, shape)
	if reply.writeErrors ~= nil and shape == replies.shapes.write then
		shape = replies.shapes.failed_write
	end
	if shape and reply.ok == 1 and reply.errmsg == nil then
		return shape.whole(reply)
	end
	return common()(reply) or shape and reply.ok == 1 and not reply.errmsg and shape.rest(reply) or nil
end

---The same for one of the documents in a reply.
---@return string|nil why
function replies.check_document(value, shape)
	return (type(value) ~= "table" or is_array(value)) and "it is no document" or shape.rest(value)
end

---The same for a reply to hello.
---@return string|nil why
function replies.check_hello(reply)
	local why = common()(reply) or reply.ok == 1 and hello()(reply) or nil
	if why or reply.ok ~= 1 then
		return why
	end
	local members = 0
	for _, key in ipairs { "hosts", "passives", "arbiters" } do
		members = members + #(reply[key] or {})
	end
	return members > MOST_MEMBERS
		and ("it names %d members; a replica set has %d at most"):format(members, MOST_MEMBERS) or nil
end

---The error of a reply that is none. The server may have done what it was asked for.
---@param host string
---@param command string
---@param why string
---@return mongo.error
function replies.malformed(host, command, why)
	return errors.new({ code = "protocol", outcome = "maybe applied", host = "mongo " .. host, command = command },
		"the server's reply is malformed: " .. why)
end

return replies
