-- Transactions: what of them is seen, what is tried again, and what becomes of them while servers fail. Against the
-- peer.
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local skynet = require "skynet"
local test = require "test"

math.randomseed(test.seed or 1)

local function start(options)
	options = options or {}
	local set = peers.deployment {
		topology = options.topology or "replicaset", version = options.version or "8.0.0",
		members = options.members or (options.topology == "sharded" and 2 or 3),
	}
	test.defer(set.close, set)
	local client = mongo.client { uri = set:uri(options.uri), on_event = options.on_event }
	test.defer(client.disconnect, client)
	return client, set
end

local function ids(c)
	local out = {}
	for i, doc in ipairs(c:findWith({}, { sort = { _id = 1 } }):toArray()) do
		out[i] = doc._id
	end
	return out
end

-- All members of the set fail alike.
local function fail(set, times, commands, more)
	for _, member in ipairs(set.members) do
		local data = { failCommands = bson.array(commands) }
		for k, v in pairs(more) do
			data[k] = v
		end
		member.failpoint:configure { configureFailPoint = "failCommand", mode = { times = times }, data = data }
	end
end

test.case("what a transaction writes is seen when it is committed, and never when it is aborted", function()
	local client = start()
	local c, session = client.bank.accounts, client:startSession()
	session:startTransaction()
	c:insertOne({ _id = 1 }, { session = session })
	test.equal(c:countDocuments {}, 0)
	test.equal(c:countDocuments({}, { session = session }), 1)
	session:commitTransaction()
	test.equal(ids(c), { 1 })
	session:startTransaction()
	c:insertOne({ _id = 2 }, { session = session })
	session:abortTransaction()
	test.equal(ids(c), { 1 })
	test.raises("Cannot call commitTransaction after calling abortTransaction", session.commitTransaction, session)
	-- One that ends with its session.
	session:startTransaction()
	c:insertOne({ _id = 3 }, { session = session })
	session:endSession()
	test.equal(ids(c), { 1 })
end)

test.case("what does not go with a transaction is refused, and changes nothing of it", function()
	local client = start()
	local c, session = client.bank.accounts, client:startSession()
	test.raises("No transaction started", session.commitTransaction, session)
	session:startTransaction()
	test.raises("already in progress", session.startTransaction, session)
	test.raises("write concern", c.insertOne, c, { _id = 1 }, { session = session, writeConcern = { w = 1 } })
	test.raises("read concern", c.countDocuments, c, {}, { session = session, readConcern = { level = "local" } })
	test.raises("must be primary", function()
		client.bank:runCommand(bson.document("ping", 1), { session = session, readPreference = { mode = "secondary" } })
	end)
	test.equal(session.transaction.state, "starting")
	c:insertOne({ _id = 1 }, { session = session })
	session:commitTransaction()
	test.equal(ids(c), { 1 })
end)

test.case("withTransaction tries the whole again, and answers what the function does", function()
	local client, set = start()
	local c, session, calls = client.bank.accounts, client:startSession(), 0
	fail(set, 1, { "insert" }, { errorCode = 112, errorLabels = bson.array { "TransientTransactionError" } })
	local a, b = session:withTransaction(function(s)
		calls = calls + 1
		c:insertOne({ _id = calls }, { session = s })
		return "done", calls
	end)
	test.equal({ a, b, calls }, { "done", 2, 2 })
	test.equal(ids(c), { 2 })
	-- What the function raises ends it.
	test.raises("no money", session.withTransaction, session, function(s)
		c:insertOne({ _id = 9 }, { session = s })
		error("no money", 0)
	end)
	test.equal(ids(c), { 2 })
end)

test.case("a commit whose answer is lost is sent again with the concern majority", function()
	local seen = {}
	local client, set = start { on_event = function(event)
		if event.name == "CommandStarted" and event.commandName == "commitTransaction" then
			local command = {}
			for i = 1, #event.command, 2 do
				command[event.command[i]] = event.command[i + 1]
			end
			seen[#seen + 1] = command.writeConcern or false
		end
	end }
	local c, session = client.bank.accounts, client:startSession()
	session:startTransaction { writeConcern = { w = 1, j = true } }
	c:insertOne({ _id = 1 }, { session = session })
	fail(set, 1, { "commitTransaction" }, { closeConnection = true })
	session:commitTransaction()
	test.equal(seen, { { w = 1, j = true }, { w = "majority", j = true, wtimeout = 10000 } })
	test.equal(ids(c), { 1 })
end)

test.case("on mongoses a transaction stays with the one that has it", function()
	local client, set = start { topology = "sharded" }
	local c, session = client.bank.accounts, client:startSession()
	local inserts = function(i)
		return set.members[i].seen.insert or 0
	end
	-- The second mongos may be found later than the first, and which of both it is, chance decides.
	local rounds = 0
	repeat
		rounds = rounds + 1
		local one, two = inserts(1), inserts(2)
		session:startTransaction()
		for i = 1, 4 do
			c:insertOne({ _id = rounds * 10 + i }, { session = session })
		end
		test.truthy(session.pinned)
		session:commitTransaction()
		test.truthy((inserts(1) == one) ~= (inserts(2) == two), "one mongos had the whole transaction")
		if rounds > 10 then
			skynet.sleep(1)
		end
	until inserts(1) > 0 and inserts(2) > 0 or rounds == 200
	test.equal(#ids(c), 4 * rounds)
	test.truthy(inserts(1) > 0 and inserts(2) > 0, "both mongoses were used")
end)

test.case("the form that skynet has: all operations of the coroutine", function()
	local client = start()
	mongo.enable "transaction"
	local db = client.bank
	test.equal(db:run_transaction(function()
		db:runCommand("insert", "accounts", "documents", bson.array { { _id = 1 } })
		db:send_command("insert", "accounts", "documents", bson.array { { _id = 2 } })
		test.equal(db:runCommand("find", "accounts").cursor.firstBatch[2]._id, 2)
	end), nil)
	test.equal(ids(db.accounts), { 1, 2 })
	test.matches(db:run_transaction(function()
		db:runCommand("insert", "accounts", "documents", bson.array { { _id = 3 } })
		error "no"
	end), "no")
	test.equal(ids(db.accounts), { 1, 2 })
end)

-- Numbered transfers, each two documents in two collections, while servers fail at any place.
test.case("whole or not at all, once, whatever fails between", { timeout = 60 }, function()
	local client, set = start { uri = "serverSelectionTimeoutMS=8000&heartbeatFrequencyMS=500" }
	local from, to = client.bank.debits, client.bank.credits
	local faults = {
		{ closeConnection = true }, { errorCode = 91 }, { errorCode = 10107 }, { errorCode = 112 }, { errorCode = 251 },
		{ errorCode = 2, errorLabels = bson.array { "SystemOverloadedError", "RetryableError" } },
	}
	local commands = { "insert", "commitTransaction", "abortTransaction", "update" }
	local acknowledged, workers, token = {}, 4, {}
	local n, per_worker = 0, test.count(12)
	for _ = 1, workers do
		skynet.fork(function()
			for _ = 1, per_worker do
				n = n + 1
				local id = n
				if math.random() < 0.6 then
					fail(set, math.random(2), { commands[math.random(#commands)] }, faults[math.random(#faults)])
				elseif math.random() < 0.2 then
					set.members[math.random(#set.members)]:drop()
				end
				local session = client:startSession()
				local ok = pcall(session.withTransaction, session, function(s)
					from:insertOne({ _id = id }, { session = s })
					to:insertOne({ _id = id }, { session = s })
				end, { timeoutMS = 10000 })
				acknowledged[id] = ok
				session:endSession()
			end
			workers = workers - 1
			skynet.wakeup(token)
		end)
	end
	while workers > 0 do
		skynet.wait(token)
	end
	for _, member in ipairs(set.members) do
		member.failpoint.points = {}
	end
	local debits, credits, good = ids(from), ids(to), 0
	test.equal(debits, credits, "both or none")
	local there = {}
	for _, id in ipairs(debits) do
		test.equal(there[id], nil, "once")
		there[id] = true
	end
	for id, ok in pairs(acknowledged) do
		if ok then
			good = good + 1
			test.truthy(there[id], "acknowledged " .. id)
		end
	end
	test.truthy(good > 0, "some went well")
end)

test.run()
