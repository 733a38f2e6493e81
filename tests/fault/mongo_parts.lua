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

-- What may become of one command, instead of the usual.
local fates = {
	function() return "close" end,
	function(m, name, command)
		m:usual(name, command)
		return "close"
	end,
	function() return { ok = 0, code = 13, errmsg = "not allowed" } end,
	function() return { ok = 0, code = 10107, errmsg = "not primary", errorLabels = { "RetryableWriteError" } } end,
	function(m, name, command)
		local reply = m:usual(name, command)
		reply.writeConcernError = { code = 64, errmsg = "waited in vain" }
		return reply
	end,
}

local function is_there(c, id)
	return c:findOne { _id = id } ~= nil
end

-- By each way of writing many: a call, and whether what it told has the write of that place as done.
local writers = {
	["bulkWrite of a collection"] = { function(_, c, list, ordered)
		return c:bulkWrite(list, { ordered = ordered })
	end, function(told, i)
		return (told.upsertedIds or {})[i] ~= nil or (told.insertedIds or {})[i] ~= nil
	end },
	["bulkWrite of a client"] = { function(client, _, list, ordered)
		for _, item in ipairs(list) do
			item[next(item)].namespace = "db.c"
		end
		return client:bulkWrite(list, { ordered = ordered, verboseResults = true })
	end, function(told, i)
		local updated = (told.updateResults or {})[i]
		return updated and updated.upsertedId ~= nil or (told.insertResults or {})[i] ~= nil
	end },
	insertMany = { function(_, c, list, ordered)
		local docs = {}
		for i, item in ipairs(list) do
			docs[i] = item.insertOne.document
		end
		return c:insertMany(docs, { ordered = ordered })
	end, function(told, i)
		return (told.insertedIds or {})[i] ~= nil
	end, inserts = true },
}

for way, writer in pairs(writers) do
	test.case(("what is told is true, whatever becomes of its commands: %s"):format(way), { timeout = 120 }, function()
		local outcomes, last = {}, 0
		for _, retries in ipairs { true, false } do
			local set = peers.deployment { topology = "replicaset", version = "8.0.0", members = 1 }
			test.defer(set.close, set)
			local client = mongo.client { uri = set:uri() .. "&retryWrites=" .. tostring(retries) }
			test.defer(client.disconnect, client)
			local c, m = client:database "db".c, set.members[1]
			c:insertOne { _id = 0 }
			for _ = 1, test.count(50) do
				local list, ids = {}, {}
				for i = 1, math.random(1, 8) do
					last = last + 1
					ids[i] = last
					local kind = math.random(writer.inserts and 3 or 4)
					if kind == 1 then
						-- One that is there already.
						list[i], ids[i] = { insertOne = { document = { _id = 0 } } }, nil
					elseif kind == 4 then
						list[i] = { updateOne = { filter = { _id = last }, update = { ["$set"] = { a = 1 } }, upsert = true } }
					else
						list[i] = { insertOne = { document = { _id = last } } }
					end
				end
				for _, name in ipairs { "insert", "update", "bulkWrite" } do
					m.on[name] = function(command)
						if math.random(4) == 1 then
							return fates[math.random(#fates)](m, name, command)
						end
					end
				end
				local ordered = math.random(2) == 1
				local ok, result = pcall(writer[1], client, c, list, ordered)
				m.on = {}
				local err = not ok and result
				outcomes[ok and "done" or err.outcome] = true
				local told = ok and result or err.result or {}
				for i, id in pairs(ids) do
					local there, said = is_there(c, id), writer[2](told, i)
					local what = ("write %d, ordered: %s, %s, %s"):format(i, tostring(ordered), err and err.outcome or "done",
						err and tostring(err) or "no error")
					test.truthy(there or not said, what .. ": it is not there")
					test.truthy(said or not there or err and err.outcome == "maybe applied", what .. ": it is there")
					test.truthy(not there or not err or err.outcome ~= "not sent", what)
				end
			end
		end
		-- A few rounds may be without one of them.
		test.truthy(test.sanitizer or outcomes.done and outcomes["maybe applied"])
	end)
end

test.run()
