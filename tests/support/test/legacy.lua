-- The formats of the public suites before the unified one: `data`, and `tests` with `operation` or `operations`,
-- `outcome` and `expectations`. A file of them becomes one of the unified format.
local bson = require "bson"
local match = require "test.unified.match"

local legacy = {}

local CLIENT, DATABASE, COLLECTION = "client0", "database0", "collection0"

local function list(...)
	return bson.array { ... }
end

-- ---- requirements ----

local function requirement(r)
	return { minServerVersion = r.minServerVersion, maxServerVersion = r.maxServerVersion, topologies = r.topology }
end

local function requirements(file)
	local found = bson.array {}
	for i, r in ipairs(file.runOn or {}) do
		found[i] = requirement(r)
	end
	if not file.runOn and (file.minServerVersion or file.maxServerVersion) then
		found[1] = requirement(file)
	end
	return found[1] and found or nil
end

-- ---- operations ----

-- What the old formats call otherwise, or write otherwise.
local renamed = { count_documents = "countDocuments", run_command = "runCommand" }

local error_checks = { "errorContains", "errorCodeName", "errorLabelsContain", "errorLabelsOmit" }

-- { insertOne = { document = d } } out of { name = "insertOne", arguments = { document = d } }
local function requests_of(old)
	local requests = bson.array {}
	for i, request in ipairs(old or {}) do
		requests[i] = request.name and bson.document(request.name, request.arguments) or request
	end
	return requests
end

local function has_checks(result)
	for _, name in ipairs(error_checks) do
		if type(result) == "table" and result[name] ~= nil then
			return true
		end
	end
	return false
end

local function expected_error(result)
	local expected = { isError = true }
	for _, name in ipairs(error_checks) do
		expected[name] = type(result) == "table" and result[name] or nil
	end
	return expected
end

-- Counts that a result has only sometimes were written as if it always had them.
local function expected_result(name, result)
	if name == "bulkWrite" or name == "insertMany" or name == "insertOne" or name == "updateOne" or name == "replaceOne"
		or name == "updateMany"
	then
		local loose = {}
		for k, v in pairs(result) do
			loose[k] = { ["$$unsetOrMatches"] = v }
		end
		return loose
	end
	return result
end

local function object_of(old)
	local object = old.object
	if object == "database" then
		return DATABASE
	elseif object == "client" then
		return CLIENT
	elseif object == "collection" or object == nil then
		return COLLECTION
	end
	return object
end

local function operation(old, outcome)
	local arguments = match.fields(old.arguments or {})
	local name = renamed[old.name] or old.name
	arguments.requests = arguments.requests and requests_of(arguments.requests)
	-- The method bulkWrite, and old options beside its options.
	for k, v in pairs(arguments.options or {}) do
		arguments[k] = v
	end
	arguments.options = nil
	if name == "runCommand" then
		arguments.commandName = old.command_name
	elseif old.object == "testRunner" then
		arguments.client = CLIENT
	end
	local result = outcome.result
	local made = { name = name, object = object_of(old), arguments = arguments }
	if outcome.error == true or has_checks(result) then
		made.expectError = expected_error(result)
	elseif result ~= nil and result ~= bson.null then
		made.expectResult = expected_result(name, result)
	end
	return made
end

local function fail_point(data)
	return { name = "failPoint", object = "testRunner", arguments = { client = CLIENT, failPoint = data } }
end

-- ---- cases ----

local function operations_of(case)
	local found = bson.array {}
	if case.failPoint then
		found[1] = fail_point(case.failPoint)
	end
	if case.operation then
		found[#found + 1] = operation(case.operation, case.outcome or {})
	end
	for _, old in ipairs(case.operations or {}) do
		found[#found + 1] = operation(old, { error = old.error, result = old.result })
	end
	return found
end

-- Null: the field must not be there; 42 stands for any number.
local function loosen(v)
	if v == bson.null then
		return { ["$$exists"] = false }
	elseif match.plain(v) == 42 then
		return { ["$$exists"] = true }
	elseif type(v) == "string" and v:find "^session%d$" then
		return { ["$$sessionLsid"] = v }
	elseif type(v) ~= "table" or bson.is_array(v) then
		return v
	end
	local out = {}
	for k, inner in pairs(v) do
		out[k] = loosen(inner)
	end
	return out
end

local kinds = {
	command_started_event = "commandStartedEvent", command_succeeded_event = "commandSucceededEvent",
	command_failed_event = "commandFailedEvent",
}

-- What is expected to be seen, and the kinds of events that this takes.
local function events_of(case)
	local events, observed, seen = bson.array {}, bson.array {}, {}
	for i, old in ipairs(case.expectations or {}) do
		local kind, event = next(match.fields(old))
		events[i] = { [kinds[kind]] = {
			command = event.command and loosen(event.command), reply = event.reply and loosen(event.reply),
			commandName = event.command_name, databaseName = event.database_name,
		} }
		if not seen[kind] then
			seen[kind] = true
			observed[#observed + 1] = kinds[kind]
		end
	end
	return case.expectations and list { client = CLIENT, events = events } or nil, observed
end

local function outcome_of(case, file)
	local collection = (case.outcome or {}).collection
	if not collection then
		return nil
	end
	return list {
		databaseName = file.database_name or "legacy-tests",
		collectionName = collection.name or file.collection_name or "coll",
		documents = collection.data,
	}
end

local function entities_of(case, file, observed)
	local entities = list(
		{ client = {
			id = CLIENT, uriOptions = case.clientOptions, useMultipleMongoses = false, observeEvents = observed,
		} },
		{ database = { id = DATABASE, client = CLIENT, databaseName = file.database_name or "legacy-tests" } },
		{ collection = { id = COLLECTION, database = DATABASE, collectionName = file.collection_name or "coll" } })
	local sessions = { session0 = {}, session1 = {} }
	for name, options in pairs(case.sessionOptions or {}) do
		sessions[name] = options
	end
	for name, options in pairs(sessions) do
		entities[#entities + 1] = { session = { id = name, client = CLIENT, sessionOptions = options } }
	end
	return entities
end

---Is that a file of one of the older formats?
---@return boolean
function legacy.is(file)
	local first = type(file.tests) == "table" and file.tests[1]
	return file.schemaVersion == nil and type(first) == "table" and (first.operation ~= nil or first.operations ~= nil)
		and first.uri == nil and file.data ~= nil
end

---The file as one of the unified format for each of its cases: they have clients of their own.
---@param file table decoded exactly
---@return table[] files with one case each
function legacy.convert(file)
	local files = {}
	for i, case in ipairs(file.tests) do
		local events, observed = events_of(case)
		files[i] = {
			runOnRequirements = requirements(file),
			createEntities = entities_of(case, file, observed),
			initialData = list {
				databaseName = file.database_name or "legacy-tests", collectionName = file.collection_name or "coll",
				documents = file.data or bson.array {},
			},
			tests = list {
				description = case.description, skipReason = case.skipReason, operations = operations_of(case),
				expectEvents = events, outcome = outcome_of(case, file),
			},
		}
	end
	return files
end

return legacy
