-- What error objects say: servers that refuse, fail, hang up, and answer half of it. Against the peer.
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local test = require "test"

local function start(options)
	local set = peers.deployment { topology = "replicaset", version = options and options.version or "8.0.0" }
	test.defer(set.close, set)
	local client = mongo.client(set:uri(options and options.uri))
	test.defer(client.disconnect, client)
	return client.db.c, set
end

local function fail(set, times, data)
	set.members[1].failpoint:configure { configureFailPoint = "failCommand", mode = { times = times }, data = data }
end

local function fields(err, ...)
	local out = {}
	for i, name in ipairs { ... } do
		out[i] = err[name] == nil and "nil" or err[name]
	end
	return out
end

test.case("a duplicate key says which, where, and that nothing was done", function()
	local c, set = start()
	c:insertOne { _id = 1 }
	local err = test.raises("E11000", c.insertOne, c, { _id = 1 })
	test.equal(fields(err, "kind", "code", "outcome", "command", "attempts", "host"),
		{ "duplicate key", 11000, "rejected", "insert", 1, "mongo " .. set.members[1].address })
	test.equal({ err.writeErrors[1].index, err.writeErrors[1].keyValue._id }, { 0, 1 })
	c:createIndex({ a = 1 }, { unique = true })
	c:insertOne { _id = 2, a = 5 }
	for _, try in ipairs {
		function()
			c:updateOne({ _id = 1 }, { ["$set"] = { a = 5 } })
		end,
		function()
			c:findOneAndUpdate({ _id = 1 }, { ["$set"] = { a = 5 } })
		end,
		function()
			c:bulkWrite { { insertOne = { document = { _id = 3, a = 5 } } } }
		end,
	} do
		err = test.raises("E11000", try)
		test.equal(fields(err, "kind", "outcome"), { "duplicate key", "rejected" })
	end
end)

test.case("a document that is not valid says why", function()
	local c, set = start()
	c.database:createCollection("c", { validator = { x = { ["$type"] = "int" } } })
	local err = test.raises("failed validation", c.insertOne, c, { _id = 1, x = "text" })
	test.equal(fields(err, "kind", "code", "outcome"), { "validation", 121, "rejected" })
	test.equal(err.details.failingDocumentId, 1)
	c:insertOne({ _id = 1, x = "text" }, { bypassDocumentValidation = true })
	err = test.raises("failed validation", c.updateOne, c, { _id = 1 }, { ["$set"] = { y = 1 } })
	test.equal(err.kind, "validation")
	test.equal(#set.store:documents("db", "c"), 1)
end)

test.case("a write concern that was not met says that the write was done", function()
	local c, set = start()
	fail(set, 1, { failCommands = { "insert" }, writeConcernError = { code = 64, errmsg = "waiting timed out" } })
	local err = test.raises("waiting timed out", c.insertOne, c, { _id = 1 })
	test.equal(fields(err, "kind", "code", "outcome"), { "write concern", 64, "maybe applied" })
	test.equal(err.writeConcernError.errmsg, "waiting timed out")
	test.equal(c:countDocuments {}, 1)
	fail(set, 1, { failCommands = { "insert" }, writeConcernError = { code = 64, errmsg = "waiting timed out" } })
	err = test.raises("E11000", c.insertMany, c, { { _id = 2 }, { _id = 1 } })
	test.equal(fields(err, "kind", "outcome"), { "duplicate key", "rejected" })
	test.equal(err.writeConcernError.code, 64)
	test.equal(err.partial.n, 1)
end)

test.case("an error tells its labels, and how often it was tried", function()
	local c, set = start()
	fail(set, 2, { failCommands = { "insert" }, errorCode = 11602, errorLabels = bson.array { "RetryableWriteError" } })
	local err = test.raises("failpoint", c.insertOne, c, { _id = 1 })
	test.equal(fields(err, "code", "codeName", "outcome", "attempts"),
		{ 11602, "InterruptedDueToReplStateChange", "rejected", 2 })
	test.equal(err.labels, { RetryableWriteError = true })
	test.equal(err.reply.code, 11602)
	fail(set, 1, { failCommands = { "insert" }, errorCode = 8 })
	err = test.raises("failpoint", c.insertOne, c, { _id = 1 })
	test.equal({ err.code, err.attempts, err.labels }, { 8, 1, {} })
end)

test.case("when the second attempt did nothing, the error is the first one's", function()
	local c, set = start()
	local n = 0
	set.members[1].on.insert = function()
		n = n + 1
		local labels = n == 1 and { "RetryableWriteError" } or { "RetryableWriteError", "NoWritesPerformed" }
		return { ok = 0, code = n == 1 and 91 or 10107, errmsg = "attempt " .. n, errorLabels = bson.array(labels) }
	end
	local err = test.raises("attempt 1", c.insertOne, c, { _id = 1 })
	test.equal({ err.code, err.attempts, n }, { 91, 2, 2 })
end)

test.case("a lost answer is maybe applied, for a read as for a write, and says how long it took", function()
	local c, set = start()
	fail(set, 2, { failCommands = { "find", "insert" }, closeConnection = true })
	local err = test.raises("closed the connection", c.insertOne, c, { _id = 1 })
	test.equal(fields(err, "outcome", "attempts", "kind"), { "maybe applied", 2, "nil" })
	test.equal(err.labels, { RetryableWriteError = true })
	test.between(err.waited, 0, 60)
	fail(set, 2, { failCommands = { "find", "insert" }, closeConnection = true })
	err = test.raises("closed the connection", c.findOne, c, {})
	test.equal(fields(err, "outcome", "attempts", "command"), { "maybe applied", 2, "find" })
end)

test.case("what a deadline ends says so", function()
	local c, set = start()
	fail(set, 1, { failCommands = { "insert" }, blockConnection = true, blockTimeMS = 3000 })
	local err = test.raises("no reply in time", c.insertOne, c, { _id = 1 }, { timeoutMS = 100 })
	test.equal(fields(err, "code", "outcome", "attempts"), { "timeout", "maybe applied", 1 })
end)

test.case("a bulk write that stops says what it did until then", function()
	local c = start()
	local requests = {
		{ insertOne = { document = { _id = 1 } } }, { insertOne = { document = { _id = 1 } } },
		{ insertOne = { document = { _id = 2 } } },
	}
	local err = test.raises("E11000", c.bulkWrite, c, requests)
	test.equal({ err.kind, err.writeErrors[1].index, err.result.insertedCount }, { "duplicate key", 1, 1 })
	err = test.raises("E11000", c.bulkWrite, c, requests, { ordered = false })
	test.equal({ #err.writeErrors, err.writeErrors[2].index, err.result.insertedCount }, { 2, 1, 1 })
end)

test.case("a bulk write over collections says by its indexes what failed", function()
	local c = start()
	local client = c.database.client
	c:insertOne { _id = 1 }
	local models = {
		{ insertOne = { namespace = "db.d", document = { _id = 1 } } },
		{ insertOne = { namespace = "db.c", document = { _id = 1 } } },
		{ updateOne = { namespace = "db.d", filter = { _id = 1 }, update = { ["$set"] = { x = 1 } } } },
	}
	local err = test.raises("E11000", client.bulkWrite, client, models, { ordered = false, verboseResults = true })
	test.equal({ err.kind, #err.writeErrors, err.writeErrors[1].index, err.writeErrors[1].code },
		{ "duplicate key", 1, 1, 11000 })
	test.equal({ err.result.insertedCount, err.result.updateResults[3].modifiedCount }, { 1, 1 })
	local done = client:bulkWrite({ { deleteMany = { namespace = "db.d", filter = {} } } })
	test.equal({ done.deletedCount, done.acknowledged }, { 1, true })
	local old = start { version = "7.0.0" }
	err = test.raises("MongoDB 8.0", old.database.client.bulkWrite, old.database.client, models)
	test.equal(fields(err, "code", "outcome"), { "incompatible", "not sent" })
end)

test.case("listeners are not told what is secret", function()
	local set = peers.deployment { topology = "single", version = "8.0.0" }
	test.defer(set.close, set)
	local told = {}
	local client = mongo.client {
		uri = set:uri(),
		on_event = function(event)
			if event.commandName then
				told[#told + 1] = event
			end
		end,
	}
	test.defer(client.disconnect, client)
	client.admin:runCommand("createUser", "ada", "pwd", "geheim")
	client.admin:runCommand("hello", 1, "speculativeAuthenticate", { saslStart = 1 })
	client.admin:runCommand("ping", 1)
	test.equal({ told[1].command, told[2].reply == nil or told[2].reply, told[3].command, told[4].reply },
		{ {}, {}, {}, {} })
	test.equal(told[5].command[1], "ping")
end)

test.case("what cannot be retried is said in words that help", function()
	local c, set = start()
	set.members[1].on.insert = function()
		return { ok = 0, code = 20, errmsg = "Transaction numbers are only allowed on a replica set member or mongos" }
	end
	local err = test.raises("retryWrites=false", c.insertOne, c, { _id = 1 })
	test.equal(fields(err, "code", "outcome", "attempts"), { 20, "rejected", 1 })
end)

test.case("errors name the collection that they are about", function()
	local c, set = start()
	local function names(pattern, f, ...)
		local err = test.raises(pattern, f, c, ...)
		test.equal(fields(err, "database", "collection"), { "db", c.name })
	end
	local name = "db%." .. c.name
	set.members[1].on.insert = function()
		return { ok = 0, code = 13, errmsg = "not authorized" }
	end
	names("^insert " .. name .. ": not authorized$", c.insertOne, { _id = 1 })
	names("insert " .. name .. ": not authorized", c.insertMany, { { _id = 1 }, { _id = 2 } })
	set.members[1].on.find = function()
		return "close"
	end
	names("find " .. name .. " failed", c.findOne, { _id = 1 })
	set.members[1].on.find = function()
		return { ok = 1, cursor = { id = bson.int64(7), ns = "db." .. c.name, firstBatch = bson.array {} } }
	end
	set.members[1].on.getMore = function()
		return { ok = 0, code = 43, errmsg = "cursor id 7 not found" }
	end
	local cursor = c:find()
	local err = test.raises("^getMore " .. name .. ": cursor id 7 not found", cursor.hasNext, cursor)
	test.equal(fields(err, "database", "collection"), { "db", c.name })
	set.members[1].on.insert = function()
		return { ok = 1, n = 0, writeErrors = bson.array { { index = 0, code = 11000, errmsg = "E11000 in db." .. c.name } } }
	end
	names("^E11000 in " .. name .. "$", c.insertOne, { _id = 1 })
end)

test.run()
