-- timeout: 180
-- Writes of which some were done before the rest failed: that is never told as if nothing had been done.
local errors = require "reef.mongo.errors"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local test = require "test"

local MOST <const> = 100000 -- statements in a message

local function start()
	local set = peers.deployment { topology = "replicaset", version = "8.0.0", members = 1 }
	test.defer(set.close, set)
	local client = mongo.client { uri = set:uri() .. "&retryWrites=false" }
	test.defer(client.disconnect, client)
	return set, client, client:database "db".c
end

-- The first insert is of MOST documents; from the second on it goes wrong.
local function fail(set, how)
	local seen = 0
	set.members[1].on.insert = function()
		seen = seen + 1
		if seen == 1 then
			return { ok = 1, n = MOST }
		elseif how == "refused" then
			return { ok = 0, code = 13, errmsg = "not allowed" }
		end
		return "close"
	end
end

local function documents(n, last)
	local list = {}
	for i = 1, n do
		list[i] = { _id = i }
	end
	list[#list + 1] = last
	return list
end

test.case("many documents: those before the message that failed are told as inserted, no others", { timeout = 120 },
	function()
		for _, how in ipairs { "refused", "lost", "unfit" } do
			local set, _, c = start()
			fail(set, how)
			local docs = documents(MOST, how == "unfit" and { _id = MOST + 1, f = print } or { _id = MOST + 1 })
			local ok, err = pcall(c.insertMany, c, docs)
			test.equal(ok, false)
			test.truthy(errors.is(err), tostring(err))
			test.equal(err.outcome, how == "lost" and "maybe applied" or "applied in part", how)
			test.equal(err.result.insertedCount, MOST, how)
			test.equal({ #err.result.insertedIds, err.result.insertedIds[MOST + 1] }, { MOST, nil }, how)
		end
	end)

test.case("a bulk write ends with what failed below the protocol, and says what was done before", function()
	for _, how in ipairs { "refused", "lost", "unfit" } do
		for _, ordered in ipairs { true, false } do
			local set, _, c = start()
			if how ~= "unfit" then
				set.members[1].on.update = function()
					return how == "refused" and { ok = 0, code = 13, errmsg = "not allowed" } or "close"
				end
			end
			local ok, err = pcall(c.bulkWrite, c, {
				{ insertOne = { document = { _id = 1 } } },
				{ updateOne = { filter = { _id = 1 }, update = { ["$set"] = { a = how == "unfit" and print or 1 } } } },
				{ deleteOne = { filter = { _id = 1 } } },
			}, { ordered = ordered })
			test.equal(ok, false)
			test.truthy(errors.is(err), tostring(err))
			test.equal(err.outcome, how == "lost" and "maybe applied" or "applied in part", how)
			test.equal({ err.result.insertedCount, err.result.deletedCount }, { 1, 0 }, how)
			test.equal(c:countDocuments {}, 1, how)
		end
	end
end)

test.case("in order, nothing is done behind a message that was lost", { timeout = 120 }, function()
	local set, _, c = start()
	fail(set, "lost")
	local list = {}
	for i = 1, MOST + 1 do
		list[i] = { insertOne = { document = { _id = i } } }
	end
	list[#list + 1] = { deleteMany = { filter = {} } }
	local ok, err = pcall(c.bulkWrite, c, list)
	test.equal(ok, false)
	test.equal(err.outcome, "maybe applied")
	test.equal({ err.result.insertedCount, err.result.deletedCount }, { MOST, 0 })
	test.equal(set.members[1].seen.delete, nil)
end)

test.case("nothing is said to be done when nothing was", function()
	local set, _, c = start()
	set.members[1].on.insert = function()
		return { ok = 0, code = 13, errmsg = "not allowed" }
	end
	local _, err = pcall(c.bulkWrite, c, { { insertOne = { document = { _id = 1 } } },
		{ deleteOne = { filter = { _id = 1 } } } })
	test.equal({ err.outcome, err.code }, { "rejected", 13 })
	_, err = pcall(c.bulkWrite, c, { { insertOne = { document = { _id = 1, f = print } } } })
	test.equal(errors.is(err), false)
end)

test.run()
