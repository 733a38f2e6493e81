-- The MongoDB driver; bench/yard/mongo.c does the same work on libmongoc: the same documents, with ids that the driver
-- makes, the same batches, write concern and implicit sessions; one connection for one operation at a time, and as many
-- as wanted for 64.
local bench = require "bench"
local mongo = require "skynet.db.mongo"

bench.main(function()
	local client = mongo.client { host = "127.0.0.1", port = bench.option "MONGO_PORT" }
	local db = client.bench
	db:dropDatabase()
	local note <const> = ("x"):rep(40)
	local function account()
		return { name = "somebody", balance = 100.5, level = 7, active = true, note = note }
	end

	local n, ids = 500, {}
	bench.measure("insert_1", n, function()
		for i = 1, n do
			ids[i] = db.one:insertOne(account()).insertedId
		end
	end)
	local function insert_many(collection)
		local docs = {}
		for i = 1, 1000 do
			docs[i] = account()
		end
		collection:insertMany(docs)
	end
	for _ = 1, 10 do
		insert_many(db.many)
	end
	bench.measure("insert_1000", 30, function()
		for _ = 1, 30 do
			insert_many(db.more)
		end
	end)
	bench.measure("find_1", 2 * n, function()
		for i = 1, 2 * n do
			assert(db.one:findOne({ _id = ids[i % n + 1] }).level == 7)
		end
	end)
	local function find_together(rounds)
		bench.together(64, function(k)
			for i = 1, rounds do
				assert(db.one:findOne { _id = ids[(k * 30 + i) % n + 1] })
			end
		end)
	end
	find_together(1) -- connects
	bench.measure("find_64", 64 * 30, function()
		find_together(30)
	end)
	bench.measure("find_10000", 5, function()
		for _ = 1, 5 do
			local found = 0
			for _ in db.many:findWith({}, { batchSize = 1000 }):each() do
				found = found + 1
			end
			assert(found == 10000)
		end
	end)
	client:disconnect()
end)
