-- tsan: no, one thread does all of it
-- sproto: the bytes of messages, schemas and requests, both ways; and what is not sproto.
local core = require "sproto.core"
local parser = require "sprotoparser"
local skynet = require "skynet"
local sproto = require "sproto"
local sprotoloader = require "sprotoloader"
local test = require "test"

local function hex(s)
	return (s:gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end))
end

local function bytes(h)
	return (h:gsub("%x%x", function(x)
		return string.char(tonumber(x, 16))
	end))
end

local SCHEMA = [[
# What the messages below are made of.
.Person { name 0 : string  age 1 : integer  marital 2 : boolean  children 3 : *Person }
.Data { numbers 0 : *integer  bools 1 : *boolean  number 2 : integer  bignumber 3 : integer  double 4 : double
        doubles 5 : *double  fpn 6 : integer(2)  bin 7 : binary  strs 8 : *string }
.KV { key 0 : string  value 1 : integer }
.Map { byname 0 : *Person(name)  plain 1 : *KV() }
.Gap { a 1 : integer  b 7 : integer  c 300 : string }
.package { type 0 : integer  session 1 : integer  ud 2 : integer }
.Outer { .Inner { x 0 : integer } one 0 : Inner  far 1 : Person }
foobar 1 { request { what 0 : string }  response { ok 0 : boolean } }
bar 2 { response nil }
blackhole 3 { }
named 40000 { request Outer  response Outer.Inner }
]]

local sp = sproto.parse(SCHEMA)

-- type, value, bytes, packed bytes; without bytes, only back and forth
local MESSAGES = {
	{ "Person", { name = "Alice", age = 13, marital = false }, "030000001c00020005000000416c696365",
		"51031c02f105416c69630165" },
	{ "Person", { name = "Bob", age = 40, children = { { name = "Alice", age = 13 }, { name = "Carol", age = 5 } } },
		"0400000052000100000003000000426f62260000000f000000020000001c0005000000416c6963650f000000020000000c000500000043"
			.. "61726f6c", "51045201c403426f2362260fa2021c05f8416c696365110f02c50c05436107726f6c" },
	{ "Person", {}, "0000", "00" },
	{ "Data", { numbers = { 2 ^ 32 | 1, 2 ^ 32 | 2, 3 } },
		"010000001900000008010000000100000002000000010000000300000000000000", "11011923080101220201020300" },
	{ "Data", { numbers = { 7, -2 ^ 40 | 0 } } },
	{ "Data", { numbers = { -1, 2 } }, "010000000900000004ffffffff02000000", "1101093f04ffffffff0200" },
	{ "Data", { numbers = {} }, "0100000000000000", "0101" },
	{ "Data", { bools = { false, true, false } }, "02000100000003000000000100", "450201030801" },
	{ "Data", { number = 32766 }, "02000300feff", "350203feff" },
	{ "Data", { number = 32767 }, "02000300000004000000ff7f0000", "450203040cff7f" },
	{ "Data", { number = -1 }, "02000300000004000000ffffffff", "450203043cffffffff" },
	{ "Data", { double = 0.01171875, doubles = { 0.01171875, 23.0, 4.0 } },
		"030007000000000008000000000000000000883f1900000008000000000000883f00000000000037400000000000001040",
		"05030701081c883f19810888813f378140100140" },
	{ "Data", { fpn = 1.82 }, "02000b006e01", "35020b6e01" },
	{ "Data", { bin = "\0\1\255", strs = { "a", "", "bc" } },
		"03000d0000000000030000000001ff0f000000010000006100000000020000006263", "05030de10301ff0f8801611002036263" },
	{ "Map", { byname = { Alice = { name = "Alice", age = 1 } } },
		"01000000130000000f00000002000000040005000000416c696365", "110113110f02c50405416c07696365" },
	{ "Map", { plain = { x = 7 } }, "0200010000000f0000000b0000000200000010000100000078", "4502010f440b021410010178" },
	{ "Gap", { a = 1, b = 2, c = "z" }, "0600010004000900060047020000010000007a", "55060104094d06470201047a" },
	{ "Gap", { c = "z" }, "020057020000010000007a", "4d02570201047a" },
	{ "Outer", { one = { x = 1 }, far = { age = 2 } } },
}

test.case("messages have the bytes that they should have, both ways, and packed", function()
	for _, m in ipairs(MESSAGES) do
		local kind, value, want, packed = table.unpack(m)
		local got = sp:encode(kind, value)
		if packed then
			test.equal(hex(got), want, kind)
			test.equal(hex(sproto.pack(got)), packed, kind)
			test.equal(hex(sp:pencode(kind, value)), packed, kind)
			test.equal(sp:pdecode(kind, bytes(packed)), value, kind)
		end
		local back, size = sp:decode(kind, got .. "what follows")
		test.equal(back, value, kind)
		test.equal(size, #got)
		local t = {}
		test.equal(sp:decode(kind, got, t), t)
		test.equal(t, value)
		local message, n = skynet.pack(got) -- some memory
		skynet.trash(message, n)
	end
end)

test.case("packing is as it should be, and is undone", function()
	for _, pair in ipairs {
		{ "0000000000000000", "00" }, { "8a", "018a" }, { ("8a"):rep(30), "ff03" .. ("8a"):rep(30) .. "0000" },
		{ ("01"):rep(8), "ff00" .. ("01"):rep(8) }, { ("01"):rep(7) .. "00", "7f" .. ("01"):rep(7) },
		{ ("01"):rep(6) .. "0000" .. ("02"):rep(8), "3f" .. ("01"):rep(6) .. "ff00" .. ("02"):rep(8) }, { "", "" },
	} do
		test.equal(hex(sproto.pack(bytes(pair[1]))), pair[2])
		test.equal(hex(sproto.unpack(bytes(pair[2]))):sub(1, #pair[1]), pair[1])
	end
	test.equal(#sproto.pack(("\255"):rep(2049)), 2052)
	for _ = 1, test.count(2000) do
		local t = {}
		for i = 1, math.random(0, 100) do
			t[i] = string.char(math.random(0, 3) == 0 and 0 or math.random(0, 255))
		end
		local s = table.concat(t)
		s = math.random(20) == 1 and s:rep(50) or s
		local back = sproto.unpack(sproto.pack(s))
		test.equal(back:sub(1, #s), s)
		test.equal(#back, (#s + 7) // 8 * 8)
		test.matches(back:sub(#s + 1), "^%z*$")
	end
	for _, bad in ipairs { "ff", "ff00", "ff00" .. ("01"):rep(7), "01", "ff01" .. ("01"):rep(8), "03aa" } do
		test.raises("cut short", sproto.unpack, bytes(bad))
	end
end)

test.case("bundles have the bytes that they should have", function()
	test.equal(hex(parser.parse ".A { x 0 : integer y 1 : *string } p 1 { request A }"),
		"0200000000003b000000370000000200000000000100000041280000000f00000004000000020001000200010000007811000000050000000"
			.. "6000100040004000100000079110000000d00000003000000040002000100000070")
	test.equal(hex(parser.parse ".K { key 0 : string v 2 : double }\n.M { a 0 : *K(key) c 3 : integer(3) d 4 : binary }"),
		"010000008b00000037000000020000000000010000004b280000001100000004000000060001000200030000006b65790f00000004000000"
			.. "08000100060001000000764c000000020000000000010000004d3d00000013000000060000000100020002000400020001000000610f"
			.. "0000000400000002000800080001000000630f00000004000000060004000a000100000064")
end)

test.case("requests and responses find each other", function()
	local client, server = sp:host(), sp:host "package"
	local request = client:attach(sp)
	test.equal(hex(request("foobar", { what = "hi" }, 1)), "5502040401c4026869")
	test.equal(hex(request("foobar", { what = "hi" })), "1501040131026869")
	test.equal(hex(request("blackhole", nil, 2)), "15020806")
	test.equal(hex(request("foobar", { what = "hi" }, 3, 9)), "5503040814110102036869")
	local kind, name, values, answer, ud = server:dispatch(request("foobar", { what = "hi" }, 1, 5))
	test.equal({ kind, name, values, ud }, { "REQUEST", "foobar", { what = "hi" }, 5 })
	test.equal(hex(answer { ok = true }), "55020104010104")
	test.equal({ client:dispatch(answer({ ok = true }, 77)) }, { "RESPONSE", 1, { ok = true }, 77 })
	test.raises("session 1, which nobody has asked", client.dispatch, client, answer { ok = true })
	test.equal(select(4, server:dispatch(request("foobar", {}))), nil)
	local _, _, nothing, confirm = server:dispatch(request("bar", nil, 4))
	test.equal(nothing, nil)
	test.equal({ client:dispatch(confirm()) }, { "RESPONSE", 4, nil, nil })
	local _, _, outer, inner = server:dispatch(request("named", { one = { x = 5 } }, 6))
	test.equal(outer, { one = { x = 5 } })
	test.equal({ client:dispatch(inner { x = 6 }) }, { "RESPONSE", 6, { x = 6 } })
	test.raises("no protocol nothing", request, "nothing")
end)

test.case("what the schema says can be asked", function()
	test.truthy(sp:exist_type "Outer.Inner" and sp:exist_proto "foobar" and sp:exist_proto(40000))
	test.truthy(not (sp:exist_type "Inner" or sp:exist_proto "Person" or sp:exist_proto(4)))
	test.equal(sp:queryproto "bar", sp:queryproto(2))
	test.equal(sp:queryproto("bar").tag, 2)
	test.equal(sp:default "Data", { numbers = {}, bools = {}, number = 0, bignumber = 0, double = 0.0, doubles = {},
		fpn = 0.0, bin = "", strs = {} })
	test.equal(sp:default("foobar", "REQUEST"), { what = "" })
	test.equal(sp:default("foobar", "RESPONSE"), { ok = false })
	test.equal({ sp:request_encode("foobar", { what = "x" }) }, { sp:encode("foobar.request", { what = "x" }), 1 })
	test.equal({ sp:request_decode(1, sp:encode("foobar.request", { what = "x" })) }, { { what = "x" }, "foobar" })
	test.equal(sp:response_decode("foobar", sp:response_encode("foobar", { ok = true })), { ok = true })
end)

test.case("mistakes in a schema are named", function()
	for text, message in pairs {
		[".A { x 0 : nosuch }"] = "Undefined type nosuch in type A",
		[".A { x 0 : integer x 1 : integer }"] = "redefine x in type A",
		[".A { x 0 : integer y 0 : integer }"] = "redefine tag 0 in type A",
		[".A { x : integer }"] = "syntax error at [=text] line (1)",
		["\n\n.A { x 0 : integer "] = "syntax error at [=text] line (3)",
		[".A { x 0 : integer } .A { }"] = "redefine type A",
		["p 1 { } q 1 { }"] = "redefine protocol tag 1 at q",
		[".A { x 32768 : integer }"] = "the tag of x is 32768; the most is 32767",
		[".A { x 99999999999999999999 : integer }"] = "the tag of x is 99999999999999999999; the most is 32767",
		[".A { x 0 : integer(19) }"] = "the number of decimals of x is 19; the most is 18",
		["p 2147483648 { }"] = "the tag of p is 2147483648; the most is 2147483647",
		[(".a { "):rep(65)] = "type " .. ("a."):rep(64) .. "a lies more than 64 deep in others",
		["p 1 { request X }"] = "Undefined request type X in protocol p",
		[".A { x 0 : integer } .B { m 0 : *A() }"] =
			"m in type B: a plain map is made of a type with two fields, not of A",
		[".A { x 0 : integer } .B { m 0 : *A(y) }"] = "m in type B: there is no field y in A to be the key",
	} do
		local ok, got = pcall(parser.parse, text)
		test.equal({ ok, got }, { false, message })
	end
end)

test.case("values of the wrong type are named", function()
	local function wrong(kind, value, message)
		test.raises(message, sp.encode, sp, kind, value)
	end
	wrong("Person", { name = 5 }, "Person%.name is a number, not a string")
	wrong("Person", { age = "5" }, "Person%.age is a string, not a number")
	wrong("Person", { age = 1.5 }, "Person%.age is 1%.5, which is no integer")
	wrong("Person", { age = 2.0 ^ 70 }, "Person%.age is .*, which is no integer")
	wrong("Person", { marital = 1 }, "Person%.marital is a number, not a boolean")
	wrong("Person", { children = 1 }, "Person%.children is a number, not a table")
	wrong("Person", { children = { 1 } }, "Person%.children is a number, not a table")
	wrong("Data", { doubles = { "x" } }, "Data%.doubles is a string, not a number")
	wrong("Data", { fpn = 2.0 ^ 62 }, "Data%.fpn")
	local deep = {}
	for _ = 1, 70 do
		deep = { children = { deep } }
	end
	wrong("Person", deep, "more than 64 deep")
	wrong("Nothing", {}, "there is no type Nothing")
	test.equal(sp:decode("Person", sp:encode("Person", { age = 3.0, unknown = print })), { age = 3 })
end)

test.case("bytes that are cut, changed or made up are an error or a value, never more", function()
	local outcomes = { 0, 0 }
	for _ = 1, test.count(20000) do
		local m = MESSAGES[math.random(#MESSAGES)]
		local s = sp:encode(m[1], m[2])
		local way = math.random(3)
		if way == 1 then
			s = s:sub(1, math.random(0, #s))
		else
			for _ = 1, way do
				local at = math.random(#s)
				s = s:sub(1, at - 1) .. string.char(math.random(0, 255)) .. s:sub(at + 1)
			end
		end
		local kind = math.random(4) == 1 and MESSAGES[math.random(#MESSAGES)][1] or m[1]
		local ok, value = pcall(sp.decode, sp, kind, s)
		outcomes[ok and 1 or 2] = outcomes[ok and 1 or 2] + 1
		if not ok then
			test.matches(value, "sproto: ")
		end
		pcall(core.unpack, s)
	end
	test.truthy(outcomes[1] > 100 and outcomes[2] > 100)
	local bundle = parser.parse(SCHEMA)
	for _ = 1, test.count(5000) do
		local at = math.random(#bundle)
		local bad = bundle:sub(1, at - 1) .. string.char(math.random(0, 255)) .. bundle:sub(at + 1)
		bad = math.random(3) == 1 and bad:sub(1, math.random(0, #bad)) or bad
		local ok, made = pcall(sproto.new, bad)
		if ok and made:exist_type "Person" then
			pcall(made.decode, made, "Person", sp:encode("Person", MESSAGES[2][2]))
		end
	end
end)

test.case("a slot of the process holds a schema for all services", function()
	sprotoloader.save(parser.parse(SCHEMA), 3)
	test.equal(sprotoloader.load(3):decode("Person", sp:encode("Person", { age = 7 })), { age = 7 })
	test.raises("nil sproto at index 9", sprotoloader.load, 9)
	test.raises("slots are numbered", sprotoloader.load, 16)
	local actor = test.service "actor"
	test.equal(skynet.call(actor, "lua", [[
		local sp = require("sprotoloader").load(3)
		return sp:decode("Person", ...)
	]], sp:encode("Person", { name = "far away" })), { name = "far away" })
	local path = test.dir .. "/schema.sproto"
	local f <close> = assert(io.open(path, "w"))
	f:write ".X { y 0 : nosuch }"
	f:flush()
	test.raises("Undefined type nosuch in type X", sprotoloader.register, path, 4)
	-- An old schema lives as long as somebody has it.
	local old = sprotoloader.load(3)
	sprotoloader.save(parser.parse ".Other { }", 3)
	test.equal(old:decode("Person", old:encode("Person", { age = 1 })), { age = 1 })
end)

test.case("a metamethod that encodes again does not spoil the message", function()
	local inner
	local value = setmetatable({ name = "outer" }, { __index = function(_, key)
		inner = sp:encode("Person", { name = "inner", age = 99 })
		return key == "age" and 7 or nil
	end })
	test.equal(sp:decode("Person", sp:encode("Person", value)), { name = "outer", age = 7 })
	test.equal(sp:decode("Person", inner), { name = "inner", age = 99 })
	local fails = setmetatable({}, { __index = function()
		error "no field today"
	end })
	test.raises("no field today", sp.encode, sp, "Person", fails)
	test.equal(sp:decode("Person", sp:encode("Person", { age = 8 })), { age = 8 })
end)

test.case("an empty struct takes no more memory than it has fields", function()
	local fields = {}
	for i = 0, 499 do
		fields[#fields + 1] = ("f%d %d : integer"):format(i, i)
	end
	local big = sproto.parse((".big { %s }\n.list { all 0 : *big }"):format(table.concat(fields, " ")))
	local empty = {}
	for i = 1, 1000 do
		empty[i] = {}
	end
	local message = big:encode("list", { all = empty })
	test.between(#message, 6000, 6100)
	collectgarbage()
	collectgarbage "stop"
	local before = collectgarbage "count"
	local list = big:decode("list", message)
	local kilobytes = collectgarbage "count" - before
	collectgarbage "restart"
	test.equal(#list.all, 1000)
	test.between(kilobytes, 1, 200)
end)

test.run()
