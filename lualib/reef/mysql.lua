-- MySQL and MariaDB; see docs/sql.md. Times are in seconds.
--
--     local mysql = require "reef.mysql"
--     local db = mysql.connect { host = "127.0.0.1", user = "game", password = "secret", database = "game" }
--     for _, row in ipairs(db:query "SELECT id, name FROM player") do print(row.id, row.name) end
--
-- What the server refuses is returned, as a table with `badresult`; what happens to the connection is raised.
local checks = require "reef.options"
local config = require "reef.mysql.options"
local core = require "reef.mysql.core"
local errors = require "reef.channel.error"
local session = require "reef.sql.session"
local stream = require "reef.sql.stream"

local statement_of = require("reef.sql.core").statement
local common = require "reef.sql.methods"

-- Places in a db (reef.sql.methods), and in the metatable of a prepared statement (drivers/sql/statement.h).
local TIMEOUT <const>, COMPACT <const> = 2, 3
local HANDLE <const>, GENERATION <const> = 1, 2

local mysql = {}

---@class mysql.db: reef.sql.db
---@field raises boolean   what the server refuses is raised, too
---@field statements table<table, table>  of each prepared statement its text, and its handle on one connection
---@field with fun(self: mysql.db, options: { timeout: number }): mysql.db
local methods = setmetatable({}, { __index = common })
local meta = { __index = methods, __name = "mysql" }

local protocol = {
	name = "mysql", target = config.target, new = core.new, operations = core.operations, begin = "START TRANSACTION",
}

-- Not the numbers of libmariadb itself: what a server has said while logging in.
function protocol.refused(number)
	return number ~= nil and number > 0 and (number < 2000 or number >= 3000) and (number < 5000 or number >= 6000)
end

-- ER_SERVER_SHUTDOWN, ER_CONNECTION_KILLED, ER_CLIENT_INTERACTION_TIMEOUT
local FAREWELLS <const> = { [1053] = true, [1927] = true, [4031] = true }

function protocol.farewell(result)
	return FAREWELLS[result.errno] or false
end

function protocol.kill(id)
	return "KILL " .. id
end

---What the server refuses, as an error with `code` (SQLSTATE), `errno` and `outcome`; any other error as it is.
---@param result table|any
---@return reef.channel.error|any
function mysql.error(result)
	if type(result) ~= "table" or not result.badresult then
		return result
	end
	return errors.new { code = result.sqlstate, outcome = "rejected", message = result.err, errno = result.errno,
		sqlstate = result.sqlstate }
end
protocol.rejection = mysql.error

---A db that connects when it is used.
---@param conf table  of reef.mysql.options
---@return mysql.db
function mysql.new(conf)
	return common.new({ raises = conf.errors == "object", statements = setmetatable({}, { __mode = "k" }) },
		session.new(protocol, conf), meta)
end

---Connects, by one attempt; raises when that fails. A connection that is lost later is made again by who needs it
---next.
---@param options mysql.options
---@return mysql.db
function mysql.connect(options)
	local db = mysql.new(config.check(options))
	db.session:use("connect", 0, db.session.conf.connect_timeout, function() end)
	return db
end

-- What the server refuses is returned or raised.
local function answer(db, result)
	if db.raises and result.badresult then
		error(mysql.error(result), 0)
	end
	return result
end

-- ---- statements ----

local function query(s, deadline, db, sql)
	return s:run("query", deadline, "query", sql, db[COMPACT])
end

local function query_slowly(db, deadline, sql, ...)
	if type(sql) ~= "string" then
		error("mysql: a query is a string, not a " .. type(sql))
	elseif select("#", ...) > 0 then
		return db:execute_text(sql, ...)
	end
	return answer(db, db.session:use_until("query", #sql, deadline, query, db, sql))
end

---Runs one or several statements. A SELECT answers a list of rows, others a table with affected_rows, insert_id,
---server_status, warning_count and message; several a list of these with `multiresultset`. What the server refuses
---answers badresult, err, errno and sqlstate. With values for its `?` it is one statement, which is prepared.
---@param self mysql.db
---@param sql string
---@param ... any
---@return table
methods.query = statement_of(core.operations.query, query_slowly, answer)

-- Prepares a statement on the connection that there is: what the server has told of it, or what it says no with.
local function prepare_here(s, deadline, entry)
	local handle = s.core:statement()
	local result = s:run("prepare", deadline, "prepare", handle, entry.sql)
	if result.badresult then
		return nil, result
	end
	entry[HANDLE], entry[GENERATION] = handle, s.generation
	return s.core:describe(handle)
end

---Prepares a statement, with a `?` for each value that is to come. It stays usable when the connection is made anew.
---@param sql string
---@return table statement  prepare_id, field_count, param_count, warning_count, params, fields; or badresult
function methods:prepare(sql)
	if type(sql) ~= "string" then
		error("mysql: a statement is a string, not a " .. type(sql))
	end
	local entry = { sql = sql }
	local statement, refused = self.session:use("prepare", #sql, self[TIMEOUT], prepare_here, entry)
	if not statement then
		return answer(self, refused)
	end
	self.statements[statement] = entry
	return setmetatable(statement, entry)
end

local function handle_of(s, deadline, db, statement)
	local entry = db.statements[statement]
	if entry[GENERATION] ~= s.generation then
		local again, refused = prepare_here(s, deadline, entry)
		if not again then
			return nil, refused
		end
		statement.prepare_id = again.prepare_id
	end
	return entry[HANDLE]
end

local function execute(s, deadline, db, statement, ...)
	local handle, refused = handle_of(s, deadline, db, statement)
	return refused or s:run("execute", deadline, "execute", handle, db[COMPACT], false, ...)
end

local function check_statement(db, statement, given)
	if not db.statements[statement] then
		error("mysql: this is no statement that db:prepare has made, or it is closed", given and 4 or 3)
	elseif given and given ~= statement.param_count then
		error(("mysql: the statement has %d parameters, not %d"):format(statement.param_count, given))
	end
end

local function execute_slowly(db, deadline, statement, ...)
	check_statement(db, statement, select("#", ...))
	return answer(db, db.session:use_until("execute", 0, deadline, execute, db, statement, ...))
end

---Runs a prepared statement. Values are nil, booleans (1 and 0), numbers and strings.
---@param self mysql.db
---@param statement table  of prepare
---@param ... any
---@return table           as of query, but several results are marked by `mulitresultset`
methods.execute = statement_of(core.operations.execute, execute_slowly, answer)

local function reset(s, deadline, db, statement)
	local handle, refused = handle_of(s, deadline, db, statement)
	return refused or s:run("reset", deadline, "reset", handle)
end

---Takes a statement back to the state after prepare.
---@param statement table
---@return table
function methods:stmt_reset(statement)
	check_statement(self, statement)
	return answer(self, self.session:use("reset", 0, self[TIMEOUT], reset, self, statement))
end

---Lets go of a statement; the server is told with the next one.
---@param statement table
function methods:stmt_close(statement)
	check_statement(self, statement)
	local entry = self.statements[statement]
	self.statements[statement] = nil
	setmetatable(statement, nil)
	entry[HANDLE]:close()
end

-- ---- large results ----

---Internal.
---Begins a result that is read part by part, on the connection that there is.
---@return table|nil names  nil: it has no rows
function methods.begin_rows(s, deadline, db, sql, ...)
	local result, names
	if select("#", ...) == 0 then
		result, names = s:run("query", deadline, "query", sql, db[COMPACT], true)
	else
		local entry = { sql = sql }
		local statement, refused = prepare_here(s, deadline, entry)
		if not statement then
			error(mysql.error(refused), 0)
		elseif statement.param_count ~= select("#", ...) then
			error(("mysql: the statement has %d parameters, not %d"):format(statement.param_count, select("#", ...)), 0)
		end
		result, names = s:run("execute", deadline, "execute", entry[HANDLE], db[COMPACT], true, ...)
	end
	if result.badresult then
		error(mysql.error(result), 0)
	end
	return names and result or nil
end

---The rows of a result one by one, of which only some are in memory at a time. The connection is the caller's until
---the loop ends, in whatever way; other coroutines wait. What the server refuses is raised.
---@param sql string
---@param ... any  values for its `?`
---@return fun(): table|nil
function methods:rows(sql, ...)
	return stream.each(self.session, self[TIMEOUT], self.begin_rows, self, sql, ...)
end

-- ---- the rest ----

local function ping(s, deadline)
	return s:run("ping", deadline, "ping")
end

---@return table  as of a statement without rows
function methods:ping()
	return answer(self, self.session:use("ping", 0, self[TIMEOUT], ping))
end

local escapes = {
	["\0"] = "\\0", ["\b"] = "\\b", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\26"] = "\\Z", ["\\"] = "\\\\",
	["'"] = "\\'", ['"'] = '\\"',
}

---A text as a literal of SQL, with its quotes.
---@param text string|number
---@return string
function mysql.quote_sql_str(text)
	if type(text) ~= "number" then
		checks.needs("mysql.quote_sql_str: what it is to quote", text, "string")
	end
	return "'" .. string.gsub(text, "[%z\b\n\r\t\26\\'\"]", escapes) .. "'"
end

return mysql
