-- Subscriptions: redis.watch(conf) -> w
--
--     local w = redis.watch { host = "127.0.0.1" }
--     w:subscribe("news", "weather")
--     while true do
--         local data, channel, pattern = w:message()
--     end
--
-- message() reconnects for ever and subscribes again to all that was asked for. What was published meanwhile is gone:
-- the `gap` function of the conf is told, and `w.gaps` counts. After `heartbeat` seconds of silence the server is asked
-- whether it is still there. When more than `limits.queue` messages wait to be read, the socket is not read any more.
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local link = require "skynet.db.redis.link"
local skynet = require "skynet"

---@class redis.watch
---@field gaps integer  times that messages may have been missed
local watch = {}
watch.__index = watch

local kinds = { "subscribe", "psubscribe", "ssubscribe" }

local function list_of(set)
	local list = {}
	for name in pairs(set) do
		list[#list + 1] = name
	end
	table.sort(list)
	return list
end

local function send(self, ...)
	return core.send(self.sender, ...)
end

-- Subscribes to everything again, on a connection that has just been made.
local function resubscribe(self)
	for _, kind in ipairs(kinds) do
		local names = list_of(self.wanted[kind])
		if #names > 0 then
			send(self, kind:upper(), table.unpack(names))
		end
	end
end

local function connected(self)
	self.sender = self.link:sender()
	self.link.connection:stream(true)
	resubscribe(self)
	if self.lost_since then
		local info = { seconds = skynet.hpc() / 1e9 - self.lost_since, why = self.lost_why }
		self.lost_since = nil
		self.gaps = self.gaps + 1
		if self.link.conf.gap then
			skynet.fork(self.link.conf.gap, info)
		end
	end
end

local function open(self)
	if self.link.connection:state() ~= "open" then
		self.link.connection:stream(false)
		self.link:open(0)
	end
end

---@param conf redis.conf
---@param pooled reef.pool.listener|nil  instead of a connection of its own
function watch.new(conf, pooled)
	local self = setmetatable({ gaps = 0, wanted = {} }, watch)
	for _, kind in ipairs(kinds) do
		self.wanted[kind] = {}
	end
	self.link = link.new(conf, {
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
		for i = 1, select("#", ...) do
			self.wanted[kind][tostring((select(i, ...)))] = true
		end
		send(self, kind:upper(), ...)
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

---The next message; waits for it.
---@return string data, string channel, string|nil pattern
function watch:message()
	while true do
		local reply = next_reply(self)
		if reply == nil then
			if self.link.closed then
				error(self.link:error("closed", "it was disconnected"), 0)
			end
			self.lost_since = self.lost_since or skynet.hpc() / 1e9
			self.lost_why = self.lost_why or self.link.connection:info().lost
			-- As often as it takes, with the link's pauses.
			local ok, err = pcall(open, self)
			if not ok and not errors.is(err) then
				error(err, 0)
			end
		elseif type(reply) == "table" then
			local kind = reply[1]
			if kind == "message" or kind == "smessage" then
				return reply[3], reply[2]
			elseif kind == "pmessage" then
				return reply[4], reply[3], reply[2]
			elseif kind == "error" then
				error("redis: " .. reply[2], 0)
			end
		end
	end
end

---Ends all subscriptions.
function watch:disconnect()
	self.link:close()
end

return watch
