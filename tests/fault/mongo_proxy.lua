-- The driver through a link that is cut, split and slowed at every kind of place, against a real server.
-- timeout: 1200
local mongo = require "skynet.db.mongo"
local mongo_server = require "test.mongo"
local proxies = require "test.proxy"
local skynet = require "skynet"
local test = require "test"

local DUPLICATE_KEY = 11000
-- Documents a coroutine: enough bytes for the link to be cut several times.
local ROUNDS = 15

-- What one coroutine does: writes documents of its own and reads them back. Notes what was acknowledged.
local function work(c, worker, acknowledged, seen)
	for i = 1, ROUNDS do
		local id = worker * 1000 + i
		local ok, err = pcall(c.insertOne, c, { _id = id, worker = worker, text = ("x"):rep(i * 20) })
		if ok then
			acknowledged[id] = true
		else
			seen[err.outcome] = (seen[err.outcome] or 0) + 1
			if err.outcome == "rejected" and err.code ~= DUPLICATE_KEY then
				error(err, 0)
			end
		end
		local found, doc = pcall(c.findOne, c, { _id = id })
		if found and doc then
			test.equal(doc, { _id = id, worker = worker, text = ("x"):rep(i * 20) })
		elseif found then
			test.truthy(not acknowledged[id], "an acknowledged document is there")
		end
	end
end

local function run(faults)
	local server = mongo_server.start()
	local proxy = proxies.start(server.port)
	local client = mongo.client {
		host = "127.0.0.1", port = proxy.port, timeoutMS = 10000, heartbeatFrequencyMS = 1000, maxPoolSize = 8,
	}
	test.defer(client.disconnect, client)
	proxy:set(faults)
	local acknowledged, seen, problems, left = {}, {}, {}, 16
	for worker = 1, 16 do
		skynet.fork(function()
			local ok, err = pcall(work, client.db.things, worker, acknowledged, seen)
			problems[#problems + 1] = not ok and tostring(err) or nil
			left = left - 1
		end)
	end
	test.eventually("the end of all", 300, function()
		return left == 0
	end)
	test.equal(problems, {})
	local direct = mongo.client { host = "127.0.0.1", port = server.port }
	test.defer(direct.disconnect, direct)
	local there = {}
	for doc in direct.db.things:find():each() do
		there[doc._id] = true
	end
	for id in pairs(acknowledged) do
		test.truthy(there[id], id)
	end
	return acknowledged, proxy:stats()
end

test.case("split and delayed bytes change nothing", { timeout = 400 }, function()
	local acknowledged = run { split = 17, delay = { 2000, 10 } }
	local n = 0
	for _ in pairs(acknowledged) do
		n = n + 1
	end
	test.equal(n, 16 * ROUNDS)
end)

test.case("a link that is cut again and again loses no acknowledged write and mixes up no reply", { timeout = 400 },
	function()
		local _, stats = run { cut = 8000, split = 100, delay = { 4000, 10 } }
		test.truthy(stats.cuts > 3, "the link was cut")
	end)

test.run()
