-- The operations that the unified test format has for the test runner itself: fail points, waiting, and looking at what
-- the driver holds.
local bson = require "bson"
local check = require "test.unified.check"
local entities = require "test.unified.entities"
local errors = require "reef.mongo.errors"
local match = require "test.unified.match"
local skynet = require "skynet"
local test = require "test"

local operations = {}

local plain = match.plain

function operations.failPoint(run, _, a)
	run.target:fail_point(run.entities[a.client], a.failPoint)
end

function operations.createEntities(run, _, a)
	entities.create(run, a.entities)
end

-- ---- events ----

function operations.waitForEvent(run, _, a)
	test.eventually("the event " .. tostring(next(match.fields(a.event))), 20, function()
		return check.count(run, a.client, a.event) >= plain(a.count)
	end)
end

function operations.assertEventCount(run, _, a)
	test.equal(check.count(run, a.client, a.event), plain(a.count), "events " .. tostring(next(match.fields(a.event))))
end

function operations.assertNumberConnectionsCheckedOut(run, _, a)
	test.equal(run.events[a.client].out, plain(a.connections), "connections checked out")
end

-- ---- threads ----

function operations.runOnThread(run, _, a)
	local thread = run.entities[a.thread]
	table.insert(thread.work, function()
		run:operation(a.operation)
	end)
end

function operations.waitForThread(run, _, a)
	local thread = run.entities[a.thread]
	test.eventually(a.thread .. " is done", 20, function()
		return not thread.busy and #thread.work == 0
	end)
	if thread.err then
		error(thread.err, 0)
	end
end

function operations.wait(_, _, a)
	skynet.sleep(plain(a.ms) // 10)
end

-- ---- a loop ----

-- How often the operations of a loop, which ends when somebody says so, are done here.
local ROUNDS = 20

local function store_in(run, name, what)
	local list = run.entities[name] or bson.array {}
	run.entities[name] = list
	list[#list + 1] = { error = tostring(what), time = skynet.time() }
end

---An error of the driver's and a failed expectation go to different lists, if there are such; without any they end it.
function operations.loop(run, _, a)
	local rounds, successes = 0, 0
	local errors_to, failures_to = a.storeErrorsAsEntity or a.storeFailuresAsEntity,
		a.storeFailuresAsEntity or a.storeErrorsAsEntity
	for _ = 1, ROUNDS do
		rounds = rounds + 1
		for _, op in ipairs(a.operations) do
			local ok, err = pcall(run.operation, run, op)
			if ok then
				successes = successes + 1
			elseif type(err) == "table" and err.skipped or not errors_to then
				error(err, 0)
			else
				store_in(run, errors.is(err) and errors_to or failures_to, err)
				break
			end
		end
	end
	for name, n in pairs { storeIterationsAsEntity = rounds, storeSuccessesAsEntity = successes } do
		if a[name] then
			run.entities[a[name]] = n
		end
	end
end

-- ---- topology ----

function operations.recordTopologyDescription(run, _, a)
	run.entities[a.id] = run.entities[a.client]._core.topology.description
end

function operations.assertTopologyType(run, _, a)
	test.equal(run.entities[a.topologyDescription].type, a.topologyType)
end

local function primary_of(description)
	for address, server in pairs(description.servers) do
		if server.type == "RSPrimary" then
			return address
		end
	end
	return nil
end

function operations.waitForPrimaryChange(run, _, a)
	local before = primary_of(run.entities[a.priorTopologyDescription])
	test.eventually("another primary", 20, function()
		local now = primary_of(run.entities[a.client]._core.topology.description)
		return now ~= nil and now ~= before
	end)
end

-- ---- sessions ----

local function last_two(run, client)
	local seen = {}
	for _, event in ipairs(run.events[client].command) do
		if event.name == "CommandStarted" then
			seen[#seen + 1] = check.command_of(event).lsid
		end
	end
	return seen[#seen - 1], seen[#seen]
end

function operations.assertSameLsidOnLastTwoCommands(run, _, a)
	local one, two = last_two(run, a.client)
	test.equal(one, two)
end

function operations.assertDifferentLsidOnLastTwoCommands(run, _, a)
	local one, two = last_two(run, a.client)
	test.different(one, two)
end

function operations.assertSessionDirty(run, _, a)
	test.equal(run.entities[a.session].server.dirty, true, "the session is dirty")
end

function operations.assertSessionNotDirty(run, _, a)
	test.equal(run.entities[a.session].server.dirty, nil, "the session is not dirty")
end

-- ---- transactions ----

function operations.targetedFailPoint(run, _, a)
	run.target:fail_point_at(run.entities[a.session].pinned, a.failPoint)
end

local states = { none = "none", starting = "starting", in_progress = "in progress", committed = "committed",
	aborted = "aborted" }

function operations.assertSessionTransactionState(run, _, a)
	local t = run.entities[a.session].transaction
	test.equal(t and t.state or "none", states[a.state])
end

local function is_pinned(session)
	return session.pinned ~= nil or session.pinned_connection ~= nil
end

function operations.assertSessionPinned(run, _, a)
	test.equal(is_pinned(run.entities[a.session]), true, "the session is pinned")
end

function operations.assertSessionUnpinned(run, _, a)
	test.equal(is_pinned(run.entities[a.session]), false, "the session is pinned")
end

-- ---- what is there ----

local function collection_exists(run, a)
	return run.target.internal:database(a.databaseName):listCollectionNames({ name = a.collectionName })[1] ~= nil
end

function operations.assertCollectionExists(run, _, a)
	test.equal(collection_exists(run, a), true, a.collectionName)
end

function operations.assertCollectionNotExists(run, _, a)
	test.equal(collection_exists(run, a), false, a.collectionName)
end

local function index_exists(run, a)
	local ok, names = pcall(function()
		return run.target.internal:database(a.databaseName):collection(a.collectionName):listIndexNames()
	end)
	for _, name in ipairs(ok and names or {}) do
		if name == a.indexName then
			return true
		end
	end
	return false
end

function operations.assertIndexExists(run, _, a)
	test.equal(index_exists(run, a), true, a.indexName)
end

function operations.assertIndexNotExists(run, _, a)
	test.equal(index_exists(run, a), false, a.indexName)
end

-- ---- an administrator's commands ----

---What the runner of the older formats calls runAdminCommand.
function operations.runAdminCommand(run, _, a)
	run.target.internal:database("admin"):runCommand(a.command or bson.document(a.command_name, 1), {})
end

return operations
