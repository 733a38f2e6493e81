-- timeout: 600
-- What is shared by the services of a process while servers die, elect and lie: pools, and the watch of a deployment.
local bson = require "bson"
local fault = require "test.proxy"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local pool = require "reef.pool"
local server = require "test.mongo"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local function callers(n, target, options)
	local list = {}
	for i = 1, n do
		list[i] = test.service "mongo_caller"
		skynet.call(list[i], "lua", "open", target, options)
	end
	return list
end

-- Calls all of them with f's arguments and waits for all results.
local function ask_all(list, f)
	local results = {}
	test.together(#list, function(i)
		results[i] = skynet.call(list[i], "lua", f(i))
	end)
	return results
end

local function connections(member)
	local n = 0
	for _ in pairs(member.connections) do
		n = n + 1
	end
	return n
end

local function open(target, options)
	local db = pool.mongo(target, options)
	test.defer(function()
		pool.close(db)
		db:disconnect()
	end)
	return db
end

test.case("never a wrong reply in many numbered documents through a bad link", { timeout = 300 }, function()
	local s = server.start()
	local proxy = fault.start(s.port)
	local direct = mongo.client(s:uri())
	test.defer(direct.disconnect, direct)
	local each = test.count(100)
	local docs = {}
	for i = 1, 16 * each do
		docs[i] = { _id = "d" .. i, text = ("x"):rep(i % 300) }
	end
	direct.db.c:insertMany(docs)
	local target = { host = "127.0.0.1", port = proxy.port, timeoutMS = 10000 }
	local list = callers(16, target, { size = 4 })
	proxy:set { cut = 400 * each, delay = { 80 * each, 5 }, split = 70 }
	local answered = 0
	for i, result in ipairs(ask_all(list, function(i)
		return "find", each, (i - 1) * each + 1
	end)) do
		test.equal(result.wrong, nil, "caller " .. i)
		test.equal(result.answered + result.not_sent + result.maybe, each)
		answered = answered + result.answered
	end
	test.truthy(proxy:stats().cuts > 3)
	test.truthy(answered > 16 * each * 0.5)
end)

test.case("a server that is killed under load: every document is explained", { timeout = 200 }, function()
	local s = server.start()
	local each = test.count(300)
	local list = callers(16, s:uri "timeoutMS=20000&retryWrites=false&heartbeatFrequencyMS=1000", { size = 4 })
	local results
	skynet.fork(function()
		results = ask_all(list, function(i)
			return "insert", each, i * 100000
		end)
	end)
	skynet.sleep(30)
	s:restart()
	test.eventually("all", 120, function()
		return results
	end)
	local direct = mongo.client(s:uri())
	test.defer(direct.disconnect, direct)
	local there = {}
	for doc in direct.db.c:find():each() do
		there[doc._id] = true
	end
	for i, result in ipairs(results) do
		test.equal(result.rejected, {}, result.last)
		test.equal(#result.done + #result.not_sent + #result.maybe, each, "caller " .. i)
		for _, n in ipairs(result.done) do
			test.truthy(there["d" .. n], "acknowledged document " .. n)
		end
		for _, n in ipairs(result.not_sent) do
			test.equal(there["d" .. n], nil, "document that was not sent: " .. n)
		end
	end
end)

test.case("after one election the writes of all services go to the new primary", { timeout = 120 }, function()
	for _, options in ipairs { { size = 3 }, false } do
		local set = peers.set(3, true)
		local list = callers(20, set:uri "serverSelectionTimeoutMS=20000&maxPoolSize=3", options or nil)
		ask_all(list, function(i)
			return "insert", 1, i * 1000
		end)
		for round = 1, 3 do
			set:elect(round % 3 + 1)
			local results = ask_all(list, function(i)
				return "insert", 2, i * 1000 + round * 10
			end)
			for _, result in ipairs(results) do
				test.equal(#result.done, 2, result.last)
			end
		end
		test.equal(#set.documents, 20 * 7)
	end
end)

test.case("one watch of the servers for all services, whatever connections they have", { timeout = 120 }, function()
	local set = peers.set(2, true)
	callers(10, set:uri "maxPoolSize=1")
	callers(30, set:uri(), { size = 2 })
	local primary, secondary = set.members[1], set.members[2]
	-- Ten of their own, two of the pool, and one that watches.
	test.between(connections(primary), 11, 14)
	test.between(connections(secondary), 1, 2)
	local watched
	for _, deployment in pairs(skynet.call(skynet.uniqueservice "reef_mongo", "lua", "STAT")) do
		watched = deployment.servers[primary.address] and deployment or watched
	end
	-- The pool follows it, too.
	test.equal(watched.clients, 41)
end)

test.case("an election is heard of by all at once, through the stream of one", { timeout = 120 }, function()
	local set = peers.set(2, true)
	local list = callers(20, set:uri "heartbeatFrequencyMS=60000", { size = 2 })
	for round = 1, 6 do
		set:elect(round % 2 + 1)
		local refused = set.members[(round + 1) % 2 + 1]
		test.eventually("all to have heard", 20, function()
			for _, address in ipairs(list) do
				if skynet.call(address, "lua", "primary") ~= set.members[round % 2 + 1].address then
					return false
				end
			end
			return true
		end)
		local before = refused.seen.insert or 0
		local results = ask_all(list, function(i)
			return "insert", 1, i * 1000 + round
		end)
		for _, result in ipairs(results) do
			test.equal(#result.done, 1, result.last)
		end
		test.equal(refused.seen.insert or 0, before, "writes to the old primary")
	end
end)

test.case("the way to a server that speaks up by itself is measured beside", { timeout = 60 }, function()
	local set = peers.set(1, true)
	local member = set.members[1]
	local client = mongo.client(set:uri "heartbeatFrequencyMS=500")
	test.defer(client.disconnect, client)
	member.on.hello = function(command)
		if not command.topologyVersion then
			peers.later(0.1)
		end
	end
	test.eventually("a longer way", 20, function()
		local known = client._core.topology.description.servers[member.address]
		return known.roundTripTime and known.roundTripTime > 20
	end)
end)

test.case("a connection that breaks is no reason for others to think the server gone", { timeout = 60 }, function()
	local set = peers.set(1)
	local changes = 0
	local watcher = mongo.client {
		uri = set:uri(),
		on_event = function(event)
			changes = changes + (event.name == "ServerDescriptionChanged" and event.new.type == "Unknown" and 1 or 0)
		end,
	}
	test.defer(watcher.disconnect, watcher)
	local list = callers(1, set:uri "retryReads=false")
	local member, broken = set.members[1], 0
	member.on.find = function()
		broken = broken + 1
		return broken <= 3 and "close" or nil
	end
	for _ = 1, 3 do
		test.equal(skynet.call(list[1], "lua", "find", 1, 1).maybe, 1)
	end
	test.equal(test.within(10, skynet.call, list[1], "lua", "find", 1, 1).answered, 1)
	test.equal(changes, 0)
end)

test.case("what nobody needs any more ends, whether its users left or died", { timeout = 90 }, function()
	local set = peers.set(1)
	local list = callers(2, set:uri "heartbeatFrequencyMS=500")
	for _, address in ipairs(callers(2, set:uri "heartbeatFrequencyMS=500", { size = 2, idle = 1 })) do
		list[#list + 1] = address
	end
	ask_all(list, function(i)
		return "insert", 1, i
	end)
	local member = set.members[1]
	skynet.call(list[1], "lua", "close")
	skynet.call(list[3], "lua", "close")
	skynet.kill(list[2])
	skynet.kill(list[4])
	test.eventually("all connections to be closed", 60, function()
		return connections(member) == 0
	end)
end)

test.case("when the watch finds a server gone its pool gives up all connections", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s:uri "heartbeatFrequencyMS=500&connectTimeoutMS=1000", { size = 2, min = 2 })
	local c = db.db.c
	c:insertOne { _id = "first" }
	local _, before = next(pool.stat(db))
	s:freeze()
	test.eventually("both to be others", 20, function()
		local _, stat = next(pool.stat(db))
		return #stat.connections == 2 and stat.connections[1].number > before.connections[1].number + 1
	end)
	s:thaw()
	test.eventually("an answer", 20, function()
		return (pcall(c.findOne, c, { _id = "first" }))
	end)
end)

test.case("with all servers gone requests fail at once after a while, and work again with one", { timeout = 60 },
	function()
		local s = server.start()
		local db = open(s:uri(), { size = 2, circuit = 0.5 })
		local c = db.db.c
		c:insertOne { _id = "first" }
		s:kill()
		local err
		test.eventually("a request that fails at once", 20, function()
			err = test.raises(".", c.findOne, c, {})
			return tostring(err):find "no server has answered"
		end)
		test.equal({ err.code, err.outcome }, { "selection", "not sent" })
		test.within(5, function()
			for _ = 1, 1000 do
				test.raises("no server has answered", c.findOne, c, {})
			end
		end)
		s:restart()
		test.eventually("an answer", 20, function()
			return (pcall(c.findOne, c, {}))
		end)
	end)

test.case("what a service that died had open at the server is closed", { timeout = 60 }, function()
	local set = peers.set(1)
	local member, killed, ended = set.members[1], {}, 0
	member.on.find = function()
		return { ok = 1, cursor = { id = bson.int64(77), ns = "db.c", firstBatch = bson.array { { _id = 1 } } } }
	end
	member.on.killCursors = function(command)
		killed[#killed + 1] = command
	end
	member.on.endSessions = function()
		ended = ended + 1
	end
	local list = callers(2, set:uri(), { size = 2 })
	for _, address in ipairs(list) do
		test.equal(skynet.call(address, "lua", "cursor", 1), true)
	end
	skynet.sleep(20)
	test.equal({ #killed, ended }, { 0, 0 })
	skynet.kill(list[1])
	test.eventually("the cursor to be closed", 20, function()
		return killed[1] and ended == 1
	end)
	test.equal({ killed[1].killCursors, killed[1].cursors, killed[1]["$db"] }, { "c", { bson.int64(77) }, "db" })
	test.equal(#killed, 1)
end)

test.case("without a server requests wait for one, and fail with what is known", { timeout = 60 }, function()
	local s = server.start()
	local db = open(s:uri "serverSelectionTimeoutMS=1500", { size = 2 })
	db.db.c:insertOne { _id = "first" }
	s:kill()
	test.eventually("the loss to be known", 20, function()
		local ok, err = pcall(db.db.c.findOne, db.db.c, {})
		return not ok and err.code == "selection"
	end)
	local err = test.raises("Connection refused", db.db.c.insertOne, db.db.c, { _id = "second" })
	test.equal({ err.code, err.outcome }, { "selection", "not sent" })
	s:restart()
	test.eventually("an answer", 20, function()
		return (pcall(db.db.c.findOne, db.db.c, {}))
	end)
	test.equal(db.db.c:countDocuments(), 1)
end)

test.run()
