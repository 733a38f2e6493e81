-- Subscriptions to a Redis Cluster: redis.watch with several hosts, or redis+cluster://.
--
-- What is published to a channel reaches all nodes; so subscribe and psubscribe go to any node, and to another when
-- that is lost. What is published to a sharded channel stays with the shard that has its slot; so ssubscribe goes
-- there, and after it when the slot moves. Each connection is a reef.redis.pubsub, whose messages come together here.
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local map = require "reef.redis.cluster.map"
local pubsub = require "reef.redis.pubsub"
local skynet = require "skynet"

local AGAIN = 0.1       -- seconds between attempts to find a channel's shard
local MOST_QUEUED = 65536

---@class redis.cluster.watch
---@field gaps integer
local watch = {}
watch.__index = watch

local function sleep(seconds)
	skynet.sleep(math.ceil(seconds * 100))
end

-- Those who wait for room.
local function wake_readers(self)
	local full = self.full
	if full[1] then
		self.full = {}
		for _, token in ipairs(full) do
			skynet.wakeup(token)
		end
	end
end

-- Whoever waits in message() gets it; the queue is bounded, since readers wait while it is full.
local function deliver(self, message)
	while self.last - self.first + 1 >= self.most and not self.closed do
		local token = {}
		table.insert(self.full, token)
		skynet.wait(token)
	end
	self.last = self.last + 1
	self.queue[self.last] = message
	if self.waiting then
		skynet.wakeup(self.waiting)
	end
end

local rehome

local function read(self, one, address)
	while not self.closed and not one.ended do
		local message = table.pack(pcall(one.message, one))
		if self.closed or one.ended then
			return
		elseif message[1] then
			deliver(self, table.pack(table.unpack(message, 2, message.n)))
		else
			local text = tostring(message[2])
			if address and text:find "MOVED" then
				for name in pairs(one.wanted.ssubscribe) do
					if self.topology.map:master(core.slot(name)) == address then
						local slot, where = text:match "MOVED (%d+) (%S+)"
						local host, port = map.split(where or "")
						if port and math.tointeger(tonumber(slot)) == core.slot(name) then
							self.topology:moved(core.slot(name), host ~= "" and host or one.link.conf.host, port)
							rehome(self, one, name)
						end
					end
				end
			elseif not errors.is(message[2]) then
				deliver(self, { error = message[2], n = 0 })
			else
				sleep(AGAIN)
			end
		end
	end
end

local function open(self, address, resolve)
	local host, port = self.conf.host, self.conf.port
	if address then
		host, port = map.split(address)
	end
	local one
	local conf = config.node(self.conf, host, port, {
		errors = "string", gap = self.conf.gap, resolve = resolve,
		moved = function(name)
			rehome(self, one, name)
		end,
	})
	one = pubsub.new(conf)
	table.insert(self.parts, one)
	skynet.fork(read, self, one, address)
	return one
end

-- Any node, by chance.
local function any(self)
	return function(seconds)
		self.topology:refresh()
		if not self.topology.map then
			self.topology:wait(math.max(seconds, 0.01))
		end
		local list = {}
		for _, node in pairs(self.topology.map and self.topology.map.nodes or {}) do
			list[#list + 1] = node
		end
		local node = list[math.random(math.max(#list, 1))]
		if node then
			return node.host, node.port
		end
		return nil, "no node of the cluster answers: " .. tostring(self.topology.why)
	end
end

-- One shard's: as long as it is that of its channels.
local function shard(self, address)
	return function(seconds)
		local one = self.shards[address]
		if one and next(one.wanted.ssubscribe) then
			self.topology:refresh()
			self.topology:wait(math.max(math.min(seconds, 1), 0.01))
			for name in pairs(one.wanted.ssubscribe) do
				if self.topology.map:master(core.slot(name)) ~= address then
					rehome(self, one, name)
				end
			end
		end
		return map.split(address)
	end
end

local function part_for(self, address)
	local one = self.shards[address]
	if not one then
		if self.opening[address] then
			sleep(AGAIN)
			return part_for(self, address)
		end
		self.opening[address] = true
		local _ <close> = setmetatable({}, { __close = function()
			self.opening[address] = nil
		end })
		one = open(self, address, shard(self, address))
		self.shards[address] = one
	end
	return one
end

local function subscribe_at_home(self, name)
	local address = self.topology.map and self.topology.map:master(core.slot(name))
	if not address then
		error(errors.new({ code = "connect", outcome = "not sent", host = "redis cluster " .. self.conf.where },
			"nobody has the slot of " .. name), 0)
	end
	part_for(self, address):ssubscribe(name)
end

-- A sharded channel is somewhere else now.
rehome = function(self, one, name)
	one.wanted.ssubscribe[name] = nil
	if self.closed or not self.wanted[name] then
		return
	end
	self.gaps_here = self.gaps_here + 1
	local since = skynet.hpc() / 1e9
	skynet.fork(function()
		while not self.closed and self.wanted[name] do
			if pcall(subscribe_at_home, self, name) then
				if self.conf.gap then
					self.conf.gap { seconds = skynet.hpc() / 1e9 - since, why = "the slot of " .. name .. " has moved" }
				end
				return
			end
			self.topology:refresh()
			self.topology:wait(AGAIN)
		end
	end)
end

-- One master, as long as it is one; nobody listens to it any more after that.
local function master_only(self, address)
	return function()
		if self.topology.map then
			for _, one in ipairs(self.topology.map:masters()) do
				if one == address then
					return map.split(address)
				end
			end
		end
		self.topology:refresh()
		return nil, "it is a master no more"
	end
end

-- Listens to masters that are new, and no more to those that are none any more.
local function follow_masters(self)
	local wanted = {}
	for _, address in ipairs(self.topology.map and self.topology.map:masters() or {}) do
		wanted[address] = true
		if not self.masters[address] then
			local ok, one = pcall(open, self, address, master_only(self, address))
			if ok then
				self.masters[address] = one
				for pattern in pairs(self.patterns) do
					one:psubscribe(pattern)
				end
			end
		end
	end
	for address, one in pairs(self.masters) do
		if not wanted[address] then
			self.masters[address], one.ended = nil, true
			one:disconnect()
			self.gaps_here = self.gaps_here + 1
		end
	end
end

---@param conf table                          of the cluster
---@param topology redis.cluster.topology|nil  that of a client
---@param everywhere boolean|nil               psubscribe goes to each master, since what is published stays there
---@return redis.cluster.watch
function watch.new(conf, topology, everywhere)
	local self = setmetatable({
		conf = conf, queue = {}, first = 1, last = 0, most = conf.limits.queue or MOST_QUEUED, parts = {}, shards = {},
		opening = {}, full = {}, wanted = {}, gaps_here = 0, masters = {}, patterns = {},
	}, {
		__index = function(self, name)
			if name == "gaps" then
				local n = self.gaps_here
				for _, one in ipairs(self.parts) do
					n = n + one.gaps
				end
				return n
			end
			return watch[name]
		end,
	})
	self.owns_topology = topology == nil
	local weak = setmetatable({ watch = self }, { __mode = "v" })
	self.topology = topology or require("reef.redis.cluster.topology").new(conf, function()
		if weak.watch and weak.watch.everywhere then
			skynet.fork(follow_masters, weak.watch)
		end
	end)
	if not self.topology.map then
		self.topology:refresh()
		self.topology:wait(conf.connect_timeout)
	end
	if everywhere then
		self.everywhere = true
		follow_masters(self)
	else
		self.main = open(self, nil, any(self))
	end
	return self
end

for _, name in ipairs { "subscribe", "psubscribe", "unsubscribe", "punsubscribe" } do
	watch[name] = function(self, ...)
		if not self.everywhere then
			return self.main[name](self.main, ...)
		end
		for i = 1, select("#", ...) do
			self.patterns[(select(i, ...))] = name == "psubscribe" or nil
		end
		for _, one in pairs(self.masters) do
			one[name](one, ...)
		end
	end
end

---Subscribes to sharded channels, each where its slot is.
function watch:ssubscribe(...)
	for i = 1, select("#", ...) do
		local name = tostring((select(i, ...)))
		self.wanted[name] = true
		subscribe_at_home(self, name)
	end
end

function watch:sunsubscribe(...)
	local names = table.pack(...)
	if names.n == 0 then
		for name in pairs(self.wanted) do
			table.insert(names, name)
		end
	end
	for _, name in ipairs(names) do
		name = tostring(name)
		self.wanted[name] = nil
		for _, one in pairs(self.shards) do
			if one.wanted.ssubscribe[name] then
				one:sunsubscribe(name)
			end
		end
	end
end

---The next message; waits for it.
---@return string data, string channel, string|nil pattern
function watch:message()
	while self.first > self.last do
		if self.closed then
			error(errors.new({ code = "closed", outcome = "not sent", host = "redis cluster " .. self.conf.where,
				command = "message" }, "it was disconnected"), 0)
		elseif self.waiting then
			error("redis: another coroutine waits for a message already")
		end
		local token <close> = setmetatable({}, { __close = function()
			self.waiting = nil
		end })
		self.waiting = token
		skynet.wait(token)
	end
	local message = self.queue[self.first]
	self.queue[self.first] = nil
	self.first = self.first + 1
	wake_readers(self)
	if message.error then
		error(message.error, 0)
	end
	return table.unpack(message, 1, message.n)
end

---Ends all subscriptions.
function watch:disconnect()
	self.closed = true
	for _, one in ipairs(self.parts) do
		one.ended = true
		one:disconnect()
	end
	if self.owns_topology then
		self.topology:close()
	end
	wake_readers(self)
	if self.waiting then
		skynet.wakeup(self.waiting)
	end
end

return watch
