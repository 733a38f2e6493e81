-- Watches of etcd: told of every change of a key, or of all keys that begin alike, in order and without a gap, also
-- when the member that tells is lost: another one goes on behind what was heard last.

local json = require "reef.etcd.json"
local outage = require "reef.outage"
local skynet = require "skynet"

local ALIVE <const> = 300 -- cs of silence, after which the cluster is asked for a sign of life
local PAUSES <const> = { 10, 20, 50, 100, 200 }

---@class reef.etcd.event
---@field type "put"|"delete"
---@field key string
---@field value string|nil
---@field revision integer when it happened
---@field create_revision integer|nil
---@field lease integer|nil

---@class reef.etcd.watch
---@field revision integer the next one to be heard
local watch = {}
watch.__index = watch

local function event_of(e)
	local kv = e.kv
	local is_put = e.type ~= "DELETE"
	return {
		type = is_put and "put" or "delete", key = json.from_bytes(kv.key),
		value = is_put and json.from_bytes(kv.value) or nil, revision = math.tointeger(tonumber(kv.mod_revision)),
		create_revision = math.tointeger(tonumber(kv.create_revision or "0")),
		lease = math.tointeger(tonumber(kv.lease or "0")),
	}
end

-- One answer of the stream. Why the watch has to begin anew, or nil.
local function take(self, text)
	local answer = json.decode(text)
	local result = answer and answer.result
	if not result then
		local problem = answer and answer.error
		return type(problem) == "table" and tostring(problem.message) or "it does not answer as etcd does"
	end
	local revision = math.tointeger(tonumber(result.header and result.header.revision or "0")) or 0
	if result.canceled then
		local compacted = math.tointeger(tonumber(result.compact_revision or "0"))
		if compacted and compacted > 0 then
			-- What has happened before that cannot be told any more.
			self.revision = nil
		end
		local why = tostring(result.cancel_reason or "it gives no reason")
		if why:find "invalid auth token" then
			-- It is not known any more: the member was restarted, or the token was not used for a while.
			self.client.members.token = nil
		end
		return why
	end
	self.failures = 0
	self.away:ends()
	if result.events and result.events[1] then
		local events = {}
		for i, e in ipairs(result.events) do
			events[i] = event_of(e)
		end
		-- What the header has is where the store is by now: events of a long history come in several answers.
		self.revision = events[#events].revision + 1
		self.handle(events, false)
	elseif result.created and not self.revision then
		self.revision = revision + 1
	elseif not result.created and self.revision and revision >= self.revision then
		self.revision = revision + 1
	end
end

local function listen(self, c)
	local line = {} -- what has come of one whose end has not
	while not self.closed do
		local piece = c:piece()
		if not piece then
			return "the connection was lost"
		end
		self.heard = true
		local at, stop = 1, piece:find("\n", 1, true)
		while stop do
			line[#line + 1] = piece:sub(at, stop - 1)
			local text = table.concat(line)
			line = {}
			local why = text ~= "" and not self.closed and take(self, text)
			if why then
				return "the watch was ended: " .. why
			end
			at, stop = stop + 1, piece:find("\n", stop + 1, true)
		end
		line[#line + 1] = piece:sub(at)
	end
end

-- Silence says nothing: so whoever tells, is asked something now and then.
local function look(self, c)
	if self.connection ~= c then
		return
	elseif self.heard then
		self.heard = false
	else
		local ok = pcall(self.client.get, self.client, self.key)
		-- Another member has answered: the one that tells is not to be trusted.
		if not ok or self.connection == c and self.member ~= self.client.members.at then
			return c:close()
		end
	end
	skynet.timeout(ALIVE, function()
		look(self, c)
	end)
end

local function once(self)
	if not self.revision then
		-- What is there now comes first, as if it had just been put.
		self.revision = self.restart()
	end
	local members = self.client.members
	self.member = members.at
	local c <close>, why = members:stream("/v3/watch", { create_request = {
		key = json.bytes(self.key), range_end = self.range_end and json.bytes(self.range_end) or nil,
		start_revision = tostring(self.revision), progress_notify = true,
	} })
	if not c then
		members:turn()
		return why
	end
	self.connection, self.heard = c, true
	skynet.timeout(ALIVE, function()
		look(self, c)
	end)
	return listen(self, c)
end

local function run(self)
	while not self.closed do
		local ok, why = pcall(once, self)
		self.connection = nil
		if self.closed then
			return
		end
		self.failures = self.failures + 1
		if self.failures == 2 or not ok and self.failures == 1 then
			self.away:begins(("etcd: the watch of %s is interrupted: %s"):format(self.key, tostring(why)))
		end
		skynet.sleep(PAUSES[math.min(self.failures, #PAUSES)])
	end
end

---@param client reef.etcd
---@param key string
---@param range_end string|nil
---@param revision integer|nil the first to be told of; nil: `restart` says
---@param handle fun(events: reef.etcd.event[], whole: boolean)
---@param restart fun(): integer asks for what is there; answers the first revision to be told of
---@return reef.etcd.watch
function watch.new(client, key, range_end, revision, handle, restart)
	local self = setmetatable({
		client = client, key = key, range_end = range_end, revision = revision, handle = handle, restart = restart,
		failures = 0, away = outage.new(("etcd: the watch of %s"):format(key)),
	}, watch)
	skynet.fork(run, self)
	return self
end

---No event is told any more.
function watch:close()
	self.closed = true
	if self.connection then
		self.connection:close()
	end
end

return watch
