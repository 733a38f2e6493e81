-- A file of GridFS that is being read: its pieces come some at a time, and each has to be what the file's document
-- says.
local base = require "reef.mongo.gridfs.base"
local bson = require "bson"

local fail, show = base.fail, base.show
local BATCH, PIECE = base.BATCH, base.PIECE

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

---Reads no more.
function download:close()
	if not self.closed then
		self.closed, self.rest = true, nil
		if self.cursor then
			self.cursor:close()
		end
	end
end

download.__close = download.close

local M = {}

---@param bucket mongo.bucket
---@param file table its document
---@param limit table base.within
---@return mongo.download
function M.open(bucket, file, limit)
	local size, length = math.tointeger(file.chunkSize), math.tointeger(file.length)
	if not size or size < 1 or not length or length < 0 then
		fail("wrong file", ("the file %s has no length, or no size of pieces"):format(show(file._id)))
	end
	local made = setmetatable({
		file = file, n = 0, size = size, length = length, count = (length + size - 1) // size,
	}, download)
	if length > 0 then
		made.cursor = bucket.chunks:findWith({ files_id = base.is(file._id) }, base.with(limit, {
			sort = { n = 1 }, batchSize = math.max(2, BATCH // (size + PIECE)),
		}))
	end
	return made
end

---What takes the bytes of a file.
---@param sink function|table a function, or something with a method `write`
---@return fun(bytes: string)
function M.writer(sink)
	if type(sink) == "function" then
		return sink
	elseif not base.has_method(sink, "write") then
		error(("mongo: the sink for a file is a %s, neither a function nor what can be written to"):format(type(sink)), 0)
	end
	return function(bytes)
		local _, err = sink:write(bytes)
		if io.type(sink) and err ~= nil then
			error("mongo: the sink for a file: " .. tostring(err), 0)
		end
	end
end

---Reads a file to its end, and closes it.
---@param file mongo.download
---@param sink fun(bytes: string)
function M.pour(file, sink)
	local _ <close> = file
	for bytes in file:each() do
		sink(bytes)
	end
end

return M
