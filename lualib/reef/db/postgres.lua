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

local find = string.find
local one = require("reef.sql.core").one
local QUERY, EXECUTE <const> = core.operations.query, core.operations.execute

local postgres = {}

---@class postgres.db: reef.sql.db
---@field statements table<table, table>  of each prepared statement its text, and the connection that knows it
---@field last integer                    number of the last
local methods = setmetatable({}, { __index = require "reef.sql.methods" })
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
	local s = session.new(protocol, conf)
	local db = setmetatable({ session = s, compact = s.conf.compact_arrays or false, last = 0,
		timeout = conf.timeout,
		statements = setmetatable({}, { __mode = "k" }) }, meta)
	s.db = db
	return db
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
		error(("postgres: %s is a string, not a %s"):format(what, type(text)), 3)
	elseif text:find("\0", 1, true) then
		error(("postgres: %s has a zero byte"):format(what), 3)
	end
end

local function query(s, deadline, db, sql, ...)
	return s:run("query", deadline, "query", sql, db.compact, false, ...)
end

---Runs a statement. One with rows answers a list of them, others a table with affected_rows and command. Without
---values it may be several, which are one transaction: then a list of results comes with `multiresultset`.
---@param sql string
---@param ... any  values for $1, $2 ...: nil, booleans, numbers, strings, postgres.bytes
---@return table
function methods:query(sql, ...)
	if type(sql) ~= "string" or find(sql, "\0", 1, true) then
		check_text("a query", sql)
	end
	local s, compact = self.session, self.compact
	local result, deadline = one(s.turn, "query", self.timeout, QUERY, nil, sql, compact, false, ...)
	return answer(result or s:use_until("query", #sql, deadline, query, self, sql, ...))
end

-- ---- statements ----

local function new_name(db)
	local root = db.session.db
	root.last = root.last + 1
	return "reef_" .. root.last
end

-- Makes sure that the server knows a statement: why not, or nothing.
local function prepare_here(s, deadline, entry)
	if entry.generation == s.generation then
		return nil
	end
	local result = s:run("prepare", deadline, "prepare", entry.name, entry.sql)
	if result.badresult then
		return result
	end
	entry.generation = s.generation
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
	local entry = { sql = sql, name = new_name(self) }
	answer(self.session:use("prepare", #sql, self.timeout, prepare, entry))
	local statement = setmetatable({ sql = sql }, { __name = "statement" })
	self.statements[statement] = entry
	return statement
end

local function execute_here(s, deadline, db, entry, ...)
	return prepare_here(s, deadline, entry) or s:run("execute", deadline, "execute", entry.name, db.compact, false, ...)
end

-- The server refuses it before it runs: it knows the statement no more, or its columns are others by now.
local STALE <const> = { ["26000"] = true, ["0A000"] = true }

local NONE <const> = -1 -- the generation of no connection

-- Is it to be prepared again, since the server has refused what it was on the connection of that generation?
local function is_stale(s, db, entry, generation, result)
	if not STALE[result.sqlstate] then
		return false
	end
	if entry.generation == generation then
		entry.generation, entry.name = nil, new_name(db)
	end
	return s.core ~= nil and s.core:transaction() == "idle"
end

local function execute(s, deadline, db, entry, ...)
	local generation = entry.generation
	local result = execute_here(s, deadline, db, entry, ...)
	if generation == s.generation and result.badresult and is_stale(s, db, entry, generation, result) then
		return execute_here(s, deadline, db, entry, ...)
	end
	return result
end

local function entry_of(db, statement)
	return db.statements[statement] or error("postgres: this is no statement that db:prepare has made, or it is closed", 3)
end

---Runs a prepared statement.
---@param statement table
---@param ... any
---@return table  as of query
function methods:execute(statement, ...)
	local s, entry, compact = self.session, entry_of(self, statement), self.compact
	local generation = entry.generation or NONE
	local result, deadline = one(s.turn, "execute", self.timeout, EXECUTE, generation, entry.name, compact, false, ...)
	if not result then
		result = s:use_until("execute", 0, deadline, execute, self, entry, ...)
	elseif result.badresult and is_stale(s, self, entry, generation, result) then
		result = s:use("execute", 0, self.timeout, execute, self, entry, ...)
	end
	return answer(result)
end

local function close_here(s, deadline, db, entry)
	if entry.generation == s.generation then
		return s:run("close", deadline, "query", "DEALLOCATE " .. entry.name, db.compact, false)
	end
	return {}
end

---Lets go of a prepared statement.
---@param statement table
function methods:stmt_close(statement)
	local entry = entry_of(self, statement)
	self.statements[statement] = nil
	answer(self.session:use("close", 0, self.timeout, close_here, self, entry))
end

-- ---- the rest ----

---Internal.
---Begins a result that is read part by part, on the connection that there is.
---@return table|nil names  nil: it has no rows
function methods.begin_rows(s, deadline, db, sql, ...)
	local result, names = answer(s:run("query", deadline, "query", sql, db.compact, true, ...))
	return names and result or nil
end

---The rows of a result one by one, of which only some are in memory at a time. The connection is the caller's until
---the loop ends, in whatever way; other coroutines wait.
---@param sql string
---@param ... any
---@return fun(): table|nil
function methods:rows(sql, ...)
	check_text("a query", sql)
	return stream.each(self.session, self.timeout, self.begin_rows, self, sql, ...)
end

local function quote(s, _, text, name)
	return s.core:quote(text, name)
end

---A text as a literal of SQL, with its quotes.
---@param text string
---@return string
function methods:quote(text)
	check_text("a text", text)
	return self.session:use("quote", 0, self.timeout, quote, text, false)
end

---A name as an identifier of SQL, with its quotes.
---@param name string
---@return string
function methods:quote_name(name)
	check_text("a name", name)
	return self.session:use("quote", 0, self.timeout, quote, name, true)
end

---Tells those who listen on a channel.
---@param channel string
---@param payload string|nil
function methods:notify(channel, payload)
	self:query("SELECT pg_notify($1, $2)", channel, payload or "")
end

return postgres
