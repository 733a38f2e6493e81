-- Cursors: results in batches, from the server that has them.
local bson = require "bson"
local now = require "reef.base.now"
local documents = require "reef.mongo.documents"
local errors = require "reef.mongo.errors"
local left = require "reef.mongo.left"
local limits = require "reef.mongo.limits"
local next_of = require("reef.mongo.core").next

---@class mongo.cursor
local cursor = {}

-- Wire versions: MongoDB 4.4 and 5.0.
local COMMENT_WITH_GET_MORE, WRITES_BY_SECONDARIES = 9, 13
local CURSOR_NOT_FOUND = 43

-- What a sort is given: "a"; one document or list of pairs; or several pairs.
local function ordered(first, ...)
	if select("#", ...) > 0 or type(first) == "string" or type(first) == "table" and type(first[1]) == "string" then
		first = { first, ... }
	end
	return type(first) == "table" and documents.of_pairs(documents.in_order("sort", first)) or first
end

-- ---- getting batches: for all kinds ----

-- Goes on with what a reply has brought.
function cursor:take_batch(result, batch)
	self.id = result.id
	self.batch = batch
	self.token = result.postBatchResumeToken
	if self.id == 0 then
		self:release()
	else
		self.ns = result.ns and result.ns:match "^[^.]*%.(.*)$" or self.collection
		-- One that holds a connection ends with it.
		self.guard = self.guard or not self.held and left.cursor(self.client, self.address, self.db, self.ns, self.id)
	end
end

-- Gives back what it held for the server: a connection, a session.
function cursor:release()
	if self.guard then
		self.guard:release()
		self.guard = nil
	end
	if self.held then
		self.held:release()
		self.held = nil
	end
	if self.borrowed then
		self.borrowed:endSession()
		self.borrowed = nil
	end
end

-- A session of its own, unless it was given one.
function cursor:borrow()
	local minutes = self.client:session_timeout()
	if not self.options.session and minutes then
		self.borrowed = self.client.sessions:lend(minutes)
	end
	return self.options.session or self.borrowed
end

-- Has a pipeline that writes to go to the primary? Secondaries pass it on if all servers are of 5.0 or later.
function cursor:to_primary(deadline)
	local preference = self.options.readPreference
	if not preference then
		return true
	end
	local client = self.client
	if client.balanced then
		return false
	end
	client:select({ name = self.command, preference = preference }, deadline or now() + client.selection_timeout)
	for _, server in pairs(client.topology.description.servers) do
		if server.type ~= "Unknown" and (server.maxWireVersion or 0) < WRITES_BY_SECONDARIES then
			return true
		end
	end
	return false
end

-- The deadline of what is done now: of all that the cursor does, or of this call.
function cursor:deadline()
	local o = self.options
	if o.deadline or not o.timed then
		return o.deadline
	elseif o.each then
		return self.until_ or limits.deadline(o.ms)
	end
	o.deadline = limits.deadline(o.ms)
	return o.deadline
end

-- A call of the user begins.
function cursor:begin()
	if self.options.each then
		self.until_ = limits.deadline(self.options.ms)
	end
end

-- Sends the command whose reply has the first batch.
function cursor:start()
	local o = self.options
	local deadline = self:deadline()
	local write = self.writes and self:to_primary(deadline)
	local op = {
		opens = true,
		db = self.db, name = self.command, body = self:body(), retry = not self.writes and not o.once,
		write = write or nil, preference = o.readPreference, session = self:borrow(), given = o.once,
		deadline = deadline, timed = o.timed, own_time = o.each and not o.tells, exact = o.exact, batches = true,
		shape = "first_batch",
	}
	local ok, reply, err, address = pcall(self.client.execute, self.client, op)
	self.held = op.held
	if not ok or err then
		self:release()
		error(err or reply, 0)
	end
	self.address = address
	self.operation_time = reply.operationTime
	self:take_batch(reply.cursor, reply.cursor.firstBatch)
end

-- What is known of the server that has it.
function cursor:server()
	return self.held and self.held.entry.connection.server or self.client.topology.description.servers[self.address]
end

-- Asks for the next batch.
function cursor:get_more()
	if self.asking then
		-- The server has gone on behind what it has sent to nobody.
		self.broken = true
		error(errors.new({ code = "closed", outcome = "maybe applied", host = "mongo " .. self.address,
			command = "getMore" }, "the coroutine that asked for the next batch was ended: documents may be missing"), 0)
	end
	local body = { "getMore", bson.int64(self.id), "collection", self.ns }
	local size = self.settings.batchSize
	if size and size > 0 then
		self.asked = (self.asked or 0) + size
		local rest = (self.settings.limit or 0) - self.asked
		body[#body + 1], body[#body + 2] = "batchSize", rest > 0 and math.min(size, rest) or size
	end
	local server = self:server()
	if self.settings.comment ~= nil and server and (server.maxWireVersion or 0) >= COMMENT_WITH_GET_MORE then
		body[#body + 1], body[#body + 2] = "comment", self.settings.comment
	end
	local o = self.options
	if o.await then
		body[#body + 1], body[#body + 2] = "maxTimeMS", o.await
	end
	self.asking = true
	local ok, reply, err = pcall(self.client.execute, self.client, {
		db = self.db, name = "getMore", body = body, address = self.address, held = self.held, exact = o.exact,
		batches = true, session = o.session or self.borrowed, deadline = self:deadline(), timed = o.timed, own_time = true,
		shape = "next_batch",
	})
	self.asking = false
	if not ok or reply.ok ~= 1 then
		self.broken = true
		-- What the server may still have, closing ends; and a connection that is held goes back then.
		if not ok or reply.code == CURSOR_NOT_FOUND then
			self.id = 0
			if not self.held then
				self:release()
			end
		end
		if not ok then
			error(reply, 0)
		end
	end
	if err then
		error(err, 0)
	end
	self:take_batch(reply.cursor, reply.cursor.nextBatch)
end

local function unreadable(address, command, why)
	return errors.new({ code = "protocol", outcome = "maybe applied", host = "mongo " .. address, command = command }, why)
end

-- What is called for a document that cannot be read. The cursor may go on behind it.
function cursor:fail(why)
	error(unreadable(self.address, self.command, why), 0)
end

---Is there another document? Gets batches as needed.
---@return boolean
function cursor:hasNext()
	if self.closed then
		return false
	end
	self:begin()
	if not self.batch then
		self:start()
	end
	while self.id ~= 0 and not self.broken and not self.batch:more() do
		self:get_more()
	end
	self.checked = self.batch:more()
	return self.checked
end

---The document that hasNext has promised.
function cursor:next()
	if not self.checked then
		error "Call	hasNext	first"
	end
	self.checked = false
	return self.batch:next(self)
end

-- The name that a document of a list has.
function cursor:name_of(document)
	return type(document.name) == "string" and document.name or self:fail "a document of the list has no name"
end

-- The number in a field of the next document.
function cursor:number(name)
	return math.tointeger(self:next()[name]) or self:fail(("its field '%s' is no number"):format(name))
end

---The next document, or nil if there is none after asking the server at most once.
function cursor:tryNext()
	if self.closed then
		return nil
	end
	self:begin()
	if not self.batch then
		self:start()
	elseif self.id ~= 0 and not self.broken and not self.batch:more() then
		self:get_more()
	end
	self.checked = self.batch:more()
	return self.checked and self:next() or nil
end

---`for document in cursor:each() do`
function cursor:each()
	return function()
		local batch = not self.closed and self.batch
		local document = batch and next_of(batch, self)
		if document then
			return document
		end
		return self:hasNext() and self:next() or nil
	end
end

---All documents that are left, as a list.
function cursor:toArray()
	local out = {}
	for document in self:each() do
		out[#out + 1] = document
	end
	return out
end

---Tells the server to forget the rest.
function cursor:close()
	if self.closed then
		return
	end
	self.closed = true
	if self.batch and self.id ~= 0 then
		local id, o = self.id, self.options
		self.id = 0
		-- A time of its own: what was left for the cursor may be over. Nobody waits for the answer, but where the
		-- connection is about to go back: what becomes of it shows whether the next can have it.
		pcall(self.client.execute, self.client, {
			db = self.db, name = "killCursors", address = self.address, unacknowledged = not self.held or nil, held = self.held,
			deadline = limits.deadline(o.ms), timed = o.ms ~= nil or nil,
			body = { "killCursors", self.ns, "cursors", bson.array { bson.int64(id) } },
		})
	end
	self:release()
end

-- ---- find ----

-- The methods of all cursors, to add others to.
local function derive()
	local methods = {}
	for name, method in pairs(cursor) do
		methods[name] = method
	end
	return methods
end

---What `collection:find` returns.
---@class mongo.find: mongo.cursor
local find = derive()
find.command = "find"

-- The command.
function find:body()
	local body, n, settings = { "find", self.collection }, 2, self.settings
	for key, value in next, settings do
		-- One more, so that the server sees at once that there is no next batch.
		if key == "batchSize" and value == settings.limit then
			value = value + 1
		end
		body[n + 1], body[n + 2] = key, value
		n = n + 2
	end
	return body
end

---Orders what comes: a name, or one document whose keys have an order, or several pairs.
---@param key string|table
---@param ... table
---@return mongo.find
function find:sort(key, ...)
	self.settings.sort = ordered(key, ...)
	return self
end

for _, name in ipairs { "skip", "limit", "hint", "maxTimeMS", "batchSize" } do
	find[name] = function(self, value)
		self.settings[name] = value
		return self
	end
end

---How many documents match; with skip and limit on demand.
---@param with_skip_limit? boolean
---@return integer
function find:count(with_skip_limit)
	local settings = self.settings
	local body = { "count", self.collection, "query", settings.filter }
	if with_skip_limit then
		for _, key in ipairs { "limit", "skip" } do
			if settings[key] and settings[key] ~= 0 then
				body[#body + 1] = key
				body[#body + 1] = settings[key]
			end
		end
	end
	local reply, err = self.client:execute {
		db = self.db, name = "count", body = body, retry = true, preference = self.options.readPreference,
		session = self.options.session, shape = "count",
	}
	if err then
		error(err, 0)
	end
	return reply.n
end

-- ---- aggregate ----

---What `collection:aggregate` returns.
---@class mongo.aggregate: mongo.cursor
local aggregate = derive()
aggregate.command = "aggregate"

-- The command.
function aggregate:body()
	local body = { "aggregate", self.collection, "pipeline", bson.array(self.pipeline) }
	local settings = self.settings
	body[#body + 1] = "cursor"
	body[#body + 1] = self.writes and {} or settings.cursor or { batchSize = settings.batchSize }
	for key, value in pairs(settings) do
		if key ~= "batchSize" and key ~= "cursor" then
			body[#body + 1] = key
			body[#body + 1] = value
		end
	end
	return body
end

local function stage(self, name, value)
	self.pipeline[#self.pipeline + 1] = { [name] = value }
	return self
end

---Orders what comes: a name, or one document whose keys have an order, or several pairs.
---@param key string|table
---@param ... table
---@return mongo.aggregate
function aggregate:sort(key, ...)
	return stage(self, "$sort", ordered(key, ...))
end

---@param n integer
---@return mongo.aggregate
function aggregate:skip(n)
	return stage(self, "$skip", n)
end

---@param n integer
---@return mongo.aggregate
function aggregate:limit(n)
	return stage(self, "$limit", n)
end

---How many documents the pipeline gives.
---@param with_skip_limit? boolean
---@return integer
function aggregate:count(with_skip_limit)
	local pipeline = {}
	for _, s in ipairs(self.pipeline) do
		if with_skip_limit or not (s["$skip"] or s["$limit"]) then
			pipeline[#pipeline + 1] = s
		end
	end
	pipeline[#pipeline + 1] = { ["$count"] = "__count" }
	local counting = setmetatable({
		client = self.client, db = self.db, collection = self.collection, pipeline = pipeline, settings = {},
		options = self.options,
	}, { __index = aggregate })
	return counting:hasNext() and counting:number "__count" or 0
end

-- ---- making them ----

local find_meta = { __index = find, __close = cursor.close }
local aggregate_meta = { __index = aggregate, __close = cursor.close }

local M = {}

---@return boolean
function M.is_tailable(given)
	return given.cursorType == "tailable" or given.cursorType == "tailableAwait"
end

---Adds to a cursor's options what the user's say of its time: timeoutMS, timeoutMode, maxAwaitTimeMS, cursorType; and
---its session.
---@param options table
---@param settings mongo.settings
---@param given table
---@return table options
function M.time(options, settings, given)
	limits.set(options, settings, given)
	local mode, tailable, await = given.timeoutMode, M.is_tailable(given), given.maxAwaitTimeMS
	if mode and not options.timed then
		error("mongo: timeoutMode needs timeoutMS", 0)
	elseif tailable and mode == "cursorLifetime" then
		error("mongo: a tailable cursor has no lifetime to limit: timeoutMode is iteration", 0)
	end
	options.await = await
	if not options.timed then
		return options
	end
	local fixed = given.within or given.session and given.session.deadline
	options.ms = not fixed and (given.timeoutMS or settings.timeout) or nil
	if await and options.ms and options.ms > 0 and await >= options.ms then
		error("mongo: maxAwaitTimeMS has to be less than timeoutMS", 0)
	elseif options.ms then
		-- It begins when the server is asked.
		options.deadline = nil
		options.each = tailable or mode == "iteration" or nil
		options.tells = given.cursorType == "tailableAwait" or nil
	end
	return options
end

---@param options table readPreference, exact, and what M.time adds
function M.find(client, db, collection, settings, options)
	return setmetatable({
		client = client, db = db, collection = collection, settings = settings, options = options,
		-- Looked at for each document: see __index.
		batch = false, closed = false,
	}, find_meta)
end

local function writes(pipeline)
	local last = pipeline[#pipeline]
	return type(last) == "table" and (last["$out"] ~= nil or last["$merge"] ~= nil)
end

---Options of an aggregation: what goes with the command, and how it is run.
---@param settings mongo.settings of the collection or database
---@param given table|nil by their names in the command; session, readPreference, readConcern, writeConcern, timeoutMS
---@return table words
---@return table options
function M.aggregate_options(settings, pipeline, given)
	given = given or {}
	local words = {}
	for k, v in pairs(given) do
		words[k] = v
	end
	words.session, words.readPreference, words.timeoutMS, words.timeoutMode, words.maxAwaitTimeMS = nil, nil, nil, nil, nil
	words.readConcern = given.readConcern or settings.read_concern
	words.writeConcern = writes(pipeline) and (given.writeConcern or settings.write_concern) or nil
	if given.timeoutMode == "iteration" and writes(pipeline) then
		error("mongo: timeoutMode iteration is nothing for a pipeline that writes", 0)
	end
	return words, M.time({
		readPreference = given.readPreference or settings.read_preference, exact = settings.exact,
	}, settings, given)
end

---@param collection string|integer a collection's name, or 1 for the database
function M.aggregate(client, db, collection, pipeline, settings, options)
	return setmetatable({
		client = client, db = db, collection = collection, pipeline = table.move(pipeline, 1, #pipeline, 1, {}),
		settings = settings, options = options, writes = writes(pipeline) or nil,
	}, aggregate_meta)
end

---The first document of the batch that a command answers with, or nil: no cursor is needed when there cannot be more.
---@param op mongo.command of the shape "first_batch"
---@return table|nil
function M.first(client, op)
	local reply, err, address = client:execute(op)
	if err then
		error(err, 0)
	end
	local ok, document = pcall(reply.cursor.firstBatch.next, reply.cursor.firstBatch)
	if not ok then
		error(unreadable(address, op.name, document), 0)
	end
	return document
end

-- Of a command that answers with a cursor and is not one of the above: listCollections, listIndexes.
local command = derive()
function command:body()
	return self.words
end
local command_meta = { __index = command, __close = cursor.close }

---@param words table keys and values in turn
---@param options table session, readPreference, deadline, exact, once: not to be repeated
function M.command(client, db, name, words, options)
	return setmetatable({
		client = client, db = db, command = name, words = words, collection = "$cmd." .. name, settings = {},
		options = options,
	}, command_meta)
end

---The rest of what a command has begun to answer.
---@param reply table with a cursor
---@param address string of the server that has the cursor
function M.of_reply(client, db, reply, address, options)
	local self = M.command(client, db, "", {}, options)
	self.address, self.held = address, options.held
	self:take_batch(reply.cursor, reply.cursor.firstBatch)
	return self
end

return M
