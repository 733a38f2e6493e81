-- tsan: no, one thread does all of it
-- What `bson` keeps of a document beyond what Lua tables keep by themselves, and how it speaks of bad ones.
local bson = require "bson"
local test = require "test"

local function bytes(hex)
	return (hex:gsub("%s", ""):gsub("%x%x", function(x)
		return string.char(tonumber(x, 16))
	end))
end

local function hex(object)
	return (tostring(object):gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end))
end

local function exact(v)
	return bson.decode_exact(bson.encode { v = v }).v
end

-- A document with one field `a` of that type and payload.
local function document(type, payload)
	return ("<I4"):pack(#payload + 8) .. string.char(type) .. "a\0" .. payload .. "\0"
end

local function text(s)
	return ("<s4"):pack(s .. "\0")
end

test.case("every type survives decoding and encoding byte for byte", function()
	local payloads = {
		{ 0x01, ("<d"):pack(0 / 0) }, { 0x01, bytes "120000000000f87f" }, { 0x01, ("<d"):pack(-0.0) },
		{ 0x01, ("<d"):pack(3.0) }, { 0x02, text "" }, { 0x02, text "\0\10" }, { 0x02, text "a\0b" },
		{ 0x03, bytes "0500000000" }, { 0x04, bytes "0500000000" }, { 0x05, "\1\0\0\0\0x" },
		{ 0x05, "\5\0\0\0\2\1\0\0\0x" }, { 0x05, "\0\0\0\0\x80" }, { 0x06, "" }, { 0x07, ("x"):rep(12) },
		{ 0x08, "\0" }, { 0x08, "\1" }, { 0x09, ("<i8"):pack(1500) }, { 0x09, ("<i8"):pack(-1) },
		{ 0x09, ("<i8"):pack(math.mininteger) }, { 0x09, ("<i8"):pack(2000) }, { 0x0a, "" }, { 0x0b, "ab+\0im\0" },
		{ 0x0b, "\0\0" }, { 0x0c, text "b" .. ("i"):rep(12) }, { 0x0d, text "a\0b" }, { 0x0e, text "s" },
		{ 0x0f, ("<I4"):pack(4 + 6 + 5) .. text "f" .. bytes "0500000000" }, { 0x10, ("<i4"):pack(-5) },
		{ 0x11, ("<I4I4"):pack(0xffffffff, 0xfffffffe) }, { 0x12, ("<i8"):pack(5) }, { 0x12, ("<i8"):pack(1 << 40) },
		{ 0x13, ("<i8i8"):pack(12, 0x303e000000000000) }, { 0x7f, "" }, { 0xff, "" },
	}
	for _, p in ipairs(payloads) do
		local data = document(p[1], p[2])
		test.equal(hex(bson.encode(bson.decode_exact(data))), hex(data), ("type 0x%02x"):format(p[1]))
		test.equal(hex(bson.object(data)), hex(data))
		local canonical = bson.to_json(bson.object(data), "canonical")
		if not canonical:find "NaN" then
			test.equal(hex(bson.from_json(canonical)), hex(data), canonical)
		end
	end
end)

test.case("an exact document keeps the order of its keys, and new ones go behind", function()
	local doc = bson.decode_exact(bson.encode_order("z", 1, "a", 2, "m", 3))
	doc.b = 4
	doc.a = nil
	doc.z = 10
	local keys = {}
	for k, v in pairs(doc) do
		keys[#keys + 1] = k .. v
	end
	test.equal(keys, { "z10", "m3", "b4" })
	test.equal(hex(bson.encode(doc)), hex(bson.encode_order("z", 10, "m", 3, "b", 4)))
	doc.a = 5
	test.equal(hex(bson.encode(doc)), hex(bson.encode_order("z", 10, "m", 3, "b", 4, "a", 5)))
	test.equal(hex(bson.encode(bson.document("x", 1, "c", 2))), hex(bson.encode_order("x", 1, "c", 2)))
	test.equal(bson.document().nothing, nil)
end)

test.case("an array stays one when it is empty", function()
	test.equal(hex(bson.encode { a = bson.array {} }), "0d000000046100050000000000")
	test.equal(hex(bson.encode { a = bson.array() }), "0d000000046100050000000000")
	local list = bson.encode({ a = { 1 } }):decode().a
	test.truthy(bson.is_array(list))
	list[1] = nil
	test.equal(hex(bson.encode { a = list }), "0d000000046100050000000000")
	test.equal(bson.is_array {}, false)
	test.raises("hole", bson.encode, { a = bson.array { 1, nil, 3 } })
end)

test.case("a key that comes twice is reported where order matters", function()
	local twice = bson.encode_order("o", bson.encode_order("a", 1, "a", 2))
	test.raises("duplicate key in 'o.a'", bson.decode_exact, twice)
	test.equal(bson.decode(twice).o.a, 2)
end)

test.case("long documents and arrays are complete", function()
	for _, n in ipairs { 63, 64, 65, 127, 128, 129, 1000, 20000 } do
		local doc, list = {}, {}
		for i = 1, n do
			doc["key" .. i] = i
			list[i] = i
		end
		local got = bson.encode({ doc = doc, list = list }):decode()
		test.equal(#got.list, n)
		test.equal(got.list[n], n)
		test.equal(got.doc, doc)
		test.equal(bson.decode_exact(bson.encode { list = list }).list, list)
	end
end)

test.case("values say what kind they are", function()
	test.equal({ bson.kind(1) }, { "int", 1 })
	test.equal({ bson.kind(1 << 31) }, { "long", 1 << 31 })
	test.equal({ bson.kind(1.0) }, { "double", 1.0 })
	test.equal({ bson.kind(exact(bson.int64(1))) }, { "long", 1 })
	test.equal({ bson.kind(exact(bson.decimal128 "1.20")) }, { "decimal", "1.20" })
	test.equal({ bson.kind(exact(bson.code "f()")) }, { "javascript", "f()" })
	test.equal({ bson.kind(exact(bson.symbol "s")) }, { "symbol", "s" })
	test.equal({ bson.kind(bson.string "\0x") }, { "string", "\0x" })
	test.equal({ bson.kind(exact(bson.string "\0\10")) }, { "string", "\0\10" })
	test.equal({ bson.kind(bson.undefined) }, { "undefined" })
	local kind, code, scope = bson.kind(exact(bson.code("f()", { x = 1 })))
	test.equal({ kind, code, bson.decode(scope) }, { "javascriptWithScope", "f()", { x = 1 } })
	local id = bson.objectid()
	test.equal({ bson.kind(exact(bson.dbpointer("db.c", id))) }, { "dbPointer", "db.c", id })
	test.equal({ bson.kind(exact(bson.binary("x", 128))) }, { "binData", "x", 128 })
	test.equal({ bson.kind(bson.uuid "00112233-4455-6677-8899-aabbccddeeff") },
		{ "binData", bytes "00112233445566778899aabbccddeeff", 4 })
	test.different(bson.uuid(), bson.uuid())
	test.raises("UUID", bson.uuid, "00112233-4455-6677-8899-aabbccddeef")
	test.raises("Invalid decimal128", bson.decimal128, "1e")
	test.raises("Invalid object id", bson.objectid, "0123")
end)

test.case("dates keep their milliseconds on both sides of 1970", function()
	test.equal({ bson.type(exact(bson.datetime(1500))) }, { "date", 1, 500 })
	test.equal({ bson.type(exact(bson.datetime(-1))) }, { "date", -1, 999 })
	test.equal({ bson.type(exact(bson.datetime(1 << 45))) }, { "date", (1 << 45) // 1000, (1 << 45) % 1000 })
	test.equal(bson.datetime(5000), bson.date(5))
	test.equal({ bson.type(bson.date(1 << 33)) }, { "date", 1 << 33, 0 })
end)

test.case("errors name the path", function()
	test.raises("Invalid utf8 string in 'a%.b%.1'", bson.encode, { a = { b = { "x", "\xff" } } })
	test.raises("function in 'a%.f'", bson.encode, { a = { f = print } })
	test.raises("NUL in 'a%.x%z", bson.encode, { a = { ["x\0y"] = 1 } })
	local bad = bson.encode { a = { b = { "x", "yyyy" } } }
	bad = tostring(bad):gsub("yyyy", "\xff\xff\xff\xff")
	test.raises("Invalid bson: invalid UTF%-8 in 'a%.b%.1'", bson.decode, bad)
	test.raises("bytes after the end", bson.decode, tostring(bson.encode {}) .. "x")
	test.raises("longer than its bytes", bson.decode, "\6\0\0\0\0")
	test.raises("unknown type in 'a'", bson.decode, document(0x20, ""))
end)

test.case("nesting has a limit in every direction", function()
	local function nested(n)
		local data = "\5\0\0\0\0"
		for _ = 2, n do
			data = document(3, data)
		end
		return data
	end
	test.truthy(bson.decode(nested(128)))
	test.raises("nested too deeply", bson.decode, nested(129))
	test.raises("nested too deeply", bson.object, nested(129))
	test.raises("nested too deeply", bson.decode, nested(3000))
	local scope = "\5\0\0\0\0"
	for _ = 1, 5000 do
		local payload = text "f" .. scope
		scope = document(0x0f, ("<I4"):pack(#payload + 4) .. payload)
	end
	test.raises("nested too deeply", bson.decode, scope)
	test.raises("nested too deeply", bson.from_json, ('{"a":'):rep(200) .. "1" .. ("}"):rep(200))
	test.raises("nested too deeply", bson.from_json, '{"a":' .. ("["):rep(200) .. ("]"):rep(200) .. "}")
	test.raises(".", bson.from_json, ('{"$scope":'):rep(2000))
end)

test.case("flags of regular expressions are put in order", function()
	test.equal(hex(bson.encode(bson.decode_exact(document(0x0b, "a\0mix\0")))), hex(document(0x0b, "a\0imx\0")))
	test.equal(bson.to_json(bson.from_json [[{"a":{"$regularExpression":{"options":"mix","pattern":"p"}}}]]),
		[[{"a":{"$regularExpression":{"pattern":"p","options":"imx"}}}]])
end)

test.case("typed values in JSON have exactly the keys they should have", function()
	for _, s in ipairs {
		[[{"$oid":"0123456789abcdef01234567","x":1}]], [[{"$oid":7}]], [[{"$oid":"01"}]], [[{"$numberInt":"2147483648"}]],
		[[{"$numberInt":5}]], [[{"$numberInt":" 5"}]], [[{"$numberLong":"9223372036854775808"}]],
		[[{"$numberDouble":"1x"}]], [[{"$numberDouble":"0x10"}]], [[{"$numberDecimal":"x"}]],
		[[{"$binary":{"base64":"AA=="}}]], [[{"$binary":{"subType":"00"}}]], [[{"$binary":"AA=="}]],
		[[{"$binary":{"base64":"AA==","subType":"00","x":1}}]], [[{"$binary":{"base64":"A","subType":"00"}}]],
		[[{"$regularExpression":{"pattern":"a"}}]], [[{"$regularExpression":{"pattern":"a","options":"i","x":1}}]],
		[[{"$regularExpression":{"pattern":1,"options":"i"}}]],
		[[{"$regularExpression":{"pattern":"a\u0000","options":""}}]],
		[[{"$timestamp":{"t":1}}]], [[{"$timestamp":{"t":1,"i":"1"}}]], [[{"$timestamp":{"t":-1,"i":1}}]],
		[[{"$timestamp":{"t":1,"i":1},"x":1}]],
		[[{"$date":5}]], [[{"$date":"2020"}]], [[{"$date":{"$numberLong":"1"},"x":1}]],
		[[{"$minKey":2}]], [[{"$minKey":true}]], [[{"$maxKey":1,"x":1}]], [[{"$undefined":false}]], [[{"$symbol":1}]],
		[[{"$code":1}]], [[{"$code":"x","$scope":1}]], [[{"$code":"x","x":{}}]], [[{"$dbPointer":{"$ref":"a"}}]],
		[[{"$uuid":"x"}]], [[tru]], [["a]], [["\q"]], [["\ud800"]], [[01]], [[1.]], [[-]], [[+1]], [[{"a\u0000":1}]], [[ ]],
		[[{"a":1,}]], [[ [1,] ]], [[1 2]], [["]] .. "\xff" .. [["]],
	} do
		test.raises("Invalid extended JSON", bson.from_json, '{"a":' .. s .. "}")
	end
end)

test.case("JSON that only looks like a typed value stays a document", function()
	for _, s in ipairs {
		[[{"a":{"x":1,"$oid":"no"}}]], [[{"a":{"$scope":{"b":1}}}]], [[{"a":{"$scope":{},"code":"x"}}]],
		[[{"a":{"$in":[1,2]}}]],
		[[{"a":{"$regex":"x","$options":"i"}}]], [[{"$oid":1}]], [[{"a":{"$ref":"c","$id":1}}]], [[{"a":{"$type":"string"}}]],
	} do
		test.equal(bson.to_json(bson.from_json(s)), s)
	end
end)

test.case("code with scope is read in either order", function()
	local one = bson.from_json [[{"a":{"$code":"x","$scope":{"b":{"$code":"y","$scope":{}}}}}]]
	local other = bson.from_json [[{"a":{"$scope":{"b":{"$scope":{},"$code":"y"}},"$code":"x"}}]]
	test.equal(hex(one), hex(other))
end)

test.case("relaxed JSON writes numbers and dates for people", function()
	local numbers = bson.encode_order("i", 5, "l", 1 << 40, "d", 1.5, "w", 2.0, "n", 0 / 0)
	test.equal(bson.to_json(numbers), [[{"i":5,"l":1099511627776,"d":1.5,"w":2.0,"n":{"$numberDouble":"NaN"}}]])
	test.equal(bson.to_json { u = "\u{1}\"\\\n" }, [[{"u":"\u0001\"\\\n"}]])
	test.equal(bson.to_json { t = bson.datetime(1356351330501) }, [[{"t":{"$date":"2012-12-24T12:15:30.501Z"}}]])
	test.equal(bson.from_json [[{"t":{"$date":"2012-12-24T13:15:30.501+01:00"}}]]:decode().t, bson.datetime(1356351330501))
end)

test.case("an encoder that fails leaves the next one clean", function()
	for _ = 1, 10 do
		pcall(bson.encode, { a = ("x"):rep(1000), b = print })
		test.equal(hex(bson.encode { a = 1 }), "0c0000001061000100000000")
	end
	local nested = setmetatable({}, { __pairs = function()
		local inner = bson.encode { deep = { 1, 2, 3 } }
		return next, { inner = inner }
	end })
	test.equal(bson.encode({ a = nested, b = 1 }):decode(), { a = { inner = { deep = { 1, 2, 3 } } }, b = 1 })
end)

test.run()
