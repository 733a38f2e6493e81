-- timeout: 240
-- skynet.db.mysql with a real server: shapes of results, types both ways at their limits, connections.
local mysql = require "skynet.db.mysql"
local skynet = require "skynet"
local test = require "test"

local server

local function connect(more)
	server = server or require("test.mysql").start()
	local options = { host = "127.0.0.1", port = server.port, user = "root", database = "t" }
	for k, v in pairs(more or {}) do
		options[k] = v
	end
	local db = mysql.connect(options)
	test.defer(db.disconnect, db)
	return db
end

local function prepare_server()
	server = require("test.mysql").start()
	server:sql "CREATE DATABASE t"
end

test.case("everything", { timeout = 200 }, function()
	prepare_server()
	local function case(name, f)
		local ok, err = xpcall(f, function(e) return debug.traceback(tostring(e)) end)
		if not ok then
			test.fail(name .. ": " .. tostring(err))
		end
	end

	case("results have the shapes of the contract", function()
		local db = connect()
		test.matches(db:server_ver(), "^%d+%.%d+")
		local ok = db:query "CREATE TABLE a (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(20), n DECIMAL(10,2))"
		test.equal(ok, { affected_rows = 0, insert_id = 0, server_status = 2, warning_count = 0 })
		ok = db:query "INSERT INTO a (name, n) VALUES ('x', 1.50), ('y', NULL)"
		test.equal(ok, { affected_rows = 2, insert_id = 1, server_status = 2, warning_count = 0,
			message = "Records: 2  Duplicates: 0  Warnings: 0" })
		test.equal(db:query "SELECT * FROM a ORDER BY id", { { id = 1, name = "x", n = 1.5 }, { id = 2, name = "y" } })
		test.equal(db:query "SELECT * FROM a WHERE id > 7", {})
		db:set_compact_arrays(true)
		test.equal(db:query "SELECT id, name FROM a ORDER BY id", { { 1, "x" }, { 2, "y" } })
		db:set_compact_arrays(false)
		local bad = db:query "SELECT nothing FROM a"
		test.equal(bad, { badresult = true, errno = 1054, sqlstate = "42S22", err = "Unknown column 'nothing' in 'SELECT'" })
		local many = db:query "SELECT 1 AS a; UPDATE a SET name = 'z' WHERE id = 1; SELECT 2 AS b"
		test.equal(many.multiresultset, true)
		test.equal({ many[1], many[2].affected_rows, many[3] }, { { { a = 1 } }, 1, { { b = 2 } } })
		many = db:query "SELECT 1 AS a; SELECT nothing"
		test.equal({ many.multiresultset, many.badresult, many.errno, many[1] }, { true, true, 1054, { { a = 1 } } })
		test.equal(db:ping(), { affected_rows = 0, insert_id = 0, server_status = 2, warning_count = 0 })
	end)

	case("statements", function()
		local db = connect()
		local stmt = db:prepare "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e"
		test.equal({ stmt.param_count, stmt.field_count, #stmt.fields, #stmt.params, stmt.warning_count }, { 5, 5, 5, 5, 0 })
		test.equal(db:execute(stmt, 1, 2.5, "three", true, nil), { { a = 1, b = 2.5, c = "three", d = 1 } })
		test.equal(db:execute(stmt, 2.0, -1, "", false, "\0x"), { { a = 2, b = -1, c = "", d = 0, e = "\0x" } })
		test.raises("5 parameters, not 1", db.execute, db, stmt, 1)
		test.raises("parameter 1 is a table", db.execute, db, stmt, {}, 1, 1, 1, 1)
		test.equal(db:execute(stmt, 1, 1, 1, 1, 1)[1].a, 1)
		test.equal(db:stmt_reset(stmt).affected_rows, 0)
		db:stmt_close(stmt)
		test.raises("no statement", db.execute, db, stmt, 1, 1, 1, 1, 1)
		test.equal(db:prepare("SELEC").badresult, true)
		test.equal(db:prepare("SELEC").errno, 1064)
		db:query "CREATE PROCEDURE p (IN n INT) BEGIN SELECT n AS x; SELECT n + 1 AS y; END"
		local call = db:prepare "CALL p(?)"
		local results = db:execute(call, 4)
		test.equal(results.mulitresultset, true)
		test.equal({ results[1], results[2], results[3].affected_rows }, { { { x = 4 } }, { { y = 5 } }, 0 })
		results = db:query "CALL p(6)"
		test.equal({ results.multiresultset, results[1], results[2] }, { true, { { x = 6 } }, { { y = 7 } } })
		local bad = db:prepare "SELECT * FROM a WHERE id = (SELECT 1 UNION SELECT ?)"
		test.equal(db:execute(bad, 2).errno, 1242)
	end)

	case("types both ways at their limits", function()
		local db = connect()
		db:query [[CREATE TABLE types (k INT PRIMARY KEY, ti TINYINT, tu TINYINT UNSIGNED, si SMALLINT, mi MEDIUMINT, i INT,
			iu INT UNSIGNED, bi BIGINT, bu BIGINT UNSIGNED, f FLOAT, d DOUBLE, de DECIMAL(30,10), y YEAR, da DATE,
			dt DATETIME, dt6 DATETIME(6), ts TIMESTAMP NULL, tm TIME, tm3 TIME(3), c CHAR(3), v VARCHAR(300), b BLOB,
			lb LONGBLOB, bt BIT(12), e ENUM('a','b'), s SET('x','y'), j JSON, tx TEXT)]]
		local long = ("\0\1\255'"):rep(100)
		test.equal(db:query(([[INSERT INTO types VALUES (1, -128, 255, -32768, -8388608, -2147483648, 4294967295,
			-9223372036854775808, 18446744073709551615, 1.5, -1.7976931348623157e308, 12345678901234567890.0123456789, 2155,
			'9999-12-31', '9999-12-31 23:59:59', '1000-01-01 00:00:00.000001', '2038-01-19 03:14:07', '-838:59:59',
			'12:13:14.015', 'abc', %s, %s, 'x', b'101010101010', 'b', 'x,y', '{"a":1}', 'text')]]):format("'v'",
			mysql.quote_sql_str(long))).affected_rows, 1)
		db:query "INSERT INTO types (k) VALUES (2)"
		local want = {
			k = 1, ti = -128, tu = 255, si = -32768, mi = -8388608, i = -2147483648, iu = 4294967295, bi = math.mininteger,
			bu = 18446744073709551615.0, f = 1.5, d = -1.7976931348623157e308, de = 12345678901234567890.0123456789, y = 2155,
			da = "9999-12-31", dt = "9999-12-31 23:59:59", dt6 = "1000-01-01 00:00:00.000001", ts = "2038-01-19 03:14:07",
			tm = "-838:59:59", tm3 = "12:13:14.015", c = "abc", v = "v", b = long, lb = "x", bt = "\x0a\xaa", e = "b",
			s = "x,y", j = '{"a":1}', tx = "text",
		}
		test.equal(db:query "SELECT * FROM types WHERE k = 1", { want })
		test.equal(db:query "SELECT * FROM types WHERE k = 2", { { k = 2 } })
		local stmt = db:prepare "SELECT * FROM types WHERE k = ?"
		test.equal(db:execute(stmt, 1), { want })
		test.equal(db:execute(stmt, 2), { { k = 2 } })
		local exact = connect { exact = true }
		want.bu, want.de = "18446744073709551615", "12345678901234567890.0123456789"
		test.equal(exact:query "SELECT * FROM types WHERE k = 1", { want })
		test.equal(exact:execute(exact:prepare "SELECT * FROM types WHERE k = ?", 1), { want })
		-- And back: what was read is written and read again.
		local names = {}
		for name in pairs(want) do
			names[#names + 1] = name
		end
		local insert = exact:prepare(("INSERT INTO types (%s) VALUES (%s)"):format(table.concat(names, ","),
			("?,"):rep(#names):sub(1, -2)))
		local values = {}
		for i, name in ipairs(names) do
			values[i] = name == "k" and 3 or want[name]
		end
		test.equal(exact:execute(insert, table.unpack(values)).affected_rows, 1)
		want.k = 3
		test.equal(exact:query "SELECT * FROM types WHERE k = 3", { want })
		-- Texts of every length around those for which a row has a place, beside others.
		for _, size in ipairs { 0, 1, 63, 126, 127, 128, 129, 255, 256, 4095, 70000 } do
			local text = ("\0a'b"):rep(size // 4 + 1):sub(1, size)
			local sized = db:prepare "SELECT ? AS a, NULL AS n, ? AS b, ? AS c"
			test.equal(db:execute(sized, text, "between", text), { { a = text, b = "between", c = text } })
			db:stmt_close(sized)
		end
		-- Random numbers, by both protocols.
		math.randomseed(test.seed)
		local twice = db:prepare "SELECT ? AS i, ? AS d"
		for _ = 1, 200 do
			local i, d = math.random(0), (math.random() - 0.5) * 10.0 ^ math.random(-300, -1)
			test.equal(db:execute(twice, i, d), { { i = i, d = d } })
			test.equal(db:query(("SELECT %d AS i, %.17e AS d"):format(i, d)), { { i = i, d = d } })
		end
	end)

	case("a string is itself, however it is quoted", function()
		local db = connect { max_packet_size = 16 << 20 }
		local bytes = {}
		for i = 0, 255 do
			bytes[#bytes + 1] = string.char(i)
		end
		local all = table.concat(bytes)
		test.equal(db:query("SELECT CAST(" .. mysql.quote_sql_str(all) .. " AS BINARY) AS v")[1].v, all)
		test.equal(mysql.quote_sql_str "a'b\\\n", "'a\\'b\\\\\\n'")
		local large = all:rep(20000)
		test.equal(db:execute(db:prepare "SELECT ? AS v", large)[1].v == large, true)
		test.equal(db:query("SELECT REPEAT('x', 5000000) AS v")[1].v == ("x"):rep(5000000), true)
	end)

	case("a packet that is too large ends the connection, and the next is made", function()
		local db = connect()
		local ok, err = pcall(db.query, db, "SELECT REPEAT('x', 2000000) AS v")
		test.equal(ok, false)
		test.matches(tostring(err), "^%[Error: socket%].*")
		test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
	end)

	case("coroutines that share a connection get their own results, in order", function()
		local db = connect()
		local left, order = 200, {}
		for i = 1, 200 do
			skynet.fork(function()
				local result = db:query(("SELECT %d AS n"):format(i))
				test.equal(result, { { n = i } })
				order[#order + 1] = i
				left = left - 1
			end)
		end
		test.eventually("all answers", 20, function()
			return left == 0
		end)
		for i = 1, 200 do
			test.equal(order[i], i)
		end
	end)

	case("on_connect is called for each connection before others use it", function()
		local times = 0
		local db = connect { on_connect = function(db)
			times = times + 1
			test.equal(db:query("SET @who = 'me" .. times .. "'").badresult, nil)
		end }
		test.equal(db:query "SELECT @who AS w", { { w = "me1" } })
		local id = db:query "SELECT CONNECTION_ID() AS id"[1].id
		local stmt = db:prepare "SELECT @who AS w, ? AS x"
		server:sql("KILL " .. id)
		test.equal(db:query "SELECT @who AS w", { { w = "me2" } })
		test.equal(db:execute(stmt, 5), { { w = "me2", x = 5 } })
		test.equal(times, 2)
		local ok, err = pcall(connect, { on_connect = function()
			error "not today"
		end })
		test.equal(ok, false)
		test.matches(tostring(err), "not today")
	end)

	case("deadlines", function()
		local db = connect { timeout = 0.3 }
		local ok, err = pcall(db.query, db, "SELECT SLEEP(20)")
		test.equal({ ok, err.code, err.outcome }, { false, "timeout", "maybe applied" })
		test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
		-- The server is told.
		test.eventually("the server to give up", 10, function()
			return server:sql "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'" == "0"
		end)
		local slow = db:with { timeout = 5 }
		skynet.fork(function()
			slow:query "SELECT SLEEP(1)"
		end)
		skynet.sleep(1)
		ok, err = pcall(db.query, db, "SELECT 2 AS a")
		test.equal({ ok, err.code, err.outcome }, { false, "timeout", "not sent" })
		test.equal(slow:query "SELECT 3 AS a", { { a = 3 } })
	end)

	case("what cannot be connected to is said", function()
		local ok, err = pcall(connect, { password = "wrong" })
		test.equal({ ok, err.code, err.outcome }, { false, "auth", "not sent" })
		test.matches(tostring(err), "Access denied")
		ok, err = pcall(connect, { port = require("test.process").free_port() })
		test.equal({ ok, err.code, err.outcome }, { false, "connect", "not sent" })
		ok, err = pcall(connect, { charset = "klingon" })
		test.equal(ok, false)
		test.matches(tostring(err), "klingon")
		test.raises("unknown option usr %(did you mean user%?%)", mysql.connect, { usr = "x" })
		test.equal(connect({ host = server.path }):query "SELECT 1 AS a", { { a = 1 } })
		test.equal(connect({ host = "localhost" }):query "SELECT 1 AS a", { { a = 1 } })
	end)

	case("rows of one shape after the other", function()
		local db = connect()
		local long = ("x"):rep(60)
		for _ = 1, 20 do
			test.equal(db:query "SELECT 1 AS a, NULL AS b, 'c' AS c", { { a = 1, c = "c" } })
			test.equal(db:query "SELECT NULL AS a, 2 AS b, NULL AS c UNION ALL SELECT 3, NULL, 'd'",
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
		local n, sum, rows = test.count(1000000), 0, 0
		collectgarbage()
		local most = 0
		for row in db:rows(("SELECT seq, CONCAT('name', seq) AS name FROM seq_1_to_%d"):format(n)) do
			rows, sum = rows + 1, sum + row.seq
			if rows % 1000 == 0 then
				most = math.max(most, collectgarbage "count")
			end
		end
		test.equal({ rows, sum }, { n, n * (n + 1) // 2 })
		test.between(most, 0, 30000)
		-- It ends early, by whatever way.
		for _, sql in ipairs { "SELECT seq FROM seq_1_to_100000", "SELECT seq, ? AS x FROM seq_1_to_100000" } do
			local values = sql:find "?" and { 1 } or {}
			for row in db:rows(sql, table.unpack(values)) do
				if row.seq == 5000 then
					break
				end
			end
			pcall(function()
				for row in db:rows(sql, table.unpack(values)) do
					error(row)
				end
			end)
			test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
		end
		local ok, err = pcall(db.rows, db, "SELECT nothing")
		test.equal({ ok, err.outcome, err.errno }, { false, "rejected", 1054 })
		test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
		-- What is asked meanwhile is refused, and the loop goes on.
		local read = 0
		for row in db:rows "SELECT seq AS n FROM seq_1_to_3000" do
			read = read + row.n
			if row.n % 700 == 0 then
				test.equal(pcall(db.query, db, "SELECT 1 AS a"), false)
			end
		end
		test.equal(read, 3000 * 3001 // 2)
		test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
		local got = {}
		for row in db:rows("SELECT seq FROM seq_1_to_5 WHERE seq > ?", 2) do
			got[#got + 1] = row.seq
		end
		test.equal(got, { 3, 4, 5 })
	end)

	case("transactions", function()
		local db = connect()
		db:query "CREATE TABLE acc (id INT PRIMARY KEY, n INT) ENGINE=InnoDB"
		db:query "INSERT INTO acc VALUES (1, 100), (2, 100)"
		test.equal(db:transaction(function(t, n)
			t:query("UPDATE acc SET n = n - " .. n .. " WHERE id = 1")
			t:query("UPDATE acc SET n = n + " .. n .. " WHERE id = 2")
			return "done", n
		end, 30), "done")
		test.raises("Unknown column", db.transaction, db, function(t)
			t:query "UPDATE acc SET n = 0"
			t:query "UPDATE acc SET nothing = 0"
		end)
		test.raises("my own", db.transaction, db, function(t)
			t:query "UPDATE acc SET n = 0"
			error "my own"
		end)
		local ok, err = pcall(db.transaction, db, function(t)
			t:query "UPDATE acc SET n = 0"
			server:sql("KILL " .. t:query "SELECT CONNECTION_ID() AS id"[1].id)
			t:query "UPDATE acc SET n = 0"
		end)
		test.equal({ ok, err.outcome }, { false, "not sent" })
		test.equal(db:query "SELECT n FROM acc ORDER BY id", { { n = 70 }, { n = 130 } })
		local times = 0
		for _ = 1, 20 do
			skynet.fork(function()
				db:transaction(function(t)
					local n = t:query "SELECT n FROM acc WHERE id = 1"[1].n
					skynet.yield()
					t:query("UPDATE acc SET n = " .. n + 1 .. " WHERE id = 1")
				end)
				times = times + 1
			end)
		end
		test.eventually("twenty transactions", 20, function()
			return times == 20
		end)
		test.equal(db:query "SELECT n FROM acc WHERE id = 1", { { n = 90 } })
	end)

	case("what cannot be is refused, not taken for something else", function()
		for option, value in pairs { user = "root\0x", password = "\0", database = "t\0", charset = "utf8mb4\0" } do
			test.raises(option .. " has a zero byte", connect, { [option] = value })
		end
		for _, port in ipairs { 0, 1.5, 65536, 65536 + server.port, math.huge } do
			test.raises("port is a whole number from 1 to 65535", connect, { port = port })
		end
		for _, size in ipairs { 1.5, 1e30, (1 << 30) + 1 } do
			test.raises("max_packet_size is a whole number", connect, { max_packet_size = size })
		end
		for _, long in ipairs { 0, 1e7, 1e18, 1e300, math.huge } do
			local db = connect { timeout = long, connect_timeout = long }
			test.equal(db:query "SELECT SLEEP(0.02) AS v", { { v = 0 } })
			test.equal(db:with({ timeout = long }):query "SELECT SLEEP(0.02) AS v", { { v = 0 } })
		end
	end)

	case("a statement whose columns have changed fails once", function()
		local db = connect()
		db:query "CREATE TABLE grows (a INT)"
		db:query "INSERT INTO grows VALUES (1)"
		local all = db:prepare "SELECT * FROM grows WHERE a = ?"
		test.equal(db:execute(all, 1), { { a = 1 } })
		db:query "ALTER TABLE grows ADD b INT DEFAULT 2"
		local ok, err = pcall(db.execute, db, all, 1)
		test.equal({ ok, err.code, err.outcome }, { false, "closed", "maybe applied" })
		test.equal(db:execute(all, 1), { { a = 1, b = 2 } })
	end)

	case("a statement whose columns change their types, between others with other columns", function()
		local db = connect()
		db:query "CREATE TABLE kinds (a INT, b VARCHAR(500))"
		db:query "INSERT INTO kinds VALUES (7, 'x')"
		local two, three = db:prepare "SELECT a, b FROM kinds", db:prepare "SELECT b, a, b AS c FROM kinds"
		local values = { INT = -3, ["VARCHAR(500)"] = ("y"):rep(300), ["BIGINT UNSIGNED"] = math.maxinteger, DOUBLE = 1.5,
			["DATETIME(3)"] = "2024-01-31 23:59:59.125" }
		local names = {}
		for name in pairs(values) do
			names[#names + 1] = name
		end
		for _ = 1, 12 do
			local a, b = names[math.random(#names)], names[math.random(#names)]
			db:query "UPDATE kinds SET a = NULL, b = NULL"
			db:query(("ALTER TABLE kinds MODIFY a %s NULL, MODIFY b %s NULL"):format(a, b))
			test.equal(db:execute(two), { {} })
			db:query("UPDATE kinds SET a = ?, b = ?", values[a], values[b])
			test.equal(db:execute(two), { { a = values[a], b = values[b] } })
			test.equal(db:execute(three), { { a = values[a], b = values[b], c = values[b] } })
		end
	end)

	case("who is told that he is killed need not find out by his next statement", function()
		local db = connect()
		for _ = 1, 20 do
			test.equal(db:query("KILL CONNECTION_ID()").errno, 1927)
			test.equal(db:query "SELECT 1 AS a", { { a = 1 } })
		end
	end)

	case("a coroutine that is ended leaves its turn, and nothing of its answer, to the next", function()
		local db = connect()
		for _ = 1, 10 do
			local thread = skynet.fork(function()
				db:query "SELECT SLEEP(5) AS a"
			end)
			local waiting = skynet.fork(function()
				db:query "SELECT 2 AS a"
			end)
			skynet.sleep(2)
			skynet.killthread(waiting)
			skynet.killthread(thread)
			test.equal(db:query "SELECT 3 AS a", { { a = 3 } })
		end
	end)

	case("disconnected is disconnected", function()
		local db = connect()
		db:disconnect()
		test.raises("disconnected", db.query, db, "SELECT 1")
	end)
end)

test.run()
