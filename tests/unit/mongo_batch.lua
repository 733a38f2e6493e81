-- tsan: no, one thread does all of it
-- Batches of writes: as many documents as a message takes, and where the next one begins.
local bson = require "bson"
local core = require "reef.mongo.core"
local test = require "test"

local docs = {}
for i = 1, 10 do
	docs[i] = { n = i } -- 12 bytes each
end

test.case("a batch stays within its limits, but has one document at least", function()
	local function ends(first, bytes, count)
		local batch, next_first = core.batch(docs, first, bytes, count)
		return #tostring(batch) > 0 and next_first
	end
	test.equal(ends(1, 1000, 100), 11)
	test.equal(ends(1, 120, 100), 11)
	test.equal(ends(1, 119, 100), 10)
	test.equal(ends(1, 1000, 3), 4)
	test.equal(ends(4, 24, 100), 6)
	test.equal(ends(10, 1, 100), 11)
	test.equal(ends(1, 1, 1), 2)
end)

test.case("a document that cannot be written is named, and the next batch is clean", function()
	test.raises("function in 'f'", core.batch, { { a = 1 }, { f = print } }, 1, 1000, 10)
	test.equal(select(2, core.batch(docs, 1, 1000, 10)), 11)
end)

test.case("documents get ids where they have none, in the order of the list", function()
	local ordered, object = bson.document("a", 1), bson.encode { _id = "encoded" }
	local given = { { _id = 1 }, {}, ordered, object, { _id = false } }
	local ids = core.identify(given)
	-- What was encoded before stays as it is.
	test.equal({ ids[1], ids[4] == nil, ids[5] }, { 1, true, false })
	for _, i in ipairs { 2, 3 } do
		test.equal({ bson.type(ids[i]) == "objectid", given[i]._id }, { true, ids[i] })
	end
	test.different(ids[2], ids[3])
	test.equal(bson.to_json(bson.encode(ordered)):match "^{\"a\":1,\"_id\"" ~= nil, true)
	test.equal(core.identify {}, {})
	test.raises("number", core.identify, { {}, 7 })
	test.raises("table expected", core.identify, "x")
end)

test.case("a list is extended as another one", function()
	local list = { "insert", "c" }
	test.equal({ core.extend(list, "$db", "d"), core.extend {}, list },
		{ { "insert", "c", "$db", "d" }, {}, { "insert", "c" } })
end)

test.run()
