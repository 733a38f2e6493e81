-- One time for an operation with all its attempts, overloaded servers, and bulk writes in which something fails.
-- Against the peer.
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local skynet = require "skynet"
local test = require "test"

local function start(options)
	options = options or {}
	local set = peers.deployment {
		topology = options.topology or "replicaset", version = options.version or "8.0.0",
		members = options.members or (options.topology == "single" and 1 or 3),
	}
	test.defer(set.close, set)
	local seen = {}
	local client = mongo.client {
		uri = set:uri(options.uri), serverApi = options.serverApi, on_event = function(event)
			if event.name == "CommandStarted" then
				local command = { name = event.commandName, documents = event.documents }
				for i = 1, #event.command, 2 do
					command[event.command[i]] = event.command[i + 1]
				end
				seen[#seen + 1] = command
			end
		end,
	}
	test.defer(client.disconnect, client)
	return client, client.db.c, set, seen
end

local function fail(set, mode, commands, data)
	data.failCommands = bson.array(commands)
	for _, member in ipairs(set.members) do
		member.failpoint:configure { configureFailPoint = "failCommand", mode = mode, data = data }
	end
end

-- ---- secrets ----

test.case("of a command with a secret listeners are told neither words nor answers, nor why it failed", function()
	local set = peers.deployment { topology = "single", version = "8.0.0", members = 1 }
	test.defer(set.close, set)
	local told = {}
	local function keep(what)
		told[#told + 1] = what
	end
	local client = mongo.client { uri = set:uri(), on_event = keep, on_log = keep }
	test.defer(client.disconnect, client)
	fail(set, "alwaysOn", { "createUser" }, { errorCode = 51003, errorExtraInfo = { errmsg = "hunter2 is too short" } })
	local err
	for _, name in ipairs { "createUser", "CreateUser" } do
		pcall(client.db.runCommand, client.db, name, "ann", "pwd", "hunter2", "roles", bson.array {})
		err = select(2, pcall(client.db.runCommand, client.db, bson.document(name, "ann", "pwd", "hunter2"), {}))
	end
	test.truthy(err)
	local text, failed, code = test.show(told), 0, nil
	for _, event in ipairs(told) do
		text = text .. tostring(event.failure) .. tostring((event.data or {}).failure)
		failed = failed + (event.name == "CommandFailed" and 1 or 0)
		code = code or event.failure and event.failure.code
	end
	test.truthy(failed >= 2)
	test.equal(text:find("hunter2", 1, true), nil)
	test.equal(code, 51003)
end)

-- ---- times ----

test.case("what is left of the time goes with each command, in place of older options", function()
	local client, c, _, seen = start { uri = "timeoutMS=5000&wTimeoutMS=9" }
	c:insertOne { _id = 1 }
	test.truthy(seen[1].maxTimeMS > 4000 and seen[1].maxTimeMS <= 5000)
	test.equal(seen[1].writeConcern, nil)
	c:findWith({}, { maxTimeMS = 7, timeoutMS = 800 }):toArray()
	test.truthy(seen[2].maxTimeMS > 400 and seen[2].maxTimeMS <= 800)
	c:countDocuments({}, { timeoutMS = 0 })
	test.equal(seen[3].maxTimeMS, nil)
	local own = client:database("db", { timeoutMS = 300 }):collection("c")
	own:insertOne { _id = 2 }
	test.truthy(seen[4].maxTimeMS <= 300)
	test.raises("not a number of milliseconds", c.insertOne, c, { _id = 3 }, { timeoutMS = -1 })
end)

test.case("socketTimeoutMS is how long an attempt waits, unless timeoutMS says more", function()
	local _, c, set, seen = start { uri = "socketTimeoutMS=200" }
	local late = { blockConnection = true, blockTimeMS = 1500 }
	fail(set, { times = 1 }, { "find", "insert" }, late)
	c:findWith({ _id = 1 }):toArray()
	test.equal(#seen, 2)
	fail(set, { times = 1 }, { "insert" }, late)
	c:insertOne { _id = 1 }
	test.equal({ #seen, seen[3].txnNumber }, { 4, seen[4].txnNumber })
	test.equal(c:countDocuments { _id = 1 }, 1)
	fail(set, "alwaysOn", { "update" }, late)
	local err = test.raises("no reply in time", c.updateMany, c, {}, { ["$set"] = { v = 1 } })
	test.equal({ err.outcome, err.timeout }, { "maybe applied", true })
	fail(set, "alwaysOn", { "find" }, { blockConnection = true, blockTimeMS = 500 })
	c:findWith({}, { timeoutMS = 20000 }):toArray()
end)

test.case("a timed operation is tried as often as there is time, and says so when it is over", function()
	local _, c, set, seen = start()
	fail(set, { times = 4 }, { "insert" }, { errorCode = 91, errorLabels = bson.array { "RetryableWriteError" } })
	c:insertOne({ _id = 1 }, { timeoutMS = 8000 })
	test.truthy(#seen >= 3, "more than two attempts")
	fail(set, "alwaysOn", { "find" }, { blockConnection = true, blockTimeMS = 200, errorCode = 7 })
	local since = skynet.now()
	local err = test.raises("", function()
		c:findWith({}, { timeoutMS = 500 }):toArray()
	end)
	test.truthy(err.code == "timeout" or err.timeout, tostring(err))
	test.truthy(skynet.now() - since < 500)
end)

test.case("a cursor's time is for all of it, or for each call", function()
	local _, c, set, seen = start()
	c:insertMany { { _id = 1 }, { _id = 2 }, { _id = 3 }, { _id = 4 } }
	fail(set, "alwaysOn", { "getMore" }, { blockConnection = true, blockTimeMS = 300 })
	local err = test.raises("", function()
		c:findWith({}, { batchSize = 2, timeoutMS = 200 }):toArray()
	end)
	test.equal(err.code, "timeout")
	fail(set, "off", {}, {})
	test.equal(#c:findWith({}, { batchSize = 2, timeoutMS = 2000, timeoutMode = "iteration" }):toArray(), 4)
	test.equal(seen[#seen].maxTimeMS, nil)
	test.raises("needs timeoutMS", c.findWith, c, {}, { timeoutMode = "iteration" })
	test.raises("less than timeoutMS", c.watch, c, {}, { timeoutMS = 5, maxAwaitTimeMS = 5 })
end)

test.case("connectTimeoutMS=0 is no time at all", function()
	local _, c = start { uri = "connectTimeoutMS=0" }
	c:insertOne { _id = 1 }
	test.equal(c:countDocuments {}, 1)
end)

-- ---- too much to do ----

test.case("what an overloaded server refuses is asked again, whatever it is, twice", function()
	local client, c, set, seen = start()
	local labels = bson.array { "SystemOverloadedError", "RetryableError" }
	fail(set, { times = 2 }, { "update" }, { errorCode = 462, errorLabels = labels })
	c:updateMany({}, { ["$set"] = { a = 1 } })
	test.equal(#seen, 3)
	fail(set, "alwaysOn", { "ping" }, { errorCode = 462, errorLabels = labels })
	local err = test.raises("", function()
		client.db:runCommand(bson.document("ping", 1), {})
	end)
	test.equal({ err.code, err.attempts, #seen }, { 462, 3, 6 })
	local _, quiet, other, told = start { uri = "retryWrites=false" }
	fail(other, { times = 1 }, { "insert" }, { errorCode = 462, errorLabels = labels })
	test.raises("", quiet.insertOne, quiet, { _id = 1 })
	test.equal(#told, 1)
end)

-- ---- bulk writes ----

test.case("a command of many writes that fails as a whole is an error", function()
	local _, c, set = start()
	fail(set, "alwaysOn", { "insert", "update", "delete" }, { errorCode = 13, errorLabels = bson.array {} })
	local err = test.raises("", c.insertMany, c, { { _id = 1 }, { _id = 2 } })
	test.equal({ err.code, err.outcome }, { 13, "rejected" })
	local insert, delete = { insertOne = { document = { a = 1 } } }, { deleteOne = { filter = {} } }
	test.raises("", c.bulkWrite, c, { insert, insert })
	test.raises("", c.bulkWrite, c, { delete, delete }, { ordered = false })
	local ok, why = c:safe_batch_insert { { _id = 1 }, { _id = 2 } }
	test.equal({ ok, why ~= nil }, { false, true })
end)

test.case("what an unordered insert did stands beside its error", function()
	local _, c = start()
	c:insertOne { _id = 2 }
	local err = test.raises("", c.insertMany, c, { { _id = 1 }, { _id = 2 }, { _id = 3 } }, { ordered = false })
	test.equal(err.result.insertedCount, 2)
	test.equal(err.result.insertedIds, { [1] = 1, [3] = 3 })
	err = test.raises("", c.insertMany, c, { { _id = 4 }, { _id = 2 }, { _id = 5 } })
	test.equal({ err.result.insertedCount, err.result.insertedIds[1], err.result.insertedIds[3] }, { 1, 4 })
end)

test.case("several upserts of one bulk write keep their places", function()
	for _, ordered in ipairs { true, false } do
		local _, c = start()
		c:insertOne { _id = 1 }
		local result = c:bulkWrite({
			{ updateOne = { filter = { _id = 10 }, update = { ["$set"] = { a = 1 } }, upsert = true } },
			{ insertOne = { document = { _id = 2 } } },
			{ updateOne = { filter = { _id = 1 }, update = { ["$set"] = { a = 1 } }, upsert = true } },
			{ replaceOne = { filter = { _id = 11 }, replacement = { b = 1 }, upsert = true } },
			{ deleteOne = { filter = { _id = 2 } } },
			{ updateMany = { filter = { _id = 12 }, update = { ["$set"] = { a = 1 } }, upsert = true } },
		}, { ordered = ordered })
		test.equal(result.upsertedIds, { [1] = 10, [4] = 11, [6] = 12 })
		test.equal({ result.upsertedCount, result.matchedCount, result.modifiedCount, result.insertedIds[2] }, { 3, 1, 1, 2 })
	end
end)

test.case("two writes of one bulk are each sent again when their answers are lost", function()
	local _, c, set, seen = start()
	local lost = {}
	for _, member in ipairs(set.members) do
		for _, name in ipairs { "insert", "update" } do
			member.on[name] = function(command)
				if member == set.members[set.primary] and not lost[name] then
					lost[name] = true
					member:usual(name, command, {})
					return "close"
				end
			end
		end
	end
	local result = c:bulkWrite {
		{ insertOne = { document = { _id = 1, n = 0 } } },
		{ updateOne = { filter = { _id = 1 }, update = { ["$inc"] = { n = 1 } } } },
	}
	test.equal({ result.insertedCount, result.modifiedCount }, { 1, 1 })
	test.equal(c:findOne({ _id = 1 }).n, 1)
	test.equal(#seen, 5)
	local function number(i)
		return seen[i].lsid.id .. seen[i].txnNumber
	end
	test.equal({ number(1) == number(2), number(3) == number(4), number(1) == number(3) }, { true, true, false })
end)

-- ---- the rest ----

test.case("a declared version of the interface goes with every command", function()
	local client, c, _, seen = start { serverApi = { version = "1", strict = true } }
	c:insertMany { { _id = 1 }, { _id = 2 }, { _id = 3 } }
	c:findWith({}, { batchSize = 2 }):toArray()
	local session = client:startSession()
	session:withTransaction(function(s)
		c:insertOne({ _id = 4 }, { session = s })
	end)
	test.truthy(#seen >= 5)
	for _, command in ipairs(seen) do
		test.equal({ command.apiVersion, command.apiStrict }, { "1", true }, command.name)
	end
end)

test.case("messages for a log say what happens, and never a secret", function()
	local set = peers.deployment { topology = "single", version = "8.0.0", users = { user = "pencil" } }
	test.defer(set.close, set)
	local logged = {}
	local uri = set:uri():gsub("//", "//user:pencil@", 1)
	local client = mongo.client { uri = uri, on_log = function(message)
		logged[#logged + 1] = message
	end }
	client.db.c:insertOne { _id = 1, text = ("ä"):rep(2000) }
	client:disconnect()
	local components = {}
	for _, message in ipairs(logged) do
		components[message.component] = (components[message.component] or 0) + 1
		for _, value in pairs(message.data) do
			test.equal(tostring(value):find("pencil", 1, true), nil)
			test.truthy(utf8.len(tostring(value)), "whole characters")
		end
	end
	for _, name in ipairs { "command", "connection", "topology", "serverSelection" } do
		test.truthy(components[name], name)
	end
end)

test.run()
