-- Sessions: which ids are used again, what commands of a session carry, and what it sees. Against the peer.
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local test = require "test"

-- A client, its collection db.c, and a list that its commands go to, by name and as documents.
local function start(options)
	options = options or {}
	local set = peers.deployment { topology = options.topology or "replicaset", version = options.version or "8.0.0" }
	test.defer(set.close, set)
	local seen = {}
	local client = mongo.client {
		uri = set:uri(),
		on_event = function(event)
			if event.name == "CommandStarted" then
				local command = {}
				for i = 1, #event.command, 2 do
					command[event.command[i]] = event.command[i + 1]
				end
				seen[#seen + 1] = command
			end
		end,
	}
	test.defer(client.disconnect, client)
	return client, client.db.c, seen, set
end

test.case("ids are used again, the newest first", function()
	local client = start()
	local a, b = client:startSession(), client:startSession()
	local id_a, id_b = a.lsid.id, b.lsid.id
	test.different(id_a, id_b)
	a:endSession()
	b:endSession()
	local c, d = client:startSession(), client:startSession()
	test.equal({ c.lsid.id, d.lsid.id }, { id_b, id_a })
end)

test.case("an id that the server is about to forget is not used again", function()
	local client = start()
	local session = client:startSession()
	local id, server = session.lsid.id, session.server
	session:endSession()
	server.used = server.used - 29.5 * 60
	test.different(client:startSession().lsid.id, id)
	local late = client:startSession()
	late.server.used = late.server.used - 29.5 * 60
	id = late.lsid.id
	late:endSession()
	test.different(client:startSession().lsid.id, id)
end)

test.case("operations without a session share one as long as they come one after the other", function()
	local _, c, seen = start()
	c:insertOne { _id = 1 }
	c:insertOne { _id = 2 }
	c:countDocuments {}
	test.equal({ seen[1].lsid.id, seen[2].lsid.id }, { seen[2].lsid.id, seen[3].lsid.id })
	-- A cursor keeps its own until it has all.
	local cursor = c:findWith({}, { batchSize = 1 })
	cursor:hasNext()
	c:insertOne { _id = 3 }
	test.different(seen[4].lsid.id, seen[5].lsid.id)
	cursor:toArray()
	test.equal({ seen[6].getMore ~= nil, seen[6].lsid.id }, { true, seen[4].lsid.id })
	cursor:close()
end)

test.case("a session that cannot be used for an operation is refused before it is sent", function()
	local client, c, seen = start()
	local other = start()
	local session = client:startSession()
	local foreign = other:startSession()
	local err = test.raises("another client", c.insertOne, c, { _id = 1 }, { session = foreign })
	test.equal({ err.code, err.outcome }, { "session", "not sent" })
	test.raises("unacknowledged", c.insertOne, c, { _id = 1 }, { session = session, writeConcern = { w = 0 } })
	session:endSession()
	test.raises("has ended", c.insertOne, c, { _id = 1 }, { session = session })
	test.raises("not both", client.startSession, client, { snapshot = true, causalConsistency = true })
	test.raises("needs a session with snapshot", client.startSession, client, { snapshotTime = bson.timestamp(1, 1) })
	test.equal(#seen, 0)
end)

test.case("a session's reads see what it has seen and written before", function()
	local client, c, seen = start()
	local session = client:startSession()
	c:findWith({}, { session = session }):toArray()
	test.equal(seen[1].readConcern, nil)
	local read = session.operationTime
	c:insertOne({ _id = 1 }, { session = session })
	test.equal(seen[2].readConcern, { afterClusterTime = read })
	local written = session.operationTime
	test.truthy(written)
	c:findWith({}, { session = session }):toArray()
	test.equal(seen[3].readConcern, { afterClusterTime = written })
	c:countDocuments({}, { session = session, readConcern = { level = "majority" } })
	test.equal(seen[4].readConcern, { level = "majority", afterClusterTime = written })
	c:distinct("_id", {}, { session = session })
	test.equal(seen[5].readConcern, { afterClusterTime = written })
	-- Not without one, and not when it was not wanted.
	c:findWith({}):toArray()
	test.equal(seen[6].readConcern, nil)
	local loose = client:startSession { causalConsistency = false }
	c:insertOne({ _id = 2 }, { session = loose })
	c:findWith({}, { session = loose }):toArray()
	test.equal(seen[8].readConcern, nil)
	-- What another session has written can be waited for.
	local later = client:startSession()
	later:advanceOperationTime(loose.operationTime)
	later:advanceOperationTime(written)
	c:findWith({}, { session = later }):toArray()
	test.equal(seen[9].readConcern, { afterClusterTime = loose.operationTime })
end)

test.case("the deployment's time is passed on", function()
	local _, c, seen, set = start()
	c:insertOne { _id = 1 }
	c:insertOne { _id = 2 }
	local time = seen[2]["$clusterTime"]
	test.truthy(time)
	test.equal({ bson.kind(time.signature.keyId) }, { "long", 0 })
	set.store.time = set.store.time + 100
	c:countDocuments {}
	c:countDocuments {}
	local _, before = bson.type(time.clusterTime)
	local _, after = bson.type(seen[4]["$clusterTime"].clusterTime)
	test.truthy(after >= before + 100)
	-- A session brings along what it was told elsewhere.
	local client, other, others = start()
	local session = client:startSession()
	session:advanceClusterTime(seen[4]["$clusterTime"])
	other:countDocuments({}, { session = session })
	test.equal(others[1]["$clusterTime"].clusterTime, seen[4]["$clusterTime"].clusterTime)
	local _, alone, commands = start { topology = "single" }
	alone:insertOne { _id = 1 }
	alone:insertOne { _id = 2 }
	test.equal(commands[2]["$clusterTime"], nil)
end)

test.case("the reads of a snapshot session are of one moment", function()
	local client, c, seen = start()
	c:insertOne { _id = 1, x = 1 }
	local session = client:startSession { snapshot = true }
	test.equal(session:getSnapshotTime(), nil)
	test.equal(c:findWith({}, { session = session }):toArray(), { { _id = 1, x = 1 } })
	test.equal(seen[2].readConcern, { level = "snapshot" })
	local moment = session:getSnapshotTime()
	test.truthy(moment)
	c:updateOne({ _id = 1 }, { ["$set"] = { x = 2 } })
	c:insertOne { _id = 2 }
	test.equal(c:findWith({}, { session = session }):toArray(), { { _id = 1, x = 1 } })
	test.equal(c:countDocuments({}, { session = session }), 1)
	test.equal(seen[#seen].readConcern, { level = "snapshot", atClusterTime = moment })
	local same = client:startSession { snapshot = true, snapshotTime = moment }
	test.equal(c:distinct("x", {}, { session = same }), { 1 })
	test.equal(c:countDocuments {}, 2)
	local err = test.raises("snapshot", c.insertOne, c, { _id = 3 }, { session = session })
	test.equal(err.outcome, "rejected")
	test.raises("only a session with snapshot", function()
		client:startSession():getSnapshotTime()
	end)
end)

test.case("servers that do not know snapshots are not asked for one", function()
	local client, c, seen = start { version = "4.4.0" }
	local session = client:startSession { snapshot = true }
	local err = test.raises("MongoDB 5.0 or later", function()
		c:findWith({}, { session = session }):toArray()
	end)
	test.equal({ err.code, err.outcome, #seen }, { "session", "not sent", 0 })
	test.equal(c:countDocuments {}, 0)
end)

test.case("a server without sessions is not given one", function()
	local client, c, seen, set = start { topology = "single" }
	client:disconnect()
	local usual = set.members[1]
	usual.on.hello = function(command, member)
		local reply = member:usual("hello", command, {})
		reply.logicalSessionTimeoutMinutes = nil
		return reply
	end
	client = mongo.client { uri = set:uri "appName=other" }
	test.defer(client.disconnect, client)
	client.db.c:insertOne { _id = 1 }
	local err = test.raises("not supported", client.db.c.insertOne, client.db.c, { _id = 2 },
		{ session = client:startSession() })
	test.equal({ err.code, err.outcome }, { "session", "not sent" })
	test.equal({ #seen, c.name }, { 0, "c" })
end)

test.case("a client that closes ends its sessions at the server", function()
	local client, c, _, set = start()
	local ended
	set.members[1].on.endSessions = function(command)
		ended = command.endSessions
	end
	local session = client:startSession()
	c:insertOne({ _id = 1 }, { session = session })
	c:insertOne { _id = 2 }
	session:endSession()
	client:disconnect()
	test.equal(#ended, 2)
end)

test.case("databases and collections read and write as they were told to", function()
	local client, _, seen = start()
	local db = client:database("db", { writeConcern = { w = "majority" }, readConcern = { level = "majority" } })
	local c = db:collection "c"
	c:insertOne { _id = 1 }
	test.equal(seen[1].writeConcern, { w = "majority" })
	c:findWith({}):toArray()
	c:countDocuments {}
	c:aggregate({}):toArray()
	test.equal({ seen[2].readConcern.level, seen[3].readConcern.level, seen[4].readConcern.level },
		{ "majority", "majority", "majority" })
	local plain = db:collection("c", { writeConcern = {}, readConcern = {}, readPreference = { mode = "nearest" } })
	plain:insertOne { _id = 2 }
	plain:findWith({}):toArray()
	test.equal({ seen[5].writeConcern == nil, seen[6].readConcern == nil, seen[6]["$readPreference"].mode },
		{ true, true, "nearest" })
	db:collection("c"):insertOne({ _id = 3 }, { writeConcern = { w = 1 } })
	test.equal(seen[7].writeConcern, { w = 1 })
end)

test.run()
