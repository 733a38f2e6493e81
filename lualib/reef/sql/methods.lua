-- What connections to SQL servers have in common, whatever they speak.
local checks = require "reef.options"
local now = require "reef.base.now"

-- Places in a db: whose turn it is, seconds for a statement, are rows lists? C reads them (drivers/sql/statement.h).
local TURN <const>, TIMEOUT <const>, COMPACT <const> = 1, 2, 3

---@class reef.sql.db
---@field session reef.sql.session
---@field raises boolean
local methods = {}

---Internal.
---Makes a db of a table with what its driver needs.
---@param db table
---@param session reef.sql.session
---@param meta table
---@return reef.sql.db
function methods.new(db, session, meta)
	db.session = session
	db[TURN], db[TIMEOUT], db[COMPACT] = session.turn, session.conf.timeout, session.conf.compact_arrays or false
	session.db = db
	return setmetatable(db, meta)
end

---Internal.
---How its next statements are run.
---@param seconds number
---@param compact boolean|nil  nil: as before
function methods:set(seconds, compact)
	self[TIMEOUT] = seconds
	if compact ~= nil then
		self[COMPACT] = compact
	end
end

---Runs f(t, ...) in a transaction, which is committed when f returns. `t` is this db, but raises what the server
---refuses. When f raises, all is rolled back, and the error is raised again. Other coroutines' statements wait
---meanwhile.
---@param f fun(t: reef.sql.db, ...: any): ...
---@param ... any
---@return any results of f
function methods:transaction(f, ...)
	local t = setmetatable({ raises = true }, { __index = self })
	return self.session:transaction(self[TIMEOUT], f, t, ...)
end

local MOST_PREPARED <const> = 256

-- The prepared statement for a text, of which each connection remembers some; nil, and what the server refuses; nil,
-- nil and a new one.
local function prepared(self, sql)
	local root = self.session.db
	local cache = root.cache
	if not cache or cache.count >= MOST_PREPARED then
		for _, statement in pairs(cache and cache.by_text or {}) do
			self:stmt_close(statement)
		end
		cache = { count = 0, by_text = {} }
		root.cache = cache
	end
	local statement = cache.by_text[sql]
	if statement then
		return statement
	end
	statement = self:prepare(sql)
	if statement.badresult then
		return nil, statement
	end
	if root.cache == cache then
		cache.by_text[sql], cache.count = statement, cache.count + 1
	end
	return nil, nil, statement
end

-- The same connection, until then.
local function until_then(self, deadline)
	local left = deadline == math.huge and 0 or math.max(deadline - now(), 0.001)
	return setmetatable({ [TIMEOUT] = left }, { __index = self })
end

---Internal.
---Runs a statement that is prepared first, unless the connection remembers it: both within the time-out.
---@param sql string
---@param ... any
---@return table
function methods:execute_text(sql, ...)
	local deadline = self.session:deadline(self[TIMEOUT])
	local statement, refused, new = prepared(self, sql)
	if new then
		return until_then(self, deadline):execute(new, ...)
	end
	return refused or self:execute(statement, ...)
end

---The server's version, as it says it.
---@return string
function methods:server_ver()
	return self.session.info.version
end

---Rows as lists in the order of the columns (true), or by column name.
---@param compact boolean
function methods:set_compact_arrays(compact)
	self[COMPACT] = compact and true or false
end

---The same connection with another time-out.
---@param options { timeout: number }
---@return reef.sql.db
function methods:with(options)
	local name = self.session.protocol.name
	checks.check(name .. ": with", options, { timeout = true })
	if type(options.timeout) ~= "number" or options.timeout < 0 or options.timeout ~= options.timeout then
		error(name .. ": timeout has to be a number of seconds, at least 0")
	end
	return setmetatable({ [TIMEOUT] = options.timeout }, { __index = self })
end

---Ends the connection for good.
function methods:disconnect()
	self.session:disconnect()
end

return methods
