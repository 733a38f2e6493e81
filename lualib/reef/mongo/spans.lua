-- What a client does as the spans of the specification "OpenTelemetry": one for each operation of the application,
-- within it one for each command that it took, around it one for its transaction. The client's function `on_span` gets
-- each when it has ended; nothing is done for them where there is no such function.
local attempts = require "reef.mongo.attempts"
local errors = require "reef.mongo.errors"
local now = require "reef.base.now"
local sdam = require "reef.mongo.sdam"
local show = require "reef.mongo.show"
local skynet = require "skynet"

local spans = {}

---@class mongo.span
---@field name string
---@field kind "client"
---@field time number when it began, seconds since 1970
---@field duration number seconds
---@field parent mongo.span|nil
---@field attributes table<string, any> by their names in the specification
---@field error any what it ended with

---@class mongo.tracer
---@field on_span fun(span: mongo.span)
---@field text integer bytes of a command that are shown; 0: it is not shown at all
local tracer = {}
tracer.__index = tracer

---@param on_span fun(span: mongo.span)
---@param text integer|nil
---@return mongo.tracer
function spans.new(on_span, text)
	return setmetatable({ on_span = on_span, text = text or 0, commands = {} }, tracer)
end

-- ---- spans ----

local function begin(name, parent, attributes)
	attributes["db.system.name"] = "mongodb"
	return { name = name, kind = "client", time = skynet.time(), since = now(), parent = parent, attributes = attributes }
end

local function describe(span, err)
	span.error = err
	local attributes = span.attributes
	attributes["exception.message"] = tostring(err)
	attributes["exception.type"] = errors.is(err) and "reef.mongo.error" or type(err)
	attributes["exception.stacktrace"] = debug.traceback(nil, 2)
end

function tracer:finish(span)
	span.duration, span.since = now() - span.since, nil
	self.on_span(span)
end

-- ---- operations ----

-- The name of an operation where it is not the command's.
local function operation_name(op)
	if op.given then
		return "runCommand"
	elseif op.name == "drop" then
		return "dropCollection"
	elseif op.name == "create" then
		for i = 1, #op.body, 2 do
			if op.body[i] == "viewOn" then
				return "createView"
			end
		end
		return "createCollection"
	end
	return op.name
end

local function summary(name, op, collection)
	return ("%s %s%s"):format(name, op.db, collection and "." .. collection or "")
end

---Does an operation (attempts.lua) within a span.
---@param client mongo.core_client
---@param op mongo.command
function tracer:execute(client, op)
	local name, collection = operation_name(op), errors.collection_of(op)
	local text = summary(name, op, collection)
	local span = begin(text, nil, {
		["db.namespace"] = op.db, ["db.collection.name"] = collection, ["db.operation.name"] = name,
		["db.operation.summary"] = text,
	})
	op.span = span
	local results = table.pack(pcall(attempts.execute, client, op))
	-- Only on its way it has become a part of its transaction.
	span.parent = op.transaction and op.transaction.span
	local err = results[3]
	if not results[1] then
		err = results[2]
	end
	if err then
		describe(span, err)
	end
	self:finish(span)
	if not results[1] then
		error(err, 0)
	end
	return table.unpack(results, 2, results.n)
end

-- ---- commands ----

local hidden = { lsid = true, ["$db"] = true, ["$clusterTime"] = true, signature = true }

local function started(self, event, op)
	local host, port = sdam.split(event.address)
	local collection = errors.collection_of(op)
	op.span.parent = op.transaction and op.transaction.span
	local span = begin(op.name, op.span, {
		["db.namespace"] = op.db, ["db.collection.name"] = collection, ["db.command.name"] = op.name,
		["db.query.summary"] = summary(op.name, op, collection),
		["db.query.text"] = self.text > 0 and show.value(show.command(event, hidden), self.text) or nil,
		["server.address"] = host, ["server.port"] = port > 0 and port or nil,
		["network.transport"] = port > 0 and "tcp" or "unix",
		["db.mongodb.server_connection_id"] = event.serverConnectionId,
		["db.mongodb.driver_connection_id"] = event.connectionId,
		["db.mongodb.cursor_id"] = op.name == "getMore" and op.body[2] or nil,
		["db.mongodb.lsid"] = op.transaction and op.session.lsid or nil,
		["db.mongodb.txn_number"] = op.transaction and op.transaction.number or nil,
	})
	self.commands[event.requestId] = span
end

local function ended(self, event)
	local span = self.commands[event.requestId]
	if not span then
		return
	end
	self.commands[event.requestId] = nil
	local cursor = event.reply and event.reply.cursor
	if type(cursor) == "table" and cursor.id and cursor.id ~= 0 then
		span.attributes["db.mongodb.cursor_id"] = cursor.id
	end
	local err = event.failure
	if err then
		describe(span, err)
		local code = errors.is(err) and tostring(err.code) or nil
		span.attributes["db.response.status_code"] = errors.is(err) and err.reply and code or nil
		span.attributes["error.type"] = code
	end
	self:finish(span)
end

---An event of a command (command_events.lua).
---@param event table
---@param op mongo.command
function tracer:event(event, op)
	-- One whose words are a secret has nothing left of them, and no span.
	if event.name == "CommandStarted" and op.span and next(event.command) ~= nil then
		started(self, event, op)
	elseif event.name == "CommandSucceeded" or event.name == "CommandFailed" then
		ended(self, event)
	end
end

-- ---- transactions ----

---A transaction begins.
---@param transaction mongo.transaction
function tracer:enter(transaction)
	transaction.span = begin("transaction", nil, {})
end

---It was committed or aborted. May be called again.
---@param transaction mongo.transaction
function tracer:leave(transaction)
	local span = transaction.span
	if span and span.since then
		self:finish(span)
	end
end

return spans
