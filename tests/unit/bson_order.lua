-- tsan: no, one thread does all of it
-- Order and holes: what has an order keeps it, what has none is refused where order is meaning; no element is lost.
local bson = require "bson"
local process = require "test.process"
local skynet = require "skynet"
local test = require "test"

local function json(value)
	return bson.to_json(value)
end

local function random()
	return test.seed and math.randomseed(test.seed)
end

-- ---- where order is meaning ----

-- Documents with a place where order is meaning, which gets the value.
local places = {
	sort = function(v) return { find = "c", sort = v } end,
	hint = function(v) return { find = "c", hint = v } end,
	min = function(v) return { find = "c", min = v } end,
	max = function(v) return { find = "c", max = v } end,
	["the sort of findAndModify"] = function(v) return { findAndModify = "c", sort = v, remove = true } end,
	["the hint of a deletion"] = function(v) return { q = { a = 1 }, limit = 1, hint = v } end,
	["the sort of an update"] = function(v) return { q = { a = 1 }, u = { ["$set"] = { a = 1 } }, sort = v } end,
	["$sort"] = function(v) return { aggregate = "c", pipeline = { { ["$sort"] = v } } } end,
	["a nested $sort"] = function(v)
		return { pipeline = { { ["$lookup"] = { from = "b", pipeline = { { ["$sort"] = v } } } } } }
	end,
	["$push"] = function(v) return { ["$push"] = { scores = { ["$each"] = { 1 }, ["$sort"] = v } } } end,
	sortBy = function(v) return { ["$setWindowFields"] = { sortBy = v, output = {} } } end,
	["$topN"] = function(v) return { best = { ["$topN"] = { n = 3, sortBy = v, output = "$a" } } } end,
	["the key of an index"] = function(v) return { createIndexes = "c", indexes = { { name = "x", key = v } } } end,
}

test.case("a plain table of several keys is refused by name where order is meaning", function()
	for name, make in pairs(places) do
		local err = test.raises("has no order", bson.encode, make { score = -1, timestamp = 1 })
		test.matches(tostring(err), "bson.document")
		test.matches(tostring(err), name:match "^%$?%l+$" and name ~= "$push" and "'?" .. name or "in '")
	end
end)

test.case("one key, none, a document and lists of pairs keep their order", function()
	for name, make in pairs(places) do
		local same = json(bson.encode(make(bson.document("b", 1, "a", -1))))
		test.matches(same, '{"b":1,"a":%-1}', name)
		test.equal(json(bson.encode(make { { "b", 1 }, { "a", -1 } })), same, name)
		test.equal(json(bson.encode(make { { b = 1 }, { a = -1 } })), same, name)
		test.equal(json(bson.encode(make { "b", { "a", -1 } })), same, name)
		test.equal(json(bson.encode(make(bson.array { "b", bson.document("a", -1) }))), same, name)
		test.truthy(bson.encode(make { b = 1 }))
		test.truthy(bson.encode(make {}))
		test.truthy(bson.encode(make(bson.encode_order("b", 1, "a", 1))))
		test.raises("element 2 of the list is no pair", bson.encode, make { "b", { x = 1, y = 2 } })
		test.raises("element 1 of the list is no pair", bson.encode, make { 1, 2 })
	end
end)

test.case("data may have such names", function()
	local data = { _id = 1, sort = { a = 1, b = 2 }, hint = { a = 1, b = 2 }, key = { x = 1, y = 2 },
		indexes = { { key = { a = 1, b = 2 } } }, sortBy = { a = 1, b = 2 } }
	test.equal(bson.decode(bson.encode(data)), data)
	local listed = bson.decode(bson.encode_order("_id", 1, "sort", { a = 1, b = 2 }))
	test.equal(listed.sort, { a = 1, b = 2 })
end)

-- ---- holes ----

test.case("a table with holes is refused, whatever they are", function()
	test.raises("hole", bson.encode, { slots = { [1] = "sword", [7] = "shield" } })
	test.raises("slots", bson.encode, { slots = { [1] = "sword", [7] = "shield" } })
	test.raises("key 0", bson.encode, { slots = { "sword", [0] = "none" } })
	test.raises("key 1.5", bson.encode, { slots = { "sword", [1.5] = "none" } })
	test.raises("key can't be number", bson.encode, { slots = { [2] = "shield" } })
	test.raises("hole", bson.encode, { a = bson.array { 1, 2, [4] = 4 } })
	test.equal(bson.decode(bson.encode { a = table.pack(1, 2) }).a, { 1, 2 })
end)

test.case("every element of random tables arrives, or the table is refused", function()
	random()
	local refused, done = 0, 0
	for _ = 1, test.count(20000) do
		local t, n = {}, math.random(0, 12)
		local keys = {}
		for i = 1, n do
			keys[i] = math.random(10) == 1 and math.random(-2, 30) or i
		end
		for i = n, 2, -1 do
			if math.random(2) == 1 then
				local j = math.random(i)
				keys[i], keys[j] = keys[j], keys[i]
			end
		end
		for i, key in ipairs(keys) do
			t[key] = i
		end
		for _ = 1, math.random(0, 2) do
			t[math.random(1, 12)] = nil
		end
		local whole, count, highest = true, 0, 0
		for key in pairs(t) do
			count = count + 1
			highest = math.max(highest, key)
			whole = whole and key > 0
		end
		whole = whole and highest == count
		local ok, encoded = pcall(bson.encode, { a = t })
		test.equal(ok, whole)
		if ok then
			done = done + 1
			local back = bson.decode(encoded).a
			for key, value in pairs(t) do
				test.equal(back[key], value)
			end
			test.equal(#back, count)
		else
			refused = refused + 1
		end
	end
	test.truthy(refused > 100 and done > 100)
end)

-- ---- documents that keep their order ----

local function keys_of(document)
	local keys = {}
	for key in pairs(document) do
		keys[#keys + 1] = key
	end
	return keys
end

test.case("the order of keys that come, go and come back is that of a list", function()
	random()
	for _ = 1, test.count(200) do
		local document, model = bson.document(), {}
		if math.random(2) == 1 then
			document = bson.decode_exact(bson.encode_order("k1", 1, "k2", 2, "k3", 3))
			model = { "k1", "k2", "k3" }
		end
		for step = 1, 400 do
			local key = "k" .. math.random(40)
			local at
			for i, known in ipairs(model) do
				at = known == key and i or at
			end
			if math.random(2) == 1 then
				document[key] = step
				if not at then
					model[#model + 1] = key
				end
			else
				document[key] = nil
				if at then
					table.remove(model, at)
				end
			end
		end
		test.equal(keys_of(document), model)
		test.equal(keys_of(bson.decode_exact(bson.encode(document))), model)
	end
end)

local function seconds_for(n)
	local start, document = os.clock(), bson.document() -- CPU time
	for i = 1, n do
		document["k" .. i] = i
	end
	return os.clock() - start
end

test.case("a document of many keys takes as long as its keys are many", function()
	seconds_for(1000)
	test.truthy(seconds_for(200000) < 200 * math.max(seconds_for(4000), 0.001))
	local document = bson.document()
	for i = 1, 200000 do
		document["k" .. i] = 1
		document["k" .. i] = nil
	end
	document.last = 1
	test.equal(keys_of(document), { "last" })
end)

test.case("a document takes names alone as keys", function()
	local document = bson.document()
	test.raises("key can't be number", function()
		document[1] = 2
	end)
end)

-- ---- between services ----

test.case("an empty array is one behind a message, too", function()
	local message = { a = bson.array {}, b = {}, c = bson.array { bson.array {}, 1 }, d = { bson.array {} } }
	local back = skynet.unpack(skynet.packstring(message))
	test.equal(json(bson.encode { x = back.a }), '{"x":[]}')
	test.equal(bson.is_array(back.a), true)
	test.equal(bson.is_array(back.b), false)
	test.equal(bson.is_array(back.c[1]), true)
	test.equal(bson.is_array(back.d[1]), true)
	test.equal(back, message)
end)

-- ---- object ids ----

test.case("object ids of one process differ, and share 5 bytes", function()
	local seen, first = {}, nil
	for _ = 1, 1000 do
		local _, hex = bson.type(bson.objectid())
		test.truthy(not seen[hex])
		seen[hex] = true
		first = first or hex:sub(9, 18)
		test.equal(hex:sub(9, 18), first)
	end
end)

test.case("object ids of processes on one host differ in all that is not time or counter", function()
	local script = test.dir .. "/oid.lua"
	local file = assert(io.open(script, "w"))
	file:write 'print(select(2, require("bson").type(require("bson").objectid())))'
	file:close()
	local hosts = {}
	for i = 1, 2 do
		local _, output = process.run { test.reef, "run", script }
		hosts[i] = output:match "%x%x%x%x%x%x%x%x(%x%x%x%x%x%x)%x%x%x%x%x%x%x%x%x%x"
	end
	test.truthy(hosts[1])
	test.different(hosts[1], hosts[2])
end)

test.run()
