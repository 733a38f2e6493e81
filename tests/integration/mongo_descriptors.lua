-- Clients and pools that come and go: in the end the process has as many open files as in the beginning. The servers
-- are in the process, too: each connection counts twice.
-- timeout: 900
local files = require "reef.files"
local manager = require "skynet.manager"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local pool = require "reef.pool"
local skynet = require "skynet"
local test = require "test"

local ROUNDS = 60
-- Of whoever is in use: connections of its own, those that watch, and the peer's ends of them.
local SOME = 70

local function open_files()
	return files.count "/proc/self/fd"
end

-- Opens, uses and closes clients; what each does is `work(uri, i)`.
local function come_and_go(work)
	local set = peers.deployment { topology = "replicaset", version = "8.0.0", members = 3 }
	test.defer(set.close, set)
	local before, most = open_files(), 0
	for i = 1, test.count(ROUNDS) do
		work(set:uri "heartbeatFrequencyMS=500&", i)
		most = math.max(most, open_files())
	end
	test.eventually(("open files are %d again"):format(before), 120, function()
		return open_files() <= before
	end)
	test.note(("%d before, %d at most"):format(before, most))
	return most - before
end

local function use(client)
	client.db.c:insertOne { x = 1 }
	test.truthy(client.db.c:findOne {})
end

test.case("clients of the same servers", { timeout = 200 }, function()
	local more = come_and_go(function(uri)
		local client = mongo.client(uri)
		use(client)
		client:close()
	end)
	test.truthy(more < SOME, more)
end)

test.case("clients that nobody shares servers with", { timeout = 200 }, function()
	come_and_go(function(uri, i)
		local client = mongo.client(("%sappName=%d"):format(uri, i))
		use(client)
		client:close()
	end)
end)

test.case("clients of the same pool", { timeout = 200 }, function()
	local more = come_and_go(function(uri)
		local client = pool.mongo(uri, { idle = 0.2 })
		use(client)
		client:close()
	end)
	test.truthy(more < SOME, more)
end)

test.case("pools that nobody uses any more end", { timeout = 200 }, function()
	come_and_go(function(uri, i)
		local client = pool.mongo(uri, { idle = 0.2, pool = i })
		use(client)
		client:close()
	end)
end)

for _, first in ipairs { "the pool", "the client" } do
	test.case(("pools that are closed, %s first"):format(first), { timeout = 200 }, function()
		come_and_go(function(uri, i)
			local client = pool.mongo(uri, { idle = 0, pool = i })
			use(client)
			if first == "the pool" then
				pool.close(client)
			end
			client:close()
			if first == "the client" then
				pool.close(client)
			end
		end)
		test.equal(next(pool.stat()), nil)
	end)
end

test.case("services that end without closing their clients", { timeout = 200 }, function()
	come_and_go(function(uri, i)
		local service = skynet.newservice "mongo_caller"
		skynet.call(service, "lua", "open", ("%sappName=%d"):format(uri, i))
		skynet.call(service, "lua", "insert", 1, i)
		manager.kill(service)
	end)
end)

test.run()
