-- skynet.db.mongo as its users know it, against a real server.
-- timeout: 1200
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local mongo_server = require "test.mongo"
local skynet = require "skynet"
local test = require "test"

-- A client of a server that ends with the case.
local function connect(options)
	local server = mongo_server.start()
	local conf = { host = server.host, port = server.port }
	for k, v in pairs(options or {}) do
		conf[k] = v
	end
	local client = mongo.client(conf)
	test.defer(client.disconnect, client)
	return client
end

local function collection(options)
	return connect(options).testdb.things
end

-- The first case may have to build the server.
test.case("a client connects and gives databases and collections by name", { timeout = 900 }, function()
	local client = connect()
	test.equal(client.testdb.name, "testdb")
	test.equal(client:getDB("x").name, "x")
	test.equal(client.testdb.c.full_name, "testdb.c")
	test.equal(client.testdb.c.sub.full_name, "testdb.c.sub")
	test.equal(client.testdb.c.sub.name, "sub")
	test.equal(client.testdb:getCollection("a.b").name, "a.b")
	test.truthy(rawequal(client.testdb.c, client.testdb.c))
	test.equal(client:runCommand("ping").ok, 1.0)
end)

test.case("a client that reaches nobody raises at once", function()
	local err = test.raises("Connection refused", mongo.client, { host = "127.0.0.1", port = 1 })
	test.equal(err.outcome, "not sent")
	test.raises("Invalid authmod", mongo.client, { host = "127.0.0.1", port = 1, username = "u", password = "p",
		authmod = "magic" })
end)

test.case("safe writes answer three values", function()
	local c = collection()
	local ok, err, reply = c:safe_insert { _id = 1, a = 1 }
	test.equal({ ok, err, reply.n }, { true, nil, 1 })
	ok, err, reply = c:safe_insert { _id = 1 }
	test.equal(ok, false)
	test.matches(err, "[Dd]uplicate")
	test.equal(reply.writeErrors[1].code, 11000)
	local _
	ok, _, reply = c:safe_update({ _id = 1 }, { ["$set"] = { a = 2 } })
	test.equal({ ok, reply.n, reply.nModified }, { true, 1, 1 })
	ok, _, reply = c:safe_update({ _id = 9 }, { ["$set"] = { a = 2 } }, true)
	test.equal({ ok, reply.upserted[1]._id }, { true, 9 })
	ok, _, reply = c:safe_delete({ a = 2 }, true)
	test.equal({ ok, reply.n }, { true, 1 })
	ok, _, reply = c:safe_delete {}
	test.equal({ ok, reply.n }, { true, 1 })
	test.equal((c:raw_safe_insert(bson.encode { _id = 7 })), true)
	test.equal((c:raw_safe_update(bson.encode { q = { _id = 7 }, u = { ["$set"] = { b = 1 } } })), true)
	test.equal(c:findOne({ _id = 7 }).b, 1)
	test.equal((c:raw_safe_delete(bson.encode { q = {}, limit = 0 })), true)
	test.equal(c:findOne(), nil)
end)

test.case("old writes are acknowledged, answer what happened and say in the log when they fail", function()
	local c = collection()
	local doc = { a = 1 }
	test.equal(c:insert(doc), true)
	test.equal(#doc._id, 14)
	local ok, err = c:insert(doc)
	test.equal(ok, false)
	test.matches(err, "[Dd]uplicate")
	c:update({ a = 1 }, { ["$set"] = { a = 2 } })
	test.equal(c:findOne({ _id = doc._id }).a, 2)
	c:delete { a = 2 }
	test.equal(c:find():count(), 0)
end)

test.case("with acknowledged = false old writes are sent and forgotten, in order", function()
	local c = collection { acknowledged = false, maxPoolSize = 1 }
	test.equal(select("#", c:insert { _id = 1, n = 0 }), 0)
	c:update({ _id = 1 }, { ["$inc"] = { n = 1 } })
	test.equal(c:findOne({ _id = 1 }).n, 1)
	test.equal(c.database:send_command("insert", c.name, "documents", bson.array { { _id = 2 } }).ok, 1)
	test.eventually("the insert", 10, function()
		return c:findOne { _id = 2 }
	end)
end)

test.case("batches add ids and put the encoded form in the place of each document", function()
	local c = collection()
	local docs = { { n = 1 }, { n = 2 }, { n = 3 } }
	test.equal(c:batch_insert(docs), true)
	test.equal(type(docs[1]), "userdata")
	test.equal((c:safe_batch_insert { { n = 4 }, { n = 5 } }), true)
	test.equal(c:find():count(), 5)
	local _, _, reply = c:safe_batch_update {
		{ query = { n = 1 }, update = { ["$set"] = { m = 1 } } },
		{ query = {}, update = { ["$set"] = { k = 1 } }, multi = true },
	}
	test.equal(reply.n, 6)
	_, _, reply = c:safe_batch_delete({ { n = 1 }, { n = 2 } }, true)
	test.equal(reply.n, 2)
	c:batch_update { { query = { n = 3 }, update = { ["$set"] = { n = 33 } } } }
	test.equal(c:findOne({ n = 33 }).k, 1)
end)

test.case("cursors sort, skip, limit, count, and get batches", function()
	local c = collection()
	local docs = {}
	for i = 1, 250 do
		docs[i] = { _id = i, g = i % 2 }
	end
	c:safe_batch_insert(docs)
	local got = {}
	local cursor = c:find({ g = 1 }, { _id = 1 }):sort({ _id = -1 }):skip(5):limit(110):batchSize(20)
	while cursor:hasNext() do
		got[#got + 1] = cursor:next()._id
	end
	test.equal({ #got, got[1], got[110] }, { 110, 239, 21 })
	test.equal(cursor:hasNext(), false)
	test.raises("Call\thasNext\tfirst", cursor.next, cursor)
	test.equal(c:find({ g = 1 }):count(), 125)
	test.equal(c:find({ g = 1 }):skip(5):limit(110):count(true), 110)
	local two = c:find():sort({ g = 1 }, { _id = -1 }):limit(2)
	test.truthy(two:hasNext())
	test.equal(two:next()._id, 250)
	two:close()
	test.equal(two:hasNext(), false)
	local n = 0
	for _ in c:find():each() do
		n = n + 1
	end
	test.equal(n, 250)
end)

test.case("findAndModify answers the server's reply", function()
	local c = collection()
	c:safe_insert { _id = 1, n = 5 }
	local reply = c:findAndModify { query = { _id = 1 }, update = { ["$inc"] = { n = 1 } }, new = true }
	test.equal(reply.value.n, 6)
	test.equal(c:findAndModify({ query = { _id = 1 }, remove = true }).value.n, 6)
	test.equal(c:findOne(), nil)
end)

test.case("aggregate gives a cursor whose stages can be added to", function()
	local c = collection()
	for i = 1, 10 do
		c:safe_insert { _id = i, g = i % 3 }
	end
	local cursor = c:aggregate({ { ["$match"] = { g = 1 } } }):sort({ _id = -1 }):skip(1):limit(2)
	local got = {}
	while cursor:hasNext() do
		got[#got + 1] = cursor:next()._id
	end
	test.equal(got, { 7, 4 })
	test.equal(c:aggregate({ { ["$match"] = { g = 1 } } }):count(), 4)
	test.equal(c:aggregate({ { ["$match"] = { g = 77 } } }):count(), 0)
end)

test.case("indexes are made in all the ways there are", function()
	local c = collection()
	test.equal(c:createIndex({ a = 1 }, { unique = true }).ok, 1.0)
	test.equal(c:createIndex({ { b = 1 }, { c = -1 } }).ok, 1.0)
	test.equal(c:ensureIndex({ "d", "e", name = "mine" }).ok, 1.0)
	test.equal(c:createIndexes({ "f" }, { { g = -1 } }).ok, 1.0)
	local names = {}
	for _, index in ipairs(c:listIndexes()) do
		names[#names + 1] = index.name
	end
	table.sort(names)
	test.equal(names, { "_id_", "a_1", "b_1_c_-1", "f_1", "g_-1", "mine" })
	test.raises("Use new api for multi%-keys", c.createIndex, c, { a = 1, b = 1 })
	test.raises("Need keys", c.createIndex, c, {})
	test.equal(c:dropIndex("mine").ok, 1.0)
	test.equal(c:drop().ok, 1.0)
end)

test.case("runCommand answers failures and keeps the order of its arguments", function()
	local db = connect().testdb
	local reply = db:runCommand("nosuchcommand", 1, "a", 2)
	test.equal(reply.ok, 0.0)
	test.matches(reply.errmsg, "nosuchcommand")
	test.equal(db:runCommand("ping").ok, 1.0)
end)

test.case("reading with a filter that the server refuses raises its text with its code", function()
	local c = collection()
	c:safe_insert { a = 1 }
	local err = test.raises(".", c.findOne, c, { a = { ["$nosuch"] = 1 } })
	test.equal(err.outcome, "rejected")
	test.truthy(math.type(err.code))
	test.raises(".", function()
		c:find({ a = { ["$nosuch"] = 1 } }):hasNext()
	end)
end)

test.case("64 coroutines work at the same time, each gets its own answers", { timeout = 120 }, function()
	local c = collection()
	local left, problems = 64, {}
	local function work(i)
		for j = 1, test.count(5) do
			local id = i * 1000 + j
			c:safe_insert { _id = id, text = ("x"):rep(j * 10) }
			test.equal(c:findOne { _id = id }, { _id = id, text = ("x"):rep(j * 10) })
		end
	end
	for i = 1, 64 do
		skynet.fork(function()
			local ok, err = pcall(work, i)
			left = left - 1
			problems[#problems + 1] = not ok and tostring(err) or nil
		end)
	end
	test.eventually("the end of all", 100, function()
		return left == 0
	end)
	test.equal(problems, {})
	test.equal(c:find():count(), 64 * test.count(5))
end)

test.run()
