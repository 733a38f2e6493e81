-- Files in a database, by the specification "GridFS": a document for each file in BUCKET.files, its bytes in pieces in
-- BUCKET.chunks. Whatever the size of a file, no more than some of its pieces are in memory.
--
--     local files = client.media:bucket()
--     local id = files:uploadFromStream("song.ogg", io.open("song.ogg", "rb"))
--     files:downloadToStream(id, io.stdout)
local bson = require "bson"
local errors = require "reef.mongo.errors"
local limits = require "reef.mongo.limits"
local skynet = require "skynet"

local gridfs = {}

local DEFAULT_CHUNK = 255 * 1024
-- Bytes of pieces that go to the server, or come from it, at once; and that are read from a file.
local BATCH, READ = 4 * 1024 * 1024, 1024 * 1024
-- What a piece takes beside its bytes, here and at the server.
local PIECE = 256

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

local function fail(kind, text)
	error(errors.new({ code = "gridfs", kind = kind, outcome = "rejected", command = "GridFS" }, text), 0)
end

local function show(id)
	return bson.type(id) == "objectid" and select(2, bson.type(id)) or tostring(id)
end

-- Options for all operations of one piece of work: they share its time.
local function within(self, options)
	local limit = limits.set({}, self.files:settings(), options or {})
	return { within = limit, session = options and options.session }
end

local function with(limit, more)
	more.within, more.session = limit.within, limit.session
	return more
end

-- ---- writing ----

---@class mongo.upload
---@field id any of the file
local upload = {}
upload.__index = upload

local function has_index(list, ...)
	for _, index in ipairs(list) do
		local same, n = true, 0
		for _ in pairs(index.key) do
			n = n + 1
		end
		for _, key in ipairs { ... } do
			same = same and index.key[key] == 1
		end
		if same and n == select("#", ...) then
			return true
		end
	end
	return false
end

local function list_indexes(collection, limit)
	local ok, list = pcall(collection.listIndexes, collection, limit)
	if not ok and not (errors.is(list) and list.code == 26) then
		error(list, 0)
	end
	return ok and list or {}
end

-- The first file of a bucket brings its indexes.
local function ensure_indexes(self, limit)
	if self.indexed then
		return
	end
	local any = self.files:findWith({}, with(limit, { projection = { _id = 1 }, limit = -1 })):toArray()[1]
	if not any then
		if not has_index(list_indexes(self.files, limit), "filename", "uploadDate") then
			self.files:createIndexesWith({ { { filename = 1 }, { uploadDate = 1 } } }, limit)
		end
		if not has_index(list_indexes(self.chunks, limit), "files_id", "n") then
			self.chunks:createIndexesWith({ { { files_id = 1 }, { n = 1 }, unique = true } }, limit)
		end
	end
	self.indexed = true
end

-- Sends the pieces that are complete.
local function send(self)
	local pending = self.pending
	if not pending[1] then
		return
	end
	self.pending = {}
	local ok, err = pcall(function()
		ensure_indexes(self.bucket, self.limit)
		self.bucket.chunks:insertMany(pending, self.limit)
	end)
	if not ok then
		self.failed = err
		error(err, 0)
	end
end

-- What lacks a piece must not become a file.
local function check_writable(self)
	if self.failed then
		error(self.failed, 0)
	elseif self.closed then
		error("mongo: this file is closed", 0)
	end
end

local function add_piece(self, bytes)
	self.pending[#self.pending + 1] = {
		_id = bson.objectid(), files_id = self.id, n = self.n, data = bson.binary(bytes),
	}
	self.n = self.n + 1
	if #self.pending * (self.chunk_size + PIECE) >= BATCH then
		send(self)
	end
end

---Appends bytes to the file.
---@param bytes string
function upload:write(bytes)
	check_writable(self)
	if type(bytes) ~= "string" then
		error(("mongo: a file is written with a %s, not bytes"):format(type(bytes)), 0)
	end
	self.length = self.length + #bytes
	local size, rest = self.chunk_size, self.rest
	if self.kept + #bytes < size then
		rest[#rest + 1], self.kept = bytes, self.kept + #bytes
		return
	end
	local at = size - self.kept
	rest[#rest + 1] = bytes:sub(1, at)
	self.rest, self.kept = {}, 0
	add_piece(self, table.concat(rest))
	while #bytes - at >= size do
		add_piece(self, bytes:sub(at + 1, at + size))
		at = at + size
	end
	self.rest, self.kept = { bytes:sub(at + 1) }, #bytes - at
end

---Makes the file visible.
---@return any id
function upload:close()
	if self.closed and not self.failed then
		return self.id
	end
	check_writable(self)
	if self.kept > 0 then
		local rest = table.concat(self.rest)
		self.rest, self.kept = {}, 0
		add_piece(self, rest)
	end
	send(self)
	ensure_indexes(self.bucket, self.limit)
	local document = bson.document("_id", self.id, "length", bson.int64(self.length), "chunkSize", self.chunk_size,
		"uploadDate", bson.datetime(math.floor(skynet.time() * 1000)), "filename", self.filename)
	document.metadata = self.metadata
	self.bucket.files:insertOne(document, self.limit)
	self.closed = true
	return self.id
end

---Gives the file up: what was sent of it is removed.
function upload:abort()
	if self.closed then
		return
	end
	self.closed, self.pending, self.rest, self.kept = true, {}, {}, 0
	self.bucket.chunks:deleteMany({ files_id = self.id }, self.limit)
end

---A file to be written, with an id of one's own.
---@param id any
---@param filename string
---@param options { chunkSizeBytes: integer|nil, metadata: table|nil, timeoutMS: integer|nil }|nil
---@return mongo.upload
function bucket:openUploadStreamWithId(id, filename, options)
	options = options or {}
	local size = options.chunkSizeBytes or self.chunk_size
	if math.type(size) ~= "integer" or size < 1 then
		error(("mongo: chunkSizeBytes = %s: not a size"):format(tostring(size)), 0)
	end
	return setmetatable({
		bucket = self, id = id, filename = filename, chunk_size = size, metadata = options.metadata, rest = {}, kept = 0,
		n = 0, length = 0, pending = {}, limit = within(self, options),
	}, upload)
end

---@return mongo.upload
function bucket:openUploadStream(filename, options)
	return self:openUploadStreamWithId(bson.objectid(), filename, options)
end

local function has_method(object, name)
	local kind = type(object)
	return (kind == "table" or kind == "userdata") and object[name] ~= nil
end

-- What gives the bytes of a source, nil at its end: a string, a function, or something with a method `read`.
local function reader(source)
	if type(source) == "string" then
		local at = 1
		return function()
			local part = at <= #source and source:sub(at, at + READ - 1) or nil
			at = at + READ
			return part
		end
	elseif type(source) == "function" then
		return source
	elseif not has_method(source, "read") then
		error(("mongo: the source of a file is a %s, neither bytes nor what can be read"):format(type(source)), 0)
	end
	return function()
		local part, err = source:read(READ)
		if not part and err ~= nil then
			error("mongo: the source of a file: " .. tostring(err), 0)
		end
		return part
	end
end

---Writes a whole file.
---@param id any
---@param filename string
---@param source string|function|table bytes; what answers more of them, nil at the end; or what has `read(n)`
---@param options { chunkSizeBytes: integer|nil, metadata: table|nil, timeoutMS: integer|nil }|nil
---@return any id
function bucket:uploadFromStreamWithId(id, filename, source, options)
	local read = reader(source)
	local file = self:openUploadStreamWithId(id, filename, options)
	local ok, err = pcall(function()
		for bytes in read do
			file:write(bytes)
		end
		file:close()
	end)
	if not ok then
		pcall(file.abort, file)
		error(err, 0)
	end
	return id
end

---@return any id
function bucket:uploadFromStream(filename, source, options)
	return self:uploadFromStreamWithId(bson.objectid(), filename, source, options)
end

-- ---- reading ----

---@class mongo.download
---@field file table its document
local download = {}
download.__index = download

-- The next piece, nil at the end.
local function next_piece(self)
	local file = self.file
	local n = self.n
	if n >= self.count then
		if self.cursor and not self.checked then
			self.checked = true
			if self.cursor:hasNext() then
				fail("extra chunk", ("the file %s has more pieces than its length says"):format(show(file._id)))
			end
		end
		return nil
	end
	if not self.cursor:hasNext() then
		fail("missing chunk", ("the file %s lacks its piece %d"):format(show(file._id), n))
	end
	local piece = self.cursor:next()
	local kind, bytes = bson.type(piece.data)
	local size = math.min(self.size, self.length - n * self.size)
	if math.tointeger(piece.n) ~= n then
		fail("missing chunk", ("the file %s lacks its piece %d"):format(show(file._id), n))
	elseif kind ~= "binary" or #bytes ~= size then
		fail("wrong chunk", ("piece %d of the file %s has %s bytes, not %d"):format(n, show(file._id),
			kind == "binary" and #bytes or "no", size))
	end
	self.n = n + 1
	return bytes
end

---Bytes of the file: at most n, or as many as there are at once; nil at the end.
---@param n integer|nil
---@return string|nil
function download:read(n)
	if self.closed then
		error("mongo: this file is closed", 0)
	end
	local rest, at = self.rest, self.at
	if not rest then
		rest, at = next_piece(self), 1
	end
	if rest and n and #rest - at >= n then
		self.rest, self.at = rest, at + n
		return rest:sub(at, at + n - 1)
	end
	self.rest = nil
	return rest and rest:sub(at)
end

---`for bytes in file:each() do`
function download:each()
	return function()
		return self:read()
	end
end

function download:close()
	if not self.closed then
		self.closed, self.rest = true, nil
		if self.cursor then
			self.cursor:close()
		end
	end
end

download.__close = download.close

local function open(self, file, limit)
	local size, length = math.tointeger(file.chunkSize), math.tointeger(file.length)
	if not size or size < 1 or not length or length < 0 then
		fail("wrong file", ("the file %s has no length, or no size of pieces"):format(show(file._id)))
	end
	local made = setmetatable({
		file = file, n = 0, size = size, length = length, count = (length + size - 1) // size,
	}, download)
	if length > 0 then
		made.cursor = self.chunks:findWith({ files_id = file._id }, with(limit, {
			sort = { n = 1 }, batchSize = math.max(2, BATCH // (size + PIECE)),
		}))
	end
	return made
end

---A file to be read.
---@param id any
---@param options { timeoutMS: integer|nil }|nil
---@return mongo.download
function bucket:openDownloadStream(id, options)
	local limit = within(self, options)
	local file = self.files:findWith({ _id = id }, with(limit, { limit = -1 })):toArray()[1]
	if not file then
		fail("file not found", ("there is no file with the id %s"):format(show(id)))
	end
	return open(self, file, limit)
end

---A file to be read, by its name: its newest revision, -1, the one before, -2, ...; or its oldest, 0, the next, 1, ...
---@param filename string
---@param options { revision: integer|nil, timeoutMS: integer|nil }|nil
---@return mongo.download
function bucket:openDownloadStreamByName(filename, options)
	local limit = within(self, options)
	local revision = options and options.revision or -1
	local file = self.files:findWith({ filename = filename }, with(limit, {
		sort = { uploadDate = revision < 0 and -1 or 1 }, skip = revision < 0 and -revision - 1 or revision, limit = -1,
	})):toArray()[1]
	if not file then
		fail("file not found", ("there is no revision %d of a file '%s'"):format(revision, filename))
	end
	return open(self, file, limit)
end

local function writer(sink)
	if type(sink) == "function" then
		return sink
	elseif not has_method(sink, "write") then
		error(("mongo: the sink for a file is a %s, neither a function nor what can be written to"):format(type(sink)), 0)
	end
	return function(bytes)
		local _, err = sink:write(bytes)
		if io.type(sink) and err ~= nil then
			error("mongo: the sink for a file: " .. tostring(err), 0)
		end
	end
end

local function pour(file, sink)
	local _ <close> = file
	for bytes in file:each() do
		sink(bytes)
	end
end

---@param sink function|table what takes bytes, or has `write(bytes)`
function bucket:downloadToStream(id, sink, options)
	local write = writer(sink)
	pour(self:openDownloadStream(id, options), write)
end

---@param sink function|table what takes bytes, or has `write(bytes)`
function bucket:downloadToStreamByName(filename, sink, options)
	local write = writer(sink)
	pour(self:openDownloadStreamByName(filename, options), write)
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
	local found = self.files:deleteOne({ _id = id }, limit)
	self.chunks:deleteMany({ files_id = id }, limit)
	if found.deletedCount == 0 then
		fail("file not found", ("there is no file with the id %s"):format(show(id)))
	end
end

---All revisions of a file.
---@param filename string raises when there is no such file
function bucket:deleteByName(filename, options)
	local limit = within(self, options)
	local ids = bson.array {}
	for file in self.files:findWith({ filename = filename }, with(limit, { projection = { _id = 1 } })):each() do
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
function bucket:rename(id, filename, options)
	local done = self.files:updateOne({ _id = id }, { ["$set"] = { filename = filename } }, within(self, options))
	if done.matchedCount == 0 then
		fail("file not found", ("there is no file with the id %s"):format(show(id)))
	end
end

---All revisions of a file.
function bucket:renameByName(before, filename, options)
	local change = { ["$set"] = { filename = filename } }
	local done = self.files:updateMany({ filename = before }, change, within(self, options))
	if done.matchedCount == 0 then
		fail("file not found", ("there is no file '%s'"):format(before))
	end
end

---All files and their bytes.
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
	return setmetatable({
		chunk_size = options.chunkSizeBytes or DEFAULT_CHUNK,
		files = database:collection(name .. ".files", scope), chunks = database:collection(name .. ".chunks", scope),
	}, bucket)
end

return gridfs
