-- The bytes between the nodes of a harbor network.
--
-- A slave and the master: a byte of length, then a packed tuple:
--     "H", id, address   I am this slave, and listen there       "W", n             n slaves will connect to you
--     "C", id, address   connect to that slave                   "D", id            that slave is gone
--     "R", name, handle  this global name is taken by            "N", name, handle  it is known who has that name
--     "Q", name          who has that global name?
-- Two slaves: each sends a byte, its own id; then messages: 4 bytes of length in network order, of which the first is
-- 0, the data, and 12 bytes: source, destination with the type in its upper 8 bits, session.

local skynet = require "skynet"
local socket = require "reef.socket"

local pack, unpack = string.pack, string.unpack

local frame = {}

frame.TRAILER = 12
frame.LIMIT = 1 << 24 -- bytes; a message and its trailer are smaller

---@param ... string|integer
---@return string
function frame.tuple(...)
	return pack("s1", skynet.packstring(...))
end

---Waits for a tuple.
---@param id integer of a socket
---@return table|nil tuple  nil: the other side has ended, or has sent what is none
---@return string|nil problem
function frame.read_tuple(id)
	local head = socket.read(id, 1)
	local text = head and socket.read(id, math.max(head:byte(), 1))
	if not text then
		return nil, "the connection was lost"
	end
	local ok, tuple = pcall(function()
		return table.pack(skynet.unpack(text))
	end)
	if not ok or head == "\0" or type(tuple[1]) ~= "string" then
		return nil, "it has sent what is no tuple"
	end
	return tuple
end

---Is that the number of a node?
---@param id any
---@return boolean
function frame.is_id(id)
	return math.type(id) == "integer" and id >= 1 and id <= 255
end

---Waits for a message from another node.
---@param id integer of a socket
---@return string|nil body  with the trailer; nil: the other side has ended, or has sent what is none
---@return string|nil problem
function frame.read_message(id)
	local head = socket.read(id, 4)
	if not head then
		return nil, "the connection was lost"
	end
	local size = unpack(">I4", head)
	if size < frame.TRAILER or size >= frame.LIMIT then
		return nil, ("it has sent a message of %d bytes"):format(size)
	end
	local body = socket.read(id, size)
	return body, not body and "the connection was lost in the middle of a message" or nil
end

---@param body string
---@return integer source
---@return integer destination  its lower 24 bits
---@return integer type
---@return integer session
function frame.trailer(body)
	local source, destination, session = unpack(">I4I4I4", body, #body - 11)
	return source, destination & 0xffffff, destination >> 24, session
end

return frame
