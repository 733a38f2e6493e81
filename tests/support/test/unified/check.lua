-- Errors, events and outcomes of a file in the unified test format.
local bson = require "bson"
local errors = require "reef.mongo.errors"
local match = require "test.unified.match"
local skip = require "test.unified.skip"
local test = require "test"

local check = {}

local fields, plain = match.fields, match.plain

-- ---- errors ----

local checks = {}

function checks.isError() end

function checks.isClientError(_, err, want)
	local from_server = errors.is(err) and err.reply ~= nil and err.code ~= "auth"
	if want == from_server then
		error("is it an error of the client's? " .. tostring(err), 0)
	end
end

function checks.isTimeoutError(_, err, want)
	test.equal(errors.is(err) and (err.code == "timeout" or err.code == 50 or err.timeout == true), want, tostring(err))
end

function checks.errorCode(_, err, want)
	-- A login that was refused is an error of its own kind.
	test.equal(err.code == "auth" and err.reply and err.reply.code or err.code, plain(want), tostring(err))
end

function checks.errorCodeName(_, err, want)
	test.equal(err.codeName, want, tostring(err))
end

function checks.errorContains(_, err, want)
	test.truthy(tostring(err):lower():find(want:lower(), 1, true), tostring(err))
end

local function has_label(err, label)
	return errors.is(err) and err.labels[label] == true
end

function checks.errorLabelsContain(_, err, want)
	for _, label in ipairs(want) do
		test.truthy(has_label(err, label), ("label %s of %s"):format(label, tostring(err)))
	end
end

function checks.errorLabelsOmit(_, err, want)
	for _, label in ipairs(want) do
		test.truthy(not has_label(err, label), ("label %s must not be there: %s"):format(label, tostring(err)))
	end
end

function checks.errorResponse(run, err, want)
	match.value(run.entities, err.reply, want, "reply of the error", true)
end

function checks.expectResult(run, err, want)
	match.value(run.entities, errors.is(err) and err.result or nil, want, "result beside the error", true)
end

function checks.writeErrors(run, err, want)
	local by_index = {}
	for _, item in ipairs(err.writeErrors or {}) do
		by_index[tostring(item.index)] = item
	end
	for index, expected in pairs(fields(want)) do
		match.value(run.entities, by_index[index], expected, "write error " .. index, true)
	end
end

function checks.writeConcernErrors(run, err, want)
	local got = bson.array {}
	for i, item in ipairs(err.writeConcernErrors or {}) do
		got[i] = { code = item.code, message = item.errmsg }
	end
	match.value(run.entities, got, want, "write concern errors", true)
end

---@param run table
---@param err any
---@param want table expectError
function check.error(run, err, want)
	for name, argument in pairs(want) do
		if not checks[name] then
			skip("the expectation " .. name .. " of an error")
		end
		checks[name](run, err, argument)
	end
end

-- ---- events ----

---The command of a CommandStarted event as a document.
function check.command_of(event)
	local command = {}
	for i = 1, #event.command, 2 do
		command[event.command[i]] = event.command[i + 1]
	end
	command["$db"] = command["$db"] or event.databaseName
	if event.identifier then
		command[event.identifier] = bson.array(event.documents)
	end
	return command
end

-- Whether an event says which connection, or service behind a load balancer, it is about.
local said = { hasServiceId = "serviceId", hasServerConnectionId = "serverConnectionId" }

local function description(run, got, want, path)
	for k, v in pairs(fields(want)) do
		match.value(run.entities, got[k], v, path .. "." .. k, true)
	end
end

---Does an event match what is expected? Raises where it does not.
function check.event(run, got, want, path)
	local name, expected = next(fields(want))
	if not got or got.event ~= name then
		error(("%s: got %s, want %s"):format(path, got and got.event or "nothing", name), 0)
	end
	for k, v in pairs(fields(expected)) do
		if k == "command" then
			match.value(run.entities, check.command_of(got), v, path .. ".command", true)
		elseif k == "reply" then
			match.value(run.entities, got.reply, v, path .. ".reply", true)
		elseif k == "previousDescription" then
			description(run, got.previous, v, path .. "." .. k)
		elseif k == "newDescription" then
			description(run, got.new, v, path .. "." .. k)
		elseif said[k] then
			test.equal(got[said[k]] ~= nil, v, path .. "." .. k)
		else
			match.value(run.entities, got[k], v, path .. "." .. k, true)
		end
	end
end

---How many of the events seen by a client match.
function check.count(run, client, want)
	local n = 0
	for _, event in ipairs((run.events[client] or { all = {} }).all) do
		if pcall(check.event, run, event, want, "") then
			n = n + 1
		end
	end
	return n
end

function check.events(run, list)
	for _, expectation in ipairs(list or {}) do
		local kind = expectation.eventType or "command"
		local events = run.events[expectation.client][kind] or skip("events of the kind " .. kind)
		for i, want in ipairs(expectation.events) do
			check.event(run, events[i], want, kind .. " event " .. i)
		end
		if #events > #expectation.events and not expectation.ignoreExtraEvents then
			error(("%d %s events, want %d"):format(#events, kind, #expectation.events), 0)
		end
	end
end

-- ---- log messages ----

local function matches(run, got, want)
	return pcall(match.value, run.entities, got, want, "log message", true)
end

local function check_redaction(failure, redacted, what)
	test.truthy(failure, what)
	test.equal(failure:find("redacted", 1, true) ~= nil, redacted, what .. ": is it redacted? " .. failure)
end

function check.logs(run, list)
	for _, expectation in ipairs(list or {}) do
		local got = {}
		for _, message in ipairs(run.events[expectation.client].logs) do
			local ignored = false
			for _, want in ipairs(expectation.ignoreMessages or {}) do
				ignored = ignored or matches(run, message, want)
			end
			if not ignored then
				got[#got + 1] = message
			end
		end
		for i, want in ipairs(expectation.messages) do
			local expected = fields(want)
			local redacted = expected.failureIsRedacted
			expected.failureIsRedacted = nil
			match.value(run.entities, got[i], expected, "log message " .. i, true)
			if redacted ~= nil then
				check_redaction(got[i].data.failure, redacted, "the failure of log message " .. i)
			end
		end
		if #got > #expectation.messages and not expectation.ignoreExtraMessages then
			error(("%d log messages, want %d"):format(#got, #expectation.messages), 0)
		end
	end
end

-- ---- spans ----

-- What is within a span, or within none, in the order of their ends.
local function within(spans, parent)
	local found = {}
	for _, span in ipairs(spans) do
		if span.parent == parent then
			found[#found + 1] = span
		end
	end
	return found
end

local function check_spans(run, spans, parent, wanted, extra, path)
	local got, at = within(spans, parent), 0
	for i, want in ipairs(wanted or {}) do
		local place = ("%s span %d"):format(path, i)
		local ok, why
		repeat
			at = at + 1
			local span = got[at]
			ok, why = pcall(function()
				test.equal(span and span.name, want.name, place)
				for k, v in pairs(fields(want.attributes)) do
					match.value(run.entities, span.attributes[k], v, place .. "." .. k, true)
				end
				check_spans(run, spans, span, want.nested, extra, place)
			end)
		until ok or not extra or at > #got
		if not ok then
			error(why, 0)
		end
	end
	if at < #got and not extra then
		error(("%s: %d spans, want %d; one more is %s"):format(path, #got, at, got[at + 1].name), 0)
	end
end

function check.spans(run, list)
	for _, expectation in ipairs(list or {}) do
		check_spans(run, run.events[expectation.client].spans, nil, expectation.spans, expectation.ignoreExtraSpans == true,
			expectation.client)
	end
end

-- ---- outcomes ----

function check.outcome(run, list)
	for _, outcome in ipairs(list or {}) do
		local c = run.target.internal:database(outcome.databaseName):collection(outcome.collectionName)
		local got = c:findWith({}, { sort = { _id = 1 } }):toArray()
		match.value(run.entities, got, outcome.documents, "outcome of " .. outcome.collectionName)
	end
end

return check
