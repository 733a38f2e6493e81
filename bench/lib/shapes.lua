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

return shapes
