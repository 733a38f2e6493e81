-- timeout: 300
-- Pools of MySQL and PostgreSQL: statements of many services, transactions whose callers die, servers that are
-- killed, frozen and cut off while numbered transactions run. REEF_SOAK=N: they fail N times.
local pool = require "reef.pool"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local SOAK <const> = tonumber(os.getenv "REEF_SOAK") or 1
local MOST <const> = 99999 -- transactions of a worker

local kinds = {
	mysql = {
		add = "UPDATE acc SET n = n + ? WHERE id = ?", note = "INSERT INTO done VALUES (?)",
		slow = "SELECT SLEEP(20)", many = "SELECT seq AS i FROM seq_1_to_100000", engine = " ENGINE=InnoDB",
	},
	postgres = {
		add = "UPDATE acc SET n = n + $1::int WHERE id = $2", note = "INSERT INTO done VALUES ($1)",
		slow = "SELECT pg_sleep(20)", many = "SELECT i FROM generate_series(1, 100000) AS i", engine = "",
	},
}

local function start(kind)
	local server = require("test." .. kind).start()
	local target = { port = server.port }
	if kind == "mysql" then
		server:sql "CREATE DATABASE t"
		target.user, target.database = "root", "t"
	end
	return server, target
end

local function worker(kind, target, options)
	local address = test.service "sql_worker"
	skynet.call(address, "lua", "start", kind, target, options)
	return address
end

local function prepare(db, kind)
	db:query "DROP TABLE IF EXISTS acc"
	db:query "DROP TABLE IF EXISTS done"
	db:query("CREATE TABLE acc (id INT PRIMARY KEY, n INT)" .. kinds[kind].engine)
	db:query("CREATE TABLE done (i INT PRIMARY KEY)" .. kinds[kind].engine)
	for i = 1, 10 do
		db:query("INSERT INTO acc VALUES (" .. i .. ", 100)")
	end
end

local function number(db, sql)
	return tonumber(db:query(sql)[1].v)
end

for kind, words in pairs(kinds) do
	local function serves_many(server, target)
		local options = { size = 3 }
		local db = pool[kind](target, options)
		test.defer(pool.close, db)
		prepare(db, kind)
		test.equal(number(db, "SELECT SUM(n) AS v FROM acc"), 1000)
		test.matches(db:server_ver(), "^%d")
		-- Many services, three connections.
		local left = 10
		for i = 1, 10 do
			skynet.fork(function()
				local w = worker(kind, target, options)
				for _ = 1, 5 do
					test.equal(skynet.call(w, "lua", "query", "SELECT " .. i .. " AS v"), { { v = i } })
				end
				left = left - 1
			end)
		end
		test.eventually("all services", 30, function()
			return left == 0
		end)
		test.between(#pool.stat(db).connections, 1, 3)
		-- Errors arrive whole.
		local ok, err = pcall(db.query, db, "SELECT nothing")
		if kind == "mysql" then
			test.equal({ ok, err.badresult, err.errno }, { true, true, 1054 })
			ok, err = pcall(db.transaction, db, function(t)
				t:query "SELECT nothing"
			end)
		end
		test.equal({ ok, err.outcome, err.sqlstate }, { false, "rejected", kind == "mysql" and "42S22" or "42703" })
		ok, err = pcall(db.query, db:with { timeout = 0.3 }, words.slow)
		test.equal({ ok, err.code, err.outcome }, { false, "timeout", "maybe applied" })
		-- What one statement leaves behind nobody else meets.
		ok, err = pcall(db.query, db, "BEGIN")
		test.equal({ ok, err.outcome }, { false, "not sent" })
		-- Rows, to the end and not.
		local sum = 0
		for row in db:rows(words.many) do
			sum = sum + row.i
		end
		test.equal(sum, 5000050000)
		for row in db:rows(words.many) do
			if row.i == 10 then
				break
			end
		end
		-- Transactions: committed, raised, left by a caller that dies.
		test.equal(db:transaction(function(t, x)
			t:query(words.add, -x, 1)
			t:query(words.add, x, 2)
			local rows = 0
			for _ in t:rows "SELECT * FROM acc" do
				rows = rows + 1
			end
			return rows
		end, 5), 10)
		test.raises("my own", db.transaction, db, function(t)
			t:query(words.add, 1000, 1)
			error "my own"
		end)
		for _ = 1, 4 do
			local w = worker(kind, target, options)
			skynet.send(w, "lua", "hang", "UPDATE acc SET n = n + 1000")
			skynet.send(w, "lua", "hang_rows", words.many)
			skynet.sleep(10)
			skynet.kill(w)
		end
		test.equal(number(db, "SELECT SUM(n) AS v FROM acc"), 1000)
		test.eventually("all connections back", 20, function()
			return pool.stat(db).in_flight == 0
		end)
		-- All are in use, and nobody gives one back.
		local few = pool[kind](target, { size = 1, queue_timeout = 0.2, pool = "few" })
		few:transaction(function(t)
			t:query "SELECT 1 AS v"
			local refused, why = pcall(few.query, few, "SELECT 1 AS v")
			test.equal({ refused, why.code, why.outcome }, { false, "overload", "not sent" })
		end)
		test.equal(number(few, "SELECT 1 AS v"), 1)
		pool.close(few)
		test.equal(number(few, "SELECT 1 AS v"), 1)
		pool.close(few)
		server:kill()
		ok, err = pcall(db.query, db, "SELECT 1 AS v")
		test.equal(ok, false)
		test.truthy(err.outcome == "not sent" or err.outcome == "maybe applied")
	end

	local function keeps_promises(server, target)
		local direct = pool[kind](target, { size = 1, pool = "direct" })
		test.defer(pool.close, direct)
		prepare(direct, kind)
		local proxy = require("test.proxy").start(server.port)
		local through = {
			port = proxy.port, user = target.user, database = target.database, timeout = 1.5, connect_timeout = 1,
		}
		local workers, ended, outcomes = {}, 0, {}
		for k = 1, 4 do
			local w = worker(kind, through, { size = 3 })
			workers[k] = w
			skynet.fork(function()
				local what = { add = words.add, note = words.note }
				for i, outcome in pairs(skynet.call(w, "lua", "transfers", k * 100000, MOST, what)) do
					outcomes[i] = outcome
				end
				ended = ended + 1
			end)
		end
		for _ = 1, SOAK do
			proxy:set { cut = 60000 }
			skynet.sleep(20)
			server:freeze()
			skynet.sleep(40)
			server:thaw()
			skynet.sleep(20)
			proxy:cut()
			server:restart()
			skynet.sleep(20)
			proxy:hold()
			skynet.sleep(30)
			proxy:heal()
			proxy:set { cut = 3000 }
			skynet.sleep(50)
			proxy:pass()
		end
		skynet.sleep(20)
		for _, w in ipairs(workers) do
			skynet.call(w, "lua", "stop")
		end
		test.eventually("every call to end", 60, function()
			return ended == #workers
		end)
		local theirs = pool[kind](through, { size = 3 })
		test.eventually("all connections back", 20, function()
			return pool.stat(theirs).in_flight == 0
		end)
		pool.close(theirs)
		local counts = {}
		test.eventually("a server that answers", 20, function()
			return pcall(number, direct, "SELECT 1 AS v")
		end)
		local present = {}
		for _, row in ipairs(direct:query "SELECT i FROM done") do
			present[row.i] = true
		end
		for i, outcome in pairs(outcomes) do
			counts[outcome] = (counts[outcome] or 0) + 1
			if outcome == "applied" then
				test.truthy(present[i])
			elseif outcome ~= "maybe applied" then
				test.equal(present[i], nil)
			end
		end
		for outcome in pairs(counts) do
			test.truthy(outcome == "applied" or outcome == "not sent" or outcome == "maybe applied" or outcome == "rejected")
		end
		test.truthy((counts.applied or 0) > 0)
		-- All of a transaction, or nothing.
		test.equal(number(direct, "SELECT SUM(n) AS v FROM acc"), 1000)
		local want = {}
		for id = 1, 10 do
			want[id] = 100
		end
		for i in pairs(present) do
			want[i % 10 + 1] = want[i % 10 + 1] - 1
			want[(i * 7 + 3) % 10 + 1] = want[(i * 7 + 3) % 10 + 1] + 1
		end
		for _, row in ipairs(direct:query "SELECT id, n FROM acc") do
			test.equal(row.n, want[row.id])
		end
	end

	local promise = ": a pool serves many, and keeps its promises while the server fails"
	test.case(kind .. promise, { timeout = 120 * SOAK }, function()
		local server, target = start(kind)
		serves_many(server, target)
		server:restart()
		keeps_promises(server, target)
	end)
end

test.run()
