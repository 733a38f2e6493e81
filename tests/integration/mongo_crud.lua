-- The operations of the driver specifications against a real server: results, options, errors.
-- timeout: 1200
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local mongo_server = require "test.mongo"
local test = require "test"

local function collection(options)
	local server = mongo_server.start()
	local client = mongo.client(server:uri(options))
	test.defer(client.disconnect, client)
	return client.testdb.things
end

test.case("documents are inserted one and many, and errors name the one that failed", { timeout = 900 }, function()
	local c = collection()
	test.equal(c:insertOne { _id = 1, n = 1 }, { acknowledged = true, insertedId = 1 })
	local result = c:insertMany { { n = 2 }, { _id = 3, n = 3 } }
	test.equal({ result.insertedCount, #result.insertedIds, result.insertedIds[2] }, { 2, 2, 3 })
	local err = test.raises("[Dd]uplicate", c.insertMany, c, { { _id = 4 }, { _id = 3 }, { _id = 5 } })
	test.equal({ err.code, err.outcome, err.writeErrors[1].index, err.partial.n }, { 11000, "rejected", 1, 1 })
	err = test.raises("[Dd]uplicate", c.insertMany, c, { { _id = 4 }, { _id = 3 }, { _id = 5 } }, { ordered = false })
	test.equal({ #err.writeErrors, err.partial.n }, { 2, 1 })
end)

test.case("updates say what they matched, modified and made", function()
	local c = collection()
	c:insertMany { { _id = 1, g = 1 }, { _id = 2, g = 1 }, { _id = 3, g = 2 } }
	local r = c:updateOne({ g = 1 }, { ["$set"] = { x = 1 } })
	test.equal({ r.matchedCount, r.modifiedCount, r.upsertedCount, r.upsertedId }, { 1, 1, 0, nil })
	r = c:updateMany({ g = 1 }, { ["$set"] = { x = 1 } })
	test.equal({ r.matchedCount, r.modifiedCount }, { 2, 1 })
	r = c:updateOne({ _id = 9 }, { ["$set"] = { x = 1 } }, { upsert = true })
	test.equal({ r.matchedCount, r.modifiedCount, r.upsertedCount, r.upsertedId }, { 0, 0, 1, 9 })
	r = c:replaceOne({ _id = 9 }, { y = 2 })
	test.equal({ r.matchedCount, r.modifiedCount }, { 1, 1 })
	test.equal(c:findOne { _id = 9 }, { _id = 9, y = 2 })
	test.raises("operators", c.updateOne, c, {}, { x = 1 })
	test.raises("operators", c.replaceOne, c, {}, { ["$set"] = { x = 1 } })
	test.raises("empty", c.updateOne, c, {}, {})
end)

test.case("deletes, counts, distinct values", function()
	local c = collection()
	for i = 1, 10 do
		c:insertOne { _id = i, g = i % 3 }
	end
	test.equal(c:countDocuments { g = 1 }, 4)
	test.equal(c:countDocuments({ g = 1 }, { skip = 1, limit = 2 }), 2)
	test.equal(c:countDocuments { g = 77 }, 0)
	test.equal(c:estimatedDocumentCount(), 10)
	local values = c:distinct "g"
	table.sort(values)
	test.equal(values, { 0, 1, 2 })
	test.equal(c:deleteOne({ g = 1 }).deletedCount, 1)
	test.equal(c:deleteMany({ g = 1 }).deletedCount, 3)
	test.equal(c:countDocuments(), 6)
end)

test.case("one document is found and changed, replaced or removed", function()
	local c = collection()
	c:insertMany { { _id = 1, n = 1 }, { _id = 2, n = 2 } }
	test.equal(c:findOneAndUpdate({ _id = 1 }, { ["$inc"] = { n = 5 } }), { _id = 1, n = 1 })
	test.equal(c:findOneAndUpdate({ _id = 1 }, { ["$inc"] = { n = 5 } }, { returnDocument = "after" }),
		{ _id = 1, n = 11 })
	test.equal(c:findOneAndReplace({ _id = 2 }, { m = 3 }, { returnDocument = "After" }), { _id = 2, m = 3 })
	test.equal(c:findOneAndDelete { n = 11 }, { _id = 1, n = 11 })
	test.equal(c:findOneAndDelete { n = 11 }, nil)
	test.equal(c:findOneAndUpdate({ n = 11 }, { ["$set"] = { a = 1 } }), nil)
end)

test.case("a bulk write of all kinds counts all it did", function()
	local c = collection()
	local r = c:bulkWrite {
		{ insertOne = { document = { _id = 1, n = 1 } } },
		{ insertOne = { document = { _id = 2, n = 1 } } },
		{ updateOne = { filter = { _id = 1 }, update = { ["$inc"] = { n = 1 } } } },
		{ updateMany = { filter = {}, update = { ["$set"] = { m = 1 } } } },
		{ deleteOne = { filter = { _id = 2 } } },
		{ replaceOne = { filter = { _id = 3 }, replacement = { k = 1 }, upsert = true } },
	}
	test.equal({ r.insertedCount, r.matchedCount, r.modifiedCount, r.upsertedCount, r.deletedCount }, { 2, 3, 3, 1, 1 })
	test.equal({ r.insertedIds[2], r.upsertedIds[6] }, { 2, 3 })
	local err = test.raises("[Dd]uplicate", c.bulkWrite, c, {
		{ deleteOne = { filter = { _id = 3 } } },
		{ insertOne = { document = { _id = 1 } } },
		{ insertOne = { document = { _id = 4 } } },
	})
	test.equal({ err.writeErrors[1].index, err.result.deletedCount, err.result.insertedCount }, { 1, 1, 0 })
	test.equal(c:countDocuments {}, 1)
end)

test.case("cursors with options of the specification; what is left open is closed", function()
	local c = collection()
	local docs = {}
	for i = 1, 500 do
		docs[i] = { _id = i }
	end
	c:insertMany(docs)
	local got = c:findWith({ _id = { ["$gt"] = 100 } }, { sort = { _id = -1 }, batchSize = 30, projection = { _id = 1 } })
		:toArray()
	test.equal({ #got, got[1]._id, got[400]._id }, { 400, 500, 101 })
	do
		local cursor <close> = c:findWith({}, { batchSize = 2 })
		test.truthy(cursor:hasNext())
	end
	test.equal(#c:findWith({}, { limit = -3 }):toArray(), 3)
end)

test.case("every type of value is stored and comes back byte for byte", function()
	local server = mongo_server.start()
	local client = mongo.client { uri = server:uri(), exact = true }
	test.defer(client.disconnect, client)
	local c = client.testdb.things
	local doc = bson.document("_id", 1, "z", bson.int64(5), "a", 2.0, "dec", bson.objectid(), "t", bson.timestamp(1, 2),
		"d", bson.datetime(1234567890123), "b", bson.binary("\0\1", 0), "r", bson.regex("^a", "i"), "n", bson.null,
		"e", bson.array {}, "o", bson.document(), "s", "text", "l", 1 << 40, "y", true)
	c:insertOne(doc)
	test.equal(tostring(bson.encode(c:findOne { _id = 1 })), tostring(bson.encode(doc)))
end)

test.case("one deadline holds for all of an operation", function()
	local server = mongo_server.start()
	local client = mongo.client { host = server.host, port = server.port, timeoutMS = 700 }
	test.defer(client.disconnect, client)
	local c = client.testdb.things
	c:insertOne { _id = 1 }
	server:freeze()
	local err = test.within(20, test.raises, "no reply in time", c.insertOne, c, { _id = 2 })
	test.equal({ err.code, err.outcome }, { "timeout", "maybe applied" })
	server:thaw()
	test.eventually("a working connection", 20, function()
		return pcall(c.countDocuments, c, {})
	end)
end)

test.case("a server that is killed and comes back is used again without further ado", { timeout = 120 }, function()
	local server = mongo_server.start()
	local client = mongo.client { host = server.host, port = server.port, serverSelectionTimeoutMS = 60000 }
	test.defer(client.disconnect, client)
	local c = client.testdb.things
	c:insertOne { _id = 1 }
	server:kill()
	test.raises(".", function()
		return c:findWith({}, { timeoutMS = 300 }):toArray()
	end)
	server:restart()
	test.equal(#c:findWith({}, { timeoutMS = 60000 }):toArray(), 1)
	c:insertOne { _id = 2 }
end)

test.case("events tell of commands, connections and servers, and of no password", function()
	local server = mongo_server.start { username = "user", password = "secret" }
	local seen, text = {}, {}
	local client = mongo.client {
		host = server.host, port = server.port, username = "user", password = "secret",
		on_event = function(event)
			seen[event.name] = (seen[event.name] or 0) + 1
			text[#text + 1] = test.show(event)
		end,
	}
	client.testdb.c:insertOne { a = 1 }
	client.testdb:runCommand "nosuch"
	client:disconnect()
	for _, name in ipairs {
		"TopologyOpening", "ServerOpening", "ServerDescriptionChanged", "TopologyDescriptionChanged", "TopologyClosed",
		"ServerClosed", "ServerHeartbeatStarted", "ServerHeartbeatSucceeded", "ConnectionPoolCreated",
		"ConnectionPoolReady", "ConnectionCreated", "ConnectionReady", "ConnectionCheckedOut", "ConnectionCheckedIn",
		"ConnectionPoolClosed", "CommandStarted", "CommandSucceeded", "CommandFailed",
	} do
		test.truthy(seen[name], name)
	end
	test.equal(table.concat(text):find("secret", 1, true), nil)
end)

test.run()
