-- Another node of a harbor network, and the connection to it: what goes there and comes from there. A node that nobody
-- has spoken of yet is waited for; one that was lost stays lost.
--
-- Who waits for an answer from there is known here, so that the loss of the connection ends every call.

local core = require "skynet.core"
local driver = require "skynet.socketdriver"
local frame = require "reef.harbor.frame"
local losses = require "reef.losses"
local skynet = require "skynet"
local socket = require "reef.socket"
local waits = require "reef.waits"

local QUEUE <const> = 64 << 20 -- bytes that may wait for a node, or for the network
local RESPONSE <const>, ERROR <const> = skynet.PTYPE_RESPONSE, skynet.PTYPE_ERROR
local INTERNAL <const> = { [skynet.PTYPE_HARBOR] = true, [skynet.PTYPE_SOCKET] = true }

local own_bits <const> = skynet.self() & 0xff000000

---@class reef.harbor.peer
---@field id integer
---@field state "waiting"|"connecting"|"up"|"lost"
---@field fd integer|nil
---@field pending table<integer, integer> requests that are not answered: source and session -> destination
local peer = {}
peer.__index = peer

---@param id integer
---@return reef.harbor.peer
function peer.new(id)
	local self = setmetatable({ id = id, state = "waiting", queue = {}, queued = 0, unsent = 0, pending = {},
		watchers = {} }, peer)
	self.add_lost, self.tell_lost = losses.new(function(count, why)
		return ("harbor %d: %d messages are lost: %s"):format(id, count, why)
	end)
	return self
end

-- ---- what cannot arrive ----

function peer:fail(source, destination, session, why)
	core.redirect(source, destination, ERROR, session, why)
end

---A request, or what nobody waits for, is not sent.
function peer:refuse(source, destination, type, session, why)
	if session ~= 0 and type ~= RESPONSE and type ~= ERROR then
		self:fail(source, destination, session, ("harbor %d: %s (not sent)"):format(self.id, why))
	else
		self.add_lost(why)
	end
end

-- ---- there ----

local function key_of(handle, session)
	return handle << 32 | session
end

local function write(self, source, destination, type, session, text)
	if session ~= 0 and type ~= RESPONSE and type ~= ERROR then
		self.pending[key_of(source, session)] = destination
	end
	if not socket.write(self.fd, text) then
		self.pending[key_of(source, session)] = nil
		self:refuse(source, destination, type, session, "the connection is closed")
	end
end

---Takes a message of this node's to a service of that one.
---@param text string the frame
function peer:send(source, destination, type, session, text)
	if #text >= frame.LIMIT + 4 then
		self:refuse(source, destination, type, session, ("a message of %d bytes is too large"):format(
			#text - frame.TRAILER - 4))
	elseif self.unsent > QUEUE and type ~= RESPONSE and type ~= ERROR then
		self:refuse(source, destination, type, session, ("more than %d bytes wait to be sent"):format(QUEUE))
	elseif self.state == "up" then
		write(self, source, destination, type, session, text)
	elseif self.state == "lost" then
		self:refuse(source, destination, type, session, "that node is lost")
	elseif self.queued + #text > QUEUE then
		self:refuse(source, destination, type, session, ("%d bytes wait for that node"):format(self.queued))
	else
		self.queue[#self.queue + 1] = { source, destination, type, session, text }
		self.queued = self.queued + #text
		if #self.queue == 1 then
			waits.tell(function()
				return self.queue[1] and ("harbor %d: that node is not there yet, %d messages wait for it"):format(
					self.id, #self.queue)
			end)
		end
	end
end

-- ---- from there ----

local function deliver(self, body)
	local source, destination, type, session = frame.trailer(body)
	destination = own_bits | destination
	if INTERNAL[type] or session > 0x7fffffff or source == 0 then
		return self.add_lost(("it has sent a message of type %d, session %d, from %s"):format(type, session,
			skynet.address(source)))
	end
	local is_reply = type == RESPONSE or type == ERROR
	if is_reply and session ~= 0 then
		self.pending[key_of(destination, session)] = nil
	end
	local sent = core.redirect(destination, source, type, session, body:sub(1, -1 - frame.TRAILER))
	if sent == 0 or is_reply then
		return
	elseif session == 0 then
		return self.add_lost(("here is nobody with the address %s"):format(skynet.address(destination)))
	end
	core.redirect(source, destination, ERROR, session, sent == false and "the receiver's mailbox is full"
		or ("call to invalid address %s"):format(skynet.address(destination)))
end

---Who waits for it is told, and nothing is sent there any more.
---@param why string
function peer:lose(why)
	if self.state == "lost" then
		return
	end
	local pending, queue, watchers = self.pending, self.queue, self.watchers
	local was_up = self.state == "up"
	self.state, self.pending, self.queue, self.queued, self.watchers = "lost", {}, {}, 0, {}
	self.unsent = 0
	skynet.error(("harbor %d: %s"):format(self.id, why))
	for key, destination in pairs(pending) do
		self:fail(key >> 32, destination, key & 0xffffffff, ("harbor %d: %s (maybe applied)"):format(self.id, why))
	end
	for _, item in ipairs(queue) do
		self:refuse(item[1], item[2], item[3], item[4], why)
	end
	self.tell_lost()
	for _, watcher in ipairs(watchers) do
		watcher(was_up)
	end
end

---Serves the connection until it ends.
---@param fd integer greetings were exchanged
function peer:serve(fd)
	self.fd, self.state = fd, "up"
	driver.nodelay(fd)
	-- Answers are never refused: who asked would wait for ever.
	socket.warning(fd, function(_, kb)
		self.unsent = kb * 1024
		if kb > 0 then
			skynet.error(("harbor %d: %d KB wait to be sent"):format(self.id, kb))
		end
	end)
	skynet.error(("harbor %d: connected"):format(self.id))
	local queue, watchers = self.queue, self.watchers
	self.queue, self.queued, self.watchers = {}, 0, {}
	for _, item in ipairs(queue) do
		write(self, table.unpack(item))
	end
	for _, watcher in ipairs(watchers) do
		watcher(true)
	end
	local body, problem
	repeat
		body, problem = frame.read_message(fd)
		if body then
			deliver(self, body)
		end
	until not body
	socket.shutdown(fd)
	self:lose(problem)
end

---Calls f(up) when the state changes: connected, or lost.
---@param f fun(up: boolean)
function peer:watch(f)
	table.insert(self.watchers, f)
end

return peer
