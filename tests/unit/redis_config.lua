-- tsan: no, one thread does all of it
-- Where a Redis server is: URIs and tables.
local config = require "reef.redis.config"
local uris = require "reef.redis.uri"
local test = require "test"

local function part(conf, ...)
	local out = {}
	for _, name in ipairs { ... } do
		out[name] = conf[name]
	end
	return out
end

test.case("a URI says what a table says", function()
	local function check(uri, want)
		local got = part(uris.read(uri), "host", "port", "path", "username", "auth", "db", "resp", "timeout", "name")
		test.equal(got, want, uri)
	end
	check("redis://localhost", { host = "localhost" })
	check("redis://", { host = "127.0.0.1" })
	check("redis://localhost:7000/2", { host = "localhost", port = 7000, db = 2 })
	check("redis://:secret@h/0", { host = "h", auth = "secret", db = 0 })
	check("redis://secret@h", { host = "h", auth = "secret" })
	check("redis://bob:p%40ss%3A@h", { host = "h", username = "bob", auth = "p@ss:" })
	check("redis://bob:p@ss@h", { host = "h", username = "bob", auth = "p@ss" })
	check("REDIS://[::1]:6380/1", { host = "::1", port = 6380, db = 1 })
	check("redis://h?resp=3&timeout=2.5&name=a%20b", { host = "h", resp = 3, timeout = 2.5, name = "a b" })
	test.equal(uris.read("rediss://h:1?tls_ca_file=/a%20b&tls_verify_host=false"),
		{ host = "h", port = 1, tls = { ca_file = "/a b", verify_host = false } })
	test.equal(uris.read "redis://h".tls, nil)
	check("unix:///run/redis.sock?db=4", { path = "/run/redis.sock", db = 4 })
	check("unix://bob:pw@/run/my%20redis.sock", { path = "/run/my redis.sock", username = "bob", auth = "pw" })
end)

test.case("what is no URI is refused with its reason", function()
	test.raises("expected redis://", uris.read, "localhost:6379")
	test.raises("unknown scheme http", uris.read, "http://h")
	test.raises("bad address", uris.read, "redis://h:port")
	test.raises("bad address", uris.read, "redis://h:1:2")
	test.raises("bad address", uris.read, "redis://[::1")
	test.raises("db is no number", uris.read, "redis://h/first")
	test.raises("unknown option color$", uris.read, "redis://h?color=red")
	test.raises("unknown option timout %(did you mean timeout%?%)", uris.read, "redis://h?timout=1")
	test.raises("unknown option password %(did you mean auth%?%)", uris.read, "redis://h?password=secret")
	test.raises("tls is true or false", uris.read, "redis://h?tls=perhaps")
	test.raises("with TLS", uris.read, "rediss://h?tls=false")
	test.raises("timeout is no number", uris.read, "redis://h?timeout=soon")
	test.raises("absolute path", uris.read, "unix://relative")
end)

test.case("an error never names a password, whatever the shape of the URI", function()
	local secret = "s3cr3t"
	local before = { "", ":", "user:", "a@", "u:p@", ":p/", ":p?", ":p#", ":1/", "u:p?x=", "[", ":%", "::", "u:p&" }
	local behind = {
		"", "@h", "/x@h", "?x@h", "#x@h", "@h:port", "@h/db", "@h?color=red", "@h:1:2", "@[::1", ":x@h", "@@", "%zz@h/q",
	}
	local schemes = { "redis://", "rediss://", "unix://", "tcp://", "http://", "redis:/", "" }
	local refused = 0
	for _, scheme in ipairs(schemes) do
		for _, a in ipairs(before) do
			for _, b in ipairs(behind) do
				local uri = scheme .. a .. secret .. b
				local ok, reason = pcall(config.new, uri)
				refused = refused + (ok and 0 or 1)
				test.equal(not ok and tostring(reason):find(secret, 1, true) or nil, nil, uri)
			end
		end
	end
	test.truthy(refused > 300, refused)
	for _, query in ipairs {
		"password=s3cr3t", "Password=s3cr3t", "passwd=s3cr3t&x", "x_password=a@s3cr3t", "requirepass=s3cr3t",
	} do
		local ok, reason = pcall(config.new, "redis://h?" .. query)
		test.equal(not ok and tostring(reason):find(secret, 1, true) or nil, nil, query)
	end
	test.equal(uris.read "unix:///run/user@1000/redis.sock".path, "/run/user@1000/redis.sock")
end)

test.case("tables are checked and completed", function()
	local conf = config.new { host = "h" }
	test.equal(part(conf, "port", "timeout", "connect_timeout", "resp", "errors", "where"),
		{ port = 6379, timeout = 10, connect_timeout = 5, resp = 2, errors = "string", where = "h:6379" })
	test.equal(config.new { host = "/run/redis.sock" }.port, -1)
	test.equal(config.new { host = "unix:/run/redis.sock" }.host, "/run/redis.sock")
	test.equal(config.new { host = "::1", port = "7000" }.where, "[::1]:7000")
	test.equal(config.new("redis://h/1", { db = 2, timeout = 0 }).db, 2)
	test.equal(config.new({ uri = "redis://h/1", db = 3 }).db, 3)
	test.raises("a host is required", config.new, {})
	test.raises("bad port 70000", config.new, { host = "h", port = 70000 })
	test.raises('bad port "7a"', config.new, { host = "h", port = "7a" })
	test.raises('db has to be an integer of at least 0, not "x"', config.new, { host = "h", db = "x" })
	test.raises("resp is 2 or 3", config.new, { host = "h", resp = 4 })
	test.raises("timeout has to be a number", config.new, { host = "h", timeout = -1 })
	test.raises('timeout has to be a number of at least 0, not "1"', config.new, { host = "h", timeout = "1" })
	test.equal(config.new({ host = "h", tls = true }).tls, {})
	test.equal(config.new({ uri = "rediss://h", tls = { verify = false } }).tls, { verify = false })
	test.raises("tls: unknown option", config.new, { host = "h", tls = { certificate = "x" } })
	test.raises("errors is", config.new, { host = "h", errors = "none" })
end)

test.case("what has to be text is refused when it is none, and says so", function()
	for _, name in ipairs { "host", "path", "uri", "username", "auth", "name" } do
		for _, value in ipairs { 1.5, {}, print, true } do
			test.raises(("redis: %s has to be a string, not a %s"):format(name, type(value)), config.new,
				{ host = name ~= "host" and "h" or nil, [name] = value })
		end
	end
	test.equal(config.new { host = 7 }.host, "7")
	test.equal(config.new { host = "h", path = false, uri = false }.where, "h:6379")
	for _, value in ipairs { 1, "true", {} } do
		test.raises("redis: info is true or false", config.new, { host = "h", info = value })
	end
end)

test.case("numbers and booleans may be options of a URI", function()
	local conf = config.new("redis://h?pool=8&heartbeat=0.5&tls=true&tls_verify=false&tls_timeout=50&tls_alpn=a,b" ..
		"&limits_reply=9")
	test.equal(part(conf, "pool", "heartbeat", "tls", "limits"), { pool = 8, heartbeat = 0.5, limits = { reply = 9 },
		tls = { verify = false, timeout = 50, alpn = { "a", "b" } } })
	test.equal(config.new("redis://h?tls=false").tls, nil)
	test.equal(config.new("redis://h?tls=1").tls, {})
	for _, bad in ipairs { "timeout=0x10", "timeout=1e9", "timeout=nan", "timeout=", "timeout", "pool=many", "db=1.5" } do
		test.equal(pcall(config.new, "redis://h?" .. bad), false, bad)
	end
end)

test.case("options that nobody knows are refused, with what was probably meant", function()
	local function refused(name, meant)
		local err = test.raises("^redis: unknown option " .. name, config.new, { host = "h", [name] = 1 })
		test.equal(err:match "did you mean (.-)%?", meant, name)
		test.raises("unknown option " .. name, config.new, "redis://h", { [name] = 1 })
	end
	refused("hots", "host")
	refused("Timeout", "timeout")
	refused("conect_timeout", "connect_timeout")
	refused("password", "auth")
	refused("user", "username")
	-- A project's own key, which the API lets be: said once.
	test.equal(config.new({ host = "h", something_else = 1 }).host, "h")
	test.raises("a host is required", config.new, { "h" })
	test.raises("limits: unknown option replys %(did you mean reply%?%)", config.new,
		{ host = "h", limits = { replys = 1 } })
	test.raises("limits: options are a table", config.new, { host = "h", limits = 7 })
	test.raises("expected a table or a URI", config.new)
	test.raises("auth has to be a string, not a table", config.new, { host = "h", auth = {} })
	test.equal(config.new({ host = "h", auth = 123456, db = "3" }).auth, "123456")
	test.raises("db has to be an integer", config.new, { host = "h", db = "first" })
	test.raises("gap has to be a function", config.new, { host = "h", gap = true })
end)

test.case("the caller's table stays as it is", function()
	local mine = { host = "h" }
	config.new(mine)
	test.equal(mine, { host = "h" })
end)

test.case("clusters and Sentinels are named with several hosts", function()
	local function check(target, want)
		local conf = config.new(target)
		test.equal(part(conf, "kind", "host", "port", "username", "auth", "db", "master", "read"), want)
		return conf
	end
	local conf = check("redis+cluster://bob:pw@a:7000,b,[::1]:7002?read=replica",
		{ kind = "cluster", host = "a", port = 7000, username = "bob", auth = "pw", read = "replica" })
	test.equal(conf.hosts, { { host = "a", port = 7000 }, { host = "b", port = 6379 }, { host = "::1", port = 7002 } })
	check("redis://a:1,b:2", { kind = "cluster", host = "a", port = 1, read = "master" })
	check("redis://a:1?cluster=true", { kind = "cluster", host = "a", port = 1, read = "master" })
	check({ hosts = { { host = "a" }, "b:7" } }, { kind = "cluster", host = "a", port = 6379, read = "master" })
	test.truthy(config.new "rediss+cluster://a".tls)
	conf = check("redis+sentinel://:pw@s1,s2:7/my%2Fmaster/3?sentinel_auth=x",
		{ kind = "sentinel", host = "s1", port = 26379, auth = "pw", master = "my/master", db = 3, read = "master" })
	test.equal(conf.sentinels, { { host = "s1", port = 26379 }, { host = "s2", port = 7 } })
	test.equal(conf.sentinel_auth, "x")
	check({ sentinels = { "s" }, master = "m" }, { kind = "sentinel", host = "s", port = 26379, master = "m",
		read = "master" })
	for pattern, target in pairs {
		["unknown scheme redis%+ring"] = "redis+ring://a",
		["hosts are a list of 'host:port', not a:b"] = { hosts = { "a:b" } },
		["hosts are a list"] = { hosts = {} }, ["sentinels are a list"] = { sentinels = "x", master = "m" },
		["name of the master is required"] = { sentinels = { "x" } }, ["read is"] = { hosts = { "a" }, read = "both" },
		["nat is a table"] = { hosts = { "a" }, nat = 5 }, ["credentials is a function"] = { host = "a", credentials = 5 },
		["refresh has to be"] = { hosts = { "a" }, refresh = -1 },
	} do
		test.raises(pattern, config.new, target)
	end
	-- A node is as its deployment, elsewhere.
	local node = config.node(config.new("redis+cluster://bob:pw@a", { timeout = 3 }), "::2", 5)
	test.equal(part(node, "host", "port", "where", "auth", "username", "timeout"),
		{ host = "::2", port = 5, where = "[::2]:5", auth = "pw", username = "bob", timeout = 3 })
end)

test.run()
