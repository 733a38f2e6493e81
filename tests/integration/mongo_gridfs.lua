-- GridFS: what goes in comes out, in bounded memory, and what is damaged is an error. On a real server.
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local mongo_server = require "test.mongo"
local skynet = require "skynet"
local test = require "test"

math.randomseed(test.seed or 1)

local function start()
	local server = mongo_server.start()
	local client = mongo.client(server:uri())
	test.defer(client.disconnect, client)
	return client.media, client
end

local function bytes(n)
	local parts = {}
	for i = 1, n // 64 do
		parts[i] = string.pack("<I8I8I8I8I8I8I8I8", i, i * 7, i * 31, math.random(0), i, i, i, i)
	end
	parts[#parts + 1] = ("x"):rep(n % 64)
	return table.concat(parts)
end

local function read(bucket, id)
	local parts = {}
	bucket:downloadToStream(id, function(part)
		parts[#parts + 1] = part
	end)
	return table.concat(parts)
end

test.case("files of all sizes around a piece come back as they went", function()
	local bucket = start():bucket { chunkSizeBytes = 1000 }
	for _, n in ipairs { 0, 1, 999, 1000, 1001, 2001, math.random(20000) } do
		local data = bytes(n)
		local id = bucket:uploadFromStream("a", data)
		test.equal(read(bucket, id), data, n .. " bytes")
		local file = bucket:find({ _id = id }):toArray()[1]
		test.equal({ file.length, file.chunkSize }, { n, 1000 })
		test.equal(bucket.chunks:countDocuments { files_id = id }, (n + 999) // 1000)
	end
end)

test.case("pieces are written and read as one likes", function()
	local bucket = start():bucket { chunkSizeBytes = 777 }
	local data = bytes(30000)
	local file, at = bucket:openUploadStream("b", { metadata = { kind = "song" } }), 1
	while at <= #data do
		local n = math.random(0, 2500)
		file:write(data:sub(at, at + n - 1))
		at = at + n
	end
	file:close()
	local reader <close> = bucket:openDownloadStream(file.id)
	test.equal(reader.file.metadata, { kind = "song" })
	local parts = {}
	while true do
		local part = reader:read(math.random(1, 2000))
		if not part then
			break
		end
		parts[#parts + 1] = part
	end
	test.equal(table.concat(parts) == data, true)
	test.raises("closed", file.write, file, "more")
end)

test.case("revisions, names and what is removed", function()
	local bucket = start():bucket()
	local ids = {}
	for i = 1, 3 do
		ids[i] = bucket:uploadFromStream("song", "take " .. i)
		bucket.files:updateOne({ _id = ids[i] }, { ["$set"] = { uploadDate = bson.date(1000 + i) } })
	end
	local function named(revision)
		local reader <close> = bucket:openDownloadStreamByName("song", { revision = revision })
		return reader:read()
	end
	test.equal({ named(nil), named(0), named(1), named(-2) }, { "take 3", "take 1", "take 2", "take 2" })
	test.raises("no revision 3", named, 3)
	bucket:rename(ids[1], "old")
	test.equal(read(bucket, ids[1]), "take 1")
	bucket:delete(ids[2])
	test.raises("no file", bucket.openDownloadStream, bucket, ids[2])
	test.raises("no file", bucket.delete, bucket, ids[2])
	bucket:renameByName("song", "new")
	bucket:deleteByName "new"
	test.equal(#bucket:find({}):toArray(), 1)
	test.equal(bucket.chunks:countDocuments {}, 1)
	-- One that is given up leaves nothing.
	local file = bucket:openUploadStream "gone"
	file:write(("x"):rep(5 * 1024 * 1024))
	file:abort()
	test.equal(bucket.chunks:countDocuments { files_id = file.id }, 0)
	bucket:drop()
	test.equal(#bucket:find({}):toArray(), 0)
end)

test.case("a damaged file is an error that says what is wrong", function()
	local bucket = start():bucket { chunkSizeBytes = 10 }
	local function damaged(change)
		local id = bucket:uploadFromStream("c", ("0123456789"):rep(5) .. "abc")
		change(id)
		return test.raises("", read, bucket, id)
	end
	test.equal(damaged(function(id)
		bucket.chunks:deleteOne { files_id = id, n = 2 }
	end).kind, "missing chunk")
	test.equal(damaged(function(id)
		bucket.chunks:deleteOne { files_id = id, n = 5 }
	end).kind, "missing chunk")
	test.equal(damaged(function(id)
		bucket.chunks:updateOne({ files_id = id, n = 1 }, { ["$set"] = { data = bson.binary "short" } })
	end).kind, "wrong chunk")
	test.equal(damaged(function(id)
		bucket.chunks:insertOne { files_id = id, n = 6, data = bson.binary "more" }
	end).kind, "extra chunk")
end)

test.case("what cannot be read or written is an error, and leaves no file", function()
	local bucket = start():bucket()
	local directory <close> = assert(io.open(test.root, "rb"))
	test.raises("directory", bucket.uploadFromStream, bucket, "d", directory)
	test.raises("source", bucket.uploadFromStream, bucket, "d", (io.open "/no/such/file"))
	test.raises("source", bucket.uploadFromStream, bucket, "d", 5)
	test.raises("not bytes", bucket.uploadFromStream, bucket, "d", function()
		return {}
	end)
	test.equal({ bucket:find({}):toArray()[1], bucket.chunks:countDocuments {} }, { nil, 0 })
	local id = bucket:uploadFromStream("e", bytes(100000))
	local full <close> = assert(io.open("/dev/full", "wb"))
	full:setvbuf "no"
	test.raises("No space", bucket.downloadToStream, bucket, id, full)
	test.raises("sink", bucket.downloadToStream, bucket, id, nil)
end)

test.case("a file whose pieces did not get there does not become one", function()
	local db, client = start()
	local bucket = db:bucket { chunkSizeBytes = 1000 }
	local file = bucket:openUploadStream "lost"
	file:write(bytes(1500))
	bucket.chunks.insertMany = function()
		error("the link is cut", 0)
	end
	test.raises("the link is cut", file.write, file, ("x"):rep(5 * 1024 * 1024))
	bucket.chunks.insertMany = nil
	test.raises("the link is cut", file.write, file, "more")
	test.raises("the link is cut", file.close, file)
	test.equal(client.media:bucket():find({ filename = "lost" }):toArray(), {})
	file:abort()
end)

test.case("a byte at a time, and pieces of a byte", { timeout = 60 }, function()
	local bucket = start():bucket()
	local n = test.count(200000)
	local file, before = bucket:openUploadStream "slow", os.clock()
	for i = 1, n do
		file:write(string.char(i % 256))
	end
	file:close()
	local reader <close> = bucket:openDownloadStream(file.id)
	for i = 1, n do
		if reader:read(1) ~= string.char(i % 256) then
			error("byte " .. i)
		end
	end
	test.equal(reader:read(1), nil)
	test.note(("%.2f s"):format(os.clock() - before))
	local most, insert = 0, bucket.chunks.insertMany
	bucket.chunks.insertMany = function(self, pieces, ...)
		most = math.max(most, #pieces)
		return insert(self, pieces, ...)
	end
	local data = bytes(test.count(30000))
	local id = bucket:uploadFromStream("small", data, { chunkSizeBytes = 1 })
	test.equal(read(bucket, id), data)
	test.truthy(most < 20000, most)
end)

test.case("the newest revision is the newest within a second, too", function()
	local bucket = start():bucket()
	for i = 1, 4 do
		bucket:uploadFromStream("song", "take " .. i)
		skynet.sleep(2)
	end
	for i = 1, 4 do
		local reader <close> = bucket:openDownloadStreamByName("song", { revision = -i })
		test.equal(reader:read(), "take " .. 5 - i)
	end
end)

test.case("a large file needs no more memory than a small one", { timeout = 60 }, function()
	local bucket = start():bucket()
	local piece, pieces = bytes(1024 * 1024), test.count(8)
	local most, n = 0, 0
	local function note()
		most = math.max(most, collectgarbage "count")
	end
	collectgarbage()
	local id = bucket:uploadFromStream("large", function()
		n = n + 1
		note()
		return n <= pieces and piece or nil
	end)
	local length = 0
	bucket:downloadToStream(id, function(part)
		length = length + #part
		note()
	end)
	test.equal(length, pieces * #piece)
	test.truthy(most < 24 * 1024, ("%.1f MB"):format(most / 1024))
end)

test.run()
