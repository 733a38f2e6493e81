-- timeout: 600
-- Replies that are not what they have to be: each field of each kind of reply is left out and given every other type
-- of BSON, and bytes are changed by chance. Every call ends in a result or in an error object with an outcome, and the
-- next one, which is answered well, is answered rightly.
local bson = require "bson"
local errors = require "reef.mongo.errors"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local pool = require "reef.pool"
local skynet = require "skynet"
local test = require "test"

local random = math.random
-- How many of the wrong replies are tried: all when there is time for it. Each missing field always is.
local SHARE = os.getenv "REEF_SOAK" and 1 or test.sanitizer and 0.02 or 0.4
-- Milliseconds. Who gets wrong replies only tries again until then, so this is what the test takes.
local PATIENCE = test.sanitizer and 1500 or 500
math.randomseed(test.seed or 1)

-- ---- wrong replies ----

-- A value of each type, and values of some types that are unusual.
local values = {
	5.5, 7, -1, 0.0 / 0.0, bson.int64(1 << 40), "text", "", "127.0.0.1:99999", ("x"):rep(70000), true, false,
	bson.document("x", 1), bson.document(), bson.array {}, bson.array { 1 }, bson.array { "a", 5, bson.document() },
	bson.binary "abc", bson.undefined, bson.objectid(), bson.date(1), bson.null, bson.regex("a", "i"), bson.code "f",
	bson.code("f", {}), bson.symbol "s", bson.dbpointer("a", bson.objectid()), bson.timestamp(1 << 31, 1),
	bson.decimal128 "1.5", bson.minkey, bson.maxkey,
}

local REMOVE = {}

-- The document with what is at the path replaced by a value, or removed.
local function with(doc, path, value, depth)
	depth = depth or 1
	local is_list = bson.is_array(doc)
	local out = is_list and bson.array {} or bson.document()
	for key, element in (is_list and ipairs or pairs)(doc) do
		if key == path[depth] then
			if depth < #path then
				element = with(element, path, value, depth + 1)
			else
				element = value
			end
		end
		if element == REMOVE then
			element = nil
		elseif is_list then
			out[#out + 1] = element
		end
		if not is_list then
			out[key] = element
		end
	end
	return out
end

local function paths(doc, path, out)
	for key, element in (bson.is_array(doc) and ipairs or pairs)(doc) do
		local here = table.move(path, 1, #path, 1, {})
		here[#here + 1] = key
		out[#out + 1] = here
		if type(element) == "table" and #here < 4 then
			paths(element, here, out)
		end
	end
	return out
end

local function flip(bytes, first)
	local at = random(first, #bytes)
	local new = bytes:byte(at) ~ (random(2) == 1 and 1 << random(0, 7) or random(255))
	return bytes:sub(1, at - 1) .. string.char(new) .. bytes:sub(at + 1)
end

---@class wrong a reply to some command that is to be wrong
---@field name string of the command
---@field what string
---@field path any[]|nil
---@field value any
---@field flips integer|nil changed bytes, of the document or the message

-- All wrong replies to a command whose reply is known.
local function all_wrong(name, bytes, flips)
	local list, doc = {}, bson.decode_exact(bytes)
	for _, path in ipairs(paths(doc, {}, {})) do
		local field = table.concat(path, ".")
		list[#list + 1] = { name = name, what = field .. " is missing", path = path, value = REMOVE }
		for i, value in ipairs(values) do
			list[#list + 1] = { name = name, what = ("%s is value %d"):format(field, i), path = path, value = value }
		end
	end
	for i = 1, flips do
		list[#list + 1] = { name = name, what = "changed bytes " .. i, flips = i % 8 == 0 and 0 or 1, seed = random(1 << 30) }
	end
	return list
end

-- ---- a peer that can be told to answer wrongly ----

local function start(options)
	local set = peers.deployment { topology = "replicaset", version = "8.0.0", users = { ann = "secret" } }
	local member = set.members[1]
	local peer = { set = set, member = member, replies = {} }
	local usual = getmetatable(member).__index.answer
	function member.answer(self, name, command, connection)
		local answer = usual(self, name, command, connection)
		if type(answer) ~= "table" or (name == "find" and command.filter._id == "check") then
			return answer
		elseif peer.step_by_step then
			answer.speculativeAuthenticate = nil
		end
		peer.replies[name] = peer.replies[name] or bson.encode(answer)
		local wrong = peer.wrong
		if not wrong or wrong.name ~= name then
			return answer
		end
		peer.answered = true
		if wrong.flips == 0 then
			return { bytes = tostring(bson.encode(answer)), spoil = function(message)
				return flip(message, 1)
			end }
		elseif wrong.flips then
			return { bytes = flip(tostring(bson.encode(answer)), 1) }
		end
		return { bytes = tostring(bson.encode(with(bson.decode_exact(bson.encode(answer)), wrong.path, wrong.value))) }
	end
	function peer.connect(more, through_pool)
		local uri = ("mongodb://ann:secret@%s/?replicaSet=rs&timeoutMS=%d&serverSelectionTimeoutMS=%d%s"):format(
			member.address, options.timeout, options.selection, more or "")
		return through_pool and pool.mongo(uri, { lazy = true, size = 4 }) or mongo.client { uri = uri, lazy = true }
	end
	return peer
end

local function prepare(client)
	local c = client.db.c
	pcall(c.drop, c)
	c:insertMany { { _id = "check", v = "right" }, { _id = 2, v = 2 }, { _id = 3, v = 3 }, { _id = 4, v = 4 } }
	c:createIndex { v = 1 }
end

-- ---- calls, by the command whose reply they want ----

local calls = {
	{ "find", function(c) return c:findOne { _id = 2 } end },
	{ "find", function(c) return c:findWith({}, { sort = { _id = 1 } }):toArray() end },
	{ "getMore", function(c) return c:findWith({}, { batchSize = 2 }):toArray() end },
	{ "insert", function(c) return c:insertOne { v = 1 } end },
	{ "insert", function(c) return c:insertMany { { v = 1 }, { v = 2 } } end },
	{ "insert", function(c) return { c:safe_insert { _id = 2 } } end },
	{ "insert", function(c) return c:insertMany({ { _id = 2 }, { _id = 3 } }, { ordered = false }) end },
	{ "update", function(c) return c:updateOne({ _id = 2 }, { ["$set"] = { v = 2 } }) end },
	{ "update", function(c) return c:updateOne({ _id = "new" }, { ["$set"] = { v = 2 } }, { upsert = true }) end },
	{ "update", function(c)
		return c:bulkWrite({ { updateOne = { filter = { _id = "newer" }, update = { ["$set"] = { v = 1 } }, upsert = true } },
			{ updateOne = { filter = { _id = 3 }, update = { ["$set"] = { v = 2 } } } } }, { ordered = false })
	end },
	{ "delete", function(c) return c:deleteOne { _id = "none" } end },
	{ "findAndModify", function(c) return c:findOneAndUpdate({ _id = 2 }, { ["$set"] = { v = 2 } }) end },
	{ "findAndModify", function(c) return c:findAndModify { query = { _id = 3 }, update = { ["$set"] = { v = 3 } } } end },
	{ "aggregate", function(c) return c:aggregate { { ["$match"] = { _id = 2 } } }:toArray() end },
	{ "aggregate", function(c) return c:countDocuments { _id = 2 } end },
	{ "aggregate", function(c) return c:aggregate({ { ["$match"] = { _id = 2 } } }):count() end },
	{ "distinct", function(c) return c:distinct "v" end },
	{ "count", function(c) return c:estimatedDocumentCount() end },
	{ "count", function(c) return c:find({}):count() end },
	{ "listIndexes", function(c) return c:listIndexNames() end },
	{ "listCollections", function(c) return c.database:listCollectionNames() end },
	{ "listDatabases", function(c) return c.database.client:listDatabaseNames() end },
	{ "createIndexes", function(c) return c:createIndex { v = -1 } end },
	{ "bulkWrite", function(c)
		return c.database.client:bulkWrite({
			{ updateOne = { namespace = "db.c", filter = { _id = 3 }, update = { ["$set"] = { v = 3 } } } },
			{ insertOne = { namespace = "db.c", document = { _id = 3 } } },
		}, { verboseResults = true, ordered = false })
	end },
	{ "bulkWrite", function(c)
		return { c.database.client:bulkWrite { { op = "insert", collection = "db.c", insert = { _id = 3 } } } }
	end },
	{ "ping", function(c) return c.database:runCommand "ping" end },
	{ "killCursors", function(c)
		local cursor = c:findWith({}, { batchSize = 2 })
		cursor:hasNext()
		cursor:close()
		return c.database:runCommand("killCursors", "c", "cursors", bson.array { bson.int64(1) })
	end },
	{ "endSessions", function(c)
		local session = c.database.client:startSession()
		c:findOne({ _id = 2 })
		session:endSession()
		return c.database:runCommand("endSessions", bson.array {})
	end },
}

-- ---- the property ----

local function is_well(ok, err)
	local outcomes = { ["not sent"] = true, ["maybe applied"] = true, rejected = true }
	return ok or errors.is(err) and outcomes[err.outcome] and err.code ~= nil and type(tostring(err)) == "string"
end

local function check_all(workers, list, one)
	local next_one, failed = 0, {}
	test.together(workers, function(worker)
		while next_one < #list and #failed < 5 do
			next_one = next_one + 1
			local wrong = list[next_one]
			local why = one(worker, wrong)
			if why then
				failed[#failed + 1] = ("%s, %s: %s"):format(wrong.name, wrong.what, why)
			end
		end
	end)
	test.equal(failed, {})
	return next_one
end

-- Runs all wrong replies through clients of their own, each with a peer of its own.
local function run(workers, options)
	local list = {}
	local at = {}
	for i = 1, workers do
		local peer = start { timeout = PATIENCE, selection = 20000 }
		test.defer(peer.set.close, peer.set)
		local client = peer.connect(options.more, options.through_pool)
		test.defer(client.disconnect, client)
		prepare(client)
		at[i] = { peer = peer, client = client }
	end
	for _, call in ipairs(calls) do
		local name, f = call[1], call[2]
		local peer = at[1].peer
		peer.replies[name] = nil
		local good, result = pcall(f, at[1].client.db.c)
		test.truthy(good or errors.is(result), tostring(result))
		test.truthy(peer.replies[name], name)
		for _, wrong in ipairs(all_wrong(name, peer.replies[name], test.count(options.flips))) do
			wrong.call = f
			if wrong.value == REMOVE or random() < options.share or wrong.flips then
				list[#list + 1] = wrong
			end
		end
	end
	local told, calm = 0, 0
	local done = check_all(workers, list, function(worker, wrong)
		local peer, c = at[worker].peer, at[worker].client.db.c
		peer.wrong, peer.answered = wrong, false
		local ok, err = pcall(wrong.call, c)
		peer.wrong = nil
		told, calm = told + (ok and 0 or 1), calm + (ok and 1 or 0)
		if not peer.answered then
			return "the wrong reply was not asked for: " .. tostring(err)
		elseif not is_well(ok, err) then
			return tostring(err)
		end
		local good, doc = pcall(function()
			return c:findWith({ _id = "check" }, { timeoutMS = 20000 }):toArray()[1]
		end)
		if not good or not doc or doc.v ~= "right" then
			return "and then: " .. tostring(good and bson.to_json(bson.encode { doc = doc }) or doc)
		end
	end)
	test.note(("%d wrong replies, %d ended in errors"):format(done, told))
	test.truthy(done == #list and told > done / 10 and calm > 0)
end

test.case("any wrong reply to a command", { timeout = 500 }, function()
	run(16, { share = SHARE, flips = os.getenv "REEF_SOAK" and 60 or 20 })
end)

test.case("any wrong reply to a command through a pool, with exact values", { timeout = 300 }, function()
	run(8, { share = SHARE / 2, flips = 10, through_pool = true })
end)

-- ---- before there is a connection ----

local function connections(peer)
	local n = 0
	for _ in pairs(peer.member.connections) do
		n = n + 1
	end
	return n
end

test.case("any wrong answer to hello and to a login, and no connection stays", { timeout = 500 }, function()
	local list = {}
	for name, step_by_step in pairs { hello = false, saslStart = true, saslContinue = false } do
		local seen = start { timeout = 3000, selection = 2500 }
		seen.step_by_step = step_by_step
		local client = seen.connect "&authMechanism=SCRAM-SHA-1"
		prepare(client)
		client:disconnect()
		seen.set:close()
		for _, wrong in ipairs(all_wrong(name, seen.replies[name], test.count(100))) do
			wrong.step_by_step = step_by_step
			if wrong.value == REMOVE or random() < SHARE then
				list[#list + 1] = wrong
			end
		end
	end
	local open = {}
	check_all(64, list, function(_, wrong)
		local peer = start { timeout = 3000, selection = 300 }
		local own = peer.connect "&authMechanism=SCRAM-SHA-1&heartbeatFrequencyMS=500"
		local c = own.db.c
		peer.wrong, peer.step_by_step = wrong, wrong.step_by_step
		local ok, err = pcall(c.findOne, c, { _id = "any" })
		peer.wrong = nil
		local result = not is_well(ok, err) and tostring(err) or nil
		local good, doc
		for _ = 1, 100 do
			good, doc = pcall(c.findOne, c, { _id = "check" })
			if good then
				break
			end
			skynet.sleep(10)
		end
		own:disconnect()
		open[#open + 1] = peer
		return result or not good and "and then: " .. tostring(doc) or nil
	end)
	test.note(("%d wrong replies"):format(#list))
	test.eventually("all connections are closed", 60, function()
		for _, peer in ipairs(open) do
			if connections(peer) > 0 then
				return false
			end
		end
		return true
	end)
	for _, peer in ipairs(open) do
		peer.set:close()
	end
end)

test.run()
