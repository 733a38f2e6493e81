-- Transactions of the peer: what a command of one reads and writes is a copy of the documents as they were when it
-- began; committing does its writes once more, to the documents that all see. A document that two open transactions
-- want to write is a conflict for the second.
local bson = require "bson"
local failure = require "test.peer.failure"
local value = require "test.peer.value"

local transaction = {}

local NO_SUCH, CONFLICT, UNSUPPORTED = 251, 112, 263

-- Errors by which a transaction may be tried again as a whole.
local transient = {
	[24] = true, [91] = true, [112] = true, [189] = true, [246] = true, [251] = true, [262] = true, [267] = true,
	[10107] = true, [11600] = true, [11602] = true, [13435] = true, [13436] = true,
}

-- Those that are so for the commands that end one, too.
local always = { [24] = true, [112] = true, [246] = true, [251] = true, [267] = true }

local ending = { commitTransaction = true, abortTransaction = true }

---Labels of an error with that code for a command of a transaction.
---@return table|nil
function transaction.labels(code, command)
	local name = value.first(command)
	if command.autocommit ~= false or ending[name] and not always[code] then
		return nil
	end
	return transient[code] and bson.array { "TransientTransactionError" } or nil
end

local function raise(code, command, text, ...)
	failure.raise(code, { errmsg = text:format(...), errorLabels = transaction.labels(code, command) })
end

-- A copy whose lists of documents are its own.
local function copy_of(store)
	local databases = {}
	for db, collections in pairs(store.databases) do
		databases[db] = {}
		for name, collection in pairs(collections) do
			databases[db][name] = {
				name = name, options = collection.options, indexes = table.move(collection.indexes, 1, #collection.indexes, 1, {}),
				documents = table.move(collection.documents, 1, #collection.documents, 1, {}),
			}
		end
	end
	return setmetatable({ databases = databases, time = store.time, past = {} }, getmetatable(store))
end

local function new(command, member)
	local set = member.set
	local t = { number = value.plain(command.txnNumber), state = "open", member = member, commands = {}, written = {} }
	t.store = copy_of(set.store)
	t.set = setmetatable({ store = t.store }, { __index = set, __newindex = set })
	function t.store.on_write(db, name, doc)
		local key = ("%s.%s %s"):format(db, name, bson.to_json(bson.encode { id = doc._id }, "canonical"))
		for _, other in pairs(set.transactions) do
			if other ~= t and other.state == "open" and other.written[key] then
				raise(CONFLICT, command, "WriteConflict error: this operation conflicted with another operation.")
			end
		end
		t.written[key] = true
	end
	set.transactions[command.lsid.id] = t
	return t
end

local function open_of(command, member)
	local t = member.set.transactions[command.lsid.id]
	if command.startTransaction then
		return new(command, member)
	elseif not t or t.number ~= value.plain(command.txnNumber) or t.state ~= "open" or t.member ~= member then
		raise(NO_SUCH, command, "Given transaction number does not match any in-progress transactions.")
	end
	return t
end

local writes = { insert = true, update = true, delete = true, findAndModify = true, bulkWrite = true, create = true,
	createIndexes = true }

---Does a command of a transaction.
---@param work fun(command: table, request: table): table
---@return table reply
function transaction.run(name, command, member, work)
	local first = command.startTransaction
	local t = open_of(command, member)
	if name == "count" then
		t.state = "aborted"
		raise(UNSUPPORTED, command, "Cannot run 'count' in a multi-document transaction.")
	elseif command.writeConcern or (command.readConcern and not first) then
		t.state = "aborted"
		raise(72, command, "a command of a transaction has concerns of its own")
	end
	local ok, reply = pcall(work, command, { member = member, set = t.set, db = command["$db"] })
	if not ok or (reply.writeErrors or {})[1] then
		t.state = "aborted"
	end
	if not ok then
		if type(reply) == "table" then
			reply.errorLabels = reply.errorLabels or transaction.labels(reply.code, command)
		end
		error(reply, 0)
	end
	for _, item in ipairs(reply.writeErrors or {}) do
		if item.code == CONFLICT then
			raise(CONFLICT, command, "%s", item.errmsg)
		end
	end
	if writes[name] then
		t.commands[#t.commands + 1] = { work, command }
	end
	if member.set.topology == "sharded" or member.set.topology == "load-balanced" then
		reply.recoveryToken = { recoveryShardId = "shard0" }
	end
	return reply
end

---@return table reply
function transaction.commit(command, member)
	local set = member.set
	local t = set.transactions[command.lsid.id]
	if t and t.number == value.plain(command.txnNumber) and t.state == "open" and t.member ~= member then
		t.state = "aborted"
	end
	if not t or t.number ~= value.plain(command.txnNumber) or t.state == "aborted" then
		raise(NO_SUCH, command, "Given transaction number does not match any in-progress transactions.")
	elseif t.state == "open" then
		t.state = "committed"
		for _, done in ipairs(t.commands) do
			done[1](done[2], { member = member, set = set, db = done[2]["$db"] })
		end
	end
	local w = command.writeConcern and value.plain(command.writeConcern.w)
	if type(w) == "number" and w > #set.members then
		return { writeConcernError = { code = 100, codeName = "UnsatisfiableWriteConcern",
			errmsg = "Not enough data-bearing nodes" } }
	end
	return {}
end

---@return table reply
function transaction.abort(command, member)
	local t = member.set.transactions[command.lsid.id]
	if not t or t.number ~= value.plain(command.txnNumber) or t.state ~= "open" then
		raise(NO_SUCH, command, "Given transaction number does not match any in-progress transactions.")
	end
	t.state = "aborted"
	return {}
end

return transaction
