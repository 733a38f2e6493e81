-- What services leave behind that are killed between any two messages: transactions, change streams, the connections of
-- pools. Against the peer, in whose service it is known what it holds.
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

-- Documents of one transaction.
local WRITES = 3

local function start(topology)
	local set = peers.deployment { topology = topology or "replicaset", version = "8.0.0", members = 2 }
	test.defer(set.close, set)
	local client = mongo.client { uri = set:uri() }
	test.defer(client.disconnect, client)
	return set, client.db.c
end

-- The service is killed when the command of that number, of those that make a transaction, arrives or was done.
local function kill_at(set, position, behind, caller)
	local seen, killed = 0, false
	for _, member in ipairs(set.members) do
		for _, name in ipairs { "insert", "commitTransaction" } do
			member.on[name] = function(command, m)
				seen = seen + 1
				if seen ~= position or killed then
					return nil
				end
				killed = true
				local reply = behind and m:usual(name, command) or nil
				skynet.kill(caller)
				return reply
			end
		end
	end
	return function()
		return killed
	end
end

for _, how in ipairs { { "connections of its own", nil }, { "a pool", {} } } do
	for _, topology in ipairs { "replicaset", "sharded" } do
		test.case(("a killed transaction is done as a whole or not at all, and held no longer: %s, %s"):format(how[1],
			topology), function()
			local set, c = start(topology)
			local wanted = {}
			for position = 1, WRITES + 1 do
				for _, behind in ipairs { false, true } do
					local first = position * 100 + (behind and 50 or 0)
					local caller = test.service "mongo_caller"
					skynet.call(caller, "lua", "open", set:uri(), how[2])
					local killed = kill_at(set, position, behind, caller)
					local ok = pcall(skynet.call, caller, "lua", "transaction", WRITES, first)
					test.equal({ ok, killed() }, { false, true })
					test.eventually("nothing is open", 20, function()
						return set:open_transactions() == 0
					end)
					wanted[#wanted + 1] = first
				end
			end
			for _, first in ipairs(wanted) do
				local n = c:countDocuments { _id = { ["$gte"] = first, ["$lt"] = first + 50 } }
				local committed = first == (WRITES + 1) * 100 + 50
				test.truthy(n == 0 or n == WRITES, ("%d documents of transaction %d"):format(n, first))
				test.truthy(n == WRITES or not committed, "what was committed is there")
				test.truthy(n == 0 or first >= (WRITES + 1) * 100, "what was not committed is not")
			end
			-- Others may write what it has held, and its service's successor commits.
			local caller = test.service "mongo_caller"
			for _, member in ipairs(set.members) do
				member.on = {}
			end
			skynet.call(caller, "lua", "open", set:uri(), how[2])
			test.equal(skynet.call(caller, "lua", "transaction", WRITES, 100), true)
			test.equal(c:countDocuments { _id = { ["$gte"] = 100, ["$lt"] = 150 } }, WRITES)
			test.equal(set:open_transactions(), 0)
		end)
	end
end

test.case("a transaction that has ended leaves nothing to abort", function()
	local set = start()
	for _, options in ipairs { false, {} } do
		local caller = test.service "mongo_caller"
		skynet.call(caller, "lua", "open", set:uri(), options or nil)
		for i = 1, 20 do
			skynet.call(caller, "lua", "transaction", 1, (options and 1000 or 0) + i)
		end
		local aborts = set.members[1].seen.abortTransaction
		skynet.kill(caller)
		skynet.sleep(150)
		test.equal(set.members[1].seen.abortTransaction, aborts)
	end
end)

test.case("the cursor of a change stream is killed when its service is", function()
	local set = start()
	local caller = test.service "mongo_caller"
	skynet.call(caller, "lua", "open", set:uri())
	for _ = 1, 3 do
		skynet.call(caller, "lua", "watch")
	end
	test.equal(next(set.cursors) ~= nil, true)
	skynet.kill(caller)
	test.eventually("the cursors are killed", 20, function()
		return next(set.cursors) == nil
	end)
end)

test.run()
