-- Is a reply what the protocol says it is? Everything that the driver reads of a reply is looked at here, once, before
-- anybody relies on it: what is needed and is not there, or has another type, makes the reply an error; what is only
-- good to know is taken out of it then. Numbers come out as Lua's integers however they were sent, null as nothing.
local bson = require "bson"
local errors = require "reef.mongo.errors"

local null, type_of, is_array = bson.null, bson.type, bson.is_array
local type, byte, math_type, tointeger = type, string.byte, math.type, math.tointeger

local replies = {}

-- Members of a replica set, by the server's manual. More are not watched.
local MOST_MEMBERS = 50

-- ---- kinds of values: what is to be used, or nil if the value is of another kind ----

-- As bson.type, also for texts that look like something else; nil of null.
local function kind_of(value)
	if type(value) == "string" and value:byte() == 0 and #value > 1 then
		local ok, kind, content, more = pcall(type_of, value)
		if ok then
			return kind, content, more
		end
		return "string"
	end
	return type_of(value)
end

local function of_kind(wanted)
	return function(value)
		return type(value) == "string" and kind_of(value) == wanted and value or nil
	end
end

local function number(value)
	if type(value) == "number" then
		return value
	elseif type(value) == "string" then
		local kind, content = kind_of(value)
		return kind == "int64" and content or nil
	end
	return nil
end

local function integer(value)
	return math_type(value) == "integer" and value or tointeger(number(value))
end

local function count(value)
	local n = integer(value)
	return n and n >= 0 and n or nil
end

local function text(value)
	return type(value) == "string" and (byte(value) ~= 0 or kind_of(value) == "string") and value or nil
end

-- Names that are told in errors.
local function name(value)
	return text(value) and #value <= 300 and not value:find "%c" and value or nil
end

local function boolean(value)
	if type(value) == "boolean" then
		return value
	end
end

local function document(value)
	return type(value) == "table" and not is_array(value) and value or nil
end

local function list(value)
	return type(value) == "table" and is_array(value) and value or nil
end

local function list_of(kind)
	return function(value)
		if not list(value) then
			return nil
		end
		for i, element in ipairs(value) do
			element = kind(element)
			if element == nil then
				return nil
			end
			value[i] = element
		end
		return value
	end
end

-- Documents sent as an object (drivers/mongo/batch.h) or decoded.
local documents = list_of(document)

local function batch(value)
	return type(value) == "userdata" and value or documents(value)
end

-- ---- shapes: what is read of a document ----

---@class mongo.reply_field
---@field kind fun(value: any): any
---@field needed boolean|nil has to be there
---@field null boolean|nil may be null then, which is nothing
---@field told boolean|nil is taken out when it is of another kind

---@class mongo.reply_shape
---@field kinds table<string, fun(value: any): any>
---@field fields table<string, mongo.reply_field>
---@field needed string[] names of those that have to be there
---@field whole mongo.reply_shape|nil the same and what all replies have, where `ok` is 1 and there is no errmsg

local function needed(kind)
	return { kind = kind, needed = true }
end

local function maybe(kind)
	return { kind = kind }
end

local function told(kind)
	return { kind = kind, told = true }
end

---@param ... table<string, mongo.reply_field>
---@return mongo.reply_shape
local function shape_of(...)
	local shape = { kinds = {}, fields = {}, needed = {} }
	for _, fields in ipairs { ... } do
		for key, field in next, fields do
			shape.kinds[key], shape.fields[key] = field.kind, field
			if field.needed then
				shape.needed[#shape.needed + 1] = key
			end
		end
	end
	return shape
end

-- Why the document is not of that shape, nil if it is. Most fields that a shape knows are not in most documents: what
-- is in the document is walked, not what could be.
---@param doc table
---@param shape mongo.reply_shape
local function examine(doc, shape)
	local kinds, names = shape.kinds, shape.needed
	for i = 1, #names do
		if doc[names[i]] == nil then
			return ("it has no field '%s'"):format(names[i])
		end
	end
	for key, value in next, doc do
		local kind = kinds[key]
		if kind then
			local used = kind(value)
			if used == nil then
				local field = shape.fields[key]
				if value == null and field.needed and not field.null then
					return ("it has no field '%s'"):format(key)
				elseif value ~= null and not field.told then
					return ("its field '%s' is not what it has to be"):format(key)
				end
			end
			-- Even if they are equal: an integer may have come as a float.
			doc[key] = used
		end
	end
	return nil
end

local function shaped(fields)
	local shape = shape_of(fields)
	return function(value)
		return document(value) and examine(value, shape) == nil and value or nil
	end
end

local timestamp, objectid, binary = of_kind "timestamp", of_kind "objectid", of_kind "binary"

local failure = { code = told(integer), errmsg = told(text), codeName = told(text), errorLabels = told(list_of(text)) }

local write_error = { index = needed(count), code = told(integer), errmsg = told(text), codeName = told(text) }

local topology_version = shaped { processId = needed(objectid), counter = needed(integer) }

-- A time goes back to the server with later commands: only one that it can have meant.
local cluster_time = shaped {
	clusterTime = needed(timestamp),
	signature = maybe(shaped { hash = needed(binary), keyId = needed(integer) }),
}

-- Of all replies.
local common_fields = {
	ok = needed(number),
	code = failure.code, errmsg = failure.errmsg, codeName = failure.codeName, errorLabels = failure.errorLabels,
	["$err"] = told(text),
	writeErrors = maybe(list_of(shaped(write_error))),
	writeConcernError = maybe(shaped(failure)),
	topologyVersion = told(topology_version),
	operationTime = told(timestamp),
	atClusterTime = told(timestamp),
	["$clusterTime"] = told(cluster_time),
}
local common = shape_of(common_fields)

-- What a reply of that kind has besides, and with what all have.
local function reply_of(fields)
	local shape, rest = shape_of(fields), {}
	for key, field in next, common_fields do
		rest[key] = key ~= "ok" and field or nil
	end
	shape.whole = shape_of(rest, fields)
	return shape
end

---What replies of some kinds have besides, when they do not report an error.
---@type table<string, mongo.reply_shape>
replies.shapes = {
	write = reply_of {
		n = needed(count), nModified = maybe(count),
		upserted = maybe(list_of(shaped { index = needed(count) })),
	},
	-- Beside an error of a statement some servers leave out how many went well.
	failed_write = reply_of {
		n = maybe(count), nModified = maybe(count), upserted = maybe(list_of(shaped { index = needed(count) })),
	},
	count = reply_of { n = needed(count) },
	values = reply_of { values = needed(list) },
	value = reply_of { value = { kind = document, needed = true, null = true } },
	databases = reply_of { databases = needed(list_of(shaped { name = needed(text) })) },
	first_batch = reply_of {
		cursor = needed(shaped {
			id = needed(integer), ns = told(text), firstBatch = needed(batch), atClusterTime = told(timestamp),
			postBatchResumeToken = told(document),
		}),
	},
	next_batch = reply_of {
		cursor = needed(shaped {
			id = needed(integer), ns = told(text), nextBatch = needed(batch), postBatchResumeToken = told(document),
		}),
	},
	writes = reply_of {
		nInserted = maybe(count), nUpserted = maybe(count), nMatched = maybe(count), nModified = maybe(count),
		nDeleted = maybe(count),
		cursor = needed(shaped { id = needed(integer), ns = told(text), firstBatch = needed(batch) }),
	},
	login = reply_of { conversationId = needed(integer), payload = needed(binary), done = needed(boolean) },
}

---What hello says of a login that it has begun.
replies.begun = shape_of { conversationId = needed(integer), payload = needed(binary), done = needed(boolean) }

---What a reply of a client's bulk write says of one write.
replies.write_item = shape_of {
	ok = needed(number), idx = needed(count), n = maybe(count), nModified = maybe(count), upserted = maybe(document),
	code = told(integer), errmsg = told(text),
}

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

local addresses = list_of(address)

local function tags(value)
	if not document(value) then
		return nil
	end
	for key, tag in pairs(value) do
		if not text(tag) or type(key) ~= "string" then
			return nil
		end
	end
	return value
end

local hello = shape_of {
	isWritablePrimary = maybe(boolean), ismaster = maybe(boolean), secondary = maybe(boolean), hidden = maybe(boolean),
	arbiterOnly = maybe(boolean), isreplicaset = maybe(boolean), helloOk = told(boolean),
	msg = maybe(text), setName = maybe(name), setVersion = maybe(integer), electionId = maybe(objectid),
	primary = maybe(address), me = maybe(address),
	hosts = maybe(addresses), passives = maybe(addresses), arbiters = maybe(addresses), tags = maybe(tags),
	minWireVersion = maybe(count), maxWireVersion = maybe(count), logicalSessionTimeoutMinutes = maybe(count),
	lastWrite = told(shaped { lastWriteDate = maybe(of_kind "date") }),
	maxBsonObjectSize = told(count), maxMessageSizeBytes = told(count), maxWriteBatchSize = told(count),
	saslSupportedMechs = told(list_of(text)), serviceId = told(objectid), connectionId = told(integer),
	speculativeAuthenticate = told(document),
}

-- ---- what others call ----

---Looks a reply over and puts its values in the form in which they are used.
---@param reply table
---@param shape mongo.reply_shape|nil what it has to have when it reports no error
---@return string|nil why it is no reply
function replies.check(reply, shape)
	if shape == replies.shapes.write and reply.writeErrors ~= nil then
		shape = replies.shapes.failed_write
	end
	if shape and reply.ok == 1 and reply.errmsg == nil then
		return examine(reply, shape.whole)
	end
	return examine(reply, common) or shape and reply.ok == 1 and not reply.errmsg and examine(reply, shape) or nil
end

---The same for one of the documents in a reply.
---@return string|nil why
function replies.check_document(value, shape)
	return document(value) == nil and "it is no document" or examine(value, shape)
end

---The same for a reply to hello.
---@return string|nil why
function replies.check_hello(reply)
	local why = examine(reply, common) or reply.ok == 1 and examine(reply, hello) or nil
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
