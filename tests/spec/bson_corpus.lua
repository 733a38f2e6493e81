-- tsan: no, one thread does all of it
-- The BSON corpus: every text and every document of it, both ways, and every error.
-- timeout: 300
local bson = require "bson"
local json = require "test.json"
local spec = require "test.spec"
local test = require "test"

local function bytes(hex)
	return (hex:gsub("%x%x", function(x)
		return string.char(tonumber(x, 16))
	end))
end

local function hex(object)
	return (tostring(object):gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end))
end

-- Through Lua values and back to bytes.
local function through(data)
	return bson.encode(bson.decode_exact(data))
end

local function check_valid(case)
	local canonical = case.canonical_bson:lower()
	local text = json.normal(case.canonical_extjson)
	local object = through(bytes(canonical))
	test.equal(hex(object), canonical, "decoded and encoded")
	test.equal(json.normal(bson.to_json(object, "canonical")), text, "canonical JSON of the document")

	local parsed = bson.from_json(case.canonical_extjson)
	test.equal(json.normal(bson.to_json(through(parsed), "canonical")), text, "canonical JSON read and written")
	if not case.lossy then
		test.equal(hex(parsed), canonical, "canonical JSON as a document")
	end
	if case.relaxed_extjson then
		local relaxed = json.normal(case.relaxed_extjson)
		test.equal(json.normal(bson.to_json(object, "relaxed")), relaxed, "relaxed JSON of the document")
		parsed = bson.from_json(case.relaxed_extjson)
		test.equal(json.normal(bson.to_json(through(parsed), "relaxed")), relaxed, "relaxed JSON read and written")
	end
	if case.degenerate_bson then
		test.equal(hex(through(bytes(case.degenerate_bson))), canonical, "degenerate document")
	end
	if case.degenerate_extjson then
		parsed = bson.from_json(case.degenerate_extjson)
		test.equal(json.normal(bson.to_json(parsed, "canonical")), text, "degenerate JSON")
		if not case.lossy then
			test.equal(hex(parsed), canonical, "degenerate JSON as a document")
		end
	end
	bson.decode(bytes(canonical))
end

local function check_parse_error(data, case)
	if data.bson_type == "0x13" then
		test.raises("Invalid decimal128", bson.decimal128, case.string)
	else
		test.raises("Invalid extended JSON", bson.from_json, case.string)
	end
end

spec.files("bson-corpus", function(name, data)
	for i, case in ipairs(data.valid or {}) do
		test.case(("%s: %d %s"):format(name, i, case.description), function()
			check_valid(case)
		end)
	end
	for i, case in ipairs(data.decodeErrors or {}) do
		test.case(("%s: bad document %d %s"):format(name, i, case.description), function()
			test.raises("Invalid bson", bson.decode, bytes(case.bson))
			test.raises("Invalid bson", bson.decode_exact, bytes(case.bson))
			test.raises("Invalid bson", bson.object, bytes(case.bson))
		end)
	end
	for i, case in ipairs(data.parseErrors or {}) do
		test.case(("%s: bad text %d %s"):format(name, i, case.description), function()
			check_parse_error(data, case)
		end)
	end
end)

test.run()
