-- tsan: no, one thread does all of it
-- What a reply has to be like: nulls, numbers in other forms, what is only good to know, and fields in any mixture.
local bson = require "bson"
local replies = require "reef.mongo.replies"
local test = require "test"

math.randomseed(test.seed or 1)

test.case("null is nothing: missing where it is needed, taken out elsewhere, no text in a list of texts", function()
	local count = replies.shapes.count
	test.equal(replies.check({ ok = 1, n = bson.null }, count), "it has no field 'n'")
	test.equal(replies.check({ ok = bson.null, n = 1 }, count), "it has no field 'ok'")
	local reply = { ok = 1, value = bson.null, codeName = bson.null, errmsg = bson.null }
	test.equal(replies.check(reply, replies.shapes.value), nil)
	test.equal(reply.value, nil)
	test.equal(reply.codeName, nil)
	test.equal(reply.errmsg, nil)
	reply = { ok = 0, errorLabels = bson.array { "A", bson.null } }
	test.equal(replies.check(reply), nil)
	test.equal(reply.errorLabels, nil)
end)

test.case("a reply that reports an error need not have what others have", function()
	test.equal(replies.check({ ok = 0, errmsg = "no" }, replies.shapes.count), nil)
	test.equal(replies.check({ ok = 1, errmsg = "no" }, replies.shapes.count), nil)
	test.equal(replies.check({ ok = 1 }, replies.shapes.count), "it has no field 'n'")
	test.equal(replies.check({ ok = 1, errmsg = 5 }, replies.shapes.count), "it has no field 'n'")
end)

test.case("fields in any mixture are judged each by itself", function()
	-- Values as they are sent, and as they are used: nil if they are not.
	local fields = {
		ok = { { 1, 1 }, { 1.0, 1.0 }, { bson.int64(1), 1 } },
		n = { { 3, 3 }, { 3.0, 3 }, { bson.int64(3), 3 }, { -1 }, { 1.5 }, { "3" }, { {} }, { true } },
		code = { { 5, 5 }, { "5" }, { bson.null } },
		codeName = { { "a", "a" }, { "", "" }, { "\0", "\0" }, { 7 }, { bson.objectid() } },
		writeErrors = { { bson.array {}, true }, { bson.array { { index = 1 } }, true }, { bson.array { {} } }, { {} } },
	}
	for _ = 1, 5000 do
		local reply, want, wrong = {}, {}, false
		for key, choices in pairs(fields) do
			if key == "ok" or math.random(3) > 1 then
				local choice = choices[math.random(#choices)]
				reply[key], want[key] = choice[1], choice[2]
				wrong = wrong or (key == "n" or key == "writeErrors") and choice[2] == nil
			end
		end
		wrong = wrong or want.n == nil
		local why = replies.check(reply, replies.shapes.count)
		test.equal(why ~= nil, wrong)
		for key in pairs(wrong and {} or fields) do
			if key ~= "writeErrors" then
				test.equal(reply[key], want[key])
				test.equal(math.type(reply[key]), math.type(want[key]))
			end
		end
	end
end)

test.case("strings of any bytes are what bson.type calls them, and a text where it calls them nothing", function()
	local kinds = { operationTime = "timestamp", errmsg = "string", code = "int64" }
	local sizes = { 0, 1, 2, 4, 6, 8, 10, 12, 16, 30 }
	for _ = 1, 5000 do
		local bytes = {}
		for i = 1, sizes[math.random(#sizes)] do
			bytes[i] = string.char(math.random(3) == 1 and math.random(0, 255) or math.random(0, 20))
		end
		local value = (math.random(8) > 1 and "\0" or "") .. table.concat(bytes)
		local ok, kind, content = pcall(bson.type, value)
		kind = ok and kind or "string"
		for field, wanted in pairs(kinds) do
			local reply = { ok = 0, [field] = value }
			test.equal(replies.check(reply), nil)
			test.equal(reply[field], kind == wanted and (field == "code" and content or value) or nil)
		end
		local why = replies.check { ok = 1, writeErrors = bson.array { { index = value } } }
		local is_index = kind == "int64" and content >= 0
		test.equal(why == nil, is_index)
	end
end)

test.case("a list is judged by its elements, which are put in the form in which they are used", function()
	for _ = 1, 500 do
		local list, want, right = bson.array {}, {}, true
		for i = 1, math.random(0, 5) do
			local n = math.random(0, 9)
			local choice = math.random(12)
			local forms = { n, n + 0.0, bson.int64(n) }
			list[i] = { index = choice == 1 and -1 or choice == 2 and "1" or forms[choice % 3 + 1] }
			want[i] = n
			right = right and choice > 2
		end
		local reply = { ok = 1, n = 0, upserted = list }
		test.equal(replies.check(reply, replies.shapes.write) == nil, right)
		for i = 1, right and #want or 0 do
			test.equal(reply.upserted[i].index, want[i])
			test.equal(math.type(reply.upserted[i].index), "integer")
		end
	end
	test.equal(replies.check({ ok = 1, n = 0, upserted = { { index = 1 } } }, replies.shapes.write),
		"its field 'upserted' is not what it has to be")
end)

test.case("one check, whatever it is given", function()
	local shape_of = require("reef.mongo.core").shape
	test.raises("nonsense", shape_of, { a = { kind = "nonsense" } })
	test.raises("too long", shape_of, { [("a"):rep(40)] = { kind = "text" } })
	test.raises("table expected", replies.shapes.count.whole, 5)
	-- An ordered document has fields whose names are no strings.
	local ordered = bson.document("ok", 1, "n", 2.0)
	test.equal(replies.check(ordered, replies.shapes.count), nil)
	test.equal(math.type(ordered.n), "integer")
end)

test.run()
