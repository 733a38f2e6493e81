-- The nodes of a Redis Cluster that a cache's values come from: one tracking connection to each master, and which slot
-- is whose. Of the service `reef_redis_cache`.
--
-- When a slot changes hands, what is kept of it is forgotten, since its old node tells nothing of it any more. Where a
-- write was acknowledged is where the slot is read from then on (`fence`), whatever an old master still believes.
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local map = require "reef.redis.cluster.map"
local now = require "reef.base.now"
local topology = require "reef.redis.cluster.topology"
local tracking = require "reef.redis.cache.tracking"

local LAST_SLOT = 16383
local FENCED = 15        -- seconds for which the word of who has written counts more than a map
local MOST_PROBES = 1 << 17

---@class redis.cache.nodes
---@field owner table<integer, string>                  address by slot
---@field at table<string, redis.cache.tracking>        by address
---@field fenced table<integer, number>                 until when, by slot
local nodes = {}
nodes.__index = nodes

-- A key that the node would answer for; nil: there is none with such a prefix.
local function probe_of(self, address)
	local prefix = self.wants.prefixes and self.wants.prefixes[1] or ""
	for n = 1, MOST_PROBES do
		local key = ("%s{reef:%d}"):format(prefix, n)
		if self.owner[core.slot(key)] == address then
			return key
		end
	end
end

local ping, exists = core.command "PING", core.command "EXISTS"
-- Of who may not look at the key, or does not know the command: the server lives, and no more can be known.
local harmless = { NOPERM = true, ERR = true }

-- A node that lives may be a master no more, or cut off from the others. It says so when it is asked for a key.
local function check(self, address)
	local probe
	return function(db)
		if not probe or self.owner[core.slot(probe)] ~= address then
			probe = probe_of(self, address)
		end
		if not probe then
			ping(db)
			return
		end
		local ok, err = pcall(exists, db, probe)
		if ok then
			return
		elseif err.code == "MOVED" then
			self:refused(address, err.message)
		elseif not (err.outcome == "rejected" and harmless[err.code]) then
			error(err, 0)
		end
	end
end

local function open(self, address)
	local place = self.topology.map and self.topology.map.nodes[address]
	local host, port = map.split(address)
	local conf = config.node(self.conf, place and place.host or host, place and place.port or port, {
		resp = 3, limits = self.conf.limits or {},
	})
	local one = tracking.new(conf, self.wants, self.handle, { check = check(self, address) })
	-- Who makes a key that was not there while its slot moves makes it elsewhere, and the old node does not hear of it.
	one.absent = self.wants.heartbeat
	return one
end

local function keep_what_is_used(self)
	local used = {}
	for _, address in pairs(self.owner) do
		used[address] = true
	end
	for address in pairs(used) do
		self.at[address] = self.at[address] or open(self, address)
	end
	for address, one in pairs(self.at) do
		if not used[address] then
			self.at[address] = nil
			self.losses = self.losses + one.losses
			one:stop()
		end
	end
end

-- From now on the slots are there. What is on its way from where they were is not kept.
local function settle(self, changes)
	local gone = {}
	for slot, address in pairs(changes) do
		if self.owner[slot] then
			gone[#gone + 1] = slot
		end
		self.owner[slot] = address or nil
		self.handle:set_home(slot, address or nil)
	end
	if gone[1] then
		self.handle:flush_slots(gone)
	end
	if next(changes) then
		keep_what_is_used(self)
	end
end

local function follow(self, fresh)
	local changes, seen = {}, {}
	local function at(slot, address)
		seen[slot] = true
		if self.owner[slot] == address then
			self.fenced[slot] = nil
		elseif not self.fenced[slot] or self.fenced[slot] < now() then
			changes[slot] = address
			self.fenced[slot] = nil
		end
	end
	for i, first in ipairs(fresh.first) do
		for slot = first, fresh.last[i] do
			at(slot, fresh.moved[slot] or fresh.shard[i].master)
		end
	end
	for slot = 0, LAST_SLOT do
		if not seen[slot] and self.owner[slot] then
			changes[slot] = false
		end
	end
	settle(self, changes)
end

---A node has said no: where it says that a slot is, it is.
---@param address string   of the node
---@param text string      its error
function nodes:refused(address, text)
	local code = text:match "^%u+"
	if code == "MOVED" then
		local where, target = text:match "^MOVED (%d+) (%S+)$"
		local host, port = map.split(target or "")
		local slot = math.tointeger(tonumber(where))
		if not map.is_port(port) or not slot or slot > LAST_SLOT then
			return
		elseif host == "" or host == "?" then
			host = map.split(address)
		end
		local there = self.topology:moved(slot, host, port)
		-- Only who has a slot can say that it is elsewhere.
		if there and there ~= address and self.owner[slot] == address then
			self.fenced[slot] = nil
			settle(self, { [slot] = there })
		end
	elseif code == "CLUSTERDOWN" or code == "LOADING" or code == "MASTERDOWN" then
		self.topology:refresh()
		local one = self.at[address]
		if one then
			one:renew(text)
		end
	end
end

---A write has been acknowledged there.
---@param slot integer
---@param address string
function nodes:fence(slot, address)
	if self.owner[slot] ~= address then
		self.fenced[slot] = now() + FENCED
		settle(self, { [slot] = address })
		self.topology:refresh()
	end
end

---Where a key's value comes from.
---@param key string
---@return redis.cache.tracking|nil one
---@return integer slot
---@return string|nil address
function nodes:place(key)
	local slot = core.slot(key)
	local address = self.owner[slot]
	return self.at[address], slot, address
end

---Is everybody heard, and how often was somebody not?
---@return boolean on, integer losses
function nodes:stat()
	local on, losses = next(self.at) ~= nil, self.losses
	for _, one in pairs(self.at) do
		on, losses = on and one.on, losses + one.losses
	end
	return on, losses
end

---@param conf table       of the cluster
---@param wants table      prefixes, ttl, heartbeat
---@param handle userdata  the cache
---@return redis.cache.nodes
function nodes.new(conf, wants, handle)
	local self = setmetatable({
		conf = conf, wants = wants, handle = handle, owner = {}, at = {}, fenced = {}, losses = 0,
	}, nodes)
	self.topology = topology.new(conf, function(fresh)
		follow(self, fresh)
	end)
	self.topology:refresh()
	return self
end

return nodes
