-- Encoding and decoding; bench/yard/bson.c does the same with libbson, on the documents that this writes for it.
local bench = require "bench"
local bson = require "bson"
local shapes = require "shapes"

bench.main(function()
	for _, name in ipairs { "flat", "deep", "full" } do
		local object = bson.encode(shapes[name]())
		local file = assert(io.open(name .. ".json", "w"))
		file:write(bson.to_json(object, "canonical"))
		file:close()
		local doc, n = bson.decode(object), 20000
		local encode, decode = bson.encode, bson.decode
		for _ = 1, 2000 do
			decode(encode(doc))
		end
		bench.measure("encode_" .. name, n, function()
			for _ = 1, n do
				encode(doc)
			end
		end)
		bench.measure("decode_" .. name, n, function()
			for _ = 1, n do
				decode(object)
			end
		end)
	end
end)
