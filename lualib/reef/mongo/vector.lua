-- Lists of numbers as one binary value (subtype 9), for searching by likeness. By the specification "BSON Binary
-- Vector".
--
--     local vector = require "reef.mongo.vector"
--     c:insertOne { _id = 1, embedding = vector.encode({ 0.5, -1.25 }, "float32") }
--     local numbers, kind = vector.decode(c:findOne({ _id = 1 }).embedding)
local bson = require "bson"

local vector = {}

local SUBTYPE = 9

---@alias mongo.vector_kind "int8"|"float32"|"packed_bit"

local codes = { int8 = 0x03, float32 = 0x27, packed_bit = 0x10 }
local names = {}
for name, code in pairs(codes) do
	names[code] = name
end

local function fail(format, ...)
	error("mongo: vector: " .. format:format(...), 0)
end

local ranges = { int8 = { -128, 127 }, packed_bit = { 0, 255 } }

local function check_padding(kind, padding, bytes, last)
	if math.type(padding) ~= "integer" or padding < 0 or padding > 7 then
		fail("a padding of %s bits: it is 0 to 7", tostring(padding))
	elseif padding > 0 and kind ~= "packed_bit" then
		fail("a padding is for packed bits only")
	elseif padding > 0 and bytes == 0 then
		fail("a padding of %d bits of nothing", padding)
	elseif padding > 0 and last & ((1 << padding) - 1) ~= 0 then
		fail("the %d bits of the padding are not zero", padding)
	end
end

---@param numbers number[] of packed bits: bytes, the first bit is the highest
---@param kind mongo.vector_kind
---@param padding integer|nil bits of the last byte that are not used
---@return string binary
function vector.encode(numbers, kind, padding)
	padding = padding or 0
	local code = codes[kind] or fail("there is no kind '%s'", tostring(kind))
	local range, parts = ranges[kind], {}
	for i, n in ipairs(numbers) do
		if range and (math.type(n) ~= "integer" or n < range[1] or n > range[2]) then
			fail("number %d, %s, is no integer from %d to %d", i, tostring(n), range[1], range[2])
		elseif type(n) ~= "number" then
			fail("item %d is no number", i)
		end
		parts[i] = string.pack(kind == "int8" and "<i1" or kind == "float32" and "<f" or "<I1", n)
	end
	check_padding(kind, padding, #parts, numbers[#numbers])
	return bson.binary(string.pack("<I1I1", code, padding) .. table.concat(parts), SUBTYPE)
end

---@param binary string
---@return number[] numbers
---@return mongo.vector_kind kind
---@return integer padding
function vector.decode(binary)
	local kind_of, bytes, subtype = bson.type(binary)
	if kind_of ~= "binary" or (tonumber(subtype) or subtype) ~= SUBTYPE then
		fail "it is no binary of the subtype 9"
	elseif #bytes < 2 then
		fail "it has no head"
	end
	local code, padding = bytes:byte(1, 2)
	local kind = names[code] or fail("there is no kind 0x%02x", code)
	local format = kind == "int8" and "<i1" or kind == "float32" and "<f" or "<I1"
	local size = string.packsize(format)
	if (#bytes - 2) % size ~= 0 then
		fail("%d bytes are no numbers of %d", #bytes - 2, size)
	end
	check_padding(kind, padding, #bytes - 2, bytes:byte(#bytes))
	local numbers = {}
	for at = 3, #bytes, size do
		numbers[#numbers + 1] = (format:unpack(bytes, at))
	end
	return numbers, kind, padding
end

return vector
