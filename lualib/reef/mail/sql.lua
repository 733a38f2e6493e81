-- Letters in MySQL or PostgreSQL: a row each, in a table of the box's name, which is made when it is not there.
local now = require "reef.base.now"
local pool = require "reef.pool"

local function postgres_bytes(bytes)
	return require("reef.db.postgres").bytes(bytes)
end

---@class reef.mail.sql: reef.mail.store
---@field words table<string, string>
local sql = {}
sql.__index = sql

local MOST_AT_A_TIME <const> = 500 -- ids in one statement

local WORDS <const> = {
	mysql = {
		create = "CREATE TABLE IF NOT EXISTS %s (reader VARBINARY(255) NOT NULL, id VARBINARY(128) NOT NULL,"
			.. " at BIGINT NOT NULL, body LONGBLOB NOT NULL, PRIMARY KEY (reader, id), KEY reader_at (reader, at))"
			.. " ENGINE=InnoDB",
		put = "INSERT INTO %s VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE id = id",
		count = "SELECT COUNT(*) AS n FROM %s WHERE reader = ?",
		list = "SELECT id, at, body FROM %s WHERE reader = ? ORDER BY at, id LIMIT ?",
		remove = "DELETE FROM %s WHERE reader = ? AND id IN (%s)",
	},
	postgres = {
		create = "CREATE TABLE IF NOT EXISTS %s (reader TEXT NOT NULL, id TEXT NOT NULL, at BIGINT NOT NULL,"
			.. " body BYTEA NOT NULL, PRIMARY KEY (reader, id))",
		put = "INSERT INTO %s VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
		count = "SELECT COUNT(*) AS n FROM %s WHERE reader = $1",
		list = "SELECT id, at, body FROM %s WHERE reader = $1 ORDER BY at, id LIMIT $2",
		remove = "DELETE FROM %s WHERE reader = $1 AND id IN (%s)",
	},
}

-- What MySQL refuses is raised, too.
local function demand(self, seconds, statement, ...)
	local result = self.db:with({ timeout = math.min(seconds, self.most) }):query(statement, ...)
	if result.badresult then
		error(require("reef.mysql").error(result), 0)
	end
	return result
end

function sql.new(target, pool_options, name, seconds, kind)
	if not name:find "^[%a_][%w_]*$" then
		error(("mail: %q is no name for a table"):format(name), 0)
	end
	local db = pool[kind](target, pool_options)
	local self = setmetatable({ db = db, most = db.timeout > 0 and db.timeout or math.huge, words = WORDS[kind],
		name = name, kind = kind }, sql)
	self.bytes = kind == "postgres" and postgres_bytes or function(bytes)
		return bytes
	end
	demand(self, seconds, self.words.create:format(name))
	return self
end

local function run(self, seconds, word, ...)
	return demand(self, seconds, self.words[word]:format(self.name), ...)
end

function sql:put(reader, id, at, bytes, seconds)
	run(self, seconds, "put", reader, id, at, self.bytes(bytes))
end

function sql:count(reader, seconds)
	return math.tointeger(run(self, seconds, "count", reader)[1].n)
end

function sql:list(reader, limit, seconds)
	local letters = run(self, seconds, "list", reader, limit)
	for i, row in ipairs(letters) do
		letters[i] = { row.id, row.at, row.body }
	end
	return letters
end

function sql:remove(reader, ids, seconds)
	local count, deadline = 0, now() + seconds
	for first = 1, #ids, MOST_AT_A_TIME do
		local last = math.min(first + MOST_AT_A_TIME - 1, #ids)
		local marks = {}
		for i = first, last do
			marks[#marks + 1] = self.kind == "mysql" and "?" or "$" .. (i - first + 2)
		end
		local statement = self.words.remove:format(self.name, table.concat(marks, ", "))
		local left = math.max(deadline - now(), 0.001)
		count = count + demand(self, left, statement, reader, table.unpack(ids, first, last)).affected_rows
	end
	return count
end

return sql
