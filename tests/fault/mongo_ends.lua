-- timeout: 180
-- Coroutines that are ended in the middle of a transaction: it is aborted at the server, and what it holds is free. And
-- of an operation: what it has borrowed is not lent to others while the server may be at it.
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local pool = require "reef.pool"
local skynet = require "skynet"
local test = require "test"

local WRITES = 3

local function start(how)
	local set = peers.deployment { topology = "replicaset", version = "8.0.0", members = 2 }
	test.defer(set.close, set)
	local client = how == "a pool" and pool.mongo(set:uri()) or mongo.client { uri = set:uri() }
	test.defer(client.disconnect, client)
	return set, client, client:database "db".c
end

-- The command of that number, of those that make a transaction, is done, and its answer is kept for long.
local function hold_at(set, position)
	local seen, held = 0, false
	for _, member in ipairs(set.members) do
		for _, name in ipairs { "insert", "commitTransaction" } do
			member.on[name] = function(command, m)
				seen = seen + 1
				if seen ~= position then
					return nil
				end
				held = true
				local reply = m:usual(name, command)
				skynet.sleep(3000)
				return reply
			end
		end
	end
	return function()
		return held
	end
end

local function write(c, session)
	for i = 1, WRITES do
		c:insertOne({ _id = i }, { session = session })
	end
end

local ways = {
	["withTransaction"] = function(client, c)
		client:startSession():withTransaction(function(s)
			write(c, s)
		end)
	end,
	["a session that is closed"] = function(client, c)
		local s <close> = client:startSession()
		s:startTransaction()
		write(c, s)
		s:commitTransaction()
	end,
	["a session that is forgotten"] = function(client, c)
		local s = client:startSession()
		s:startTransaction()
		write(c, s)
		s:commitTransaction()
	end,
}

for _, how in ipairs { "connections of its own", "a pool" } do
	for name, way in pairs(ways) do
		-- What a pool's service is left it does when the caller's service ends.
		if not (how == "a pool" and name:find "forgotten") then
			test.case(("a transaction whose coroutine is ended is held no longer: %s, %s"):format(name, how),
				{ timeout = 120 }, function()
				local set, client, c = start(how)
				for position = 1, WRITES + 1 do
					local held = hold_at(set, position)
					local victim = skynet.fork(way, client, c)
					test.eventually("the command", 10, held)
					skynet.killthread(victim)
					test.eventually("nothing is open", 10, function()
						collectgarbage()
						return set:open_transactions() == 0
					end)
					local n = c:countDocuments {}
					test.equal(n, position > WRITES and WRITES or 0)
					c:deleteMany {}
				end
				-- The next is not concerned.
				for _, member in ipairs(set.members) do
					member.on = {}
				end
				way(client, c)
				test.equal(c:countDocuments {}, WRITES)
				test.equal(set:open_transactions(), 0)
			end)
		end
	end
end

test.case("a session whose command nobody waits for any more is not lent to the next", function()
	local set, _, c = start()
	local ids, first = {}, true
	for _, member in ipairs(set.members) do
		member.on.insert = function(command)
			ids[#ids + 1] = command.lsid.id
			if first then
				first = false
				skynet.sleep(3000)
			end
		end
	end
	local victim = skynet.fork(c.insertOne, c, { _id = 1 })
	test.eventually("the command", 10, function()
		return ids[1]
	end)
	skynet.killthread(victim)
	c:insertOne { _id = 2 }
	c:insertOne { _id = 3 }
	test.different(ids[2], ids[1])
	test.equal(ids[3], ids[2])
end)

test.run()
