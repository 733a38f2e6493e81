-- Letters in MongoDB: a document each, in the collection of the box's name. `target` has the database (`database`,
-- "reef") beside what pool.mongo takes.
local bson = require "bson"
local pool = require "reef.pool"

---@class reef.mail.mongo: reef.mail.store
local mongo = {}
mongo.__index = mongo

local DUPLICATE <const> = 11000

function mongo.new(target, pool_options, name)
	local conf, database = target, "reef"
	if type(target) == "table" then
		conf = {}
		for key, value in pairs(target) do
			conf[key] = value
		end
		database, conf.database = target.database or database, nil
	end
	local letters = pool.mongo(conf, pool_options):getDB(database):getCollection(name)
	letters:createIndex({ { reader = 1 }, { at = 1 } }, { name = "reader_at" })
	return setmetatable({ letters = letters }, mongo)
end

-- The same for the same letter, and for no other.
local function key_of(reader, id)
	return ("%d:%s:%s"):format(#reader, reader, id)
end

function mongo:put(reader, id, at, bytes)
	local ok, err = pcall(self.letters.insertOne, self.letters,
		{ _id = key_of(reader, id), reader = reader, id = id, at = at, body = bson.binary(bytes) })
	if not ok and not (type(err) == "table" and err.code == DUPLICATE) then
		error(err, 0)
	end
end

function mongo:count(reader)
	return self.letters:countDocuments { reader = reader }
end

function mongo:list(reader, limit)
	local letters = {}
	local cursor <close> = self.letters:findWith({ reader = reader },
		{ sort = bson.document("at", 1, "_id", 1), limit = limit })
	for document in cursor:each() do
		letters[#letters + 1] = { document.id, document.at, select(2, bson.type(document.body)) }
	end
	return letters
end

function mongo:remove(reader, ids)
	local keys = {}
	for i, id in ipairs(ids) do
		keys[i] = key_of(reader, id)
	end
	return keys[1] and self.letters:deleteMany({ _id = { ["$in"] = bson.array(keys) } }).deletedCount or 0
end

return mongo
