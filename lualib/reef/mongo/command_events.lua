-- What listeners are told of commands: their beginnings and ends, without secrets. By the specification "Command
-- Logging and Monitoring".
local bson = require "bson"
local errors = require "reef.mongo.errors"
local now = require "reef.base.now"

local command_events = {}

-- Commands that carry a secret, in small letters: listeners are not told what they say.
local secrets = {
	authenticate = true, saslstart = true, saslcontinue = true, getnonce = true, createuser = true, updateuser = true,
	copydbgetnonce = true, copydbsaslstart = true, copydb = true,
}

local function is_secret(op)
	local name = op.name:lower()
	if name == "hello" or name == "ismaster" then
		for i = 1, #op.body, 2 do
			if op.body[i] == "speculativeAuthenticate" then
				return true
			end
		end
	end
	return secrets[name] == true
end

-- The server's own number of a connection.
local function server_connection(entry)
	local hello = entry.connection.hello
	return hello and hello.connectionId or nil
end

---A command is about to be sent.
---@param client mongo.core_client
---@param op mongo.command
---@param server mongo.server
---@param entry mongo.pooled
---@param body table
---@return integer request_id for `ended`
function command_events.started(client, op, server, entry, body)
	client.last_request = client.last_request + 1
	body = is_secret(op) and {} or body
	client:emit("CommandStarted", {
		commandName = op.name, databaseName = op.db, address = server.address, connectionId = entry.id,
		requestId = client.last_request, command = body, identifier = op.identifier, documents = op.documents,
		serviceId = server.serviceId, serverConnectionId = server_connection(entry), operationId = op.id,
	}, op)
	return client.last_request
end

local function copy(t)
	local out = {}
	for k, v in next, t do
		out[k] = v
	end
	return setmetatable(out, getmetatable(t))
end

-- Listeners see a cursor's batch as the list of its documents.
local function whole(reply)
	local found = reply and reply.cursor
	local key = found and (found.firstBatch and "firstBatch" or "nextBatch")
	if not found or type(found[key]) ~= "userdata" then
		return reply
	end
	local shown = copy(reply)
	shown.cursor = copy(found)
	local ok, all = pcall(found[key].all, found[key])
	shown.cursor[key] = bson.array(ok and all or {})
	return shown
end

-- What the server said against a command with a secret may repeat it.
local function redacted(err)
	if not err or not err.reply then
		return err
	end
	return errors.new {
		code = err.code, codeName = err.codeName, labels = err.labels, outcome = err.outcome, host = err.host,
		command = err.command, message = "redacted",
	}
end

---It was answered, or was not.
---@param request_id integer
---@param started number
---@param reply table|nil
---@param err mongo.error|nil it has failed
function command_events.ended(client, op, server, entry, request_id, started, reply, err)
	if is_secret(op) then
		reply, err = reply and {}, redacted(err)
	end
	client:emit(err and "CommandFailed" or "CommandSucceeded", {
		commandName = op.name, databaseName = op.db, address = server.address, requestId = request_id,
		connectionId = entry.id, duration = now() - started, reply = whole(reply), failure = err,
		serviceId = server.serviceId, serverConnectionId = server_connection(entry), operationId = op.id,
	}, op)
end

return command_events
