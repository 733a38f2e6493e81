-- What is told of a topology, in which order, and what errors mean before, in and behind the handshake.
local bson = require "bson"
local sdam = require "reef.mongo.sdam"
local test = require "test"
local topology = require "reef.mongo.topology"
local uri = require "reef.mongo.uri"

local function start(text)
	local told = {}
	local t = topology.new(uri.parse(text), function(event)
		told[#told + 1] = event.name .. (event.address and " " .. event.address:match "^[^:]*" or "")
	end)
	t:open()
	return t, told
end

local function hello(fields)
	local reply = { ok = 1, minWireVersion = 0, maxWireVersion = 21, setName = "rs", hosts = {} }
	for k, v in pairs(fields) do
		reply[k] = v
	end
	return reply
end

local function after(told, n)
	return { table.unpack(told, n + 1) }
end

test.case("a member of a set without a primary: the new ones are there before the whole is told", function()
	local t, told = start "mongodb://a/?replicaSet=rs"
	test.equal(told, { "TopologyOpening", "TopologyDescriptionChanged", "ServerOpening a" })
	t:heard(sdam.describe("a:27017", hello { secondary = true, hosts = { "a:27017", "b:27017" }, primary = "b:27017",
		me = "a:27017" }))
	test.equal(after(told, 3), { "ServerDescriptionChanged a", "ServerOpening b", "TopologyDescriptionChanged" })
	test.equal({ t.description.type, t.description.servers["b:27017"].type }, { "ReplicaSetNoPrimary", "Unknown" })
	t:close()
	test.equal(after(told, 6), { "ServerClosed a", "ServerClosed b", "TopologyDescriptionChanged", "TopologyClosed" })
end)

test.case("a member that calls itself otherwise is told as it is, and goes", function()
	local t, told = start "mongodb://localhost/"
	t:heard(sdam.describe("localhost:27017", hello { secondary = true, hosts = { "a:27017", "b:27017" }, me = "a:27017" }))
	test.equal(after(told, 3), { "ServerDescriptionChanged localhost", "ServerOpening a", "ServerOpening b",
		"ServerClosed localhost", "TopologyDescriptionChanged" })
	test.equal(t.description.type, "ReplicaSetNoPrimary")
	-- One that the primary counts among its hosts by that name stays, whatever it calls itself.
	t = start "mongodb://localhost:1,localhost:2/?replicaSet=rs"
	t:heard(sdam.describe("localhost:1", hello { isWritablePrimary = true, hosts = { "localhost:1", "localhost:2" },
		me = "a:1" }))
	test.equal(t.description.servers["localhost:1"].type, "RSPrimary")
	t:heard(sdam.describe("localhost:2", hello { secondary = true, hosts = { "localhost:1", "localhost:2" }, me = "b:2" }))
	test.equal(t.description.servers["localhost:2"], nil)
	test.equal(t.description.type, "ReplicaSetWithPrimary")
end)

test.case("what an error means depends on when it comes", function()
	local standalone = { ok = 1, minWireVersion = 0, maxWireVersion = 21, isWritablePrimary = true }
	for _, case in ipairs {
		-- kind, behind the handshake, type of the server then, generation
		{ "network", true, "Unknown", 1 }, { "timeout", true, "Standalone", 0 }, { "network", false, "Standalone", 0 },
		{ "timeout", false, "Standalone", 0 }, { "refused", false, "Unknown", 1 },
	} do
		local t = start "mongodb://a/"
		t:heard(sdam.describe("a:27017", standalone))
		t:application_error("a:27017", { type = case[1], handshake_done = case[2], generation = 0 })
		test.equal({ t.description.servers["a:27017"].type, t.generations["a:27017"] }, { case[3], case[4] },
			("%s, %s"):format(case[1], case[2]))
	end
end)

test.case("hosts that name servers do not know any more go, new ones come, as many as are wanted", function()
	local t = start "mongodb://a,b/"
	local function host(name)
		return { host = name, port = 27017, type = "hostname" }
	end
	t:replace(sdam.with_hosts(t.description, { host "b", host "c", host "d" }))
	local all = {}
	for address in pairs(t.description.servers) do
		all[#all + 1] = address
	end
	table.sort(all)
	test.equal(all, { "b:27017", "c:27017", "d:27017" })
	local few = sdam.with_hosts(t.description, { host "b", host "e", host "f", host "g" }, 2)
	local n = 0
	for _ in pairs(few.servers) do
		n = n + 1
	end
	test.equal({ n, few.servers["b:27017"] ~= nil }, { 2, true })
end)

test.case("a version of the interface, times and concerns are checked where they are given", function()
	local core = require "reef.mongo.client"
	test.raises("no version 9", core.new, uri.parse "mongodb://127.0.0.1:1/", { serverApi = "9" })
	local limits = require "reef.mongo.limits"
	test.raises("timeoutMS", limits.check, -1)
	test.equal({ limits.seconds(0, 5000), limits.seconds(nil, 5000), limits.seconds(20, 5) }, { math.huge, 5.0, 0.02 })
	test.truthy(bson.null)
end)

test.run()
