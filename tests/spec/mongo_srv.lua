-- Hosts and options from name servers, the suite `initial-dns-seedlist-discovery`: against a name server with the
-- records that the suite describes. Whether the hosts can be connected to is not tried: they are said to be on fixed
-- ports.
local dns = require "reef.dns"
local json = require "test.json"
local ns = require "test.nameserver"
local spec = require "test.spec"
local srv = require "reef.mongo.srv"
local test = require "test"
local uri = require "reef.mongo.uri"

local DOMAIN = "test.build.10gen.cc"

-- SUBDOMAIN = { service, { port, host }... }
local services = {}

local function add(name, port, host, service)
	local full = ("_%s._tcp.%s"):format(service or "mongodb", name)
	services[full] = services[full] or {}
	table.insert(services[full], { port, host })
end

local LOCAL = "localhost." .. DOMAIN
for _, n in ipairs { 1, 3, 5, 6, 7, 8, 10, 11, 20, 21 } do
	add(("test%d.%s"):format(n, DOMAIN), 27017, LOCAL)
end
add("test1." .. DOMAIN, 27018, LOCAL)
add("test2." .. DOMAIN, 27018, LOCAL)
add("test2." .. DOMAIN, 27019, LOCAL)
for n, host in pairs {
	[12] = "localhost.build.10gen.cc", [13] = "test.build.10gen.cc", [14] = "localhost.not-test.build.10gen.cc",
	[15] = "localhost.test.not-build.10gen.cc", [16] = "localhost.test.build.not-10gen.cc",
	[17] = "localhost.test.build.10gen.not-cc", [18] = "localhost.sub.test.build.10gen.cc",
	[19] = "localhost.evil.build.10gen.cc",
} do
	add(("test%d.%s"):format(n, DOMAIN), 27017, host)
end
add("test19." .. DOMAIN, 27017, LOCAL)
add("test22." .. DOMAIN, 27017, LOCAL, "customname")
add("test22." .. DOMAIN, 27018, LOCAL, "customname")
add("test23." .. DOMAIN, 8000, LOCAL)
add("test24." .. DOMAIN, 8000, LOCAL)
add("build.10gen.cc", 27017, "build.10gen.cc")
add(DOMAIN, 27017, DOMAIN)

local texts = {
	test5 = { { "replicaSet=repl0&authSource=thisDB" } }, test6 = { { "replicaSet=repl0" }, { "authSource=otherDB" } },
	test7 = { { "ssl=false" } }, test8 = { { "authSource" } }, test10 = { { "socketTimeoutMS=500" } },
	test11 = { { "replicaS", "et=rep", "l0" } }, test20 = { { "loadBalanced=true" } },
	test21 = { { "loadBalanced=false" } }, test24 = { { "loadBalanced=true" } },
}

-- Names mean the same in any case.
local function answer(asked, qtype, query)
	local name = asked:lower()
	local records = {}
	for _, found in ipairs(qtype == ns.SRV and services[name] or {}) do
		records[#records + 1] = ns.srv(found[2], found[1])
	end
	for _, strings in ipairs(qtype == ns.TXT and texts[name:match "^([^.]+)%." or ""] or {}) do
		records[#records + 1] = ns.txt(strings)
	end
	return { ns.reply(query, records[1] and ns.OK or ns.NXDOMAIN, records) }
end

local renamed = { ssl = "tls" }

local function run(case)
	local server = ns.start(answer)
	dns.servers(server.address)
	local ok, found = pcall(function()
		local parsed = uri.parse(case.uri)
		return parsed.srv and srv.resolve(parsed) or parsed
	end)
	if case.error == true then
		test.equal(ok, false, "it is refused")
		return
	end
	test.truthy(ok, tostring(found))
	local seeds = {}
	for i, host in ipairs(found.hosts) do
		seeds[i] = ("%s:%d"):format(host.host, host.port)
	end
	table.sort(seeds)
	if case.seeds then
		table.sort(case.seeds)
		test.equal(seeds, case.seeds)
	end
	if case.numSeeds then
		test.equal(#seeds, case.numSeeds)
	end
	local options = {}
	for name, value in pairs(found.options) do
		options[name:lower()] = value
	end
	for name, want in pairs(case.options or {}) do
		test.equal(options[(renamed[name] or name):lower()], want, name)
	end
	local parsed = case.parsed_options or {}
	for name, got in pairs { user = "username", password = "password", auth_database = "database", db = "database" } do
		if parsed[name] ~= nil and parsed[name] ~= json.null then
			test.equal(found[got], parsed[name], name)
		end
	end
end

spec.files("initial-dns-seedlist-discovery", function(name, case)
	test.case(name .. ": all of it", function()
		run(case)
	end)
end)

test.run()
