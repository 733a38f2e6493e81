-- PostgreSQL; see docs/sql.md. Times are in seconds.
--
--     local postgres = require "reef.db.postgres"
--     local db = postgres.connect { host = "127.0.0.1", user = "game", password = "secret", database = "game" }
--     for _, row in ipairs(db:query("SELECT id, name FROM player WHERE level > $1", 5)) do print(row.id, row.name)
-- end
--
-- What the server refuses is raised, as what happens to the connection is.
local config = require "reef.postgres.options"
local core = require "reef.postgres.core"
local errors = require "reef.channel.error"
local session = require "reef.sql.session"
local stream = require "reef.sql.stream"

local statement_of = require("reef.sql.core").statement
local common = require "reef.sql.methods"

-- Places in a db (reef.sql.methods), and in the metatable of a prepared statement (drivers/sql/statement.h).
local TIMEOUT <const>, COMPACT <const> = 2, 3
local HANDLE <const>, GENERATION <const> = 1, 2

local postgres = {}

---@class postgres.db: reef.sql.db
---@field statements table<table, table>  of each prepared statement its text, and the connection that knows it
---@field last integer                    number of the last
local methods = setmetatable({}, { __index = common })
local meta = { __index = methods, __name = "postgres" }

local protocol = {
	name = "postgres", target = config.target, new = core.new, operations = core.operations, begin = "BEGIN",
}

-- libpq has no numbers; these are the beginnings of what it cannot do by itself.
function protocol.refused(_, why)
	return why:find("FATAL:", 1, true) ~= nil or why:find("no password supplied", 1, true) ~= nil
end

function protocol.farewell(result)
	return result.severity == "FATAL" or result.severity == "PANIC"
end

function protocol.kill(id)
	return ("SELECT pg_terminate_backend(%d)"):format(id)
end

function protocol.rejection(result)
	local fields = { code = result.sqlstate, outcome = "rejected", message = result.err }
	for name, value in pairs(result) do
		if name ~= "badresult" and name ~= "err" then
			fields[name] = value
		end
	end
	return errors.new(fields)
end

---A db that connects when it is used.
---@param conf table  of reef.postgres.options
---@return postgres.db
function postgres.new(conf)
	return common.new({ last = 0, statements = setmetatable({}, { __mode = "k" }) }, session.new(protocol, conf), meta)
end

---Connects, by one attempt; raises when that fails. A connection that is lost later is made again by who needs it
---next.
---@param options postgres.options
---@return postgres.db
function postgres.connect(options)
	local db = postgres.new(config.check(options))
	db.session:use("connect", 0, db.session.conf.connect_timeout, function() end)
	return db
end

---Hears of notifications: a connection of its own. See reef.postgres.listener.
---@param options postgres.options
---@param ... string  channels
---@return postgres.listener
function postgres.listen(options, ...)
	return require("reef.postgres.listener").new(session.new(protocol, config.check(options)), ...)
end

local bytes_meta = { __name = "bytes" }

---A parameter that is a bytea.
---@param text string
---@return table
function postgres.bytes(text)
	return setmetatable({ text }, bytes_meta)
end

-- What the server refuses is raised.
local function answer(result, ...)
	if result.badresult then
		error(protocol.rejection(result), 0)
	end
	return result, ...
end

local function check_text(what, text)
	if type(text) ~= "string" then
		error(("postgres: %s is a string, not a %s"):format(what, type(text)))
	elseif text:find("\0", 1, true) then
		error(("postgres: %s has a zero byte"):format(what))
	end
end

local function query(s, deadline, db, sql, ...)
	return s:run("query", deadline, "query", sql, db[COMPACT], false, ...)
end

local function query_slowly(db, deadline, sql, ...)
	check_text("a query", sql)
	return answer(db.session:use_until("query", #sql, deadline, query, db, sql, ...))
end

local function refused(_, result)
	error(protocol.rejection(result), 0)
end

---Runs a statement. One with rows answers a list of them, others a table with affected_rows and command. Without
---values it may be several, which are one transaction: then a list of results comes with `multiresultset`.
---@param self postgres.db
---@param sql string
---@param ... any  values for $1, $2 ...: nil, booleans, numbers, strings, postgres.bytes
---@return table
methods.query = statement_of(core.operations.query, query_slowly, refused)

-- ---- statements ----

local function new_name(db)
	local root = db.session.db
	root.last = root.last + 1
	return "reef_" .. root.last
end

-- Makes sure that the server knows a statement: why not, or nothing.
local function prepare_here(s, deadline, entry)
	if entry[GENERATION] == s.generation then
		return nil
	end
	local result = s:run("prepare", deadline, "prepare", entry[HANDLE], entry.sql)
	if result.badresult then
		return result
	end
	entry[GENERATION] = s.generation
end

local function prepare(s, deadline, entry)
	return prepare_here(s, deadline, entry) or entry
end

---Prepares a statement, with $1, $2 ... for the values that are to come. It stays usable when the connection is made
---anew.
---@param sql string
---@return table statement
function methods:prepare(sql)
	check_text("a statement", sql)
	local entry = { [HANDLE] = new_name(self), sql = sql, __name = "statement" }
	answer(self.session:use("prepare", #sql, self[TIMEOUT], prepare, entry))
	local statement = setmetatable({ sql = sql }, entry)
	self.statements[statement] = entry
	return statement
end

local function execute_here(s, deadline, db, entry, ...)
	return prepare_here(s, deadline, entry)
		or s:run("execute", deadline, "execute", entry[HANDLE], db[COMPACT], false, ...)
end

-- The server refuses it before it runs: it knows the statement no more, or its columns are others by now.
local STALE <const> = { ["26000"] = true, ["0A000"] = true }

-- Is it to be prepared again, since the server has refused what it was on the connection of that generation?
local function is_stale(s, db, entry, generation, result)
	if not STALE[result.sqlstate] then
		return false
	end
	if entry[GENERATION] == generation then
		entry[GENERATION], entry[HANDLE] = nil, new_name(db)
	end
	return s.core ~= nil and s.core:transaction() == "idle"
end

local function execute(s, deadline, db, entry, ...)
	local generation = entry[GENERATION]
	local result = execute_here(s, deadline, db, entry, ...)
	if generation == s.generation and result.badresult and is_stale(s, db, entry, generation, result) then
		return execute_here(s, deadline, db, entry, ...)
	end
	return result
end

local function entry_of(db, statement)
	return db.statements[statement]
		or error("postgres: this is no statement that db:prepare has made, or it is closed")
end

local function execute_slowly(db, deadline, statement, ...)
	local entry = entry_of(db, statement)
	return answer(db.session:use_until("execute", 0, deadline, execute, db, entry, ...))
end

local function execute_refused(db, result, deadline, statement, ...)
	local s, entry = db.session, db.statements[statement]
	if entry and is_stale(s, db, entry, s.generation, result) then
		return answer(s:use_until("execute", 0, deadline, execute, db, entry, ...))
	end
	return refused(db, result)
end

---Runs a prepared statement.
---@param self postgres.db
---@param statement table
---@param ... any
---@return table  as of query
methods.execute = statement_of(core.operations.execute, execute_slowly, execute_refused)

local function close_here(s, deadline, db, entry)
	if entry[GENERATION] == s.generation then
		return s:run("close", deadline, "query", "DEALLOCATE " .. entry[HANDLE], db[COMPACT], false)
	end
	return {}
end

---Lets go of a prepared statement.
---@param statement table
function methods:stmt_close(statement)
	local entry = entry_of(self, statement)
	self.statements[statement] = nil
	setmetatable(statement, nil)
	answer(self.session:use("close", 0, self[TIMEOUT], close_here, self, entry))
end

-- ---- the rest ----

---Internal.
---Begins a result that is read part by part, on the connection that there is.
---@return table|nil names  nil: it has no rows
function methods.begin_rows(s, deadline, db, sql, ...)
	local result, names = answer(s:run("query", deadline, "query", sql, db[COMPACT], true, ...))
	return names and result or nil
end

---The rows of a result one by one, of which only some are in memory at a time. The connection is the caller's until
---the loop ends, in whatever way; other coroutines wait.
---@param sql string
---@param ... any
---@return fun(): table|nil
function methods:rows(sql, ...)
	check_text("a query", sql)
	return stream.each(self.session, self[TIMEOUT], self.begin_rows, self, sql, ...)
end

local function quote(s, _, text, name)
	return s.core:quote(text, name)
end

---A text as a literal of SQL, with its quotes.
---@param text string
---@return string
function methods:quote(text)
	check_text("a text", text)
	return self.session:use("quote", 0, self[TIMEOUT], quote, text, false)
end

---A name as an identifier of SQL, with its quotes.
---@param name string
---@return string
function methods:quote_name(name)
	check_text("a name", name)
	return self.session:use("quote", 0, self[TIMEOUT], quote, name, true)
end

---Tells those who listen on a channel.
---@param channel string
---@param payload string|nil
function methods:notify(channel, payload)
	self:query("SELECT pg_notify($1, $2)", channel, payload or "")
end

return postgres
