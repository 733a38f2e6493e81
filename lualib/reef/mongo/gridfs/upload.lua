-- A file of GridFS that is being written: its bytes go to the server in pieces, some at a time; it becomes a file when
-- it is closed. Its pieces have ids that no other upload has, so that giving it up touches nothing else, whosever the
-- file's id is.
local base = require "reef.mongo.gridfs.base"
local bson = require "bson"
local digest = require "reef.digest"
local errors = require "reef.mongo.errors"
local skynet = require "skynet"

local BATCH, PIECE = base.BATCH, base.PIECE
-- Bytes that are read from a source at once.
local READ = 1024 * 1024
-- The last number that a series of ids for pieces has.
local LAST = 0xffffff

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
	local any = self.files:findWith({}, base.with(limit, { projection = { _id = 1 }, limit = -1 })):toArray()[1]
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

-- Object ids for pieces, of which nobody else has one: they begin alike, and end with a number.
local function new_series()
	return ("%08x"):format(os.time() & 0xffffffff) .. digest.random(5):gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end)
end

local function id_in(series, n)
	return bson.objectid(("%s%06x"):format(series, n))
end

-- Writes documents to the server. What went wrong once stays wrong: nobody knows what was done.
local function store(self, collection, documents)
	local ok, result = pcall(function()
		ensure_indexes(self.bucket, self.limit)
		return collection:insertMany(documents, self.limit)
	end)
	if not ok then
		self.failed = result
		error(result, 0)
	end
	return result
end

-- Sends the pieces that are complete.
local function send(self)
	local pending = self.pending
	if pending[1] then
		self.pending = {}
		if store(self, self.bucket.chunks, pending).acknowledged then
			self.sent = self.sent + #pending
		end
	end
end

-- Removes its pieces from the server, and nobody else's.
local function remove_pieces(self)
	for _, series in ipairs(self.series) do
		local own = { ["$gte"] = id_in(series, 0), ["$lte"] = id_in(series, LAST) }
		self.bucket.chunks:deleteMany({ files_id = base.is(self.id), _id = own }, self.limit)
	end
end

-- Somebody may have deleted what has that id while it was written.
local function check_pieces(self)
	local ok, err = pcall(function()
		if self.bucket.newest:countDocuments({ files_id = base.is(self.id) }, self.limit) < self.sent then
			remove_pieces(self)
			base.fail("deleted", ("the file %s was deleted while it was written"):format(base.show(self.id)))
		end
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
	local series, n = self.series, self.n
	if n > #series * (LAST + 1) - 1 then
		series[#series + 1] = new_series()
	end
	self.pending[#self.pending + 1] = {
		_id = id_in(series[#series], n & LAST), files_id = self.id, n = n, data = bson.binary(bytes),
	}
	self.n = n + 1
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
	local before = self.sent
	send(self)
	if before > 0 then
		check_pieces(self)
	end
	local document = bson.document("_id", self.id, "length", bson.int64(self.length), "chunkSize", self.chunk_size,
		"uploadDate", bson.datetime(math.floor(skynet.time() * 1000)), "filename", self.filename)
	document.metadata = self.metadata
	self.ending = true
	store(self, self.bucket.files, { document })
	self.closed = true
	return self.id
end

-- What became of the document that makes it a file: "refused" or "unsure", also while it is on its way; nil: it was not
-- sent.
local function fate(self)
	local outcome = errors.is(self.failed) and self.failed.outcome
	if not self.ending or outcome == "not sent" then
		return nil
	end
	return outcome == "rejected" and "refused" or "unsure"
end

---Gives the file up: what was sent of it is removed. Raises when the file may be there, because nobody has heard what
---became of it when it was closed: then its pieces stay.
function upload:abort()
	if self.closed then
		return
	end
	self.closed, self.pending, self.rest, self.kept = true, {}, {}, 0
	if fate(self) == "unsure" then
		base.fail("file may exist", ("nobody has heard whether the file %s is there: its pieces stay, delete(id) removes "
			.. "both"):format(base.show(self.id)), "maybe applied")
	end
	remove_pieces(self)
end

local M = {}

---@param bucket mongo.bucket
---@param id any
---@param filename string
---@param options { chunkSizeBytes: integer|nil, metadata: table|nil, timeoutMS: integer|nil }|nil
---@return mongo.upload
function M.open(bucket, id, filename, options)
	options = options or {}
	local size = options.chunkSizeBytes or bucket.chunk_size
	if math.type(size) ~= "integer" or size < 1 then
		error(("mongo: chunkSizeBytes = %s: not a size"):format(tostring(size)), 0)
	end
	base.is(id)
	return setmetatable({
		bucket = bucket, id = id, filename = base.check_name(filename), chunk_size = size, metadata = options.metadata,
		rest = {}, kept = 0, n = 0, length = 0, pending = {}, sent = 0, series = { new_series() },
		limit = base.within(bucket, options),
	}, upload)
end

---Writes all that is read, and closes the file. An error at the server is told at once, as the specification wants it,
---and pieces that are there stay; but not beside a file that has the id already.
---@param file mongo.upload
---@param read fun(): string|nil
---@return any id
function M.pour(file, read)
	local ok, err = pcall(function()
		for bytes in read do
			file:write(bytes)
		end
		file:close()
	end)
	if not ok then
		if not file.failed or fate(file) == "refused" then
			pcall(file.abort, file)
		end
		error(err, 0)
	end
	return file.id
end

---What gives the bytes of a source, nil at its end.
---@param source string|function|table bytes, a function, or something with a method `read`
---@return fun(): string|nil
function M.reader(source)
	if type(source) == "string" then
		local at = 1
		return function()
			local part = at <= #source and source:sub(at, at + READ - 1) or nil
			at = at + READ
			return part
		end
	elseif type(source) == "function" then
		return source
	elseif not base.has_method(source, "read") then
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

return M
