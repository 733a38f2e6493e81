-- Change streams: what happens to a collection, a database or all of a deployment, as documents. By the specification
-- "Change Streams". A stream is a cursor that is made again, once, where it can go on: behind the last change that its
-- user has seen.
local cursor = require "reef.mongo.cursor"
local errors = require "reef.mongo.errors"
local limits = require "reef.mongo.limits"

---@class mongo.change_stream_options
---@field fullDocument "default"|"updateLookup"|"whenAvailable"|"required"|nil
---@field fullDocumentBeforeChange "off"|"whenAvailable"|"required"|nil
---@field resumeAfter table|nil a resume token: go on behind it
---@field startAfter table|nil the same, also behind an `invalidate`
---@field startAtOperationTime string|nil timestamp
---@field showExpandedEvents boolean|nil
---@field batchSize integer|nil
---@field maxAwaitTimeMS integer|nil that the server waits for a change before it answers that there is none
---@field collation table|nil
---@field comment any
---@field session mongo.session|nil
---@field timeoutMS integer|nil of each call

---@class mongo.change_stream
---@field private cursor mongo.cursor
local stream = {}

-- The first wire version (MongoDB 4.4) whose servers say themselves which errors a stream survives.
local LABELS_BY_SERVER = 9
local CURSOR_NOT_FOUND = 43
local RESUMABLE = "ResumableChangeStreamError"

local resumable = {
	[6] = true, [7] = true, [43] = true, [63] = true, [89] = true, [91] = true, [133] = true, [150] = true, [189] = true,
	[234] = true, [262] = true, [9001] = true, [10107] = true, [11600] = true, [11602] = true, [13388] = true,
	[13435] = true, [13436] = true,
}

local STAGE = {
	"fullDocument", "fullDocumentBeforeChange", "resumeAfter", "startAfter", "startAtOperationTime", "showExpandedEvents",
}

-- ---- the cursor beneath ----

-- Where to go on, in place of what the user asked for.
local function position(self)
	local o = self.given
	if not self.resuming then
		return o.resumeAfter, o.startAfter, o.startAtOperationTime
	elseif self.token then
		if o.startAfter and not self.returned then
			return nil, self.token, nil
		end
		return self.token, nil, nil
	end
	return nil, nil, o.startAtOperationTime or self.operation_time
end

local function stage_of(self)
	local stage = {}
	for _, key in ipairs(STAGE) do
		stage[key] = self.given[key]
	end
	stage.resumeAfter, stage.startAfter, stage.startAtOperationTime = position(self)
	if self.whole then
		stage.allChangesForCluster = true
	end
	return stage
end

local function deadline_of(self)
	local o = self.time
	return o.deadline or limits.deadline(o.ms)
end

-- Makes the cursor. Its first batch is there then.
local function open(self, deadline)
	local pipeline = { { ["$changeStream"] = stage_of(self) } }
	table.move(self.pipeline, 1, #self.pipeline, 2, pipeline)
	local words = {
		batchSize = self.given.batchSize, collation = self.given.collation, comment = self.given.comment,
		readConcern = self.settings.read_concern,
	}
	local made = cursor.aggregate(self.core, self.db, self.collection, pipeline, words, {
		readPreference = self.settings.read_preference, exact = self.settings.exact, session = self.session,
		deadline = self.time.deadline, timed = self.time.timed, await = self.given.maxAwaitTimeMS, ms = self.time.ms,
		tells = true, each = self.time.timed,
	})
	-- The same session for all of its cursors.
	made.until_ = deadline
	made:start()
	self.session = self.session or made.borrowed
	made.borrowed = nil
	self.cursor = made
	local o = self.given
	if not self.resuming and not o.resumeAfter and not o.startAfter and not o.startAtOperationTime and not made.token
		and not made.batch:more()
	then
		self.operation_time = made.operation_time
	end
	if made.token and not made.batch:more() then
		self.token = made.token
	end
end

local function close_cursor(self)
	local made = self.cursor
	self.cursor = nil
	if made then
		pcall(made.close, made)
	end
end

local function is_resumable(self, err)
	if not errors.is(err) or self.closed then
		return false
	elseif not err.reply then
		return err.code ~= "auth" and err.code ~= "session" and err.code ~= "protocol"
	end
	if err.code == CURSOR_NOT_FOUND or err.labels[RESUMABLE] then
		return true
	end
	return (self.wire or LABELS_BY_SERVER) < LABELS_BY_SERVER and resumable[err.code] or false
end

-- Has the time of the call run out, rather than the stream met something?
local function ran_out(self, err)
	return self.time.timed and errors.is(err) and (err.code == "timeout" or err.code == 50)
end

local function resume(self, deadline)
	close_cursor(self)
	self.resuming = true
	open(self, deadline)
	self.lost = nil
end

-- Gets the next batch, which may be empty. An error that the stream can survive makes it begin again, once.
local function get_more(self, deadline)
	local made = self.cursor
	made.until_ = deadline
	local server = made:server()
	self.wire = server and server.maxWireVersion or self.wire
	-- Also if we are ended meanwhile: then whoever calls next begins where this was.
	self.lost = true
	local ok, err = pcall(made.get_more, made)
	if ok then
		self.lost = nil
		if made.token and not made.batch:more() then
			self.token = made.token
		end
	elseif ran_out(self, err) then
		error(err, 0)
	elseif is_resumable(self, err) then
		resume(self, deadline)
	else
		self.lost = nil
		self:close()
		error(err, 0)
	end
end

-- The change that is there already, or nil.
local function take(self)
	local made = self.cursor
	if not made.batch:more() then
		return nil
	end
	local change = made.batch:next(made)
	if change._id == nil then
		self:close()
		error(errors.new({ code = "protocol", outcome = "rejected", command = "watch" },
			"Cannot provide resume functionality when the resume token is missing"), 0)
	end
	self.token = made.token and not made.batch:more() and made.token or change._id
	self.returned = true
	return change
end

-- ---- what users call ----

local function next_change(self, once)
	local deadline = deadline_of(self)
	if self.lost then
		resume(self, deadline)
	end
	while not self.closed do
		local change = take(self)
		if change then
			return change
		elseif self.cursor.id == 0 then
			return nil
		elseif once == 0 then
			return nil
		end
		once = once and once - 1
		get_more(self, deadline)
	end
	return nil
end

---The next change, waiting for it; nil when the stream has ended, which it does when what it watches is dropped or
---renamed. An error that says that the time was over (timeoutMS) does not end the stream: call it again.
---@return table|nil
function stream:next()
	return next_change(self)
end

---The next change, or nil if the server has none within maxAwaitTimeMS. Whoever keeps resume tokens calls this and
---then `resumeToken`, which moves on also when nothing has changed.
---@return table|nil
function stream:tryNext()
	return next_change(self, 1)
end

---`for change in stream:each() do`
function stream:each()
	return function()
		return self:next()
	end
end

---Behind what was returned last: for `resumeAfter` or `startAfter` of another stream, also of another process.
---@return table|nil
function stream:resumeToken()
	return self.token
end

---Has the stream ended, or was it closed?
---@return boolean
function stream:ended()
	return self.closed or not self.lost and self.cursor.id == 0 and not self.cursor.batch:more()
end

---Ends it; the server forgets its cursor.
function stream:close()
	if self.closed then
		return
	end
	self.closed = true
	close_cursor(self)
	if self.session and self.session.implicit then
		self.session:endSession()
	end
end

local stream_meta = { __index = stream, __close = stream.close }

local M = {}

---@param core mongo.core_client
---@param db string
---@param collection string|integer a collection's name, or 1 for the database
---@param pipeline table|nil stages that choose and change what is told
---@param settings mongo.settings
---@param options mongo.change_stream_options|nil
---@param whole boolean|nil of all databases
---@return mongo.change_stream
function M.watch(core, db, collection, pipeline, settings, options, whole)
	local given = options or {}
	local time = cursor.time({}, settings, {
		timeoutMS = given.timeoutMS, session = given.session, maxAwaitTimeMS = given.maxAwaitTimeMS,
		cursorType = "tailableAwait",
	})
	local self = setmetatable({
		core = core, db = db, collection = collection, pipeline = pipeline or {}, settings = settings, given = given,
		whole = whole, time = time, session = given.session, token = given.startAfter or given.resumeAfter,
	}, stream_meta)
	open(self, deadline_of(self))
	return self
end

return M
