-- Documents that go through the server between this driver and another implementation (pymongo).
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

test.run()
