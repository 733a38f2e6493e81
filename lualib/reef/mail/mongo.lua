-- Letters in MongoDB: a document each, in the collection of the box's name. `target` has the database (`database`,
-- "reef") beside what pool.mongo takes.
local bson = require "bson"
local pool = require "reef.pool"

---@class reef.mail.mongo: reef.mail.store
local mongo = {}
mongo.__index = mongo

local DUPLICATE <const> = 11000

function mongo.new(target, pool_options, name, seconds)
	local conf, database = target, "reef"
	if type(target) == "table" then
		conf = {}
		for key, value in pairs(target) do
			conf[key] = value
		end
		database, conf.database = target.database or database, nil
	end
	local letters = pool.mongo(conf, pool_options):getDB(database):getCollection(name)
	local own = letters:settings().timeout
	local self = setmetatable({ letters = letters, most = own and own > 0 and own or math.huge }, mongo)
	letters:createIndexesWith({ { { reader = 1 }, { at = 1 }, name = "reader_at" } }, { timeoutMS = self:within(seconds) })
	return self
end

---Internal. Milliseconds for something that may take so many seconds.
function mongo:within(seconds)
	return math.ceil(math.min(seconds * 1000, self.most))
end

-- The same for the same letter, and for no other.
local function key_of(reader, id)
	return ("%d:%s:%s"):format(#reader, reader, id)
end

function mongo:put(reader, id, at, bytes, seconds)
	local ok, err = pcall(self.letters.insertOne, self.letters,
		{ _id = key_of(reader, id), reader = reader, id = id, at = at, body = bson.binary(bytes) },
		{ timeoutMS = self:within(seconds) })
	if not ok and not (type(err) == "table" and err.code == DUPLICATE) then
		error(err, 0)
	end
end

function mongo:count(reader, seconds)
	return self.letters:countDocuments({ reader = reader }, { timeoutMS = self:within(seconds) })
end

function mongo:list(reader, limit, seconds)
	local letters = {}
	local cursor <close> = self.letters:findWith({ reader = reader },
		{ sort = bson.document("at", 1, "_id", 1), limit = limit, timeoutMS = self:within(seconds) })
	for document in cursor:each() do
		letters[#letters + 1] = { document.id, document.at, select(2, bson.type(document.body)) }
	end
	return letters
end

function mongo:remove(reader, ids, seconds)
	local keys = {}
	for i, id in ipairs(ids) do
		keys[i] = key_of(reader, id)
	end
	local which = { _id = { ["$in"] = bson.array(keys) } }
	return keys[1] and self.letters:deleteMany(which, { timeoutMS = self:within(seconds) }).deletedCount or 0
end

return mongo
