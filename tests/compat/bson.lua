-- tsan: no, one thread does all of it
-- The module `bson` as its users know it.
local bson = require "bson"
local test = require "test"

local function trip(v)
	return bson.encode({ v = v }):decode().v
end

local function hex(object)
	return (tostring(object):gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end))
end

test.case("plain values come back as they were", function()
	local numbers = { 1, -1, 2.0, 1.5, math.maxinteger, math.mininteger, 1 << 31 }
	for _, v in ipairs { "", "text", "\0", "wörld", true, false, table.unpack(numbers) } do
		test.equal(trip(v), v)
	end
	test.equal(trip { a = { b = { 1, 2, { c = "d" } } } }, { a = { b = { 1, 2, { c = "d" } } } })
end)

test.case("integers take the smallest type, whole floats stay doubles", function()
	test.equal(hex(bson.encode { a = 1 }), "0c0000001061000100000000")
	test.equal(hex(bson.encode { a = 1 << 31 }), "10000000126100000000800000000000")
	test.equal(hex(bson.encode { a = 1.0 }), "10000000016100000000000000f03f00")
	test.equal(hex(bson.encode { a = bson.int64(1) }), "10000000126100010000000000000000")
end)

test.case("an object tells its size and its bytes", function()
	local object = bson.encode { a = 1 }
	test.equal(#object, 12)
	test.equal(#tostring(object), 12)
	test.equal(object:decode(), { a = 1 })
	test.equal(bson.decode(object), { a = 1 })
	test.equal(select("#", bson.decode(nil)), 0)
	test.raises("table", bson.encode, 1)
end)

test.case("encode_order keeps the order of its arguments", function()
	test.equal(hex(bson.encode_order("b", 1, "a", 2)), "13000000106200010000001061000200000000")
	test.equal(bson.encode_order(1, "x"):decode(), { ["1"] = "x" })
	test.raises("Invalid ordered dict", bson.encode_order, "a")
	test.raises(".", bson.encode_order, "a", nil)
	test.raises(".", bson.encode_order, "a", nil, "b", 1)
end)

test.case("an encoded object is embedded as it is", function()
	local inner = bson.encode_order("z", 1, "a", 2)
	test.equal(hex(bson.encode { d = inner }):sub(15, -3), hex(inner))
	test.equal(hex(bson.encode { d = bson.to_lightuserdata(inner) }):sub(15, -3), hex(inner))
	test.equal(bson.decode(bson.to_lightuserdata(inner)), { z = 1, a = 2 })
end)

test.case("types are told by bson.type", function()
	local function typed(v)
		return { bson.type(trip(v)) }
	end
	test.equal(typed(bson.objectid "0123456789abcdef01234567"), { "objectid", "0123456789abcdef01234567" })
	test.equal({ table.unpack(typed(bson.date(1234567890)), 1, 2) }, { "date", 1234567890 })
	test.equal(typed(bson.timestamp(7, 9)), { "timestamp", 7, 9 })
	test.equal(typed(bson.regex("^a", "mi")), { "regex", "^a", "im" })
	test.equal(typed(bson.binary "\0\1\2"), { "binary", "\0\1\2", 0 })
	test.equal(bson.type(trip(bson.null)), "nil")
	test.equal(bson.type(bson.minkey), "minkey")
	test.equal(bson.type(bson.maxkey), "maxkey")
	test.equal({ bson.type(bson.int64(5)) }, { "int64", 5 })
	test.equal({ bson.type(5) }, { "number", 5 })
	test.equal({ bson.type "x" }, { "string", "x" })
	test.equal({ bson.type(true) }, { "boolean", true })
	test.equal((bson.type {}), "table")
	test.raises(".", bson.type, bson.encode {})
end)

test.case("special values are tagged strings", function()
	test.equal(bson.null, "\0\10")
	test.equal(#bson.objectid(), 14)
	test.equal(trip(bson.null), bson.null)
	test.equal(trip(bson.minkey), bson.minkey)
	test.equal(trip(bson.date(5)), bson.date(5))
	test.equal(trip(bson.int64(5)), 5)
	test.raises("Invalid subtype 200", bson.encode, { a = "\0\200" })
end)

test.case("object ids grow and differ", function()
	local seen, last = {}, nil
	for _ = 1, 1000 do
		local id = bson.objectid()
		test.equal(seen[id], nil)
		seen[id], last = true, id
	end
	local _, text = bson.type(last)
	test.between(tonumber(text:sub(1, 8), 16), os.time() - 60, os.time() + 60)
end)

test.case("a table is an array when its first key is an index", function()
	test.equal(hex(bson.encode { a = {} }), "0d000000036100050000000000")
	test.equal(hex(bson.encode { a = { 7 } }), "140000000461000c0000001030000700000000" .. "00")
	test.equal(hex(bson.encode {}), "0500000000")
	local with_len = setmetatable({}, { __len = function()
		return 2
	end, __index = function(_, i)
		return i * 10
	end })
	test.equal(trip(with_len), { 10, 20 })
	local with_pairs = setmetatable({}, { __pairs = function()
		return function(_, k)
			if not k then
				return "only", 1
			end
		end
	end })
	test.equal(trip(with_pairs), { only = 1 })
	test.raises("integer", trip, setmetatable({}, { __len = function()
		return "two"
	end }))
end)

test.case("what cannot be written is refused by name", function()
	test.raises("Bson dictionary's key can't be number", trip, { a = 1, [1.5] = 2 })
	test.raises("key can't be number", bson.encode, { 1, 2 })
	test.raises("Bson array has a hole %(nil%), Use bson.null instead", trip, { 1, nil, 3 })
	test.raises("Invalid utf8 string", trip, "\xff")
	test.raises("Invalid utf8 string", bson.encode, { ["\xff"] = 1 })
	test.raises("function", trip, print)
	test.raises("key", trip, { [true] = 1 })
	local deep = {}
	for _ = 1, 130 do
		deep = { d = deep }
	end
	test.raises("Too depth while encoding bson", bson.encode, deep)
end)

test.case("fields of fixed size are replaced in place", function()
	local id = bson.objectid()
	local object = bson.encode { a = 1, b = 2.5, c = true, d = bson.date(1), e = 1 << 40, f = "text", g = bson.objectid() }
	test.raises("call makeindex first", function()
		object.a = 2
	end)
	object:makeindex()
	object.a, object.b, object.c, object.d, object.e, object.g = 2, 3.5, false, bson.date(9), 7, id
	local doc = object:decode()
	test.equal({ doc.a, doc.b, doc.c, doc.d, doc.e, doc.f, doc.g }, { 2, 3.5, false, bson.date(9), 7, "text", id })
	test.raises("Can't replace key : f", function()
		object.f = "other"
	end)
	test.raises("Can't replace key : none", function()
		object.none = 1
	end)
	test.raises(".", function()
		object.a = "text"
	end)
end)

test.case("a timestamp without an increment takes the next one", function()
	local _, _, first = bson.type(bson.timestamp(1))
	local _, _, second = bson.type(bson.timestamp(1))
	test.different(first, second)
end)

test.run()
