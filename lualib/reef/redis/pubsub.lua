-- Subscriptions: redis.watch(conf) -> w
--
--     local w = redis.watch { host = "127.0.0.1" }
--     w:subscribe("news", "weather")
--     while true do
--         local data, channel, pattern = w:message()
--     end
--
-- message() reconnects for ever and subscribes again to all that was asked for. What was published meanwhile is gone:
-- the `gap` function of the conf is told, and `w.gaps` counts, before any later message is handed out. A gap begins
-- when the server closed the connection, or, if nobody can know when it broke, when the server was last heard; it ends
-- when the server has confirmed every subscription anew. After `heartbeat` seconds of silence the server is asked
-- whether it is still there. When more than `limits.queue` messages wait to be read, the socket is not read any more.
local now = require "reef.base.now"
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local link = require "reef.redis.link"
local skynet = require "skynet"
local sorted = require "reef.base.sorted"

-- self.unconfirmed, left: subscriptions that the server has not confirmed on this connection, and how many; lost: since
-- when and why messages may be missing; early: replies that wait to be read and came before that; stale: those that
-- came on earlier connections; held: messages that wait until the gap is told of.

---@class redis.watch
---@field gaps integer  times that messages may have been missed
local watch = {}
watch.__index = watch

local kinds = { "subscribe", "psubscribe", "ssubscribe" }

local function send(self, ...)
	return core.send(self.sender, ...)
end

local function wants_any(self)
	return next(self.wanted.subscribe) or next(self.wanted.psubscribe) or next(self.wanted.ssubscribe)
end

-- All subscriptions are there again: whoever wants to know learns of the gap before he gets the next message.
local function restored(self)
	local lost = self.lost
	self.lost, self.unconfirmed, self.left = nil, {}, 0
	if not lost or not wants_any(self) then
		return
	end
	self.gaps = self.gaps + 1
	if self.link.conf.gap then
		skynet.fork(self.link.conf.gap, { seconds = now() - lost.since, why = lost.why })
		skynet.yield()
	end
end

-- Subscribes to everything again, on a connection that has just been made.
local function connected(self)
	self.sender, self.since = self.link:sender(), now()
	self.stale = self.link.connection:info().queued
	self.link.connection:stream(true)
	self.unconfirmed, self.left = {}, 0
	for _, kind in ipairs(kinds) do
		local names = sorted.keys(self.wanted[kind])
		for _, name in ipairs(names) do
			self.unconfirmed[kind .. " " .. name] = true
		end
		self.left = self.left + #names
		if #names > 0 then
			send(self, kind:upper(), table.unpack(names))
		end
	end
	if self.left == 0 then
		self.lost = nil
	end
end

local function confirmed(self, kind, name)
	local key = kind .. " " .. tostring(name)
	if self.unconfirmed[key] then
		self.unconfirmed[key] = nil
		self.left = self.left - 1
		if self.left == 0 then
			restored(self)
		end
	end
end

-- The connection is gone: notes since when something may have been missed, unless that is known already.
local function note_loss(self)
	if self.lost or not self.sender or not wants_any(self) then
		return
	end
	local info = self.link.connection:info()
	-- What the server sent before it closed the connection has all come. Of any other end nobody knows when it began.
	local orderly = info.lost == "the server closed the connection"
	local since = orderly and info.lost_at or info.heard_at
	self.early = info.queued
	self.lost = { since = math.max(since and since / 1e9 or now(), self.since), why = info.lost or "it was lost" }
end

local function open(self)
	if self.link.connection:state() ~= "open" then
		note_loss(self)
		self.link.connection:stream(false)
		self.link:open(0)
	end
end

---@param conf redis.conf
---@param pooled reef.pool.listener|nil  instead of a connection of its own
---@param quiet boolean|nil              failures to connect are not written to the log
function watch.new(conf, pooled, quiet)
	local self = setmetatable({ gaps = 0, wanted = {}, held = {}, early = 0, stale = 0 }, watch)
	for _, kind in ipairs(kinds) do
		self.wanted[kind] = {}
	end
	self.link = link.new(conf, {
		quiet = quiet,
		ready = function()
			connected(self)
		end,
	}, nil, pooled)
	open(self)
	return self
end

local function subscribe(kind)
	return function(self, ...)
		open(self)
		send(self, kind:upper(), ...)
		for i = 1, select("#", ...) do
			self.wanted[kind][tostring((select(i, ...)))] = true
		end
	end
end

local function unsubscribe(kind, command)
	return function(self, ...)
		if select("#", ...) == 0 then
			self.wanted[kind] = {}
		end
		for i = 1, select("#", ...) do
			self.wanted[kind][tostring((select(i, ...)))] = nil
		end
		open(self)
		send(self, command, ...)
	end
end

watch.subscribe = subscribe "subscribe"
watch.psubscribe = subscribe "psubscribe"
watch.ssubscribe = subscribe "ssubscribe"
watch.unsubscribe = unsubscribe("subscribe", "UNSUBSCRIBE")
watch.punsubscribe = unsubscribe("psubscribe", "PUNSUBSCRIBE")
watch.sunsubscribe = unsubscribe("ssubscribe", "SUNSUBSCRIBE")

-- The next thing that the server says; nil when the connection is gone.
local function next_reply(self)
	local connection, conf = self.link.connection, self.link.conf
	local ok, reply = pcall(connection.message, connection, conf.heartbeat)
	if not ok and errors.is(reply) and reply.code == "timeout" then
		send(self, "PING")
		-- Where commands have no deadline the heartbeat decides.
		ok, reply = pcall(connection.message, connection, conf.timeout > 0 and conf.timeout or conf.heartbeat)
		if not ok and errors.is(reply) and reply.code == "timeout" then
			connection:close("the server does not answer PING")
		end
	end
	if ok then
		return reply
	end
	if not errors.is(reply) then
		error(reply, 0)
	end
end

-- What to do with a reply; returns what is a message for the user, and whether it came before the gap.
local function read(self, reply)
	local kind, early, stale = reply[1], self.early > 0, self.stale > 0
	self.early, self.stale = math.max(self.early - 1, 0), math.max(self.stale - 1, 0)
	if kind == "message" or kind == "smessage" then
		return { reply[3], reply[2], n = 2 }, early
	elseif kind == "pmessage" then
		return { reply[4], reply[3], reply[2], n = 3 }, early
	elseif self.wanted[kind] and not stale then
		confirmed(self, kind, reply[2])
	elseif kind == "sunsubscribe" and not stale and self.wanted.ssubscribe[tostring(reply[2])] then
		-- Not by us: the slot has moved.
		if self.link.conf.moved then
			self.link.conf.moved(tostring(reply[2]))
		end
	elseif kind == "error" then
		-- Some of what was subscribed to is not to be had: then this is all that there will be.
		if not stale then
			restored(self)
		end
		error("redis: " .. reply[2], 0)
	end
end

---The next message; waits for it.
---@return string data, string channel, string|nil pattern
function watch:message()
	while true do
		-- What comes before all subscriptions are there again has to wait for the news of the gap.
		if self.left == 0 and self.held[1] then
			local message = table.remove(self.held, 1)
			return table.unpack(message, 1, message.n)
		end
		local reply = next_reply(self)
		if reply == nil then
			if self.link.closed then
				error(self.link:error("closed", "it was disconnected"), 0)
			end
			-- As often as it takes, with the link's pauses.
			local ok, err = pcall(open, self)
			if not ok and not errors.is(err) then
				error(err, 0)
			end
		else
			local message, early = read(self, type(reply) == "table" and reply or {})
			if message and early then
				return table.unpack(message, 1, message.n)
			elseif message then
				table.insert(self.held, message)
			end
		end
	end
end

---Ends all subscriptions.
function watch:disconnect()
	self.link:close()
end

return watch
