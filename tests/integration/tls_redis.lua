-- timeout: 300
-- skynet.db.redis and its pools over TLS, against a redis-server with certificates of all kinds.
local certificates = require "test.tls"
local pool = require "reef.pool"
local redis = require "skynet.db.redis"
local server = require "test.redis"
local socket = require "skynet.socket"
local test = require "test"
local tls = require "reef.tls"

local world

local function start(which, ...)
	certificates.check()
	world = certificates.world()
	return server.start_tls(world[which], world.ca.file, ...)
end

local function connect(s, options, tls_options)
	options = options or {}
	options.host, options.port = options.host or "localhost", s.port
	options.tls = tls_options or { ca_file = world.ca.file }
	local db = redis.connect(options)
	test.defer(pcall, db.disconnect, db)
	return db
end

test.case("commands, pipelines, transactions and subscriptions work as they do without TLS", function()
	local s = start "good"
	local db = connect(s)
	test.equal(db:set("k", "v"), "OK")
	test.equal(db:get "k", "v")
	local big = ("0123456789abcdef"):rep(256 * 1024)
	db:set("big", big)
	test.truthy(db:get "big" == big, "4 MiB there and back")
	local replies = {}
	for i = 1, 500 do
		replies[i] = { "ECHO", "n" .. i }
	end
	replies = db:pipeline(replies, {})
	for i = 1, 500 do
		test.equal(replies[i].out, "n" .. i)
	end
	db:multi()
	db:incr "n"
	test.equal(db:exec(), { 1 })
	local watch = redis.watch { host = "localhost", port = s.port, tls = { ca_file = world.ca.file } }
	test.defer(watch.disconnect, watch)
	watch:subscribe "news"
	db:publish("news", "hello")
	test.equal(watch:message(), "hello")
end)

test.case("a URI says it all", function()
	local s = start "good"
	local uri = ("rediss://localhost:%d/1?tls_ca_file=%s"):format(s.port, world.ca.file)
	local db = redis.connect(uri)
	test.defer(db.disconnect, db)
	test.equal(db:set("k", "in 1"), "OK")
	test.equal(s:cli("-n", "1", "GET", "k"), "in 1")
	test.raises("tls: certificate of localhost:%d+ is signed by an unknown authority", redis.connect,
		("rediss://localhost:%d"):format(s.port))
	test.equal(redis.connect(uri .. "&tls_verify=false"):ping(), "PONG")
	test.raises("tls: unknown option cafile %(did you mean ca_file%?%)", redis.connect,
		("rediss://localhost:%d?tls_cafile=x"):format(s.port))
end)

test.case("certificates that are expired, for somebody else, or by an unknown authority are refused by name", function()
	local function refused(which, pattern)
		local s = start(which)
		local err = test.raises(pattern:gsub("PORT", s.port), connect, s)
		test.equal(err.code, "connect")
		test.equal(err.outcome, "not sent")
		test.equal(connect(s, nil, { verify = false }):ping(), "PONG", "unless nothing is verified")
	end
	refused("expired", "tls: certificate of localhost:PORT has expired %(2024%-01%-01%)")
	refused("other", "tls: certificate of localhost:PORT is for 'other.example', not 'localhost'")
	refused("stranger", "tls: certificate of localhost:PORT is signed by an unknown authority, 'Somebody'")
	local s = start "other"
	test.equal(connect(s, nil, { ca_file = world.ca.file, verify_host = false }):ping(), "PONG")
	test.equal(connect(s, nil, { ca_file = world.ca.file, server_name = "other.example" }):ping(), "PONG")
	s = start "stranger"
	test.raises("unknown authority", connect, s, nil, { ca_file = world.ca.file, verify_host = false })
end)

test.case("an address counts as a name when the certificate says so", function()
	local s = start "good"
	test.equal(connect(s, { host = "127.0.0.1" }):ping(), "PONG")
	s = start "other"
	test.raises("is for 'other.example', not '127.0.0.1'", connect, s, { host = "127.0.0.1" })
end)

test.case("a server that wants a client's certificate gets it, and says so when there is none", function()
	local s = start("good", { "--tls-auth-clients", "yes" })
	local client = world.client
	local own = { ca_file = world.ca.file, cert_file = client.cert, key_file = client.key }
	test.equal(connect(s, nil, own):ping(), "PONG")
	test.equal(connect(s, nil, { ca_file = world.ca.file, cert_file = client.both }):ping(), "PONG")
	test.raises("requires a client certificate", connect, s)
	local stranger = world.stranger_client
	test.raises("refuses our certificate: it is signed by an unknown authority", connect, s, nil,
		{ ca_file = world.ca.file, cert_file = stranger.cert, key_file = stranger.key })
end)

test.case("ACL users log in over TLS", function()
	local s = start("good", { "--user", "bob", "on", ">secret", "~*", "+@all" })
	local db = connect(s, { username = "bob", auth = "secret", resp = 3 })
	test.equal(db:acl "whoami", "bob")
	local err = test.raises("WRONGPASS", connect, s, { username = "bob", auth = "wrong" })
	test.equal(err.code, "auth")
end)

test.case("a server without TLS is found out", function()
	certificates.check()
	world = certificates.world()
	local s = server.start()
	test.raises("tls: localhost:%d+ .*speak TLS", connect, s, { connect_timeout = 1 })
	local encrypted = start "good"
	local plain = { host = "localhost", port = encrypted.port, connect_timeout = 5 }
	test.equal((pcall(redis.connect, plain)), false, "and the other way round")
end)

test.case("a connection that was lost comes back, and sessions are resumed", function()
	local s = start "good"
	local db = connect(s)
	test.equal(db:ping(), "PONG")
	for _ = 1, 3 do
		s:cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
		test.eventually("the connection again", 20, function()
			return (pcall(db.ping, db))
		end)
	end
	for round = 1, 3 do
		local id = assert(tls.connect("localhost", s.port, { ca_file = world.ca.file, min_version = "1.3" }))
		socket.write(id, "PING\r\n")
		test.equal(socket.readline(id, "\r\n"), "+PONG")
		test.equal(tls.info(id).resumed, round > 1)
		socket.close(id)
	end
end)

test.case("pools use TLS, one for each set of options", function()
	local s = start "good"
	local target = { host = "localhost", port = s.port, tls = { ca_file = world.ca.file } }
	local db = pool.redis(target, { size = 2 })
	test.defer(pool.close, db)
	local wrong = 0
	test.together(200, function(i)
		wrong = wrong + (db:echo("v" .. i) == "v" .. i and 0 or 1)
	end)
	test.equal(wrong, 0)
	target.tls = { ca_file = world.unknown.file }
	local other = pool.redis(target, { size = 1 })
	test.defer(pool.close, other)
	test.raises("unknown authority", other.ping, other)
	test.equal(db:ping(), "PONG")
end)

test.run()
