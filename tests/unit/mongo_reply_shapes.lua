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

test.run()
