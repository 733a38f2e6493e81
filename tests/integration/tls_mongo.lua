-- timeout: 1200
-- skynet.db.mongo and its pools over TLS, against a server with certificates of all kinds.
local certificates = require "test.tls"
local mongo = require "skynet.db.mongo"
local mongo_server = require "test.mongo"
local pool = require "reef.pool"
local test = require "test"

local world

local function start(which, options)
	certificates.check()
	world = certificates.world()
	options = options or {}
	options.tls = { cert = world[which].cert, key = world[which].key, ca = options.ca }
	return mongo_server.start(options)
end

local function uri(server, host, query)
	return ("mongodb://%s:%d/?serverSelectionTimeoutMS=5000&%s"):format(host, server.port, query)
end

local function works(target)
	local client = mongo.client(target)
	test.defer(client.disconnect, client)
	local ok, err = client.testdb.c:safe_insert { a = 1 }
	test.equal({ ok, err }, { true, nil })
	return client
end

local function good(server)
	return uri(server, "localhost", "tls=true&tlsCAFile=" .. world.ca.file)
end

test.case("commands work as they do without TLS, by connection string and by settings", { timeout = 900 }, function()
	local s = start "good"
	local client = works(good(s))
	local text = ("0123456789abcdef"):rep(256 * 1024)
	client.testdb.big:safe_insert { _id = 1, text = text }
	test.truthy(client.testdb.big:findOne({ _id = 1 }).text == text, "4 MiB there and back")
	for i = 1, 500 do
		client.testdb.many:safe_insert { i = i }
	end
	local n = 0
	local cursor = client.testdb.many:find {}
	while cursor:hasNext() do
		cursor:next()
		n = n + 1
	end
	test.equal(n, 500)
	works { host = "localhost", port = s.port, tls = true, tlsCAFile = world.ca.file }
	local pooled = pool.mongo(good(s))
	test.defer(pool.close, pooled)
	test.equal((pooled.testdb.c:safe_insert { a = 2 }), true)
end)

test.case("certificates that are expired, for somebody else, or by an unknown authority are refused by name",
	{ timeout = 300 }, function()
	local function refused(which, pattern)
		local s = start(which)
		local quick = good(s):gsub("=5000", "=500")
		test.raises(pattern:gsub("PORT", s.port), mongo.client, quick)
		works(uri(s, "localhost", "tls=true&tlsInsecure=true"))
		works(uri(s, "localhost", "tls=true&tlsAllowInvalidCertificates=true"))
		return s
	end
	refused("expired", "tls: certificate of localhost:PORT has expired %(2024%-01%-01%)")
	refused("stranger", "tls: certificate of localhost:PORT is signed by an unknown authority, 'Somebody'")
	local s = refused("other", "tls: certificate of localhost:PORT is for 'other.example', not 'localhost'")
	works(good(s) .. "&tlsAllowInvalidHostnames=true")
end)

test.case("a client's certificate is shown where the server wants one", { timeout = 300 }, function()
	local s = start("good", { ca = certificates.world().ca.file })
	works(good(s) .. "&tlsCertificateKeyFile=" .. world.client.both)
	local locked = world.ca:issue { name = "locked", password = "open sesame" }
	works(good(s) .. "&tlsCertificateKeyFilePassword=open%20sesame&tlsCertificateKeyFile=" .. locked.both)
	local quick = good(s):gsub("=5000", "=500")
	test.raises("requires a client certificate", mongo.client, quick)
	test.raises("is the password right", mongo.client,
		quick .. "&tlsCertificateKeyFilePassword=wrong&tlsCertificateKeyFile=" .. locked.both)
end)

test.case("users log in over TLS", { timeout = 300 }, function()
	local s = start("good", { username = "user", password = "secret" })
	works((good(s):gsub("//", "//user:secret@", 1)))
	test.raises("login", mongo.client, (good(s):gsub("//", "//user:wrong@", 1)))
end)

test.run()
