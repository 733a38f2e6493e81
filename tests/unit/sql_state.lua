-- tsan: no, one thread does all of it
-- reef.sql.state: what a pool takes for harmless leaves nothing behind in a connection.
local state = require "reef.sql.state"
local test = require "test"

test.case("statements that leave nothing behind", function()
	for _, sql in ipairs {
		"SELECT 1", "  select * from a", "(SELECT 1) UNION (SELECT 2)", "INSERT INTO a VALUES (1);", "UPDATE a SET n = 1 ; ",
		"DELETE FROM a", "WITH x AS (SELECT 1) SELECT * FROM x", "CREATE TABLE a (id INT)", "DROP TABLE a", "\nTRUNCATE a",
	} do
		test.equal({ sql, state.is_changed_by(sql) }, { sql, false })
	end
	test.equal(state.is_changed_by(nil), false)
end)

test.case("statements that may", function()
	for _, sql in ipairs {
		"SET @a = 1", "USE other", "LOCK TABLES a WRITE", "CREATE TEMPORARY TABLE a (id INT)", "create temp table a (id int)",
		"SELECT GET_LOCK('a', 1)", "SELECT pg_advisory_lock(1)", "SELECT set_config('a.b', 'c', false)", "SELECT @a := 1",
		"SELECT 1 INTO @a", "SELECT 1 INTO@a", "SELECT 1 INTO/**/@a", "SELECT 1; SET @a = 1",
		"PREPARE p AS SELECT 1", "LISTEN news", "CALL p()", "DO 1", "BEGIN",
		"/* note */ SET @a = 1", "", "-- note\nSELECT 1", ("SELECT 1;"):rep(500) .. "SET @a = 1",
	} do
		test.equal({ sql, state.is_changed_by(sql) }, { sql, true })
		test.equal({ sql, state.is_changed_by(sql) }, { sql, true })
	end
end)

test.case("the memory of texts is bounded", function()
	for i = 1, 5000 do
		test.equal(state.is_changed_by("SELECT " .. i), false)
	end
	test.equal(state.is_changed_by "SET x = 1", true)
end)

test.run()
