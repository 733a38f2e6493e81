-- config: mongo_srv_poll = 1
-- mongodb+srv: hosts and options from a name server of the test's own, and what it says later.
local dns = require "reef.dns"
local mongo = require "skynet.db.mongo"
local ns = require "test.nameserver"
local peers = require "test.mongo_peer"
local skynet = require "skynet"
local srv = require "reef.mongo.srv"
local test = require "test"
local uri = require "reef.mongo.uri"

-- A name server with those SRV and TXT records, by names.
local function serve(services, texts)
	local server = ns.start(function(name, qtype, query)
		local records = {}
		for _, found in ipairs(qtype == ns.SRV and services[name] or {}) do
			records[#records + 1] = ns.srv(found[1], found[2])
		end
		for _, strings in ipairs(qtype == ns.TXT and (texts or {})[name] or {}) do
			records[#records + 1] = ns.txt(strings)
		end
		for _, ip in ipairs(qtype == ns.A and services[name] or {}) do
			records[#records + 1] = ns.a(ip)
		end
		return { ns.reply(query, records[1] and ns.OK or ns.NXDOMAIN, records) }
	end)
	dns.servers(server.address)
	return server
end

local function resolve(text, given)
	return srv.resolve(uri.parse(text), given)
end

test.case("records are found, and none are an empty list", function()
	serve({ ["_x._tcp.a.test"] = { { "one.a.test", 1 }, { "two.a.test", 65535 } } },
		{ ["a.test"] = { { "first ", "and second" }, { "another" } } })
	test.equal(dns.srv "_x._tcp.a.test", { { target = "one.a.test", port = 1 }, { target = "two.a.test", port = 65535 } })
	test.equal(dns.txt "a.test", { "first and second", "another" })
	test.equal((dns.srv "_y._tcp.a.test"), {})
	test.equal((dns.txt "b.test"), {})
	dns.servers "127.0.0.1:1"
	local found, why = dns.txt "a.test"
	test.equal({ found, type(why) }, { nil, "string" })
end)

test.case("hosts have to belong to the name", function()
	for name, cases in pairs {
		["localhost"] = { ["localhost"] = false, ["a.localhost"] = true, ["alocalhost"] = false, ["localhost.a"] = false },
		["mongo.local"] = { ["mongo.local"] = false, ["b.mongo.local"] = true, ["b.evil.local"] = false },
		["blogs.mongodb.com"] = { ["c.mongodb.com"] = true, ["C.MONGODB.com"] = true, ["testmongodb.com"] = false,
			["blogs.evil.com"] = false, ["blogs.mongodb.com"] = true },
	} do
		for host, want in pairs(cases) do
			test.equal(srv.belongs(name, host), want, name .. " " .. host)
		end
	end
	serve { ["_mongodb._tcp.x.good.test"] = { { "a.good.test", 27017 }, { "a.evil.test", 27017 } } }
	test.raises("a.evil.test", resolve, "mongodb+srv://x.good.test/")
	test.raises("no SRV records", resolve, "mongodb+srv://y.good.test/")
end)

test.case("options of a TXT record count behind the others, and only those that may be there", function()
	local services = { ["_mongodb._tcp.x.good.test"] = { { "a.good.test", 1 }, { "b.good.test", 2 } } }
	local text = {}
	serve(services, { ["x.good.test"] = text })
	text[1] = { "authSource=t&replicaSet=r" }
	local found = resolve "mongodb+srv://u:p@x.good.test/?authSource=mine"
	test.equal({ found.options.authSource, found.options.replicaSet, found.options.tls, found.credential.source },
		{ "mine", "r", true, "mine" })
	test.equal(resolve("mongodb+srv://x.good.test/", { tls = false }).options.tls, nil)
	text[1] = { "loadBalanced=true" }
	test.raises("more than one host", resolve, "mongodb+srv://x.good.test/")
	text[1] = { "w=0" }
	test.raises("option 'w'", resolve, "mongodb+srv://x.good.test/")
	text[1], text[2] = { "authSource=a" }, { "authSource=b" }
	test.raises("more than one TXT", resolve, "mongodb+srv://x.good.test/")
	text[1], text[2] = nil, nil
	test.equal(#resolve("mongodb+srv://x.good.test/?srvMaxHosts=1").hosts, 1)
	test.equal(#resolve("mongodb+srv://x.good.test/?srvMaxHosts=9").hosts, 2)
end)

test.case("a client finds its servers by a name", function()
	local set = peers.deployment { topology = "sharded", version = "8.0.0", members = 2 }
	test.defer(set.close, set)
	local services = {}
	for i, member in ipairs(set.members) do
		services[i] = { "localhost", tonumber(member.address:match ":(%d+)$") }
	end
	-- What belongs to `localhost` has more in front of it, and is found without asking (RFC 6761).
	for _, found in ipairs(services) do
		found[1] = "a.localhost"
	end
	serve { ["_mongodb._tcp.localhost"] = services }
	local client = mongo.client { uri = "mongodb+srv://localhost/", tls = false }
	test.defer(client.disconnect, client)
	client.db.c:insertOne { _id = 1 }
	test.equal(client.db.c:countDocuments {}, 1)
	test.matches(tostring(client), "localhost")
end)

test.case("name servers are asked again, and what they say then counts", { timeout = 40 }, function()
	local set = peers.deployment { topology = "sharded", version = "8.0.0", members = 3 }
	test.defer(set.close, set)
	local function record(i)
		return { "a.localhost", tonumber(set.members[i].address:match ":(%d+)$") }
	end
	local services = { record(1) }
	local server = serve { ["_mongodb._tcp.localhost"] = services }
	-- Who follows them is another service.
	dns.servers(nil)
	skynet.setenv("name_servers", server.address)
	local client = mongo.client { uri = "mongodb+srv://localhost/", tls = false, heartbeatFrequencyMS = 500 }
	test.defer(client.disconnect, client)
	local function known()
		local ports = {}
		for address, found in pairs(client._core.topology.description.servers) do
			ports[tonumber(address:match ":(%d+)$")] = found.type
		end
		return ports
	end
	test.equal(known(), { [record(1)[2]] = "Mongos" })
	services[1], services[2] = record(2), record(3)
	test.eventually("the others are there", 20, function()
		local ports = known()
		return ports[record(2)[2]] == "Mongos" and ports[record(3)[2]] == "Mongos" and not ports[record(1)[2]]
	end)
	-- An answer with nothing changes nothing.
	services[1], services[2] = nil, nil
	local asked = server.asked["_mongodb._tcp.localhost"]
	test.eventually("it is asked again", 20, function()
		return server.asked["_mongodb._tcp.localhost"] > asked + 1
	end)
	test.equal(known()[record(2)[2]], "Mongos")
	client.db.c:insertOne { _id = 1 }
end)

test.run()
