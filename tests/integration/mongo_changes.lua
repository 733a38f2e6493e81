-- Change streams: each change is told once and in order, whatever happens to the servers. Against the peer.
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local skynet = require "skynet"
local test = require "test"

math.randomseed(test.seed or 1)

local function start(topology, version)
	local set = peers.deployment {
		topology = topology or "replicaset", version = version or "8.0.0", members = topology == "single" and 1 or 3,
	}
	test.defer(set.close, set)
	local client = mongo.client(set:uri "heartbeatFrequencyMS=500&serverSelectionTimeoutMS=8000")
	test.defer(client.disconnect, client)
	return client, client.shop.orders, set
end

test.case("a collection, a database and a deployment tell what happens to them", function()
	local client, c = start()
	local one <close> = c:watch()
	local all <close> = client.shop:watch({}, { maxAwaitTimeMS = 50 })
	local every <close> = client:watch()
	c:insertOne { _id = 1 }
	client.shop.stock:insertOne { _id = 2 }
	client.other.c:insertOne { _id = 3 }
	c:updateOne({ _id = 1 }, { ["$set"] = { n = 5 } })
	c:deleteOne { _id = 1 }
	local function read(stream, n)
		local out = {}
		for i = 1, n do
			local change = stream:next()
			out[i] = ("%s %s.%s %s"):format(change.operationType, change.ns.db, change.ns.coll, change.documentKey._id)
		end
		return out
	end
	test.equal(read(one, 3), { "insert shop.orders 1", "update shop.orders 1", "delete shop.orders 1" })
	test.equal(read(all, 4),
		{ "insert shop.orders 1", "insert shop.stock 2", "update shop.orders 1", "delete shop.orders 1" })
	test.equal(read(every, 5), { "insert shop.orders 1", "insert shop.stock 2", "insert other.c 3",
		"update shop.orders 1", "delete shop.orders 1" })
	test.equal(all:tryNext(), nil)
end)

test.case("a token is where another stream goes on", function()
	local _, c = start()
	local first = c:watch()
	c:insertOne { _id = 1 }
	c:insertOne { _id = 2 }
	test.equal(first:next().documentKey._id, 1)
	local token = first:resumeToken()
	first:close()
	test.equal(first:next(), nil)
	local second <close> = c:watch({}, { resumeAfter = token })
	test.equal(second:next().documentKey._id, 2)
end)

test.case("a stream ends with what it watches", function()
	local client, c = start()
	c:insertOne { _id = 1 }
	local stream = c:watch()
	client.shop:getCollection("orders"):drop()
	test.equal({ stream:next().operationType, stream:next().operationType }, { "drop", "invalidate" })
	test.equal(stream:next(), nil)
	test.equal(stream:ended(), true)
end)

test.case("a server without an oplog says so", function()
	local _, c = start "single"
	test.raises("only supported on replica sets", c.watch, c)
end)

-- Runs f in a coroutine that is ended while it waits for a batch that is on its way.
local function end_within(set, f)
	for _, member in ipairs(set.members) do
		member.failpoint:configure { configureFailPoint = "failCommand", mode = { times = 1 },
			data = { failCommands = bson.array { "getMore" }, blockConnection = true, blockTimeMS = 200 } }
	end
	local waiting
	skynet.fork(function()
		waiting = coroutine.running()
		f()
	end)
	skynet.sleep(10)
	test.truthy(skynet.killthread(waiting))
	skynet.sleep(40)
	for _, member in ipairs(set.members) do
		member.failpoint.points = {}
	end
end

test.case("no change is lost with a coroutine that waited for it, and no document without a word", function()
	local _, c, set = start()
	local stream <close> = c:watch()
	for i = 1, 4 do
		c:insertOne { _id = i }
		end_within(set, function()
			test.fail(stream:next())
		end)
		test.equal(stream:next().documentKey._id, i)
	end

	local cursor <close> = c:find():sort({ _id = 1 }):batchSize(2)
	test.equal({ cursor:hasNext(), cursor:next()._id, cursor:hasNext(), cursor:next()._id }, { true, 1, true, 2 })
	end_within(set, function()
		cursor:hasNext()
	end)
	test.raises("documents may be missing", cursor.hasNext, cursor)
end)

test.case("a call whose time is over does not end the stream", function()
	local _, c, set = start()
	local stream <close> = c:watch({}, { timeoutMS = 300 })
	for _, member in ipairs(set.members) do
		member.failpoint:configure { configureFailPoint = "failCommand", mode = { times = 1 },
			data = { failCommands = bson.array { "getMore" }, blockConnection = true, blockTimeMS = 800 } }
	end
	local err = test.raises("", stream.next, stream)
	test.equal(err.code, "timeout")
	for _, member in ipairs(set.members) do
		member.failpoint.points = {}
	end
	c:insertOne { _id = 7 }
	local change
	test.eventually("the change", 10, function()
		local ok, found = pcall(stream.tryNext, stream)
		change = ok and found or nil
		return change ~= nil
	end)
	test.equal(change.documentKey._id, 7)
end)

test.case("each change once and in order, whatever fails between", { timeout = 60 }, function()
	local _, c, set = start()
	local total, written = test.count(60), 0
	local stream = c:watch({}, { batchSize = 3, maxAwaitTimeMS = 100 })
	skynet.fork(function()
		for i = 1, total do
			local roll = math.random()
			if roll < 0.15 then
				set.members[math.random(3)]:drop()
			elseif roll < 0.3 then
				set.members[set.primary or 1].failpoint:configure { configureFailPoint = "failGetMoreAfterCursorCheckout",
					mode = { times = 1 }, data = { errorCode = ({ 6, 91, 189, 43, 10107 })[math.random(5)] } }
			elseif roll < 0.35 then
				set:elect(set.primary % 3 + 1)
			end
			c:insertOne { _id = i }
			written = i
			skynet.sleep(math.random(0, 2))
		end
	end)
	local seen = 0
	local deadline = skynet.now() + 5000
	while seen < total and skynet.now() < deadline do
		-- A stream makes itself again once in a call; two failures in a row are the caller's.
		local ok, change = pcall(stream.tryNext, stream)
		if ok and change then
			seen = seen + 1
			test.equal(change.documentKey._id, seen, "in order")
		elseif not ok then
			if stream:ended() then
				local token = stream:resumeToken()
				test.truthy(token, "there is a token to go on from")
				stream = c:watch({}, { resumeAfter = token, batchSize = 3, maxAwaitTimeMS = 100 })
			end
		end
	end
	stream:close()
	test.equal(seen, total, "all changes, of " .. written .. " written")
end)

test.run()
