-- tsan: no, one thread does all of it
-- Vectors, the suite `bson-binary-vector`.
local bson = require "bson"
local json = require "test.json"
local spec = require "test.spec"
local test = require "test"
local vector = require "reef.mongo.vector"

local kinds = { [0x03] = "int8", [0x27] = "float32", [0x10] = "packed_bit" }

local special = { inf = math.huge, ["-inf"] = -math.huge }

local function numbers_of(case)
	local list = {}
	for i, n in ipairs(case.vector ~= json.null and case.vector or {}) do
		list[i] = special[n] or n
	end
	return list
end

local function bytes_of(hex)
	return (hex:gsub("%x%x", function(pair)
		return string.char(tonumber(pair, 16))
	end))
end

-- A float32 is not what was written.
local function close(got, want, kind)
	test.equal(#got, #want)
	for i, n in ipairs(want) do
		if kind == "float32" then
			test.equal(got[i], (("<f"):unpack(("<f"):pack(n))))
		else
			test.equal(got[i], n)
		end
	end
end

local function run(case, key)
	local kind = kinds[tonumber(case.dtype_hex)]
	local padding = case.padding ~= json.null and case.padding or nil
	local encoded = case.canonical_bson and bytes_of(case.canonical_bson)
	if case.valid then
		local list = numbers_of(case)
		local document = bson.document(key, vector.encode(list, kind, padding))
		test.equal(tostring(bson.encode(document)), encoded)
		local got, got_kind, got_padding = vector.decode(bson.decode_exact(encoded)[key])
		close(got, list, kind)
		test.equal({ got_kind, got_padding }, { kind, padding or 0 })
		return
	end
	if case.vector then
		test.raises("vector", vector.encode, numbers_of(case), kind, padding)
	end
	if encoded then
		test.raises("vector", vector.decode, bson.decode_exact(encoded)[key])
	end
end

spec.files("bson-binary-vector", function(name, data)
	for _, case in ipairs(data.tests) do
		test.case(("%s: %s"):format(name, case.description), function()
			run(case, data.test_key)
		end)
	end
end)

test.run()
