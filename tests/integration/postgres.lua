-- timeout: 240
-- reef.db.postgres with a real server: results, types both ways at their limits, statements, notifications, TLS,
-- logins.
local postgres = require "reef.db.postgres"
local skynet = require "skynet"
local test = require "test"
local tls = require "test.tls"

local server

local function connect(more)
	local options = { host = "127.0.0.1", port = server.port }
	for k, v in pairs(more or {}) do
		options[k] = v
	end
	local db = postgres.connect(options)
	test.defer(db.disconnect, db)
	return db
end

local function failure(f, ...)
	local ok, err = pcall(f, ...)
	test.equal(ok, false)
	return err
end

test.case("everything", { timeout = 200 }, function()
	tls.check()
	local w = tls.world()
	server = require("test.postgres").start {
		tls = { cert = w.good.cert, key = w.good.key, ca = w.ca.file },
		hba = [[
host all scram 127.0.0.1/32 scram-sha-256
host all md5 127.0.0.1/32 md5
host all clear 127.0.0.1/32 password
hostssl all crypted 127.0.0.1/32 scram-sha-256
hostssl all cert 127.0.0.1/32 cert map=m
host all crypted 127.0.0.1/32 reject
host all postgres 127.0.0.1/32 trust
]],
	}
	local function case(name, f)
		local ok, err = xpcall(f, function(e) return debug.traceback(tostring(e)) end)
		if not ok then
			test.fail(name .. ": " .. tostring(err))
		end
	end

	case("results", function()
		local db = connect()
		test.matches(db:server_ver(), "^%d+%.%d+")
		test.equal(db:query "CREATE TABLE a (id SERIAL PRIMARY KEY, name TEXT, n INT8)",
			{ affected_rows = 0, command = "CREATE TABLE" })
		test.equal(db:query("INSERT INTO a (name, n) VALUES ($1, $2), ($3, $4)", "x", 5, nil, -7),
			{ affected_rows = 2, command = "INSERT 0 2" })
		test.equal(db:query "SELECT * FROM a ORDER BY id", { { id = 1, name = "x", n = 5 }, { id = 2, n = -7 } })
		test.equal(db:query "SELECT * FROM a WHERE false", {})
		db:set_compact_arrays(true)
		test.equal(db:query "SELECT id, name, n FROM a ORDER BY id", { { 1, "x", 5 }, { 2, nil, -7 } })
		db:set_compact_arrays(false)
		local many = db:query "SELECT 1 AS a; UPDATE a SET n = 1; SELECT 2 AS b"
		test.equal(many, { { { a = 1 } }, { affected_rows = 2, command = "UPDATE 2" }, { { b = 2 } }, multiresultset = true })
		local err = failure(db.query, db, "SELECT nothing")
		test.equal({ err.code, err.outcome, err.sqlstate, tostring(err) },
			{ "42703", "rejected", "42703", 'column "nothing" does not exist' })
		err = failure(db.query, db, "INSERT INTO a (id) VALUES (1)")
		test.equal({ err.code, err.constraint }, { "23505", "a_pkey" })
		failure(db.query, db, "UPDATE a SET n = 100; SELECT nothing")
		test.equal(db:query "SELECT n FROM a WHERE n = 100", {})
		err = failure(db.query, db, "COPY a TO STDOUT")
		test.equal(err.code, "0A000")
		failure(db.query, db, "COPY a FROM STDIN")
		test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
		test.equal(db:query(("SELECT %s AS %s"):format(db:quote "it's \\", db:quote_name 'a"b')), { { ['a"b'] = "it's \\" } })
	end)

	case("types both ways at their limits", function()
		local db = connect()
		db:query [[CREATE TABLE types (k INT, b BOOL, i2 INT2, i4 INT4, i8 INT8, f4 FLOAT4, f8 FLOAT8, n NUMERIC(40,10),
			t TEXT, v VARCHAR(10), c CHAR(3), by BYTEA, d DATE, ts TIMESTAMP, tz TIMESTAMPTZ, iv INTERVAL, u UUID, j JSONB,
			ar INT[], ip INET)]]
		local all = {}
		for i = 0, 255 do
			all[i] = string.char(i)
		end
		all = table.concat(all, "", 0, 255)
		local want = {
			k = 1, b = true, i2 = -32768, i4 = -2147483648, i8 = math.mininteger, f4 = 1.5, f8 = 1.7976931348623157e308,
			n = "123456789012345678901234567890.0123456789", t = "\u{10FFFF} text", v = "", c = "abc", by = all,
			d = "0001-01-01", ts = "9999-12-31 23:59:59.999999", tz = "2024-06-01 12:00:00+00", iv = "1 day 02:03:04",
			u = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", j = '{"a": [1, null]}', ar = "{1,NULL,3}", ip = "10.0.0.1",
		}
		local names, marks, values = {}, {}, {}
		for name, value in pairs(want) do
			names[#names + 1] = name
			marks[#marks + 1] = "$" .. #names
			values[#values + 1] = name == "by" and postgres.bytes(value) or value
		end
		db:query "SET timezone = 'UTC'"
		local insert = ("INSERT INTO types (%s) VALUES (%s)"):format(table.concat(names, ","), table.concat(marks, ","))
		test.equal(db:query(insert, table.unpack(values)).affected_rows, 1)
		test.equal(db:query "SELECT * FROM types", { want })
		local statement = db:prepare(insert)
		test.equal(db:execute(statement, table.unpack(values)).affected_rows, 1)
		test.equal(db:query("SELECT * FROM types WHERE k = $1", 1), { want, want })
		test.equal(db:query("SELECT $1::int8 AS a, $2::float8 AS b, $3::float8 AS c, $4::bool AS d", math.maxinteger,
			math.huge, -math.huge, false), { { a = math.maxinteger, b = math.huge, c = -math.huge, d = false } })
		local nan = db:query("SELECT $1::float8 AS a", 0 / 0)[1].a
		test.truthy(nan ~= nan)
		math.randomseed(test.seed)
		local twice = db:prepare "SELECT $1::int8 AS i, $2::float8 AS d"
		for _ = 1, 200 do
			local i, d = math.random(0), (math.random() - 0.5) * 10.0 ^ math.random(-300, 300)
			test.equal(db:execute(twice, i, d), { { i = i, d = d } })
		end
		test.raises("parameter 1 has a zero byte", db.query, db, "SELECT $1::text", "a\0b")
		test.raises("parameter 1 is a table", db.query, db, "SELECT $1::text", {})
		local large = all:rep(20000)
		test.equal(db:query("SELECT $1::bytea AS v", postgres.bytes(large))[1].v == large, true)
		db:stmt_close(twice)
		test.raises("no statement", db.execute, db, twice, 1, 1)
	end)

	case("coroutines, reconnection, on_connect, deadlines", function()
		local times = 0
		local db = connect { timeout = 3, on_connect = function(db)
			times = times + 1
			db:query "SET search_path = pg_catalog"
		end }
		local left = 100
		for i = 1, 100 do
			skynet.fork(function()
				test.equal(db:query("SELECT $1::int AS n", i), { { n = i } })
				left = left - 1
			end)
		end
		test.eventually("all answers", 20, function()
			return left == 0
		end)
		local statement = db:prepare "SELECT $1::int AS x"
		server:sql("SELECT pg_terminate_backend(" .. db:query "SELECT pg_backend_pid() AS p"[1].p .. ")")
		test.eventually("a connection", 10, function()
			return pcall(db.query, db, "SELECT 1")
		end)
		test.equal(db:execute(statement, 5), { { x = 5 } })
		test.equal(times, 2)
		local err = failure(db.query, db:with { timeout = 0.3 }, "SELECT pg_sleep(30)")
		test.equal({ err.code, err.outcome }, { "timeout", "maybe applied" })
		test.eventually("the server to give up", 10, function()
			return server:sql [[SELECT COUNT(*) FROM pg_stat_activity
				WHERE query LIKE '%pg_sleep(30)' AND state = 'active']] == "0"
		end)
		test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
	end)

	case("rows of one shape after the other", function()
		local db = connect()
		local long = ("x"):rep(60)
		for _ = 1, 20 do
			test.equal(db:query "SELECT 1 AS a, NULL AS b, 'c' AS c", { { a = 1, c = "c" } })
			test.equal(db:query "SELECT NULL::int AS a, 2 AS b, NULL::text AS c UNION ALL SELECT 3, NULL::int, 'd'",
				{ { b = 2 }, { a = 3, c = "d" } })
			test.equal(db:query "SELECT 1 AS a, 2 AS b, 3 AS a", { { a = 3, b = 2 } })
			test.equal(db:query(("SELECT 1 AS %s, 2 AS b"):format(long)), { { [long] = 1, b = 2 } })
			for i = 1, 9 do
				test.equal(db:query(("SELECT %d AS n%d, NULL AS m"):format(i, i)), { { ["n" .. i] = i } })
			end
		end
		-- A row is a table as any other.
		local row = db:query("SELECT 1 AS a, NULL AS b")[1]
		row.b, row.c, row.a = 2, 3, nil
		test.equal(row, { b = 2, c = 3 })
	end)

	case("a large result in bounded memory", function()
		local db = connect()
		local n, sum, rows, most = test.count(1000000), 0, 0, 0
		collectgarbage()
		for row in db:rows("SELECT i, 'name' || i AS name FROM generate_series(1, $1::int) AS i", n) do
			rows, sum = rows + 1, sum + row.i
			if rows % 1000 == 0 then
				most = math.max(most, collectgarbage "count")
			end
		end
		test.equal({ rows, sum }, { n, n * (n + 1) // 2 })
		test.between(most, 0, 30000)
		for row in db:rows "SELECT i FROM generate_series(1, 50000) AS i" do
			if row.i == 5000 then
				break
			end
		end
		test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
		-- What is asked meanwhile is refused, and the loop goes on.
		local read = 0
		for row in db:rows "SELECT i AS n FROM generate_series(1, 3000) AS i" do
			read = read + row.n
			if row.n % 700 == 0 then
				test.equal(pcall(db.query, db, "SELECT 1 AS a"), false)
			end
		end
		test.equal(read, 3000 * 3001 // 2)
		test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
		test.equal(failure(db.rows, db, "SELECT nothing").outcome, "rejected")
		local err = failure(function()
			for _ in db:rows "SELECT 1000 / (5000 - i) AS x FROM generate_series(1, 10000) AS i" do end
		end)
		test.equal(err.code, "22012")
		test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
	end)

	case("transactions", function()
		local db = connect()
		db:query "CREATE TABLE acc (id INT PRIMARY KEY, n INT)"
		db:query "INSERT INTO acc VALUES (1, 100), (2, 100)"
		test.equal(db:transaction(function(t, n)
			t:query("UPDATE acc SET n = n - $1::int WHERE id = 1", n)
			t:query("UPDATE acc SET n = n + $1::int WHERE id = 2", n)
			return n
		end, 30), 30)
		test.raises("my own", db.transaction, db, function(t)
			t:query "UPDATE acc SET n = 0"
			error "my own"
		end)
		local err = failure(db.transaction, db, function(t)
			t:query "UPDATE acc SET n = 0"
			server:sql("SELECT pg_terminate_backend(" .. t:query "SELECT pg_backend_pid() AS p"[1].p .. ")")
			skynet.sleep(10)
			t:query "UPDATE acc SET n = 0"
		end)
		test.truthy(err.outcome == "not sent" or err.code == "57P01")
		-- A statement that failed and was caught: the COMMIT would be none.
		err = failure(db.transaction, db, function(t)
			t:query "UPDATE acc SET n = 0"
			pcall(t.query, t, "SELECT nothing")
		end)
		test.equal(err.outcome, "rejected")
		test.equal(db:query "SELECT n FROM acc ORDER BY id", { { n = 70 }, { n = 130 } })
	end)

	case("notifications", function()
		local gaps = 0
		local listener = postgres.listen({ port = server.port, heartbeat = 0.3, gap = function()
			gaps = gaps + 1
		end }, "news", 'o"d d')
		local db = connect()
		local got = {}
		skynet.fork(function()
			while pcall(function()
				local payload, channel = listener:message()
				got[#got + 1] = channel .. ":" .. payload
			end) do end
			got[#got + 1] = "end"
		end)
		for i = 1, 50 do
			db:notify("news", "n" .. i)
		end
		db:notify 'o"d d'
		test.eventually("51 notifications", 10, function()
			return #got == 51
		end)
		test.equal({ got[1], got[50], got[51] }, { "news:n1", "news:n50", 'o"d d:' })
		server:sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query = 'SELECT 1'"
		test.eventually("a gap", 10, function()
			return gaps > 0
		end)
		pcall(db.query, db, "SELECT 1")
		db:notify("news", "again")
		test.eventually("one more", 10, function()
			return #got == 52
		end)
		listener:disconnect()
		test.eventually("the end", 10, function()
			return got[53] == "end"
		end)
	end)

	case("TLS and logins", function()
		server:sql "SET password_encryption = 'md5'; CREATE USER md5 PASSWORD 'm'"
		server:sql "CREATE USER scram PASSWORD 's'; CREATE USER clear PASSWORD 'c'; CREATE USER crypted PASSWORD 'x'"
		local function cipher(options)
			return connect(options).session.info.cipher
		end
		test.equal(cipher {}, nil)
		test.truthy(cipher { tls = { ca_file = w.ca.file } })
		test.truthy(cipher { host = "localhost", tls = { ca_file = w.ca.file } })
		test.truthy(cipher { tls = { verify = false } })
		for _, wrong in ipairs { true, { ca_file = w.unknown.file }, { verify_host = false } } do
			local err = failure(connect, { tls = wrong })
			test.equal({ err.code, err.outcome }, { "connect", "not sent" })
			test.matches(tostring(err), "certificate")
		end
		for _, login in ipairs {
			{ user = "scram", password = "s", database = "postgres" }, { user = "md5", password = "m", database = "postgres" },
			{ user = "clear", password = "c", database = "postgres" },
			{ user = "scram", password = "s", database = "postgres", tls = { ca_file = w.ca.file } },
			{ user = "crypted", password = "x", database = "postgres", tls = { ca_file = w.ca.file, min_version = "1.3" } },
		} do
			test.equal(connect(login):query "SELECT current_user::text AS u"[1].u, login.user)
		end
		for _, login in ipairs {
			{ user = "scram", password = "wrong" }, { user = "md5", password = "wrong" }, { user = "scram" },
			{ user = "crypted", password = "x" }, { user = "nobody" }, { database = "nothing" },
		} do
			local err = failure(connect, login)
			test.equal({ err.code, err.outcome }, { "auth", "not sent" })
		end
		local err = failure(connect, { port = require("test.process").free_port() })
		test.equal({ err.code, err.outcome }, { "connect", "not sent" })
		test.equal(connect({ host = server.dir, port = server.port }):query "SELECT 1 AS a", { { a = 1 } })
		local path = '"x y", public'
		test.equal(connect({ settings = { search_path = path } }):query "SHOW search_path"[1].search_path, path)
		test.raises("unknown option usr", postgres.connect, { usr = "x" })
	end)

	case("what cannot be is refused, not taken for something else", function()
		local wrong = { user = "postgres\0x", password = "\0", database = "postgres\0", application_name = "\0" }
		for option, value in pairs(wrong) do
			test.raises(option .. " has a zero byte", connect, { [option] = value })
		end
		for _, port in ipairs { 0, 1.5, 65536, math.huge } do
			test.raises("port is a whole number from 1 to 65535", connect, { port = port })
		end
		test.raises("search_path has a zero byte", connect, { settings = { search_path = "a\0b" } })
		test.raises("not the name of a setting", connect, { settings = { ["x -c work_mem"] = "64kB" } })
		-- A value is one value, whatever white space it has.
		local before = connect():query "SHOW work_mem"[1].work_mem
		for _, space in ipairs { "\t", "\n", "\r", "\v", "\f", " " } do
			local name = ("x%s-c%swork_mem=64kB"):format(space, space)
			local db = connect { settings = { ["reef.name"] = name } }
			test.equal(db:query "SHOW reef.name"[1]["reef.name"], name)
			test.equal(db:query "SHOW work_mem"[1].work_mem, before)
		end
		local db, values = connect(), {}
		for i = 1, 65536 do
			values[i] = i
		end
		local id = db:query "SELECT pg_backend_pid() AS id"[1].id
		test.raises("at most 65535 parameters, not 65536", db.query, db, "SELECT $1::int", table.unpack(values))
		test.equal(db:query "SELECT pg_backend_pid() AS id"[1].id, id)
		for _, long in ipairs { 0, 1e7, 1e18, 1e300, math.huge } do
			local patient = connect { timeout = long, connect_timeout = long }
			test.equal(patient:query "SELECT 1 AS a FROM pg_sleep(0.02)", { { a = 1 } })
		end
	end)

	case("a statement that the server does not know any more is prepared again", function()
		local db = connect()
		db:query "CREATE TABLE grows (a INT)"
		db:query "INSERT INTO grows VALUES (1)"
		local all = db:prepare "SELECT * FROM grows WHERE a = $1"
		test.equal(db:execute(all, 1), { { a = 1 } })
		db:query "ALTER TABLE grows ADD b TEXT DEFAULT 'x'"
		test.equal(db:execute(all, 1), { { a = 1, b = "x" } })
		db:query "DISCARD ALL"
		test.equal(db:execute(all, 1), { { a = 1, b = "x" } })
		-- Within a transaction it is over, but not for ever.
		db:query "ALTER TABLE grows ADD c INT DEFAULT 3"
		test.raises("result type", db.transaction, db, function(t)
			t:execute(all, 1)
		end)
		test.equal(db:execute(all, 1), { { a = 1, b = "x", c = 3 } })
		db:stmt_close(all)
	end)
end)

test.run()
