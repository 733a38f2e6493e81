-- A replica set whose members elect, fail, stall and answer late: what applications see of it.
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local function connect(set, options)
	local client = mongo.client(set:uri(options))
	test.defer(client.disconnect, client)
	return client.db.c
end

test.case("after an election writes go to the new primary, and each is done once", function()
	local set = peers.set(2)
	local c = connect(set, "serverSelectionTimeoutMS=20000")
	c:insertOne { _id = 1 }
	set:elect(2)
	c:insertOne { _id = 2 }
	set:elect(1)
	set.members[2]:drop()
	c:insertOne { _id = 3 }
	test.equal(set.documents, { { _id = 1 }, { _id = 2 }, { _id = 3 } })
end)

test.case("while there is no primary writes wait for one, within their deadline", function()
	local set = peers.set(3)
	local c = connect(set, "serverSelectionTimeoutMS=30000")
	set:elect(nil)
	skynet.fork(function()
		skynet.sleep(150)
		set:elect(3)
	end)
	c:insertOne { _id = 1 }
	test.equal(set.documents, { { _id = 1 } })
	set:elect(nil)
	-- The first may still be refused by who was primary until then.
	pcall(c.insertOne, c, { _id = 2 }, { timeoutMS = 800 })
	local err = test.within(20, test.raises, "no suitable server in time", c.insertOne, c, { _id = 2 },
		{ timeoutMS = 800 })
	test.equal(err.outcome, "not sent")
end)

test.case("a write whose answer is lost is sent again and done once", function()
	local set = peers.set(2)
	local c = connect(set)
	local first = set.members[1]
	local losses = 0
	first.on.insert = function(command)
		if losses == 0 then
			losses = 1
			first:usual("insert", command)
			return "close"
		end
	end
	c:insertOne { _id = 1 }
	test.equal(first.seen.insert, 2)
	test.equal(set.documents, { { _id = 1 } })
end)

test.case("a write whose answer is lost again says that it may have been done", function()
	local set = peers.set(1)
	local c = connect(set)
	set.members[1].on.insert = function()
		return "close"
	end
	local err = test.raises(".", c.insertOne, c, { _id = 1 })
	test.equal({ err.outcome, err.attempts }, { "maybe applied", 2 })
end)

test.case("a write that cannot be sent again says that it may have been done", function()
	for _, options in ipairs { "", "timeoutMS=1500" } do
		local set = peers.set(2)
		local c = connect(set, options)
		local first, second = set.members[1], set.members[2]
		first.on.insert = function(command)
			first:usual("insert", command)
			-- The next primary is watched over a connection that it has, and takes no others.
			socket.close(second.listening)
			set:elect(2)
			return "close"
		end
		local err = test.raises(".", c.insertOne, c, { _id = 1 })
		test.equal({ err.outcome, err.attempts > 1, #set.documents }, { "maybe applied", true, 1 })
	end
end)

test.case("a write that is refused as it comes again says that it may have been done", function()
	local set = peers.set(2)
	local c = connect(set)
	local first = set.members[1]
	first.on.insert = function(command)
		if first.seen.insert == 1 then
			first:usual("insert", command)
			return "close"
		end
		return { ok = 0, code = 10107, errmsg = "not primary", errorLabels = bson.array { "RetryableWriteError" } }
	end
	local err = test.raises("not primary", c.insertOne, c, { _id = 1 })
	test.equal({ err.outcome, first.seen.insert, #set.documents }, { "maybe applied", 2, 1 })
end)

test.case("without numbers a write is not sent again", function()
	local set = peers.set(1)
	local c = connect(set, "retryWrites=false")
	set.members[1].on.insert = function()
		return "close"
	end
	local err = test.raises(".", c.insertOne, c, { _id = 1 })
	test.equal({ err.outcome, err.attempts, set.members[1].seen.insert }, { "maybe applied", 1, 1 })
end)

test.case("a late answer never reaches a later request", function()
	local set = peers.set(1)
	local member = set.members[1]
	local c = connect(set, "maxPoolSize=2")
	local slow = true
	member.on.find = function()
		if slow then
			slow = false
			peers.later(1)
		end
	end
	local err = test.raises("no reply in time", function()
		return c:findWith({ _id = "slow" }, { timeoutMS = 300 }):toArray()
	end)
	test.equal(err.code, "timeout")
	for i = 1, 200 do
		test.equal(c:findOne({ _id = i })._id, i)
	end
	peers.later(1)
	for i = 1, 200 do
		test.equal(c:findOne({ _id = i })._id, i)
	end
end)

test.case("a coroutine that is ended leaves no connection in doubt", function()
	local set = peers.set(1)
	local member = set.members[1]
	local c = connect(set, "maxPoolSize=1")
	member.on.find = function(command)
		if command.filter._id == "never" then
			return "stall"
		end
	end
	for _ = 1, 5 do
		local co = skynet.fork(function()
			c:findOne { _id = "never" }
		end)
		local before = member.seen.find or 0
		test.eventually("the request has arrived", 10, function()
			return (member.seen.find or 0) > before
		end)
		skynet.killthread(co)
		test.equal(test.within(20, c.findOne, c, { _id = 7 })._id, 7)
	end
end)

test.case("reads go where the read preference says", function()
	local set = peers.set(3)
	local c = connect(set, "readPreference=secondary")
	for _ = 1, 20 do
		test.different(c:findOne({}).from, set.members[1].address)
	end
	local primary = connect(set)
	for _ = 1, 20 do
		test.equal(primary:findOne({}).from, set.members[1].address)
	end
end)

test.case("a reply that is none ends the connection, not the client", function()
	local set = peers.set(1)
	local c = connect(set, "retryReads=false")
	local bad = true
	set.members[1].on.find = function(_, member)
		if bad then
			bad = false
			for id in pairs(member.connections) do
				require("skynet.socket").write(id, ("\255"):rep(40))
			end
			return "stall"
		end
	end
	local err = test.raises("message", c.findOne, c, {})
	test.equal(err.code, "protocol")
	test.truthy(test.within(20, c.findOne, c, { _id = 1 }))
end)

test.case("a document that cannot be read is an error of its own: others are given, the connection stays", function()
	local set = peers.set(1)
	local c = connect(set)
	set.members[1].on.find = function(command)
		local docs = bson.array { { _id = 1, s = "good" }, { _id = 2, s = "spoilt" }, { _id = 3, s = "good" } }
		if command.limit then
			table.remove(docs, 1)
		end
		local reply = bson.encode { ok = 1.0, cursor = { id = bson.int64(0), ns = "db.c", firstBatch = docs } }
		return { ok = 1, bytes = (tostring(reply):gsub("spoilt", "\255poilt")) }
	end
	local cursor = c:find {}
	test.truthy(cursor:hasNext())
	local before = {}
	for id in pairs(set.members[1].connections) do
		before[id] = true
	end
	test.equal(cursor:next()._id, 1)
	test.truthy(cursor:hasNext())
	local err = test.raises("invalid UTF%-8 in 's'", cursor.next, cursor)
	test.equal(err.code, "protocol")
	test.truthy(cursor:hasNext())
	test.equal(cursor:next()._id, 3)
	test.equal(cursor:hasNext(), false)
	err = test.raises("invalid UTF%-8 in 's'", c.findOne, c, {})
	test.equal(err.code, "protocol")
	for id in pairs(before) do
		test.truthy(set.members[1].connections[id])
	end
end)

test.case("a server that can speaks up by itself: an election is known at once, without being asked", function()
	local set = peers.set(2, true)
	local changes = {}
	local client = mongo.client {
		uri = set:uri "heartbeatFrequencyMS=60000",
		on_event = function(event)
			if event.name == "ServerDescriptionChanged" then
				changes[event.address] = event.new.type
			end
		end,
	}
	test.defer(client.disconnect, client)
	test.eventually("both are known", 10, function()
		return changes[set.members[1].address] == "RSPrimary" and changes[set.members[2].address] == "RSSecondary"
	end)
	for i = 1, 5 do
		set:elect(i % 2 + 1)
		test.eventually("the new primary is known", 10, function()
			return changes[set.members[i % 2 + 1].address] == "RSPrimary"
				and changes[set.members[(i + 1) % 2 + 1].address] == "RSSecondary"
		end)
	end
	client.db.c:insertOne { _id = 1 }
	test.equal(set.documents, { { _id = 1 } })
	test.between(set.members[1].seen.hello, 1, 6)
end)

test.run()
