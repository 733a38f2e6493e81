-- Batches of writes: as many documents as a message takes, and where the next one begins.
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

test.run()
