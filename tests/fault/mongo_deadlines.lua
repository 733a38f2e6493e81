-- timeoutMS that ends at any point of an operation: before a server is chosen, while a connection is made, while a
-- command is on its way, between two batches, in the middle of a transaction. Whatever it was, the operation ends,
-- says so in one way, keeps no connection, and what it has written is there as a whole or not at all. Against the peer,
-- which answers each command late.
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local skynet = require "skynet"
local test = require "test"

math.randomseed(test.seed or 1)

-- Milliseconds that the peer takes for a command, and the longest time that an operation is given.
local LATE, LONGEST = 10, 120

local function start(topology)
	local set = peers.deployment { topology = topology, version = "8.0.0", members = topology == "single" and 1 or 2 }
	test.defer(set.close, set)
	local seen = { out = 0 }
	local client = mongo.client { uri = set:uri "maxPoolSize=3", on_event = function(event)
		if event.name == "ConnectionCheckedOut" then
			seen.out = seen.out + 1
		elseif event.name == "ConnectionCheckedIn" then
			seen.out = seen.out - 1
		end
	end }
	test.defer(client.disconnect, client)
	local c = client.db.c
	for i = 1, 6 do
		c:insertOne { _id = -i }
	end
	return set, client, c, seen
end

local function be_late(set, ms)
	for _, member in ipairs(set.members) do
		member.failpoint.points = {}
		if ms then
			member.failpoint:configure { configureFailPoint = "failCommand", mode = "alwaysOn", data = {
				failCommands = { "find", "getMore", "insert", "commitTransaction", "abortTransaction" }, blockConnection = true,
				blockTimeMS = ms,
			} }
		end
	end
end

local operations = {}

function operations.insert(_, c, id, ms)
	c:insertOne({ _id = id }, { timeoutMS = ms })
end

function operations.read(_, c, _, ms)
	test.equal(#c:findWith({ _id = { ["$lt"] = 0 } }, { batchSize = 2, timeoutMS = ms }):toArray(), 6)
end

function operations.transaction(client, c, id, ms)
	local session <close> = setmetatable({ client:startSession() }, { __close = function(s)
		s[1]:endSession()
	end })
	session[1]:withTransaction(function()
		c:insertOne({ _id = id, part = 1 }, { session = session[1] })
		c:insertOne({ _id = id + 0.5, part = 2 }, { session = session[1] })
	end, { timeoutMS = ms })
end

local function is_late(err)
	return type(err) == "table" and (err.code == "timeout" or err.code == 50 or err.timeout == true)
end

-- Documents of one operation that came to be.
local WHOLE = { insert = { [0] = true, [1] = true }, read = { [0] = true }, transaction = { [0] = true, [2] = true } }
local ALL = { insert = 1, read = 0, transaction = 2 }

for _, topology in ipairs { "single", "replicaset", "sharded" } do
	for _, name in ipairs { "insert", "read", "transaction" } do
		if topology ~= "single" or name ~= "transaction" then
			test.case(("a deadline at any point: %s, %s"):format(name, topology), { timeout = 120 }, function()
				local set, client, c, seen = start(topology)
				local done, late = {}, 0
				be_late(set, LATE)
				for id = 1, test.count(40) do
					local ms = math.random(LONGEST)
					local ok, err = pcall(test.within, 20, operations[name], client, c, id, ms)
					done[id] = ok
					late = late + (ok and 0 or 1)
					test.truthy(ok or is_late(err), ("after %d ms: %s"):format(ms, tostring(err)))
				end
				be_late(set, nil)
				-- One that lost nothing, behind all that did.
				operations[name](client, c, 1000, 20000)
				done[1000] = true
				test.eventually("all connections are back", 10, function()
					return seen.out == 0
				end)
				for id, ok in pairs(done) do
					local n = c:countDocuments { _id = { ["$gte"] = id, ["$lt"] = id + 1 } }
					test.truthy(WHOLE[name][n], ("%d documents of operation %d"):format(n, id))
					test.truthy(not ok or n == ALL[name], "what was acknowledged is there")
				end
				test.note(("%d of %d were late"):format(late, test.count(40)))
			end)
		end
	end
end

test.case("a deadline while connections are short: who waited in vain has taken none", { timeout = 60 }, function()
	local set, _, c, seen = start "replicaset"
	be_late(set, LATE)
	local running, wrong = 60, nil
	for i = 1, running do
		skynet.fork(function()
			local ok, err = pcall(c.insertOne, c, { _id = i }, { timeoutMS = math.random(LONGEST) })
			wrong = wrong or not ok and not is_late(err) and tostring(err) or nil
			running = running - 1
		end)
	end
	test.eventually("all have ended", 30, function()
		return running == 0
	end)
	test.equal(wrong, nil)
	be_late(set, nil)
	test.eventually("all connections are back", 10, function()
		return seen.out == 0
	end)
	c:insertOne({ _id = 1000 }, { timeoutMS = 20000 })
end)

test.run()
