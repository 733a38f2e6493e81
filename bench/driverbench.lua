-- The tasks of the public benchmark of MongoDB's drivers (DriverBench), with documents of the same shapes that are made
-- here, in megabytes a second: by the clock, and of the process' CPU time. bench/yard/driverbench.c and driverbench.py
-- do the same, on the documents that this writes for them.
local bench = require "bench"
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local shapes = require "shapes"

-- Documents that are found or inserted one by one, and together; large ones; bytes of a file.
local ONE, MANY, LARGE, FILE = 500, 2000, 4, 16 << 20

local function measure(name, bytes, f)
	local wall, cpu = bench.wall(), bench.cpu()
	f()
	cpu, wall = bench.cpu() - cpu, bench.wall() - wall
	bench.result("db_" .. name, { wall = bytes / wall / 1e6, cpu = bytes / cpu / 1e6 })
end

local function save(name, bytes)
	local file = assert(io.open(name, "wb"))
	assert(file:write(bytes))
	file:close()
end

local function codec(name)
	local object = bson.encode(shapes[name]())
	local doc, size, n = bson.decode(object), #object, 5000
	save(name .. ".json", bson.to_json(object, "canonical"))
	bench.result("size_" .. name, { bytes = size })
	for _ = 1, n // 5 do
		bson.decode(bson.encode(doc))
	end
	measure("encode_" .. name, n * size, function()
		for _ = 1, n do
			bson.encode(doc)
		end
	end)
	measure("decode_" .. name, n * size, function()
		for _ = 1, n do
			bson.decode(object)
		end
	end)
end

-- Each its own document: inserting gives it an id.
local function copies(name, n)
	local docs, object = {}, bson.encode(shapes[name]())
	for i = 1, n do
		docs[i] = bson.decode(object)
	end
	return docs, #object * n
end

local function insert(db, name, n)
	local docs, bytes = copies(name, n)
	measure("insert_" .. name, bytes, function()
		for i = 1, n do
			db[name]:insertOne(docs[i])
		end
	end)
end

local function bulk(db, name, n)
	local docs, bytes = copies(name, n)
	measure("bulk_" .. name, bytes, function()
		db["bulk_" .. name]:insertMany(docs)
	end)
end

local function find(db)
	local docs, bytes = copies("message", MANY)
	local ids = db.message:insertMany(docs).insertedIds
	measure("find_one", bytes * ONE // MANY, function()
		for i = 1, ONE do
			assert(db.message:findOne({ _id = ids[i] })._id == ids[i])
		end
	end)
	measure("find_many", bytes, function()
		local found = 0
		for _ in db.message:findWith({}):each() do
			found = found + 1
		end
		assert(found == MANY)
	end)
end

local function files(db)
	save("file", ("a line of a file that is stored\n"):rep(FILE // 32))
	local bucket, id = db:bucket(), nil
	measure("upload", FILE, function()
		id = bucket:uploadFromStream("file", assert(io.open("file", "rb")))
	end)
	measure("download", FILE, function()
		local found = 0
		bucket:downloadToStream(id, function(bytes)
			found = found + #bytes
		end)
		assert(found == FILE)
	end)
end

-- By how much the process grows while a file of BIG_MB megabytes goes up and down, of which it never has more than one.
local function memory(db)
	local big <const> = math.tointeger(bench.option("BIG_MB", 64))
	local piece <const>, before <const> = ("16 bytes of text"):rep(1 << 16), bench.resident()
	local most, sent, found = before, 0, 0
	local function look()
		most = math.max(most, bench.resident())
	end
	local bucket = db:bucket { bucketName = "big" }
	local id = bucket:uploadFromStream("big", function()
		look()
		sent = sent + 1
		return sent <= big and piece or nil
	end)
	bucket:downloadToStream(id, function(bytes)
		look()
		found = found + #bytes
	end)
	assert(found == big << 20)
	bench.result("db_memory", { mib = (most - before) / (1 << 20) })
end

bench.main(function()
	for _, name in ipairs { "flat", "deep", "full" } do
		codec(name)
	end
	for _, name in ipairs { "message", "small", "large" } do
		save(name .. ".json", bson.to_json(bson.encode(shapes[name]()), "canonical"))
	end
	local client = mongo.client { host = "127.0.0.1", port = bench.option "MONGO_PORT" }
	local db = client.driverbench
	db:dropDatabase()
	-- First: nothing that others have left hides what it takes.
	memory(db)
	insert(db, "small", ONE)
	insert(db, "large", LARGE)
	bulk(db, "small", MANY)
	bulk(db, "large", LARGE)
	find(db)
	files(db)
	client:disconnect()
end)
