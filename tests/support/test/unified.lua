-- The unified test format of the MongoDB driver specifications: entities, operations, expected results, events and
-- outcomes. What the driver or the server at hand does not do is reported as skipped with the reason.
local bson = require "bson"
local errors = require "skynet.db.mongo.errors"
local mongo = require "skynet.db.mongo"
local test = require "test"

local unified = {}

local function skip(reason)
	error({ skipped = reason }, 0)
end

-- ---- values ----

-- Values of the data files are exact: an int64 may be a tagged string.
local function plain(v)
	if type(v) == "string" then
		local kind, value = bson.kind(v)
		return kind == "long" and value or v
	end
	return v
end

local function is_list(t)
	return bson.is_array(t) or (rawlen(t) > 0 and not getmetatable(t))
end

local function fields(t)
	local out = {}
	for k, v in pairs(t) do
		if v ~= nil then
			out[k] = v
		end
	end
	return out
end

local match

local kinds = {
	int = { int = true }, long = { long = true, int = true }, double = { double = true }, string = { string = true },
	object = { object = true }, array = { array = true, object = true }, bool = { bool = true }, date = { date = true },
	objectId = { objectId = true }, binData = { binData = true }, timestamp = { timestamp = true },
	number = { int = true, long = true, double = true }, null = { null = true },
}

local special = {}

special["$$exists"] = function(_, got, want, path)
	if (got ~= nil) ~= want then
		error(("%s: %s"):format(path, want and "is missing" or "must not be there"), 0)
	end
end

special["$$type"] = function(_, got, want, path)
	local kind = got ~= nil and (type(got) == "table" and (is_list(got) and "array" or "object") or bson.kind(got))
	for _, name in ipairs(type(want) == "table" and want or { want }) do
		if kind and (kinds[name] or { [name] = true })[kind] then
			return
		end
	end
	error(("%s: has type %s"):format(path, tostring(kind)), 0)
end

special["$$unsetOrMatches"] = function(self, got, want, path)
	if got ~= nil then
		match(self, got, want, path)
	end
end

special["$$matchesEntity"] = function(self, got, want, path)
	match(self, got, self.entities[want], path)
end

special["$$sessionLsid"] = function(self, got, want, path)
	match(self, got, self.entities[want].lsid, path)
end

special["$$lte"] = function(_, got, want, path)
	if plain(got) > plain(want) then
		error(path .. ": is too large", 0)
	end
end

local function match_list(self, got, want, path)
	if type(got) ~= "table" or #got ~= #want then
		error(("%s: got %s, want %d items"):format(path, test.show(got), #want), 0)
	end
	for i, item in ipairs(want) do
		match(self, got[i], item, path .. "." .. i)
	end
end

function match(self, got, want, path, root)
	if type(want) ~= "table" then
		got, want = plain(got), plain(want)
		if got ~= want and not (got == nil and want == bson.null) then
			error(("%s: got %s, want %s"):format(path, test.show(got), test.show(want)), 0)
		end
		return
	elseif is_list(want) then
		return match_list(self, got, want, path)
	end
	local wanted = fields(want)
	local name, argument = next(wanted)
	if name and special[name] then
		return special[name](self, got, argument, path)
	elseif type(name) == "string" and name:find "^%$%$" then
		skip("the operator " .. name)
	end
	if type(got) == "userdata" then
		got = got:decode()
	elseif type(got) ~= "table" then
		error(("%s: got %s, want a document"):format(path, test.show(got)), 0)
	end
	for k, v in pairs(wanted) do
		match(self, got[k], v, path .. "." .. k)
	end
	if not root then
		for k in pairs(fields(got)) do
			if wanted[k] == nil then
				error(("%s.%s: must not be there"):format(path, k), 0)
			end
		end
	end
end

-- ---- entities ----

local supported_client_options = {
	retryReads = true, retryWrites = true, readConcernLevel = true, w = true, readPreference = true, appName = true,
	heartbeatFrequencyMS = true, maxPoolSize = true, timeoutMS = true, appname = true, minPoolSize = true,
}

local make = {}

function make.client(self, spec)
	local conf = { uri = self.uri, events = {} }
	for k, v in pairs(spec.uriOptions or {}) do
		if not supported_client_options[k] then
			skip("the option " .. k)
		end
		conf[k] = plain(v)
	end
	if spec.serverApi or spec.autoEncryptOpts then
		skip(spec.serverApi and "the versioned API" or "encryption")
	end
	local observed, ignored = {}, {}
	for _, name in ipairs(spec.observeEvents or {}) do
		observed[name] = true
	end
	for _, name in ipairs(spec.ignoreCommandMonitoringEvents or {}) do
		ignored[name] = true
	end
	local events = {}
	conf.on_event = function(event)
		local name = event.name:sub(1, 1):lower() .. event.name:sub(2) .. "Event"
		if observed[name] and not ignored[event.commandName] and event.commandName ~= "endSessions" then
			event.event = name
			events[#events + 1] = event
		end
	end
	local client = mongo.client(conf)
	self.clients[#self.clients + 1] = client
	self.events[spec.id] = events
	return client
end

local function no_options(options, what)
	for k in pairs(options or {}) do
		skip(("option %s of a %s"):format(k, what))
	end
end

function make.database(self, spec)
	no_options(spec.databaseOptions, "database")
	return self.entities[spec.client]:getDB(spec.databaseName)
end

function make.collection(self, spec)
	local options = spec.collectionOptions or {}
	local collection = self.entities[spec.database]:getCollection(spec.collectionName)
	for k in pairs(fields(options)) do
		if k ~= "writeConcern" then
			skip(("option %s of a collection"):format(k))
		end
	end
	rawset(collection, "write_concern", options.writeConcern)
	return collection
end

function make.session(self, spec)
	no_options(spec.sessionOptions, "session")
	local client = self.entities[spec.client]
	client._core:select({ name = "session", preference = { mode = "nearest" } }, math.huge)
	return client:startSession()
end

local function create_entities(self, list)
	for _, entity in ipairs(list) do
		local kind, spec = next(fields(entity))
		if not make[kind] then
			skip("entities of kind " .. kind)
		end
		self.entities[spec.id] = make[kind](self, spec)
	end
end

-- ---- operations ----

local function options_of(self, args, ...)
	local options = {}
	for k, v in pairs(args) do
		options[k] = plain(v)
	end
	for _, k in ipairs { ... } do
		options[k] = nil
	end
	if options.session then
		options.session = self.entities[options.session]
	end
	return options
end

local function with_concern(collection, options)
	if options.writeConcern == nil then
		options.writeConcern = rawget(collection, "write_concern")
	end
	return options
end

local operations = {}

function operations.insertOne(self, c, a)
	return c:insertOne(a.document, with_concern(c, options_of(self, a, "document")))
end

-- The specification has ids by the index of their document, from 0 on, as text.
local function by_index(ids)
	if not ids then
		return nil
	end
	local out = {}
	for i, id in pairs(ids) do
		out[tostring(i - 1)] = id
	end
	return out
end

function operations.insertMany(self, c, a)
	local result = c:insertMany(a.documents, with_concern(c, options_of(self, a, "documents")))
	result.insertedIds = by_index(result.insertedIds)
	return result
end

for _, name in ipairs { "updateOne", "updateMany", "findOneAndUpdate" } do
	operations[name] = function(self, c, a)
		return c[name](c, a.filter, a.update, with_concern(c, options_of(self, a, "filter", "update")))
	end
end

for _, name in ipairs { "replaceOne", "findOneAndReplace" } do
	operations[name] = function(self, c, a)
		return c[name](c, a.filter, a.replacement, with_concern(c, options_of(self, a, "filter", "replacement")))
	end
end

for _, name in ipairs { "deleteOne", "deleteMany", "findOneAndDelete", "countDocuments" } do
	operations[name] = function(self, c, a)
		return c[name](c, a.filter, with_concern(c, options_of(self, a, "filter")))
	end
end

function operations.bulkWrite(self, c, a)
	local result = c:bulkWrite(a.requests, with_concern(c, options_of(self, a, "requests")))
	result.insertedIds, result.upsertedIds = by_index(result.insertedIds), by_index(result.upsertedIds)
	return result
end

function operations.find(self, c, a)
	return c:findWith(a.filter, options_of(self, a, "filter")):toArray()
end

function operations.findOne(self, c, a)
	local options = options_of(self, a, "filter")
	options.limit = -1
	return c:findWith(a.filter, options):toArray()[1]
end

function operations.distinct(self, c, a)
	return c:distinct(a.fieldName, a.filter, options_of(self, a, "fieldName", "filter"))
end

function operations.estimatedDocumentCount(self, c, a)
	return c:estimatedDocumentCount(options_of(self, a))
end

function operations.aggregate(self, object, a)
	if a.session or a.rawData ~= nil then
		skip "sessions and rawData with aggregate"
	end
	return object:aggregate(a.pipeline, options_of(self, a, "pipeline")):toArray()
end

function operations.runCommand(_, db, a)
	local body = {}
	for k, v in pairs(a.command) do
		if k ~= a.commandName then
			body[#body + 1], body[#body + 2] = k, v
		end
	end
	if a.session or a.readPreference then
		skip "sessions and read preferences with runCommand"
	end
	local reply = db:runCommand(a.commandName, a.command[a.commandName], table.unpack(body))
	if reply.ok ~= 1 then
		error(errors.from_reply(reply, "server", a.commandName), 0)
	end
	return reply
end

function operations.listIndexes(_, c)
	return c:listIndexes()
end

function operations.listCollections(_, db, a)
	return db:listCollections(a.filter)
end

function operations.listDatabases(_, client)
	return client:listDatabases()
end

function operations.endSession(_, session)
	session:endSession()
end

function operations.dropCollection(_, db, a)
	db:getCollection(a.collection):drop()
end

function operations.createCollection(_, db, a)
	no_options((function()
		local o = fields(a)
		o.collection = nil
		return o
	end)(), "new collection")
	db:runCommand("create", a.collection)
end

local function last_two(self, client)
	local seen = {}
	for _, event in ipairs(self.events[client]) do
		if event.name == "CommandStarted" then
			seen[#seen + 1] = unified.command_of(event).lsid
		end
	end
	return seen[#seen - 1], seen[#seen]
end

function operations.assertSameLsidOnLastTwoCommands(self, _, a)
	local one, two = last_two(self, a.client)
	test.equal(one, two)
end

function operations.assertDifferentLsidOnLastTwoCommands(self, _, a)
	local one, two = last_two(self, a.client)
	test.different(one, two)
end

local not_there = {
	failPoint = "needs a server with fail points", targetedFailPoint = "needs a server with fail points",
}

-- What says that the server at hand cannot do it, rather than that the driver does it wrong.
local function lacks(err)
	local text = tostring(err)
	for _, pattern in ipairs {
		"not implemented", "no such command", "not supported", "is not yet supported", "Unknown field", "unknown field",
		"unknown top level operator", "is not allowed in this context", "Unrecognized pipeline stage", "Unsupported",
		"is the wrong type 'object', expected type 'string'", "is the wrong type 'array', expected type 'object'",
		"key must not", "$merge", "$out",
	} do
		if text:find(pattern, 1, true) then
			return text
		end
	end
	return nil
end

local function check_error(err, want)
	if not errors.is(err) then
		if want.isClientError ~= true and want.isError ~= true then
			error("an error of the wrong kind: " .. tostring(err), 0)
		end
		return
	end
	if want.isClientError ~= nil and want.isClientError ~= (err.outcome ~= "rejected") then
		error("is it an error of the client's? " .. tostring(err), 0)
	end
	if want.errorCode then
		test.equal(err.code, plain(want.errorCode))
	end
	if want.errorCodeName then
		test.equal(err.codeName, want.errorCodeName)
	end
	if want.errorContains then
		test.truthy(tostring(err):lower():find(want.errorContains:lower(), 1, true), tostring(err))
	end
end

local function run_operation(self, op)
	local run = operations[op.name]
	if not_there[op.name] or not run then
		skip(not_there[op.name] or ("the operation " .. op.name))
	end
	local object = op.object ~= "testRunner" and self.entities[op.object] or nil
	local result = table.pack(pcall(run, self, object, op.arguments or {}))
	local ok, value = result[1], result[2]
	if not ok and type(value) == "table" and value.skipped then
		error(value, 0)
	end
	if op.ignoreResultAndError then
		return
	end
	local missing = not ok and lacks(value)
	if missing and (not op.expectError or not op.expectError.isClientError) then
		skip("the server lacks it: " .. missing:sub(1, 80))
	end
	if op.expectError then
		if ok then
			error(op.name .. " should fail", 0)
		end
		check_error(value, op.expectError)
		if op.expectError.expectResult and value.result then
			match(self, value.result, op.expectError.expectResult, "result", true)
		end
		return
	end
	if not ok then
		error(("%s: %s"):format(op.name, tostring(value)), 0)
	end
	if op.expectResult ~= nil then
		match(self, value, op.expectResult, "result", true)
	end
	if op.saveResultAsEntity then
		self.entities[op.saveResultAsEntity] = value
	end
end

-- ---- events and outcomes ----

---The command of a CommandStarted event as a document.
function unified.command_of(event)
	local command = {}
	for i = 1, #event.command, 2 do
		command[event.command[i]] = event.command[i + 1]
	end
	if event.identifier then
		command[event.identifier] = event.documents
	end
	return command
end

local function check_event(self, got, want, path)
	local name, expected = next(fields(want))
	if not got or got.event ~= name then
		error(("%s: got %s, want %s"):format(path, got and got.event or "nothing", name), 0)
	end
	for k, v in pairs(fields(expected)) do
		if k == "command" then
			match(self, unified.command_of(got), v, path .. ".command", true)
		elseif k == "reply" then
			match(self, got.reply, v, path .. ".reply", true)
		elseif k == "commandName" or k == "databaseName" then
			test.equal(got[k], v, path)
		end
	end
end

local function check_events(self, list)
	for _, expectation in ipairs(list) do
		if (expectation.eventType or "command") == "command" then
			local events = self.events[expectation.client]
			for i, want in ipairs(expectation.events) do
				check_event(self, events[i], want, "event " .. i)
			end
			if #events ~= #expectation.events and not expectation.ignoreExtraEvents then
				error(("%d events, want %d"):format(#events, #expectation.events), 0)
			end
		end
	end
end

local function check_outcome(self, list)
	for _, outcome in ipairs(list) do
		local c = self.internal:getDB(outcome.databaseName):getCollection(outcome.collectionName)
		local got = c:findWith({}, { sort = { _id = 1 } }):toArray()
		match_list(self, got, outcome.documents, "outcome")
	end
end

-- ---- running ----

local function version_number(text)
	local major, minor, patch = text:match "^(%d+)%.(%d+)%.?(%d*)"
	return tonumber(major) * 1000000 + tonumber(minor) * 1000 + (tonumber(patch) or 0)
end

local function check_requirements(self, list)
	if not list then
		return
	end
	local why
	for _, r in ipairs(list) do
		why = nil
		if r.minServerVersion and version_number(r.minServerVersion) > self.version then
			why = "needs server " .. r.minServerVersion
		elseif r.maxServerVersion and version_number(r.maxServerVersion .. ".999") < self.version then
			why = "needs a server of at most " .. r.maxServerVersion
		elseif r.topologies then
			why = "needs another topology: " .. table.concat(r.topologies, ", ")
			for _, topology in ipairs(r.topologies) do
				why = topology ~= "single" and why or nil
				if topology == "single" then
					break
				end
			end
		end
		if r.serverParameters or r.csfle or r.auth then
			why = "needs a server with parameters, encryption or authentication"
		end
		if not why then
			return
		end
	end
	skip(why)
end

local function prepare(self, initial)
	for _, data in ipairs(initial or {}) do
		local db = self.internal:getDB(data.databaseName)
		local c = db:getCollection(data.collectionName)
		c:drop()
		if #data.documents > 0 then
			c:insertMany(data.documents)
		else
			db:runCommand("create", data.collectionName)
		end
	end
end

---Runs one test of a file against the server at `uri`; raises what is wrong, or { skipped = reason }.
---@param context { uri: string, internal: mongo.client, version: integer }
---@param file table decoded exactly
---@param case table
function unified.run(context, file, case)
	local self = setmetatable({ entities = {}, events = {}, clients = {} }, { __index = context })
	if case.skipReason then
		skip(case.skipReason)
	end
	check_requirements(self, file.runOnRequirements)
	check_requirements(self, case.runOnRequirements)
	for _, op in ipairs(case.operations) do
		if not_there[op.name] then
			skip(not_there[op.name])
		end
	end
	prepare(self, file.initialData)
	local _ <close> = setmetatable({}, { __close = function()
		for _, client in ipairs(self.clients) do
			client:disconnect()
		end
	end })
	create_entities(self, file.createEntities)
	for _, op in ipairs(case.operations) do
		run_operation(self, op)
	end
	if case.expectEvents then
		check_events(self, case.expectEvents)
	end
	if case.outcome then
		check_outcome(self, case.outcome)
	end
end

---@return table context
function unified.context(uri)
	local internal = mongo.client { uri = uri }
	local info = internal:runCommand "buildInfo"
	return {
		uri = uri, internal = internal, version = version_number(info.version), ferretdb = info.ferretdbVersion ~= nil,
	}
end

return unified
