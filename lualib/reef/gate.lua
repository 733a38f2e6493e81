-- What a gate allows its clients, beyond their number. Times are in hundredths of a second.
--
-- Connections from one address, new ones in a second, silence, the time that a packet may take, and bytes that they do
-- not read. And one write to many clients.
local core = require "reef.gate.core"
local skynet = require "skynet"

local gate = {}

---Sends the same bytes to many sockets. They are in memory once, until the last one has taken them.
---@param fds integer[]
---@param data string|userdata bytes as they are, with their length in front if there is to be one
---@param size? integer of a userdata; a light one is freed
---@return integer accepted by how many
function gate.broadcast(fds, data, size)
	return core.broadcast(fds, data, size)
end

---The packets of this service's gate, some of them not whole yet: a queue of skynet.netpack.
gate.packets = core.queue()

---Packets of a client go to an agent, as skynet.redirect would send them, without a call of the gate's handler.message.
---@param fd integer
---@param agent? integer nil: not any more
---@param source? integer 0 is this service
---@param type? integer of the messages
function gate.route(fd, agent, source, type)
	core.route(gate.packets, fd, agent, source, type)
end

---Clients whose unfinished packet is older than that many hundredths of a second.
---@param cs integer
---@return integer[]
function gate.unfinished(cs)
	return core.unfinished(gate.packets, cs)
end

local PACKET_TIME <const> = 30000 -- 1/100 s
local LONGEST_NAP <const> = 6000

---@class reef.gate.limits what a gate is opened with; absent: no limit, but for packet_time
---@field peraddress? integer connections from one address
---@field rate? integer new connections in a second; more of them wait to be accepted
---@field silence? integer 1/100 s in which a client that is read sends nothing
---@field packet_time? integer 1/100 s from the first byte of a packet to its last one (30000)
---@field unsent? integer KiB that may wait to be sent to a client; looked at from 1024 on, when they have doubled

local NAMES <const> = { "peraddress", "rate", "silence", "packet_time", "unsent" }

---@class reef.gate.ends what a guard does to its gate, and asks it
---@field drop fun(fd: integer, reason: string)
---@field pause fun() accept nobody
---@field resume fun()
---@field unfinished fun(cs: integer): integer[] clients whose packet has taken longer

---@class reef.gate.guard
---@field limits reef.gate.limits
---@field ends reef.gate.ends
---@field address table<integer, string> of each client
---@field from table<string, integer> clients by address
---@field read table<integer, integer> since when a client is read
---@field tokens? number connections that may come at once
---@field since? integer when the tokens were counted
---@field resting? boolean nobody is accepted until there is a token
---@field watching boolean
local guard = {}
guard.__index = guard

---@param ends reef.gate.ends
---@return reef.gate.guard it allows everything before guard:allow
function gate.guard(ends)
	return setmetatable({ limits = {}, ends = ends, address = {}, from = {}, read = {}, watching = false }, guard)
end

---Says what clients may do from now on; raises, and changes nothing, if a limit is none.
---@param conf reef.gate.limits
function guard:allow(conf)
	local limits = {}
	for _, name in ipairs(NAMES) do
		local value = conf[name]
		if value ~= nil and (math.type(value) ~= "integer" or value < 1) then
			error(("gate: %s is a positive integer, not %s"):format(name, tostring(value)), 0)
		end
		limits[name] = value
	end
	limits.packet_time = limits.packet_time or PACKET_TIME
	self.limits, self.tokens, self.since = limits, limits.rate, skynet.now()
end

-- Each connection takes a token; without any left the listener rests until there is one again.
local function take_token(self)
	local now, rate = skynet.now(), self.limits.rate
	self.tokens = math.min(rate, self.tokens + (now - self.since) * rate / 100) - 1
	self.since = now
	if self.tokens < 1 and not self.resting then
		self.resting = true
		self.ends.pause()
		skynet.timeout(math.ceil((1 - self.tokens) * 100 / rate), function()
			self.resting = false
			self.ends.resume()
		end)
	end
end

---A new connection.
---@param fd integer
---@param address string
---@return boolean admitted
function guard:admit(fd, address)
	if self.limits.rate then
		take_token(self)
	end
	local most = self.limits.peraddress
	local host = address:match "^(.*):%d+$" or address
	local count = self.from[host] or 0
	if most and count >= most then
		return false
	end
	self.from[host] = count + 1
	self.address[fd] = host
	return true
end

local function check_silence(self)
	local before = skynet.now() - self.limits.silence
	local silent = {}
	for fd, since in pairs(self.read) do
		if math.max(since, core.heard(fd) or 0) < before then
			silent[#silent + 1] = fd
		end
	end
	for _, fd in ipairs(silent) do
		self.ends.drop(fd, ("silent for %.2f s"):format(self.limits.silence / 100))
	end
end

local function watch(self)
	if next(self.read) == nil then
		self.watching = false
		return
	end
	if self.limits.silence then
		check_silence(self)
	end
	for _, fd in ipairs(self.ends.unfinished(self.limits.packet_time)) do
		self.ends.drop(fd, ("a packet takes longer than %.2f s"):format(self.limits.packet_time / 100))
	end
	local shortest = math.min(self.limits.silence or self.limits.packet_time, self.limits.packet_time)
	skynet.timeout(math.min(math.max(shortest // 4, 1), LONGEST_NAP), function()
		watch(self)
	end)
end

---A client is read from now on.
---@param fd integer
function guard:opened(fd)
	self.read[fd] = skynet.now()
	if not self.watching then
		self.watching = true
		watch(self)
	end
end

---So much waits to be sent to it.
---@param fd integer
---@param kb integer
function guard:warned(fd, kb)
	local most = self.limits.unsent
	if most and kb > most then
		self.ends.drop(fd, ("%d KiB wait to be sent"):format(kb))
	end
end

---A client is gone.
---@param fd integer
function guard:left(fd)
	self.read[fd] = nil
	local host = self.address[fd]
	if host then
		self.address[fd] = nil
		local count = self.from[host] - 1
		self.from[host] = count > 0 and count or nil
	end
end

return gate
