-- Files of GridFS under ids of one's own: whoever takes an id that is taken, or gives a file up, leaves the file that
-- has the id whole; and what is no id, or no name, is not a filter that fits all files. On a real server and on the
-- peer.
-- Pieces go to the server a few at a time, so that others come in between; this is read when the driver is loaded.
require("reef.mongo.gridfs.base").BATCH = 1000
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local mongo_server = require "test.mongo"
local peers = require "test.mongo_peer"
local skynet = require "skynet"
local test = require "test"

math.randomseed(test.seed or 1)

local targets = {}

function targets.server()
	return mongo_server.start():uri()
end

function targets.peer()
	local set = peers.deployment { topology = "replicaset", version = "8.0.0", members = 1 }
	test.defer(set.close, set)
	return set:uri(), set.members[1], set
end

-- A case for each of them: work(db, member, set).
local function on_both(name, options, work)
	for where, start in pairs(targets) do
		test.case(name .. ": " .. where, options, function()
			local uri, member, set = start()
			local client = mongo.client(uri)
			test.defer(client.disconnect, client)
			work(client.media, member, set)
		end)
	end
end

local function read(bucket, id)
	local parts = {}
	bucket:downloadToStream(id, function(part)
		parts[#parts + 1] = part
	end)
	return table.concat(parts)
end

local PIECE = 100

-- A bucket with a file under each of the ids, and without the index that keeps pieces apart if so wanted.
local function filled(db, index, files)
	local bucket = db:bucket { chunkSizeBytes = PIECE }
	for id, bytes in pairs(files) do
		bucket:uploadFromStreamWithId(id, "file", bytes)
	end
	if not index then
		bucket.chunks:dropIndexes()
	end
	return bucket
end

local function check_files(bucket, files)
	for id, bytes in pairs(files) do
		test.truthy(read(bucket, id) == bytes, "the file " .. id .. " is another")
	end
end

on_both("what is deleted while it is written does not become a file", { timeout = 300 }, function(db)
	local bucket, other = db:bucket { chunkSizeBytes = PIECE }, db:bucket()
	for round = 1, 20 do
		local id, before, after = "file" .. round, math.random(4, 12), math.random(0, 12)
		local file = bucket:openUploadStreamWithId(id, "file")
		file:write(("a"):rep(before * PIECE))
		test.different(bucket.chunks:countDocuments { files_id = id }, 0)
		test.equal(test.raises("no file", other.delete, other, id).kind, "file not found")
		local err = test.raises("deleted while", function()
			file:write(("b"):rep(after * PIECE))
			file:close()
		end)
		test.equal({ err.kind, err.outcome }, { "deleted", "rejected" })
		test.raises("deleted while", file.close, file)
		file:abort()
		test.equal({ bucket.chunks:countDocuments {}, bucket.files:countDocuments {} }, { 0, 0 })
	end
	-- It may have become one just before its pieces go.
	local delete_many = other.chunks.deleteMany
	rawset(other.chunks, "deleteMany", function(self, ...)
		rawset(self, "deleteMany", nil)
		bucket:uploadFromStreamWithId("late", "file", "bytes")
		return delete_many(self, ...)
	end)
	other:delete "late"
	test.equal({ bucket.chunks:countDocuments {}, bucket.files:countDocuments {} }, { 0, 0 })
end)

on_both("an id that is taken is an error, and the file that has it stays whole", { timeout = 300 }, function(db)
	for _, index in ipairs { true, false } do
		local files = { none = "", one = ("1"):rep(50), some = ("s"):rep(3 * PIECE + 1) }
		local bucket = filled(db, index, files)
		for id in pairs(files) do
			for _, length in ipairs { 0, 50, 5 * PIECE } do
				local err = test.raises("duplicate", bucket.uploadFromStreamWithId, bucket, id, "again", ("x"):rep(length))
				test.equal({ err.kind, err.outcome }, { "duplicate key", "rejected" })
				check_files(bucket, files)
				local file = bucket:openUploadStreamWithId(id, "again")
				test.raises("duplicate", function()
					file:write(("x"):rep(length))
					file:close()
				end)
				file:abort()
				file:abort()
				check_files(bucket, files)
			end
		end
		test.equal(bucket.chunks:countDocuments {}, 5)
		bucket:drop()
	end
end)

on_both("who gives a file up removes its own pieces alone", { timeout = 300 }, function(db)
	for _, index in ipairs { true, false } do
		local files = { none = "", one = ("1"):rep(50), some = ("s"):rep(3 * PIECE + 1) }
		local bucket = filled(db, index, files)
		for id in pairs(files) do
			local file = bucket:openUploadStreamWithId(id, "again")
			file:abort()
			test.raises("closed", file.write, file, "x")
			test.raises("the disk", bucket.uploadFromStreamWithId, bucket, id, "again", function()
				error("the disk", 0)
			end)
		end
		check_files(bucket, files)
		test.equal(bucket.chunks:countDocuments {}, 5)
		bucket:drop()
	end
end)

-- Many at once take a few ids, and give up. Whoever was told that a file is there finds it as it went in; where no
-- index keeps the pieces of others out, once they are done.
local function play(bucket, ids, index)
	local tasks, stored, done, counts = 5, {}, 0, { stored = 0, taken = 0, given_up = 0 }
	local function upload(id, bytes)
		if math.random(3) == 1 then
			local ok, err = pcall(bucket.uploadFromStreamWithId, bucket, id, "file", bytes)
			return ok, err
		end
		local file = bucket:openUploadStreamWithId(id, "file")
		local ok, err = pcall(function()
			for at = 1, #bytes, 70 do
				file:write(bytes:sub(at, at + 69))
			end
			if math.random(4) == 1 then
				error("given up", 0)
			end
			file:close()
		end)
		if not ok then
			file:abort()
		end
		return ok, err
	end
	local function step()
		local id = ids[math.random(#ids)]
		if math.random(5) > 1 then
			local bytes = string.pack("<I8", math.random(0)):rep(math.random(0, 60))
			local ok, err = upload(id, bytes)
			if ok then
				test.equal(stored[id], nil)
				stored[id], counts.stored = bytes, counts.stored + 1
			elseif err == "given up" then
				counts.given_up = counts.given_up + 1
			else
				test.equal(err.kind, "duplicate key")
				counts.taken = counts.taken + 1
			end
		elseif stored[id] and index then
			test.truthy(read(bucket, id) == stored[id], "another file")
		end
	end
	local token = {}
	for _ = 1, tasks do
		skynet.fork(function()
			local ok, err = pcall(function()
				for _ = 1, 20 do
					step()
				end
			end)
			counts.failed = counts.failed or not ok and err or nil
			done = done + 1
			skynet.wakeup(token)
		end)
	end
	while done < tasks do
		skynet.wait(token)
	end
	if counts.failed then
		error(counts.failed, 0)
	end
	return stored, counts
end

on_both("whoever takes and gives up the same ids at once: each file that is listed is whole", { timeout = 600 },
	function(db)
		for _, index in ipairs { true, false } do
			local bucket = filled(db, index, { first = "x" })
			for _ = 1, test.count(5) do
				local ids = { "a", "b", bson.objectid(), 5 }
				local stored, counts = play(bucket, ids, index)
				local listed, pieces = 0, 1
				for file in bucket:find({ _id = { ["$in"] = bson.array(ids) } }):each() do
					listed = listed + 1
					test.truthy(read(bucket, file._id) == stored[file._id], "not what was stored")
					pieces = pieces + (#stored[file._id] + PIECE - 1) // PIECE
				end
				for _ in pairs(stored) do
					listed = listed - 1
				end
				test.equal(listed, 0)
				test.truthy(counts.stored > 0 and counts.taken > 0, "nothing came of it")
				for _, id in ipairs(ids) do
					pcall(bucket.delete, bucket, id)
				end
				test.equal(bucket.chunks:countDocuments {}, 1)
			end
			test.equal(read(bucket, "first"), "x")
			bucket:drop()
		end
	end)

on_both("what is no id is refused, and what could be a filter is an id", { timeout = 300 }, function(db)
	local files = { a = ("a"):rep(250), b = "b" }
	local bucket = filled(db, true, files)
	for _, id in ipairs { bson.regex("^", ""), { ["$gt"] = "" }, { ["$exists"] = true }, {} } do
		test.raises("no file", bucket.delete, bucket, id)
		test.raises("no file", bucket.rename, bucket, id, "c")
		test.raises("no file", bucket.openDownloadStream, bucket, id)
		local file = bucket:openUploadStreamWithId(id, "c")
		file:write(("x"):rep(250))
		file:abort()
		check_files(bucket, files)
	end
	for _, method in ipairs { "delete", "openDownloadStream" } do
		test.raises("id of a file is nil", bucket[method], bucket, nil)
	end
	for _, method in ipairs { "rename", "openUploadStreamWithId" } do
		test.raises("id of a file is nil", bucket[method], bucket, nil, "c")
	end
	for _, name in ipairs { 5, false, { ["$gt"] = "" }, bson.regex("^", "") } do
		name = name or nil
		test.raises("name", bucket.deleteByName, bucket, name)
		test.raises("name", bucket.renameByName, bucket, name, "c")
		test.raises("name", bucket.renameByName, bucket, "file", name)
		test.raises("name", bucket.rename, bucket, "a", name)
		test.raises("name", bucket.openDownloadStreamByName, bucket, name)
		test.raises("name", bucket.openUploadStream, bucket, name)
	end
	check_files(bucket, files)
	test.equal(bucket.files:countDocuments { filename = "file" }, 2)
end)

-- How a server that took, or refused, what the file's document says is heard, or not.
test.case("a file whose end was not heard keeps its pieces: it may be there", function()
	for _, applied in ipairs { true, false } do
		local uri, member, set = targets.peer()
		local client = mongo.client(uri .. "retryWrites=false")
		test.defer(client.disconnect, client)
		local bucket = client.media:bucket { chunkSizeBytes = PIECE }
		bucket:uploadFromStreamWithId("first", "file", "x")
		function member.on.insert(command)
			if command.insert == "fs.files" then
				if applied then
					member:usual("insert", command)
				end
				return "close"
			end
		end
		local bytes = ("b"):rep(250)
		local ok, err = pcall(bucket.uploadFromStreamWithId, bucket, "b", "file", bytes)
		test.equal({ ok, err.outcome }, { false, "maybe applied" })
		local file = bucket:openUploadStreamWithId("c", "file")
		file:write(bytes)
		test.equal(select(2, pcall(file.close, file)).outcome, "maybe applied")
		local _, unsure = pcall(file.abort, file)
		test.equal({ unsure.code, unsure.kind, unsure.outcome }, { "gridfs", "file may exist", "maybe applied" })
		test.raises("closed", file.write, file, "x")
		member.on.insert = nil
		for _, id in ipairs { "b", "c" } do
			test.equal(bucket.chunks:countDocuments { files_id = id }, 3)
			if applied then
				test.truthy(read(bucket, id) == bytes)
				bucket:delete(id)
			else
				test.raises("no file", bucket.delete, bucket, id)
			end
		end
		test.equal(bucket.chunks:countDocuments {}, 1)
		set:close()
	end
end)

test.case("a file that is given up while another closes it stays", function()
	local uri, member = targets.peer()
	local client = mongo.client(uri)
	test.defer(client.disconnect, client)
	local bucket = client.media:bucket { chunkSizeBytes = PIECE }
	local go_on = false
	function member.on.insert(command)
		while command.insert == "fs.files" and not go_on do
			skynet.sleep(1)
		end
	end
	local file, closed = bucket:openUploadStreamWithId("b", "file"), nil
	file:write(("b"):rep(250))
	skynet.fork(function()
		closed = pcall(file.close, file)
	end)
	test.eventually("the file's document is on its way", 60, function()
		return (member.seen.insert or 0) > 1 and bucket.chunks:countDocuments { files_id = "b" } == 3
	end)
	local _, err = pcall(file.abort, file)
	go_on = true
	test.equal(err.kind, "file may exist")
	test.eventually("it is closed", 60, function()
		return closed ~= nil
	end)
	test.equal({ closed, read(bucket, "b") }, { true, ("b"):rep(250) })
end)

test.case("pieces that were refused are told of at once, and nothing is removed", function()
	local uri, member = targets.peer()
	local client = mongo.client(uri .. "retryWrites=false")
	test.defer(client.disconnect, client)
	local bucket = client.media:bucket { chunkSizeBytes = PIECE }
	function member.on.insert(command)
		return command.insert == "fs.chunks" and { ok = 0, code = 8, errmsg = "not today" } or nil
	end
	test.raises("not today", bucket.uploadFromStreamWithId, bucket, "b", "file", ("b"):rep(250))
	test.equal(member.seen.delete, nil)
end)

test.run()
