-- What servers refuse before they look at what is stored: fields and keys that a version does not know yet, read
-- concerns that do not go with a command.
local bson = require "bson"
local failure = require "test.peer.failure"
local pipeline = require "test.peer.pipeline"
local value = require "test.peer.value"

local rules = {}

-- The first version that knows a field of a command, or of its statements.
local since = {
	find = { allowDiskUse = 4003001, let = 5000000 },
	aggregate = { let = 5000000 },
	insert = { comment = 4004000 },
	update = { hint = 4002000, let = 5000000, sort = 8000000, comment = 4004000 },
	delete = { hint = 4003004, let = 5000000, comment = 4004000 },
	findAndModify = { hint = 4003001, let = 5000000, comment = 4004000 },
	getMore = { comment = 4004000 },
	count = { comment = 4004014 },
	distinct = { comment = 4004014 },
}

local statements = { update = "updates", delete = "deletes" }

local snapshots = { find = true, aggregate = true, distinct = true }

local function unknown(name, field)
	if field == "let" and (name == "find" or name == "aggregate") then
		failure.raise(9, name == "find" and "Failed to parse: Unrecognized field 'let'." or "unrecognized field 'let'")
	end
	failure.raise(40415, "BSON field '%s.%s' is an unknown field. (field '%s' is an unknown field)", name, field, field)
end

local function check_fields(name, command, number)
	for field, version in pairs(since[name] or {}) do
		if number < version then
			if command[field] ~= nil then
				unknown(name, field)
			end
			for _, statement in ipairs(statements[name] and command[statements[name]] or {}) do
				if statement[field] ~= nil then
					unknown(name .. "." .. statements[name], field)
				end
			end
		end
	end
end

local function dollar(doc, deep)
	for key, v in pairs(doc) do
		if value.is_operator(key) or (deep and type(v) == "table" and dollar(v, deep)) then
			return true
		end
	end
	return false
end

-- Before 5.0 no stored document had a key with a dollar in front.
local function check_keys(name, command, number)
	for _, doc in ipairs(name == "insert" and command.documents or {}) do
		if type(doc._id) == "table" and dollar(doc._id, false) then
			failure.raise(52, "_id fields may not contain '$'-prefixed fields")
		elseif number < 5000000 and dollar(doc, false) then
			failure.raise(2, "Document can't have $ prefixed field names")
		end
	end
	if number >= 5000000 then
		return
	end
	for _, update in ipairs(name == "update" and command.updates or name == "findAndModify" and { command } or {}) do
		local change = update.u or update.update
		if change and not bson.is_array(change) and not value.is_operator(value.first(change)) and dollar(change, true) then
			failure.raise(52, "The dollar ($) prefixed field is not valid for storage.")
		end
	end
end

-- Comments of reading commands were texts only, once.
local function check_comment(name, command, number)
	if number < 4004000 and (name == "aggregate" or name == "find") and type(command.comment) == "table" then
		failure.raise(14, "\"comment\" had the wrong type. Expected string, found object")
	end
end

-- What the declared version of the interface forbids.
local function check_api(name, command)
	local version = command.apiVersion
	if version == nil then
		if command.apiStrict ~= nil or command.apiDeprecationErrors ~= nil then
			failure.raise(322, "Provided apiStrict or apiDeprecationErrors without passing apiVersion")
		end
	elseif version ~= "1" and version ~= "2" then
		failure.raise(322, "API version must be \"1\"")
	elseif name == "testDeprecationInVersion2" and command.apiDeprecationErrors then
		failure.raise(324, "Provided apiDeprecationErrors:true, but the command testDeprecationInVersion2 is deprecated in "
			.. "API Version 2.")
	elseif command.apiStrict then
		local stage = command.pipeline and command.pipeline[1] and value.first(command.pipeline[1])
		if name == "testVersion2" and version == "1" or stage == "$listLocalSessions" or name == "distinct" then
			failure.raise(323, ("Provided apiStrict:true, but the command %s is not in API Version %s."):format(name, version))
		end
	end
end

---Raises what the server would answer.
---@param name string
---@param command table
---@param set test.mongo_set
function rules.check(name, command, set)
	check_api(name, command)
	check_fields(name, command, set.number)
	check_keys(name, command, set.number)
	check_comment(name, command, set.number)
	if name == "bulkWrite" and set.number < 8000000 then
		failure.raise(59, "no such command: 'bulkWrite'")
	end
	local concern = command.readConcern
	if concern and concern.level == "snapshot" and command.autocommit == nil
		and (not snapshots[name] or set.topology == "single")
	then
		failure.raise(72, "command %s does not support read concern snapshot", name)
	elseif concern and concern.level == "linearizable" and name == "aggregate" and pipeline.writes(command.pipeline) then
		failure.raise(72, "$out and $merge cannot be used with a 'linearizable' read concern level")
	end
end

return rules
