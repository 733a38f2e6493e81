-- Documents like those of the public driver benchmarks: flat, deep, and with every common type.
local bson = require "bson"

local shapes = {}

function shapes.flat()
	local doc = bson.document()
	for i = 1, 36 do
		doc[("text%02d"):format(i)] = ("value of field %d, some words long"):format(i)
	end
	for i = 1, 36 do
		doc[("number%02d"):format(i)] = i * 1000
		doc[("big%02d"):format(i)] = (1 << 40) + i
		doc[("real%02d"):format(i)] = i + 0.5
		doc[("flag%02d"):format(i)] = i % 2 == 0
	end
	return doc
end

local function tree(depth)
	if depth == 0 then
		return "a leaf with some text"
	end
	return bson.document("left", tree(depth - 1), "right", tree(depth - 1))
end

function shapes.deep()
	return tree(6)
end

function shapes.full()
	local doc = bson.document()
	for i = 1, 20 do
		doc["id" .. i] = bson.objectid(("%024x"):format(i))
		doc["date" .. i] = bson.datetime(1500000000123 + i)
		doc["bytes" .. i] = bson.binary(("\1\2\3"):rep(i))
		doc["list" .. i] = bson.array { 1, 2.5, "three", true }
		doc["inner" .. i] = bson.document("a", i, "b", "text", "c", bson.null)
		doc["regex" .. i] = bson.regex("^abc", "i")
		doc["stamp" .. i] = bson.timestamp(i, i)
	end
	return doc
end

-- A message of a social network, with what is known of its author: some 1.5 KB.
function shapes.message()
	local urls, mentions = bson.array {}, bson.array {}
	for i = 1, 3 do
		urls[i] = {
			url = "http://t.example/" .. i, expanded = "http://www.example.com/a/page/" .. i,
			indices = bson.array { i, i + 20 },
		}
		mentions[i] = { name = "somebody" .. i, id = 1000000 + i, indices = bson.array { i, i + 10 } }
	end
	return {
		text = ("words of a message that many have read "):rep(4), created = "Mon Jan 05 10:00:00 +0000 2015",
		truncated = false, source = "<a href=\"http://example.com\">web</a>", replies = 3, favourite = false, shares = 17,
		lang = "en",
		place = bson.null, entities = { urls = urls, mentions = mentions, tags = bson.array {} },
		author = {
			name = "A Name", screen = "a_name", location = "Somewhere", description = ("about me "):rep(10), friends = 178,
			followers = 26543, listed = 12, created = "Sun Mar 18 10:00:00 +0000 2007", zone = "Berlin", offset = 3600,
			verified = false, statuses = 3311, colour = "C0DEED", image = "http://a.example.com/profile/image.png", id = 819797,
		},
		id = 1 << 50,
	}
end

-- A quarter of a kilobyte.
function shapes.small()
	return {
		field0 = "a short text", field1 = 17, field2 = ("x"):rep(100), field3 = ("y"):rep(80), field4 = 2.5, field5 = true,
	}
end

-- Two and a half megabytes in some thousand texts.
function shapes.large()
	local doc = {}
	for i = 1, 1000 do
		doc[("field%04d"):format(i)] = ("some words of a long text "):rep(100)
	end
	return doc
end

return shapes
