-- MySQL and PostgreSQL through a pool: the callers' side. Statements go to the pool's service (reef.sql.keeper) and
-- results come back; the service has the connections.
local checks = require "reef.options"
local engine = require "skynet.core"
local errors = require "reef.channel.error"
local label_of = require "reef.pool.label"
local redacted = require("reef.text").redacted
local skynet = require "skynet"
local stream = require "reef.sql.stream"

local pool = {}

---@class reef.sql.pool.options
---@field pool string|nil           another name makes another pool of the same target
---@field size integer|nil          connections at most; 10
---@field queue integer|nil         requests that may wait for one; 65536
---@field queue_timeout number|nil  seconds that one may wait; 10
---@field idle number|nil           seconds after which a connection that nobody needs is closed; 60; 0: never
---@field drain number|nil          seconds for what was accepted, at the end; 4

local DEFAULTS <const> = { size = 10, queue = 65536, queue_timeout = 10, idle = 60, drain = 4 }
local KINDS <const> = {
	mysql = { options = "reef.mysql.options", module = "reef.mysql" },
	postgres = { options = "reef.postgres.options", module = "reef.db.postgres" },
}
-- Functions stay with their service.
local OWN <const> = { on_connect = true, overload = true, gap = true }

---@class reef.sql.pool
---@field timeout number|nil
---@field compact boolean
---@field raises boolean
---@field pin string|nil  of the transaction that this is
local methods = {}
local meta = { __index = methods, __name = "sql pool" }

local last_pin = 0

-- A text that is the same for the same target.
local function key_of(kind, conf, name)
	local words = {}
	for option, value in pairs(conf) do
		if type(value) == "table" then
			local parts = {}
			for k, v in pairs(value) do
				parts[#parts + 1] = ("%s=%q"):format(k, tostring(v))
			end
			table.sort(parts)
			value = table.concat(parts, ",")
		end
		words[#words + 1] = ("%s=%q"):format(option, tostring(value))
	end
	table.sort(words)
	return ("%s %s %s"):format(kind, name or "", table.concat(words, " "))
end

---@param kind "mysql"|"postgres"
---@param target table
---@param given reef.sql.pool.options|nil
---@return reef.sql.pool
function pool.new(kind, target, given)
	local known = setmetatable({ pool = true }, { __index = DEFAULTS })
	for name in pairs(DEFAULTS) do
		known[name] = true
	end
	checks.check("reef.pool", given, known)
	for name in pairs(type(target) == "table" and target or {}) do
		if OWN[name] then
			error(("reef.pool: a pool has no %s: its connections are of another service; there is init"):format(name))
		end
	end
	local conf = require(KINDS[kind].options).check(target)
	local options = {}
	for name, value in pairs(DEFAULTS) do
		local wanted = given and given[name] or value
		if type(wanted) ~= "number" or wanted < (name == "size" and 1 or 0) or wanted ~= wanted then
			error(("reef.pool: %s has to be a number, not %s"):format(name, redacted(checks.quoted(wanted))))
		end
		options[name] = wanted
	end
	local raises = conf.errors == "object" or kind == "postgres"
	conf.errors = nil
	local name = given and given.pool
	local client = { kind = kind, conf = conf, options = options, key = key_of(kind, conf, name),
		label = label_of(kind, ("%s/%s"):format(conf.where, conf.database or ""), name) }
	return setmetatable({
		false, client, timeout = conf.timeout, compact = conf.compact_arrays or false, raises = raises,
	}, meta)
end

-- ---- requests ----

local function address_of(client)
	if not client.address then
		engine.turnsto("pool " .. client.label)
		client.address, client.named = skynet.call(skynet.uniqueservice "reef_pools", "lua", "OPEN", client.kind,
			client.key, client.label, client.conf, client.options)
	end
	return client.address
end

local function take(ok, ...)
	if ok then
		return ...
	end
	local err = ...
	error(type(err) == "table" and errors.new(err) or err, 0)
end

-- Has the service not even looked at the request?
local function is_unseen(why)
	return why:find("call to invalid address", 1, true) ~= nil or why:find("before it handled the request", 1, true) ~= nil
end

-- A pool that has ended is opened anew, for what is not about something that was begun there.
local function ask(db, what, ...)
	local client = db[2]
	local answer = table.pack(pcall(skynet.call, address_of(client), "lua", what, ...))
	local unseen = not answer[1] and is_unseen(tostring(answer[2]))
	if unseen and what == "RUN" then
		client.address = nil
		answer = table.pack(pcall(skynet.call, address_of(client), "lua", what, ...))
	end
	if not answer[1] then
		client.address = nil
		error(errors.new({
			code = "ended", outcome = (unseen and what ~= "END") and "not sent" or "maybe applied", command = what,
			host = client.named or client.label,
		}, tostring(answer[2])), 0)
	end
	return take(table.unpack(answer, 2, answer.n))
end

local function answer_of(db, result)
	if db.raises and type(result) == "table" and result.badresult then
		error(require(KINDS[db[2].kind].module).error(result), 0)
	end
	return result
end

local function request(db, operation, ...)
	if db.pin then
		return answer_of(db, ask(db, "STEP", db.pin, db.timeout, db.compact, operation, ...))
	end
	return answer_of(db, ask(db, "RUN", db.timeout, db.compact, operation, ...))
end

-- postgres.bytes loses its metatable on the way, and needs none.
local function check(sql)
	if type(sql) ~= "string" then
		error("reef.pool: a query is a string, not a " .. type(sql))
	end
end

---As of the driver.
---@param sql string
---@param ... any
---@return table
function methods:query(sql, ...)
	check(sql)
	return request(self, "query", sql, ...)
end

---A statement for execute. The pool's connections prepare it when they first run it.
---@param sql string
---@return table
function methods:prepare(sql)
	check(sql)
	return { sql = sql }
end

---@param statement table
---@param ... any
---@return table
function methods:execute(statement, ...)
	return request(self, "execute", statement.sql, ...)
end

---Nothing is to be done: connections forget statements by themselves.
function methods:stmt_close() end

---Asks the server for an answer.
---@return table
function methods:ping()
	return request(self, "ping")
end

---@return string
function methods:server_ver()
	return request(self, "version")
end

---@param compact boolean
function methods:set_compact_arrays(compact)
	self.compact = compact and true or false
end

---The same pool with another time-out.
---@param options { timeout: number }
---@return reef.sql.pool
function methods:with(options)
	checks.check("reef.pool: with", options, { timeout = true })
	return setmetatable({ false, self[2], timeout = options.timeout }, { __index = self })
end

-- ---- pins ----

local function new_pin(db)
	last_pin = last_pin + 1
	local id = ("%x.%d"):format(skynet.self(), last_pin)
	local address = address_of(db[2])
	if not pcall(skynet.call, address, "debug", "PING") then
		db[2].address = nil
		address = address_of(db[2])
	end
	skynet.fork(pcall, skynet.call, address, "lua", "HOLD", id)
	return id, address
end

---Runs f(t, ...) in a transaction on a connection of its own, which is committed when f returns. `t` is this db, but
---raises what the server refuses. When f raises, or its coroutine or service ends, all is rolled back.
---@param f fun(t: reef.sql.pool, ...: any): ...
---@param ... any
---@return any results of f
function methods:transaction(f, ...)
	if self.pin then
		error("reef.pool: a transaction within a transaction")
	end
	local id, address = new_pin(self)
	local open <close> = setmetatable({ true }, { __close = function(open)
		if open[1] then
			skynet.send(address, "lua", "END", id, false, self.timeout)
		end
	end })
	ask(self, "BEGIN", id, self.timeout)
	local t = setmetatable({ false, self[2], pin = id, raises = true }, { __index = self })
	local results = table.pack(pcall(f, t, ...))
	if not results[1] then
		local err = results[2]
		if errors.is(err) and err.outcome == "maybe applied" then
			err = errors.new { code = err.code, outcome = "not sent", host = err.host, command = err.command,
				message = err.message .. "; nothing of the transaction is applied" }
		end
		open[1] = not pcall(ask, self, "END", id, false, self.timeout)
		error(err, 0)
	end
	open[1] = false
	ask(self, "END", id, true, self.timeout)
	return table.unpack(results, 2, results.n)
end

---The rows of a result one by one, of which only some are in memory at a time.
---@param sql string
---@param ... any
---@return fun(): table|nil
function methods:rows(sql, ...)
	check(sql)
	local id, address = self.pin, nil
	if not id then
		id, address = new_pin(self)
	end
	local function finish()
		skynet.send(address or address_of(self[2]), "lua", "CLOSE_ROWS", id)
	end
	local unused <close> = setmetatable({ true }, { __close = function(unused)
		if unused[1] then
			finish()
		end
	end })
	local more = ask(self, "ROWS", id, self.timeout, self.compact, sql, ...)
	unused[1] = not more
	return stream.loop(function()
		local rows
		rows, more = ask(self, "FETCH", id)
		return rows
	end, function()
		return more
	end, finish)
end

return pool
