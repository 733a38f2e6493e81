-- timeout: 200
-- Pools of MySQL and PostgreSQL: what becomes of a connection that somebody has for himself, a transaction or the rows
-- of a result, when two coroutines use it, or one is ended in the middle.
local pool = require "reef.pool"
local skynet = require "skynet"
local test = require "test"

local kinds = {
	mysql = {
		slow = "SELECT SLEEP(0.5)", many = "SELECT seq AS i FROM seq_1_to_5000", engine = " ENGINE=InnoDB",
		slow_rows = "SELECT seq AS i, REPEAT('x', 100) AS x, IF(seq > 1500, SLEEP(0.2), 0) AS s FROM seq_1_to_1505",
	},
	postgres = {
		slow = "SELECT pg_sleep(0.5)", many = "SELECT i FROM generate_series(1, 5000) AS i", engine = "",
		slow_rows = "SELECT i, REPEAT('x', 100) AS x, CASE WHEN i > 1500 THEN pg_sleep(0.2) END AS s " ..
			"FROM generate_series(1, 1505) AS i",
	},
}

local function number(db, sql)
	return tonumber(db:query(sql)[1].v)
end

for kind, words in pairs(kinds) do
	local function start()
		local server = require("test." .. kind).start()
		local target = { port = server.port }
		if kind == "mysql" then
			server:sql "CREATE DATABASE t"
			target.user, target.database = "root", "t"
		end
		local db = pool[kind](target, { size = 1, queue_timeout = 20 })
		test.defer(pool.close, db)
		db:query("CREATE TABLE acc (id INT PRIMARY KEY, n INT)" .. words.engine)
		db:query "INSERT INTO acc VALUES (1, 0)"
		return db
	end

	test.case(kind .. ": who is told that it was committed can rely on that, whatever other coroutines do", function()
		local db = start()
		local ok, err = pcall(db.transaction, db, function(t)
			t:query "UPDATE acc SET n = n + 1"
			skynet.fork(pcall, t.query, t, words.slow)
			skynet.sleep(5)
		end)
		test.equal(number(db, "SELECT n AS v FROM acc"), ok and 1 or 0)
		if not ok then
			test.equal(err.outcome, "not sent")
			test.matches(tostring(err), "another coroutine")
		end
		-- What the function raises is what its caller hears.
		test.raises("my own", db.transaction, db, function(t)
			skynet.fork(pcall, t.query, t, words.slow)
			skynet.sleep(5)
			error "my own"
		end)
	end)

	test.case(kind .. ": rows of a transaction that is over are an error, not their end", function()
		local db = start()
		local following, loop
		db:transaction(function(t)
			t:query "UPDATE acc SET n = n + 1"
			following, loop = t:rows(words.many)
		end)
		test.raises("over", following, loop)
		test.equal(number(db, "SELECT n AS v FROM acc"), 1)
	end)

	test.case(kind .. ": a coroutine that is ended gives its connection back, wherever it was", function()
		local db = start()
		for _, where in ipairs { "the first row", "a later row", "a statement", "the beginning" } do
			local co, reached
			skynet.fork(function()
				co = coroutine.running()
				if where == "the first row" then
					for _ in db:rows(words.slow) do
						test.fail "a row"
					end
				elseif where == "a later row" then
					for row in db:rows(words.slow_rows) do
						reached = row.i
					end
				else
					db:transaction(function(t)
						t:query "UPDATE acc SET n = n + 1"
						t:query(words.slow)
					end)
				end
			end)
			skynet.yield()
			if where ~= "the beginning" then
				skynet.sleep(10)
				test.eventually(where, 10, function()
					return where ~= "a later row" or reached
				end)
			end
			skynet.killthread(co)
			test.within(10, function()
				test.equal(number(db, "SELECT n AS v FROM acc"), 0, where)
			end)
			test.eventually("the connection back", 10, function()
				return pool.stat(db).in_flight == 0
			end)
		end
	end)
end

test.run()
