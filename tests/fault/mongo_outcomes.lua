-- What an error says of a write that was tried more than once: the worst that any of the attempts may have done.
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local test = require "test"

local NOT_PRIMARY = { ok = 0, code = 10107, errmsg = "not primary" }
local REFUSED = { ok = 0, code = 13, errmsg = "not authorized" }

-- How the second attempt ends when the first was done and its answer lost.
local seconds = {
	["another refusal"] = function()
		return REFUSED
	end,
	["a member that is no primary"] = function()
		return NOT_PRIMARY
	end,
	["a link that ends"] = function()
		return "close"
	end,
}

for name, second in pairs(seconds) do
	test.case("the answer to the first attempt is lost, the second meets " .. name, function()
		local set = peers.set(1)
		local client = mongo.client(set:uri())
		test.defer(client.disconnect, client)
		local member, n = set.members[1], 0
		function member.on.insert(command)
			n = n + 1
			if n == 1 then
				member:usual("insert", command)
				return "close"
			end
			return second(member)
		end
		local ok, err = pcall(client.db.c.insertOne, client.db.c, { _id = 1 })
		test.equal({ ok, n, #set.documents, err.outcome }, { false, 2, 1, "maybe applied" })
	end)
end

test.case("the answer to the first attempt is lost, and nobody can be reached then", function()
	local set = peers.set(1)
	local client = mongo.client(set:uri "serverSelectionTimeoutMS=500")
	test.defer(client.disconnect, client)
	local member = set.members[1]
	function member.on.insert(command)
		member:usual("insert", command)
		function member.on.hello()
			return "close"
		end
		return "close"
	end
	local ok, err = pcall(client.db.c.insertOne, client.db.c, { _id = 1 })
	test.equal({ ok, #set.documents, err.outcome }, { false, 1, "maybe applied" })
end)

test.case("what the server says of all attempts is believed", function()
	local set = peers.set(1)
	local client = mongo.client(set:uri())
	test.defer(client.disconnect, client)
	local n = 0
	set.members[1].on.insert = function()
		n = n + 1
		return n == 1 and "close"
			or { ok = 1, n = 0, writeErrors = bson.array { { index = 0, code = 11000, errmsg = "duplicate" } } }
	end
	local ok, err = pcall(client.db.c.insertOne, client.db.c, { _id = 1 })
	test.equal({ ok, n, err.outcome, err.kind }, { false, 2, "rejected", "duplicate key" })
end)

test.run()
