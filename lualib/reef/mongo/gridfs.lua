-- Files in a database, by the specification "GridFS": a document for each file in BUCKET.files, its bytes in pieces in
-- BUCKET.chunks. Whatever the size of a file, no more than some of its pieces are in memory.
--
--     local files = client.media:bucket()
--     local id = files:uploadFromStream("song.ogg", io.open("song.ogg", "rb"))
--     files:downloadToStream(id, io.stdout)
local base = require "reef.mongo.gridfs.base"
local bson = require "bson"
local download = require "reef.mongo.gridfs.download"
local known = require "reef.mongo.known"
local upload = require "reef.mongo.gridfs.upload"

local gridfs = {}

local check_name, fail, is, show, with, within = base.check_name, base.fail, base.is, base.show, base.with, base.within
local DEFAULT_CHUNK = 255 * 1024

---@class mongo.bucket_options
---@field bucketName string|nil default: fs
---@field chunkSizeBytes integer|nil default: 261120
---@field readConcern table|nil
---@field writeConcern table|nil
---@field readPreference mongo.read_preference|nil
---@field timeoutMS integer|nil for a file, from opening it to closing it

---@class mongo.bucket
---@field files mongo.collection
---@field chunks mongo.collection
local bucket = {}
bucket.__index = bucket

-- ---- writing ----

---A file to be written, with an id of one's own.
---@param id any
---@param filename string
---@param options { chunkSizeBytes: integer|nil, metadata: table|nil, timeoutMS: integer|nil }|nil
---@return mongo.upload
function bucket:openUploadStreamWithId(id, filename, options)
	return upload.open(self, id, filename, options)
end

---A file to be written.
---@param filename string
---@param options { chunkSizeBytes: integer|nil, metadata: table|nil, timeoutMS: integer|nil }|nil
---@return mongo.upload
function bucket:openUploadStream(filename, options)
	return self:openUploadStreamWithId(bson.objectid(), filename, options)
end

---Writes a whole file.
---@param id any
---@param filename string
---@param source string|function|table bytes; what answers more of them, nil at the end; or what has `read(n)`
---@param options { chunkSizeBytes: integer|nil, metadata: table|nil, timeoutMS: integer|nil }|nil
---@return any id
function bucket:uploadFromStreamWithId(id, filename, source, options)
	local read = upload.reader(source)
	return upload.pour(self:openUploadStreamWithId(id, filename, options), read)
end

---Writes a whole file.
---@param filename string
---@param source string|function|table bytes; what answers more of them, nil at the end; or what has `read(n)`
---@param options { chunkSizeBytes: integer|nil, metadata: table|nil, timeoutMS: integer|nil }|nil
---@return any id
function bucket:uploadFromStream(filename, source, options)
	return self:uploadFromStreamWithId(bson.objectid(), filename, source, options)
end

-- ---- reading ----

---A file to be read.
---@param id any
---@param options { timeoutMS: integer|nil }|nil
---@return mongo.download
function bucket:openDownloadStream(id, options)
	local limit = within(self, options)
	local file = self.files:findWith({ _id = is(id) }, with(limit, { limit = -1 })):toArray()[1]
	if not file then
		fail("file not found", ("there is no file with the id %s"):format(show(id)))
	end
	return download.open(self, file, limit)
end

---A file to be read, by its name: its newest revision, -1, the one before, -2, ...; or its oldest, 0, the next, 1, ...
---@param filename string
---@param options { revision: integer|nil, timeoutMS: integer|nil }|nil
---@return mongo.download
function bucket:openDownloadStreamByName(filename, options)
	local limit = within(self, options)
	local revision = options and options.revision or -1
	local file = self.files:findWith({ filename = check_name(filename) }, with(limit, {
		sort = { uploadDate = revision < 0 and -1 or 1 }, skip = revision < 0 and -revision - 1 or revision, limit = -1,
	})):toArray()[1]
	if not file then
		fail("file not found", ("there is no revision %d of a file '%s'"):format(revision, filename))
	end
	return download.open(self, file, limit)
end

---Reads a whole file.
---@param id any
---@param sink function|table what takes bytes, or has `write(bytes)`
---@param options { timeoutMS: integer|nil }|nil
function bucket:downloadToStream(id, sink, options)
	local write = download.writer(sink)
	download.pour(self:openDownloadStream(id, options), write)
end

---Reads a whole file, by its name.
---@param filename string
---@param sink function|table what takes bytes, or has `write(bytes)`
---@param options { revision: integer|nil, timeoutMS: integer|nil }|nil
function bucket:downloadToStreamByName(filename, sink, options)
	local write = download.writer(sink)
	download.pour(self:openDownloadStreamByName(filename, options), write)
end

-- ---- files ----

---The documents of files.
---@param filter table|nil
---@param options table|nil as of collection:findWith
---@return mongo.cursor
function bucket:find(filter, options)
	return self.files:findWith(filter, options)
end

---@param id any raises when there is no such file
---@param options { timeoutMS: integer|nil }|nil
function bucket:delete(id, options)
	local limit = within(self, options)
	local found = self.files:deleteOne({ _id = is(id) }, limit)
	self.chunks:deleteMany({ files_id = is(id) }, limit)
	if found.deletedCount == 0 then
		-- Had it become a file before its pieces went?
		found = self.files:deleteOne({ _id = is(id) }, limit)
		if found.deletedCount > 0 then
			self.chunks:deleteMany({ files_id = is(id) }, limit)
			return
		end
		fail("file not found", ("there is no file with the id %s"):format(show(id)))
	end
end

---All revisions of a file.
---@param filename string raises when there is no such file
---@param options { timeoutMS: integer|nil }|nil
function bucket:deleteByName(filename, options)
	local limit = within(self, options)
	local ids = bson.array {}
	local named = { filename = check_name(filename) }
	for file in self.files:findWith(named, with(limit, { projection = { _id = 1 } })):each() do
		ids[#ids + 1] = file._id
	end
	if not ids[1] then
		fail("file not found", ("there is no file '%s'"):format(filename))
	end
	self.files:deleteMany({ _id = { ["$in"] = ids } }, limit)
	self.chunks:deleteMany({ files_id = { ["$in"] = ids } }, limit)
end

---@param id any raises when there is no such file
---@param filename string from now on
---@param options { timeoutMS: integer|nil }|nil
function bucket:rename(id, filename, options)
	local change = { ["$set"] = { filename = check_name(filename) } }
	local done = self.files:updateOne({ _id = is(id) }, change, within(self, options))
	if done.matchedCount == 0 then
		fail("file not found", ("there is no file with the id %s"):format(show(id)))
	end
end

---All revisions of a file.
---@param before string raises when there is no such file
---@param filename string from now on
---@param options { timeoutMS: integer|nil }|nil
function bucket:renameByName(before, filename, options)
	local change = { ["$set"] = { filename = check_name(filename) } }
	local done = self.files:updateMany({ filename = check_name(before) }, change, within(self, options))
	if done.matchedCount == 0 then
		fail("file not found", ("there is no file '%s'"):format(before))
	end
end

---All files and their bytes.
---@param options { timeoutMS: integer|nil }|nil
function bucket:drop(options)
	local limit = within(self, options)
	self.files:drop(limit)
	self.chunks:drop(limit)
	self.indexed = nil
end

---@param database mongo.database
---@param options mongo.bucket_options|nil
---@return mongo.bucket
function gridfs.bucket(database, options)
	options = options or {}
	local name = options.bucketName or "fs"
	local scope = {
		readConcern = options.readConcern, writeConcern = options.writeConcern, readPreference = options.readPreference,
		timeoutMS = options.timeoutMS,
	}
	-- What the server has now, and not only what many have.
	local newest = {
		readConcern = { level = "local" }, readPreference = { mode = "primary" }, timeoutMS = options.timeoutMS,
	}
	return setmetatable({
		newest = database:collection(name .. ".chunks", newest), chunk_size = options.chunkSizeBytes or DEFAULT_CHUNK,
		files = database:collection(name .. ".files", scope), chunks = database:collection(name .. ".chunks", scope),
	}, bucket)
end

known.guard(bucket, "bucket")

return gridfs
