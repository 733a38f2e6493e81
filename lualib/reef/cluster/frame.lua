-- Frames between nodes of a cluster: two bytes of length in network order, then the payload, whose integers are
-- little-endian. Makes and reads bytes, knows no socket but the one that it is told to read, and keeps nothing.
--
-- Requests begin with a byte:
--     00 addr:4 session:4 message          80 name:s1 session:4 message          session 0: a push, no response
--     01, 41 addr:4 session:4 total:4      81, c1 name:s1 session:4 total:4      a large request, a large push
--     02, 03 session:4 part                a part in the middle, the last one
--     04 tag                               of the request that comes next
-- Responses are session:4 kind:1 and 0 an error's text, 1 a message, 2 total:4, 3 a part, 4 the last part.

local piece = require("reef.cluster.core").piece
local socket = require "reef.socket"

local pack, unpack, sub, byte = string.pack, string.unpack, string.sub, string.byte

local frame = {}

local PART <const> = 32768 -- most bytes of a message in one frame
frame.PART = PART
local NAME <const> = 255
frame.SESSIONS = 0x7fffffff

frame.FAILED, frame.DONE, frame.LARGE, frame.MORE, frame.LAST = 0, 1, 2, 3, 4

---Whether an address can be sent: a number of four bytes, or a name of up to 255 bytes.
---@param address any
---@return string|nil problem
function frame.problem(address)
	if math.type(address) == "integer" then
		return (address < 0 or address > 0xffffffff) and ("%d is no address"):format(address) or nil
	elseif type(address) ~= "string" then
		return ("an address is a number or a name, not a %s"):format(type(address))
	elseif #address == 0 or #address > NAME then
		return ("a name has 1 to %d bytes, not %d"):format(NAME, #address)
	end
end

local function head(kind, address, session)
	if type(address) == "number" then
		return pack("<BI4I4", kind, address, session)
	end
	return pack("<Bs1I4", kind | 0x80, address, session)
end

local function framed(payload)
	return pack(">s2", payload)
end

---The parts of a large message, to be written with low priority one after the other: `for block, bytes in parts do`.
---The blocks are the caller's; the message has to stay until the end.
---@param message string|lightuserdata
---@param size integer
---@param prefix string what each begins with, behind its length
---@param last string what the last one begins with
---@return fun(): lightuserdata|nil, integer|nil
local function parts_of(message, size, prefix, last)
	local at = 0
	local whole = pack(">I2", #prefix + PART) .. prefix
	return function()
		local left = size - at
		if left <= 0 then
			return nil
		end
		local n = left > PART and PART or left
		local begin = left > PART and whole or pack(">I2", #last + n) .. last
		local from = at
		at = at + n
		return piece(begin, message, size, from, n)
	end
end

---@param address integer|string
---@param session integer
---@param message string|lightuserdata
---@param push boolean|nil
---@param size integer|nil of a light userdata
---@return string frame the whole of a small message, the beginning of a large one
---@return (fun(): lightuserdata|nil, integer|nil)|nil parts of a large one: see parts_of
function frame.request(address, session, message, push, size)
	size = size or #message
	if size < PART then
		if type(address) == "number" then
			return pack(">I2<BI4I4", size + 9, 0, address, push and 0 or session) .. message
		end
		return framed(head(0, address, push and 0 or session) .. message)
	end
	local first = framed(head(push and 0x41 or 0x01, address, session) .. pack("<I4", size))
	return first, parts_of(message, size, pack("<BI4", 2, session), pack("<BI4", 3, session))
end

---@param tag string
---@return string frame
function frame.trace(tag)
	return framed("\4" .. tag)
end

---@param session integer
---@param message string|lightuserdata
---@param size integer|nil of a light userdata, which is a large one
---@return string frame the whole of a small message, the beginning of a large one
---@return (fun(): lightuserdata|nil, integer|nil)|nil parts of a large one: see parts_of
function frame.response(session, message, size)
	size = size or #message
	if size <= PART then
		return pack(">I2<I4B", size + 5, session, frame.DONE) .. message
	end
	local first = framed(pack("<I4BI4", session, frame.LARGE, size))
	return first, parts_of(message, size, pack("<I4B", session, frame.MORE), pack("<I4B", session, frame.LAST))
end

---@param session integer
---@param text string
---@return string frame
function frame.failure(session, text)
	return framed(pack("<I4B", session, frame.FAILED) .. sub(text, 1, PART))
end

-- ---- reading ----

---Calls handle(buffer, first, last) for each frame's payload, until the peer ends or `handle` raises.
---@param id integer
---@param handle fun(buffer: string, first: integer, last: integer)
---@param fed fun(unfinished: boolean)|nil called for what has come; is there a frame without its end?
---@param partly nil|fun(buffer: string, first: integer, last: integer): function|nil called for the beginning of a
---frame that has not come as a whole. It may answer a function (buffer, first, last, complete), which gets the rest as
---it comes
---@return integer left bytes of a frame that did not come to its end
function frame.read(id, handle, fed, partly)
	local rest, go_on, missing = "", nil, 0
	while true do
		-- A small frame that has begun is completed alone: what comes behind it needs no copy with it.
		local data, left = socket.read(id, not go_on and #rest >= 2 and unpack(">I2", rest) + 2 - #rest or nil)
		if not data then
			return #rest + missing + #(left or "")
		end
		local buffer, at = rest == "" and data or rest .. data, 1
		local size = #buffer
		if go_on then
			local n = size < missing and size or missing
			missing = missing - n
			go_on(buffer, 1, n, missing == 0)
			go_on = missing > 0 and go_on or nil
			at = n + 1
		end
		while size - at >= 1 do
			local length = unpack(">I2", buffer, at)
			local last = at + 1 + length
			if last > size then
				go_on = partly and size - at > 6 and partly(buffer, at + 2, size)
				if go_on then
					missing, at = last - size, size + 1
				end
				break
			elseif length == 0 then
				error("an empty frame", 0)
			end
			handle(buffer, at + 2, last)
			at = last + 1
		end
		rest = at > size and "" or sub(buffer, at)
		if fed then
			fed(rest ~= "" or missing > 0)
		end
	end
end

---What a request's payload says. Raises on what is none.
---@param buffer string
---@param first integer
---@param last integer
---@return integer kind     0, 1, 2, 3 or 4
---@return integer|string|nil address
---@return integer session
---@return string|integer rest  message, tag; where a part begins; or the total size of a large request
---@return boolean push
function frame.parse_request(buffer, first, last)
	local kind = byte(buffer, first)
	if kind == 0 and last - first >= 8 then
		local address, session = unpack("<I4I4", buffer, first + 1)
		return 0, address, session, sub(buffer, first + 9, last), session == 0
	elseif (kind == 2 or kind == 3) and last - first >= 4 then
		return kind, nil, (unpack("<I4", buffer, first + 1)), first + 5, false
	elseif kind == 4 then
		return 4, nil, 0, sub(buffer, first + 1, last), false
	end
	local address, at
	if kind & 0x80 ~= 0 and last > first then
		local length = byte(buffer, first + 1)
		address, at = sub(buffer, first + 2, first + 1 + length), first + 2 + length
	elseif kind & 0x80 == 0 and last - first >= 4 then
		address, at = unpack("<I4", buffer, first + 1)
	end
	local plain = kind & 0x7f
	local needed = plain == 0 and 4 or 8
	if plain ~= 0 and plain ~= 0x01 and plain ~= 0x41 then
		error(("a frame of the unknown kind %02x"):format(kind), 0)
	elseif not at or last - at + 1 < needed or plain ~= 0 and last - at + 1 > needed then
		error(("a frame of kind %02x with %d bytes"):format(kind, last - first + 1), 0)
	end
	local session = unpack("<I4", buffer, at)
	if plain == 0 then
		return 0, address, session, sub(buffer, at + 4, last), session == 0
	end
	return 1, address, session, (unpack("<I4", buffer, at + 4)), plain == 0x41
end

---@param buffer string
---@param first integer
---@param last integer
---@return integer session
---@return integer kind
---@return string|integer rest  message; where a part begins; or the total size of a large one
function frame.parse_response(buffer, first, last)
	if last - first < 4 then
		error(("a response of %d bytes"):format(last - first + 1), 0)
	end
	local session, kind = unpack("<I4B", buffer, first)
	if kind > 4 then
		error(("a response of the unknown kind %d"):format(kind), 0)
	elseif kind == frame.LARGE then
		if last - first ~= 8 then
			error(("the beginning of a large response with %d bytes"):format(last - first + 1), 0)
		end
		return session, kind, (unpack("<I4", buffer, first + 5))
	end
	if kind > frame.LARGE then
		return session, kind, first + 5
	end
	return session, kind, sub(buffer, first + 5, last)
end

return frame
