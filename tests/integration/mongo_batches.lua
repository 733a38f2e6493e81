-- Documents of a cursor's batch are what they are one by one, however much or little they are alike. Against the peer,
-- which answers each find with the documents that the test has at that moment.
local bson = require "bson"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local test = require "test"

local ROUNDS, MOST_DOCUMENTS = 60, 30

local names = {
	"_id", "name", "level", "a", "", "ä", "x.y", "$z", "__index", "__gc", "items", "inner", "note", "when", ("k"):rep(40),
	("k"):rep(41), ("k"):rep(200),
}

local function pick(list)
	return list[math.random(#list)]
end

local value

-- Keys and values in turn. Those of one family follow `keys`, but for an accident.
local function fields(keys, depth, wild)
	local out = {}
	for _, key in ipairs(keys) do
		if math.random() > wild then
			out[#out + 1], out[#out + 2] = key, value(keys, depth, wild)
		end
		if math.random() < wild / 4 then
			out[#out + 1], out[#out + 2] = pick(names), value(keys, depth, wild)
		end
	end
	return out
end

local function document(keys, depth, wild)
	return bson.encode_order(table.unpack(fields(keys, depth, wild)))
end

local simple = {
	function() return math.random(-5, 5) end,
	function() return math.random(1 << 40) end,
	function() return math.random() end,
	function() return math.random() < 0.5 end,
	function() return pick { "same", "other", "", ("long"):rep(20) .. math.random(2), ("x"):rep(300) } end,
	function() return bson.objectid() end,
	function() return bson.null end,
	function() return bson.date(math.random(100000)) end,
	function() return bson.binary(("b"):rep(math.random(0, 60))) end,
}

function value(keys, depth, wild)
	local choice = math.random()
	if depth > 0 and choice < 0.15 then
		return document({ pick(keys), "inner", "n" }, depth - 1, wild)
	elseif depth > 0 and choice < 0.3 then
		local list = {}
		for i = 1, math.random(0, 5) do
			list[i] = math.random() < 0.8 and document({ "n", "s" }, depth - 1, wild) or pick(simple)()
		end
		return bson.array(list)
	end
	return pick(simple)()
end

local function many_keys(n)
	local keys = {}
	for i = 1, n do
		keys[i] = ("key%d"):format(i)
	end
	return keys
end

test.case("documents of a batch are what they are one by one", { timeout = 300 }, function()
	local set = peers.set(1)
	test.defer(set.close, set)
	local objects
	set.members[1].on.find = function()
		return { ok = 1, cursor = { id = bson.int64(0), ns = "db.c", firstBatch = bson.array(objects) } }
	end
	local client = mongo.client { uri = set:uri() }
	test.defer(client.disconnect, client)
	-- Collects all the time, so that also what is half made is seen by the collector.
	local mode = collectgarbage("incremental", 10, 1000)
	test.defer(collectgarbage, mode)
	local checked, total = 0, 0
	for round = 1, test.count(ROUNDS) do
		local keys = {}
		for i = 1, math.random(1, 9) do
			keys[i] = names[(i + round) % #names + 1]
		end
		if round % 20 == 0 then
			keys = many_keys(pick { 31, 32, 33, 100, 256, 257, 300 })
		end
		local wild = pick { 0, 0, 0.02, 0.1, 0.5 }
		objects = {}
		for i = 1, math.random(1, MOST_DOCUMENTS) do
			objects[i] = document(keys, #keys < 20 and 2 or 0, wild)
		end
		total = total + #objects
		local i = 0
		for found in client.db.c:find():each() do
			i = i + 1
			test.equal(found, bson.decode(objects[i]), ("round %d, document %d of %d"):format(round, i, #objects))
			for key in pairs(found) do
				test.truthy(found[key] ~= nil)
			end
			-- Tables as any others: keys come and go.
			found.new, found[pick(names)] = 1, nil
			test.equal(found.new, 1)
			checked = checked + 1
		end
		test.equal(i, #objects)
	end
	test.equal(checked, total)
	test.truthy(total > test.count(ROUNDS))
end)

test.run()
