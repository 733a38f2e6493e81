-- Errors of MongoDB operations, as objects: what happened, and whether the server may have done the work.
--
--     local ok, err = pcall(coll.insertOne, coll, doc)
--     if not ok and err.kind == "duplicate key" then ... end
--     if not ok and err.outcome == "maybe applied" then ... end    -- look before you do it again
--
-- They are errors of reef.channel.error with more fields; below the protocol `code` is a word ("timeout", "network",
-- "closed", "selection", "pool", "auth"), from the server it is its number.
local channel_error = require "reef.channel.error"

local errors = {}

---@class mongo.error : reef.channel.error
---@field code string|integer
---@field codeName string|nil
---@field kind "duplicate key"|"validation"|"write concern"|nil what the application may want to tell apart
---@field details table|nil why a document is not valid
---@field database string|nil what the operation was about
---@field collection string|nil
---@field labels table<string, boolean>
---@field writeErrors { index: integer, code: integer, errmsg: string }[]|nil
---@field writeConcernError table|nil
---@field reply table|nil the server's reply
---@field attempts integer|nil
---@field timeout boolean|nil the time of a timed operation (timeoutMS) was over

---@param fields table
---@param why string|nil
---@return mongo.error
function errors.new(fields, why)
	fields.labels = fields.labels or {}
	return channel_error.new(fields, why)
end

---@return boolean
function errors.is(value)
	return channel_error.is(value)
end

---An error below the protocol: nothing came back from the server.
---@return mongo.error
function errors.network(host, code, outcome, command, waited, why)
	return errors.new({ code = code, outcome = outcome, host = "mongo " .. host, command = command, waited = waited }, why)
end

local function labels_of(reply)
	local labels = {}
	for _, source in ipairs { reply, reply.writeConcernError } do
		for _, label in ipairs(type(source) == "table" and source.errorLabels or {}) do
			labels[label] = true
		end
	end
	return labels
end

local kinds = { [11000] = "duplicate key", [11001] = "duplicate key", [12582] = "duplicate key", [121] = "validation" }

---What kind of error a server's code stands for, if applications tell it apart.
---@return string|nil
function errors.kind(code)
	return kinds[code]
end

---The error that a reply reports, nil if it reports none.
---@param reply table
---@param host string
---@param command string
---@return mongo.error|nil
function errors.from_reply(reply, host, command)
	local write_errors = reply.writeErrors
	local concern = reply.writeConcernError
	local source = reply
	if reply.ok == 1 and not reply.errmsg then
		source = write_errors and write_errors[1] or concern
		if not source then
			return nil
		end
	end
	local message = source.errmsg or reply["$err"] or "unknown error"
	return errors.new {
		code = source.code or "unknown",
		codeName = source.codeName,
		kind = source == concern and "write concern" or errors.kind(source.code),
		details = source.errInfo,
		outcome = source == concern and "maybe applied" or "rejected",
		host = "mongo " .. host,
		command = command,
		message = message,
		labels = labels_of(reply),
		writeErrors = write_errors,
		writeConcernError = concern,
		reply = reply,
	}
end

---The collection that a command is about, nil: none that we know of.
---@param op { db: string, name: string, body: table, given: boolean|nil }
---@return string|nil
function errors.collection_of(op)
	if op.db == "admin" or op.given or not op.body then
		return nil
	end
	local name = op.body[op.name == "getMore" and 4 or 2]
	return type(name) == "string" and name or nil
end

---Says in an error which collection it is about, unless it says so already.
---@param err mongo.error
---@param database string|nil
---@param collection string|nil
---@return mongo.error err
function errors.name(err, database, collection)
	if not database or err.database then
		return err
	end
	err.database, err.collection = database, collection
	local message, name = err.message, collection and database .. "." .. collection
	if not name or message:find(name, 1, true) then
		return err
	end
	local head = (err.host and err.host .. ": " or "") .. (err.command or "request")
	if message:sub(1, #head) == head then
		err.message = head .. " " .. name .. message:sub(#head + 1)
	else
		err.message = ("%s %s: %s"):format(err.command or "request", name, message)
	end
	return err
end

---The error of a message that ended what was done in several, those before it with success: the whole was neither not
---sent nor rejected. What is no error object, since the caller's documents were to blame, becomes one.
---@param err any
---@param command string
---@param unheard boolean|nil  nobody knows what became of those before
---@return mongo.error
function errors.in_part(err, command, unheard)
	if not errors.is(err) then
		err = errors.new { code = "argument", outcome = "not sent", command = command, message = tostring(err) }
	end
	if err.outcome == "not sent" or err.outcome == "rejected" then
		err.outcome = unheard and "maybe applied" or "applied in part"
		err.message = err.message .. (unheard and "; what came before it was sent" or "; what came before it was applied")
	end
	return err
end

---What a safe_* method answers for its second value.
---@return string|nil
function errors.text_of_reply(reply)
	if reply.writeErrors and reply.writeErrors[1] then
		return reply.writeErrors[1].errmsg or "unknown error"
	elseif reply.writeConcernError then
		return reply.writeConcernError.errmsg or "unknown error"
	end
	return reply.errmsg or reply.ok ~= 1 and "unknown error" or nil
end

return errors
