-- OP_MSG as a server sees it: a command comes in, its document sequences put in their place; a document goes out.
local bson = require "bson"
local core = require "reef.mongo.core"
local socket = require "skynet.socket"

local wire = {}

---Flags of a message.
wire.MORE_TO_COME, wire.EXHAUST_ALLOWED = 2, 1 << 16

local OP_COMPRESSED, OP_MSG = 2012, 2013

local function read_sequence(section)
	local identifier, from = ("z"):unpack(section, 5)
	local documents = bson.array {}
	while from <= #section do
		local n = ("<i4"):unpack(section, from)
		documents[#documents + 1] = bson.decode_exact(section:sub(from, from + n - 1))
		from = from + n
	end
	return identifier, documents
end

---@return table|nil command decoded exactly; nil at the end of the connection
---@return integer request_id
---@return integer flags
---@return boolean|nil compressed
function wire.read(id)
	local head = socket.read(id, 16)
	if not head then
		return nil, 0, 0
	end
	local size, request_id = ("<i4i4"):unpack(head)
	local rest = socket.read(id, size - 16)
	if not rest then
		return nil, 0, 0
	end
	local compressed = ("<i4"):unpack(head, 13) == OP_COMPRESSED
	if compressed then
		rest = assert(core.inflate(head .. rest)):sub(17)
	end
	local flags, at = ("<I4"):unpack(rest)
	local body, sequences = nil, {}
	while at <= #rest do
		local length = ("<i4"):unpack(rest, at + 1)
		local section = rest:sub(at + 1, at + length)
		if rest:byte(at) == 0 then
			body = bson.decode_exact(section)
		else
			local identifier, documents = read_sequence(section)
			sequences[identifier] = documents
		end
		at = at + 1 + length
	end
	for identifier, documents in pairs(sequences) do
		body[identifier] = documents
	end
	return body, request_id, flags, compressed
end

---@param reply table
---@param own_id integer|nil
---@param flags integer|nil
---@param compressor string|nil
function wire.write(id, request_id, reply, own_id, flags, compressor)
	-- What bson.encode would refuse comes as `bytes`, what is to be done to the whole message as `spoil`.
	local document = reply.bytes or tostring(bson.encode(reply))
	local message = ("<i4i4i4i4I4"):pack(21 + #document, own_id or 1, request_id, OP_MSG, flags or 0) .. "\0" .. document
	message = compressor and core.deflate(message, compressor) or message
	socket.write(id, reply.spoil and reply.spoil(message) or message)
end

return wire
