-- Letters in MySQL or PostgreSQL: a row each, in a table of the box's name, which is made when it is not there.
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
local function demand(self, statement, ...)
	local result = self.db:query(statement, ...)
	if result.badresult then
		error(require("reef.mysql").error(result), 0)
	end
	return result
end

function sql.new(target, pool_options, name, kind)
	if not name:find "^[%a_][%w_]*$" then
		error(("mail: %q is no name for a table"):format(name), 0)
	end
	local db = pool[kind](target, pool_options)
	local self = setmetatable({ db = db, words = WORDS[kind], name = name, kind = kind }, sql)
	self.bytes = kind == "postgres" and postgres_bytes or function(bytes)
		return bytes
	end
	demand(self, self.words.create:format(name))
	return self
end

local function run(self, word, ...)
	return demand(self, self.words[word]:format(self.name), ...)
end

function sql:put(reader, id, at, bytes)
	run(self, "put", reader, id, at, self.bytes(bytes))
end

function sql:count(reader)
	return math.tointeger(run(self, "count", reader)[1].n)
end

function sql:list(reader, limit)
	local letters = run(self, "list", reader, limit)
	for i, row in ipairs(letters) do
		letters[i] = { row.id, row.at, row.body }
	end
	return letters
end

function sql:remove(reader, ids)
	local count = 0
	for first = 1, #ids, MOST_AT_A_TIME do
		local last = math.min(first + MOST_AT_A_TIME - 1, #ids)
		local marks = {}
		for i = first, last do
			marks[#marks + 1] = self.kind == "mysql" and "?" or "$" .. (i - first + 2)
		end
		local statement = self.words.remove:format(self.name, table.concat(marks, ", "))
		count = count + demand(self, statement, reader, table.unpack(ids, first, last)).affected_rows
	end
	return count
end

return sql
