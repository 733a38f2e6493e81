-- config: thread = 1
-- How connections to MySQL are made: TLS, what authentication the server offers, compression, and what a server may
-- not ask.
local mysql = require "skynet.db.mysql"
local skynet = require "skynet"
local test = require "test"
local tls = require "test.tls"

local function world()
	tls.check()
	local w = tls.world()
	local server = require("test.mysql").start {
		"--plugin-load-add=auth_ed25519", "--bind-address=0.0.0.0",
		tls = { cert = w.good.cert, key = w.good.key, ca = w.ca.file },
	}
	return w, server
end

test.case("TLS, authentication, compression", { timeout = 60 }, function()
	local w, server = world()
	local function try(more)
		local options = { port = server.port, user = "root" }
		for k, v in pairs(more) do
			options[k] = v
		end
		local ok, db = pcall(mysql.connect, options)
		if not ok then
			return nil, db
		end
		test.defer(db.disconnect, db)
		return db
	end
	local function cipher(db)
		return db:query "SHOW STATUS LIKE 'Ssl_cipher'"[1].Value
	end

	-- Whom we trust.
	local db = assert(try { tls = { ca_file = w.ca.file } })
	test.different(cipher(db), "")
	test.different(cipher(assert(try { host = "localhost", tls = { ca_file = w.ca.file } })), "")
	test.equal(cipher(assert(try {})), "")
	for _, wrong in ipairs {
		{ tls = true }, { tls = { verify_host = false } }, { tls = { ca_file = w.unknown.file } },
		{ tls = { ca_file = w.ca.file }, host = "127.0.0.2" },
		{ tls = { ca_file = w.unknown.file, verify_host = false } },
	} do
		local none, err = try(wrong)
		test.equal(none, nil)
		test.equal({ err.code, err.outcome }, { "connect", "not sent" })
		test.matches(tostring(err), "[Cc]ertificate")
	end
	test.different(cipher(assert(try { tls = { verify = false } })), "")
	test.different(cipher(assert(try { host = "127.0.0.2", tls = { ca_file = w.ca.file, verify_host = false } })), "")
	test.different(cipher(assert(try { tls = { ca_file = w.ca.file, min_version = "1.3" } })), "")

	-- Large statements and results, over TLS and compressed.
	for _, more in ipairs {
		{ tls = { ca_file = w.ca.file } }, { compress = true }, { compress = true, tls = { ca_file = w.ca.file } },
	} do
		more.max_packet_size = 32 << 20
		db = assert(try(more))
		local text = ("0123456789abcdef"):rep(300000)
		test.equal(db:query("SELECT '" .. text .. "' AS v")[1].v == text, true)
		test.equal(db:execute(db:prepare "SELECT ? AS v", text)[1].v == text, true)
		local n, ticks, waits = 0, 0, true
		skynet.fork(function()
			while waits do
				ticks = ticks + 1
				skynet.sleep(1)
			end
		end)
		db:query "SELECT SLEEP(0.3)"
		test.truthy(ticks > 2) -- nothing holds the only worker
		waits = false
		for _ in db:rows "SELECT seq, REPEAT('x', 100) FROM mysql.seq_1_to_20000" do
			n = n + 1
		end
		test.equal(n, 20000)
		if more.compress then
			test.equal(db:query "SHOW STATUS LIKE 'Compression'"[1].Value, "ON")
		end
	end

	-- Deadlines, also over TLS.
	for _, more in ipairs { {}, { tls = { ca_file = w.ca.file } } } do
		db = assert(try(more))
		local ok, err = test.within(10, pcall, db.query, db:with { timeout = 0.2 }, "SELECT SLEEP(20)")
		test.equal({ ok, err.code, err.outcome }, { false, "timeout", "maybe applied" })
		test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
	end

	-- Whom the server trusts.
	server:sql [[CREATE USER plain@'%' IDENTIFIED BY 'pa"ss';
		CREATE USER ed@'%' IDENTIFIED VIA ed25519 USING PASSWORD('secret');
		CREATE USER old@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('old');
		CREATE USER nobody@'%';
		CREATE USER cert@'%' REQUIRE X509;
		CREATE USER crypted@'%' IDENTIFIED BY 'x' REQUIRE SSL]]
	for _, login in ipairs {
		{ user = "plain", password = 'pa"ss' }, { user = "ed", password = "secret" }, { user = "old", password = "old" },
		{ user = "nobody" }, { user = "ed", password = "secret", tls = { ca_file = w.ca.file } },
		{ user = "crypted", password = "x", tls = { ca_file = w.ca.file } },
		{ user = "cert", tls = { ca_file = w.ca.file, cert_file = w.client.cert, key_file = w.client.key } },
		{ path = server.path, user = "root" },
	} do
		local who = assert(try(login))
		test.matches(who:query "SELECT CURRENT_USER() AS u"[1].u, "^" .. login.user)
	end
	for _, login in ipairs {
		{ user = "plain", password = "pass" }, { user = "ed", password = "Secret" }, { user = "ed" },
		{ user = "crypted", password = "x" }, { user = "cert", tls = { ca_file = w.ca.file } }, { user = "who" },
	} do
		local none, err = try(login)
		test.equal({ none, err.code, err.outcome }, { nil, "auth", "not sent" })
		test.matches(tostring(err), "denied")
	end
	-- A plugin that was not allowed.
	local none, err = try { user = "ed", password = "secret", auth_plugins = "mysql_native_password" }
	test.equal({ none, err.outcome }, { nil, "not sent" })
	db = assert(try {})
	test.equal(db:query("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE mysql.x").badresult, true)
end)

test.run()
