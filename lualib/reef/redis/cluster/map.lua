-- Which node of a Redis Cluster has which slots: answers of CLUSTER SLOTS and CLUSTER SHARDS in one form.
--
-- A map is small, since every service that uses the cluster has one: ranges of slots, searched by halving. It is never
-- changed but by `moved`, which notes what a node said about one slot until the next map comes.
-- https://redis.io/docs/latest/commands/cluster-slots and cluster-shards.
local config = require "reef.redis.config"
local fields_of = require "reef.redis.fields"
local place = require "reef.redis.place"

local SLOTS = 16384

---@class redis.cluster.shard
---@field master string            "host:port"
---@field replicas string[]
---@field epoch integer|nil        config epoch of the master, see reef.redis.cluster.claims

---@class redis.cluster.map
---@field first integer[]                 first slot of each range, in order
---@field last integer[]
---@field shard redis.cluster.shard[]     of each range
---@field moved table<integer, string>    addresses that nodes named since
---@field nodes table<string, { host: string, port: integer, zone: string? }>  all by address
local map = {}
map.__index = map

-- A node that does not know its own address, or may not say it, is where it was asked.
local function known(host)
	return type(host) == "string" and host ~= "" and host ~= "?" and host or nil
end

map.is_port, map.reach, map.split = place.is_port, place.reach, place.split

local function new()
	return setmetatable({ first = {}, last = {}, shard = {}, moved = {}, nodes = {} }, map)
end

local function add_node(self, conf, host, port, zone)
	if not map.is_port(port) then
		error(("a node's port is %s"):format(port), 0)
	end
	host, port = map.reach(conf, host, port)
	local address = config.where(host, port)
	self.nodes[address] = { host = host, port = port, zone = known(zone) }
	return address
end

-- Ranges come in any order. A slot that is in two of them could be anywhere.
local function sorted(self, ranges)
	table.sort(ranges, function(a, b)
		return a.first < b.first
	end)
	local before = -1
	for i, range in ipairs(ranges) do
		if range.first <= before or range.last < range.first or range.last >= SLOTS then
			error(("the slots %s to %s come after slot %d"):format(range.first, range.last, before), 0)
		end
		before = range.last
		self.first[i], self.last[i], self.shard[i] = range.first, range.last, range.shard
	end
	return self
end

local function table_in(value, what)
	return type(value) == "table" and value or error(("%s is a %s"):format(what, type(value)), 0)
end

local function slot_in(value)
	return math.tointeger(tonumber(value)) or error(("a slot is %s"):format(tostring(value)), 0)
end

local function slots_reply(conf, reply, asked, epochs)
	local self, ranges, shards = new(), {}, {}
	for _, item in ipairs(table_in(reply, "the reply")) do
		local shard = { replicas = {} }
		for i = 3, #table_in(item, "a range") do
			local node = table_in(item[i], "a node")
			local more = fields_of(node[4] ~= nil and table_in(node[4], "a node's metadata"))
			if node[1] ~= nil and type(node[1]) ~= "string" then
				error("a node's host is a " .. type(node[1]), 0)
			end
			local address = add_node(self, conf, known(node[1]) or known(more.hostname) or known(more.ip) or asked,
				math.tointeger(node[2]), more["availability-zone"])
			if i == 3 then
				shard.master, shard.epoch = address, epochs[node[3] or ""]
			else
				table.insert(shard.replicas, address)
			end
		end
		if not shard.master then
			error("a range has no node", 0)
		end
		-- Ranges of one node are one shard.
		shard = shards[shard.master] or shard
		shards[shard.master] = shard
		ranges[#ranges + 1] = { first = slot_in(item[1]), last = slot_in(item[2]), shard = shard }
	end
	return sorted(self, ranges)
end

local function shards_reply(conf, reply, asked, epochs)
	local self, ranges = new(), {}
	for _, item in ipairs(table_in(reply, "the reply")) do
		local fields, shard = fields_of(table_in(item, "a shard")), { replicas = {} }
		for _, node in ipairs(table_in(fields.nodes or {}, "a shard's nodes")) do
			node = fields_of(table_in(node, "a node"))
			local port = math.tointeger(tonumber(conf.tls and node["tls-port"] or node.port or node["tls-port"]))
			local host = known(node.endpoint) or known(node.hostname) or known(node.ip) or asked
			if port and node.health ~= "failed" then
				local address = add_node(self, conf, host, port, node["availability-zone"])
				if node.role == "master" then
					shard.master, shard.epoch = address, epochs[node.id or ""]
				else
					table.insert(shard.replicas, address)
				end
			end
		end
		local slots = table_in(fields.slots or {}, "a shard's slots")
		for i = 1, shard.master and #slots or 0, 2 do
			ranges[#ranges + 1] = {
				first = slot_in(slots[i]), last = slot_in(slots[i + 1]), shard = shard,
			}
		end
	end
	return sorted(self, ranges)
end

---The map out of what a node answers.
---@param conf table   nat, tls
---@param kind "SLOTS"|"SHARDS"
---@param reply any
---@param asked string  the node's host
---@param epochs table<string, integer>|nil  config epochs by the nodes' ids, as far as they are known
---@return redis.cluster.map|nil
---@return string|nil why  it makes no sense
function map.read(conf, kind, reply, asked, epochs)
	local ok, self = pcall(kind == "SLOTS" and slots_reply or shards_reply, conf, reply, asked, epochs or {})
	if not ok then
		return nil, "CLUSTER " .. kind .. " has an answer that makes no sense: " .. tostring(self)
	elseif not self.first[1] then
		return nil, "the cluster has no slots yet"
	end
	return self
end

---A map that came as a message: what another service's map has.
---@param fields table
---@return redis.cluster.map
function map.take(fields)
	fields.moved = {}
	return setmetatable(fields, map)
end

---The shard that has a slot; nil: nobody has.
---@param slot integer
---@return redis.cluster.shard|nil
function map:find(slot)
	local first, low, high = self.first, 1, #self.first
	while low < high do
		local middle = (low + high + 1) // 2
		if first[middle] <= slot then
			low = middle
		else
			high = middle - 1
		end
	end
	if first[low] <= slot and slot <= self.last[low] then
		return self.shard[low]
	end
end

---The address of the master of a slot.
---@param slot integer
---@return string|nil
function map:master(slot)
	local moved = self.moved[slot]
	if moved then
		return moved
	end
	local shard = self:find(slot)
	return shard and shard.master
end

---@param address string
---@return boolean
function map:is_master(address)
	for _, shard in ipairs(self.shard) do
		if shard.master == address then
			return true
		end
	end
	return false
end

---All masters, each once, in the order of their slots.
---@return string[]
function map:masters()
	local list, seen = {}, {}
	for _, shard in ipairs(self.shard) do
		if not seen[shard.master] then
			seen[shard.master] = true
			list[#list + 1] = shard.master
		end
	end
	return list
end

---Is it the same distribution?
---@param other redis.cluster.map|nil
---@return boolean
function map:equals(other)
	if not other or #self.first ~= #other.first or next(other.moved) then
		return false
	end
	for i, first in ipairs(self.first) do
		local a, b = self.shard[i], other.shard[i]
		if first ~= other.first[i] or self.last[i] ~= other.last[i] or a.master ~= b.master or a.epoch ~= b.epoch
			or table.concat(a.replicas, " ") ~= table.concat(b.replicas, " ") then
			return false
		end
	end
	return true
end

return map
