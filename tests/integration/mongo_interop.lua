-- Documents that go between this driver and another implementation (pymongo): through a server, and as bytes.
-- timeout: 1200
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local mongo_server = require "test.mongo"
local process = require "test.process"
local test = require "test"

local SCRIPT = [[
import sys, bson, pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
client = pymongo.MongoClient("127.0.0.1", int(sys.argv[1]))
# Reads what was written, checks it, and writes it again under another id.
plain = client.db.things
doc = plain.find_one({"_id": 1})
assert isinstance(doc["long"], bson.Int64) and doc["long"] == 5, doc
assert isinstance(doc["int"], int) and not isinstance(doc["int"], bson.Int64), doc
assert isinstance(doc["whole"], float) and doc["whole"] == 2.0, doc
assert doc["empty"] == [] and doc["none"] is None and doc["list"] == [1, 2.5, "three"], doc
assert doc["text"] == "w\u00f6rld" and doc["when"].microsecond == 123000, doc
assert bytes(doc["bytes"]) == b"\x00\x01\xff" and doc["pattern"].pattern == "^a", doc
raw = client.get_database("db", codec_options=CodecOptions(document_class=RawBSONDocument)).things
sys.stdout.write(raw.find_one({"_id": 1}).raw.hex() + "\n")
doc["_id"] = 2
plain.insert_one(doc)
]]

local function hex(object)
	return (tostring(object):gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end))
end

test.case("another driver reads what was written, byte for byte, and is read", { timeout = 900 }, function()
	if process.run { "/usr/bin/python3", "-c", "import pymongo" } ~= 0 then
		test.skip "pymongo is not installed"
	end
	local server = mongo_server.start()
	local client = mongo.client { uri = server:uri(), exact = true }
	test.defer(client.disconnect, client)
	local c = client.db.things
	local doc = bson.document("_id", 1, "text", "wörld", "int", 7, "long", bson.int64(5), "big", 1 << 40, "whole", 2.0,
		"real", -1.5, "yes", true, "none", bson.null, "id", bson.objectid(), "when", bson.datetime(1500000000123),
		"bytes", bson.binary("\0\1\255"), "pattern", bson.regex("^a", "i"), "stamp", bson.timestamp(3, 4),
		"empty", bson.array {}, "list", bson.array { 1, 2.5, "three" }, "inner", bson.document("z", 1, "a", 2))
	c:insertOne(doc)
	local code, output = process.run({ "/usr/bin/python3", "-c", SCRIPT, server.port }, 60)
	test.equal({ code, output }, { 0, hex(bson.encode(doc)) .. "\n" })
	local back = c:findOne { _id = 2 }
	test.equal(back._id, 2)
	back._id = 1
	test.equal(hex(bson.encode(back)), hex(bson.encode(doc)))
end)

-- ---- types that the server at hand may not keep: bytes go from one to the other directly ----

local READ = [==[
import sys, math, bson, uuid
from bson.binary import Binary, UuidRepresentation
from bson.codec_options import CodecOptions
options = CodecOptions(uuid_representation=UuidRepresentation.STANDARD)
doc = bson.decode(bytes.fromhex(sys.argv[1]), codec_options=options)
T = lambda name, kind: isinstance(doc[name], kind) or sys.exit(f"{name}: {doc[name]!r}")
T("decimal", bson.Decimal128) and str(doc["decimal"]) == "-1.20E+10" or sys.exit("decimal")
T("uuid", uuid.UUID) and str(doc["uuid"]) == "00112233-4455-6677-8899-aabbccddeeff" or sys.exit("uuid")
T("user", Binary) and doc["user"].subtype == 128 and bytes(doc["user"]) == b"x\0y" or sys.exit("user")
T("code", bson.Code) and str(doc["code"]) == "f()" and doc["code"].scope is None or sys.exit("code")
T("scoped", bson.Code) and doc["scoped"].scope == {"x": 1} or sys.exit("scoped")
T("least", bson.MinKey) and T("most", bson.MaxKey)
T("stamp", bson.Timestamp) and (doc["stamp"].time, doc["stamp"].inc) == (4000000000, 7) or sys.exit("stamp")
T("early", __import__("datetime").datetime) and doc["early"].year == 1969 or sys.exit("early")
T("zero", float) and math.copysign(1, doc["zero"]) == -1 or sys.exit("zero")
T("nan", float) and math.isnan(doc["nan"]) or sys.exit("nan")
T("inf", float) and math.isinf(doc["inf"]) or sys.exit("inf")
T("least_long", bson.Int64) and doc["least_long"] == -2**63 or sys.exit("least_long")
doc["nested"]["list"][1]["deep"] == [[]] or sys.exit("nested")
sys.stdout.write(bson.encode(doc, codec_options=options).hex())
]==]

local WRITE = [==[
import sys, bson, uuid, datetime
from bson.binary import Binary, UuidRepresentation
from bson.codec_options import CodecOptions
options = CodecOptions(uuid_representation=UuidRepresentation.STANDARD)
sys.stdout.write(bson.encode({
    "double": 1.0, "string": "w\u00f6\0rld", "document": {"b": 1, "a": 2}, "array": [1, [], {}], "binary": b"\0\1",
    "uuid": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), "old": Binary(b"abc", 2),
    "id": bson.ObjectId("0123456789abcdef01234567"), "true": True, "date": datetime.datetime(1969, 12, 31, 23, 59, 59),
    "null": None, "regex": bson.Regex("^a", "im"), "ref": bson.DBRef("c", 5), "code": bson.Code("f()"),
    "scoped": bson.Code("f()", {"x": 1}), "int32": 7, "timestamp": bson.Timestamp(3, 4), "int64": bson.Int64(7),
    "decimal": bson.Decimal128("NaN"), "min": bson.MinKey(), "max": bson.MaxKey(),
}, codec_options=options).hex())
]==]

local function python(...)
	if process.run { "/usr/bin/python3", "-c", "import pymongo" } ~= 0 then
		test.skip "pymongo is not installed"
	end
	local code, output = process.run({ "/usr/bin/python3", "-c", ... }, 60)
	test.equal(code, 0, output)
	return output
end

test.case("another implementation reads every type that is written, and writes the same bytes", function()
	local doc = bson.document("decimal", bson.decimal128 "-1.20E+10", "uuid",
		bson.uuid "00112233-4455-6677-8899-aabbccddeeff", "user", bson.binary("x\0y", 128), "code", bson.code "f()",
		"scoped", bson.code("f()", { x = 1 }), "least", bson.minkey, "most", bson.maxkey,
		"stamp", bson.timestamp(4000000000, 7), "early", bson.datetime(-1), "zero", -0.0, "nan", 0 / 0, "inf", math.huge,
		"least_long", math.mininteger, "nested", { list = bson.array { 1, { deep = bson.array { bson.array {} } } } })
	local bytes = hex(bson.encode(doc))
	test.equal(python(READ, bytes), bytes)
end)

test.case("every type that another implementation writes is read, and written as the same bytes", function()
	local text = python(WRITE)
	local bytes = text:gsub("%x%x", function(x)
		return string.char(tonumber(x, 16))
	end)
	local doc = bson.decode_exact(bytes)
	test.equal(hex(bson.encode(doc)), text)
	local kinds = {
		double = "double", string = "string", binary = "binData", uuid = "binData", old = "binData", id = "objectId",
		["true"] = "bool", date = "date", null = "null", regex = "regex", code = "javascript",
		scoped = "javascriptWithScope", int32 = "int", timestamp = "timestamp", int64 = "long", decimal = "decimal",
		min = "minKey", max = "maxKey",
	}
	for key, kind in pairs(kinds) do
		test.equal((bson.kind(doc[key])), kind, key)
	end
	test.equal({ bson.kind(doc.date) }, { "date", -1, 0 })
	test.equal({ bson.kind(doc.old) }, { "binData", "abc", 2 })
	test.equal({ doc.string, doc.ref["$ref"], doc.ref["$id"] }, { "wö\0rld", "c", 5 })
	test.equal({ bson.is_array(doc.array[2]), bson.is_array(doc.array[3]) }, { true, false })
end)

test.run()
