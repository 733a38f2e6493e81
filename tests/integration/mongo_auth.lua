-- Logging in, against a server that insists on it.
-- timeout: 1200
local mongo = require "skynet.db.mongo"
local mongo_server = require "test.mongo"
local test = require "test"

local function start()
	return mongo_server.start { username = "user", password = "secret" }
end

local function works(conf)
	local client = mongo.client(conf)
	test.defer(client.disconnect, client)
	local ok, err = client.testdb.c:safe_insert { a = 1 }
	test.equal({ ok, err }, { true, nil })
	return client
end

test.case("SCRAM-SHA-256 and SCRAM-SHA-1, asked for or found out", { timeout = 900 }, function()
	local server = start()
	works { host = server.host, port = server.port, username = "user", password = "secret" }
	works { host = server.host, port = server.port, username = "user", password = "secret", authmod = "scram_sha256" }
	works(server:uri())
	works(server:uri "authSource=admin&authMechanism=SCRAM-SHA-256")
end)

test.case("a wrong password is an error that says so and does not repeat it", function()
	local server = start()
	for _, mechanism in ipairs { "scram_sha256", "scram_sha1" } do
		local err = test.raises("login", mongo.client, {
			host = server.host, port = server.port, username = "user", password = "hunter2", authmod = mechanism,
		})
		test.equal(err.code, "auth")
		test.equal(tostring(err):find("hunter2", 1, true), nil)
	end
	test.raises("not supported", mongo.client, server:uri "authMechanism=GSSAPI")
end)

test.case("a password beyond ASCII logs in, however its characters were composed", function()
	local server = mongo_server.start { username = "user", password = "p\u{E9}ncil\u{2168}" }
	for _, password in ipairs { "p\u{E9}ncil\u{2168}", "pe\u{301}ncilIX", "p\u{E9}n\u{AD}cilIX" } do
		works { host = server.host, port = server.port, username = "user", password = password, authmod = "scram_sha256" }
	end
	test.raises("login", mongo.client, {
		host = server.host, port = server.port, username = "user", password = "pencilIX", authmod = "scram_sha256",
	})
end)

test.case("without logging in the server refuses, and after db:auth it does not", function()
	local server = start()
	local client = mongo.client { host = server.host, port = server.port }
	test.defer(client.disconnect, client)
	local ok, err, reply = client.testdb.c:safe_insert { a = 1 }
	test.equal(ok, false)
	test.truthy(err)
	test.different(reply.ok, 1)
	test.equal(client.admin:auth("user", "wrong"), false)
	test.equal(client.admin:auth("user", "secret"), true)
	test.equal((client.testdb.c:safe_insert { a = 1 }), true)
	test.equal(client:logout(), true)
	test.equal((client.testdb.c:safe_insert { a = 1 }), false)
end)

test.run()
