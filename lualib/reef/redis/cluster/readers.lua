-- Which node of a shard reads, when it need not be the master: in turn, by round trip, by zone.
local now = require "reef.base.now"
local skynet = require "skynet"
local zones = require "reef.redis.zones"

local MEASURED_EVERY = 5 -- seconds, round trips
local ASKED_AGAIN = 60   -- seconds after which a node that could not say its zone is asked again

local readers = {}

local function usable(self, address)
	local node = self.nodes[address]
	return not (node and node.shunned and node.shunned > now())
end

---The next of these nodes that does not fail at the moment, in turn.
---@param self redis.cluster.client
---@param list string[]  addresses
---@return string|nil
function readers.next_of(self, list)
	local n = #list
	for _ = 1, n do
		self.turn = self.turn + 1
		local address = list[self.turn % n + 1]
		if usable(self, address) then
			return address
		end
	end
end

-- The round trip of a node, measured now and then.
local function measure(node)
	node.measured = now()
	skynet.fork(function()
		local db, since = node.reader or node.db, now()
		if pcall(db.ping, db:with { timeout = 1 }) then
			local trip = now() - since
			node.round_trip = node.round_trip and node.round_trip * 0.8 + trip * 0.2 or trip
		else
			node.round_trip = 1
		end
	end)
end

local function nearest_of(self, list)
	local best, least
	for _, address in ipairs(list) do
		local node = self:node(address)
		if not node.measured or now() - node.measured > MEASURED_EVERY then
			measure(node)
		end
		if usable(self, address) and (not least or (node.round_trip or math.huge) < least) then
			best, least = address, node.round_trip or math.huge
		end
	end
	return best
end

-- What the user says; else what the cluster tells of all; else what the node says itself, when it has been asked.
local function zone_of(self, address)
	local node = self:node(address)
	local place = self.topology.map.nodes[address]
	local zone = zones.of(self.conf, node.host, node.port) or place and place.zone or node.zone
	if not zone and (not node.zone_asked or now() - node.zone_asked > ASKED_AGAIN) then
		node.zone_asked = now()
		skynet.fork(function()
			local db = node.reader or node.db
			local ok, text = pcall(db.info, db:with { timeout = 1 }, "server")
			node.zone = ok and zones.announced(text) or nil
		end)
	end
	return zone
end

-- Who is in our zone is asked first, then any replica; nil: the master.
local function of_zone(self, shard, all)
	local near = {}
	for _, address in ipairs(all) do
		if zone_of(self, address) == self.conf.zone then
			near[#near + 1] = address
		end
	end
	return readers.next_of(self, near) or readers.next_of(self, shard.replicas)
end

---The replica, or whoever, that a reading command goes to; nil: the master.
---@param self redis.cluster.client
---@param slot integer
---@return string|nil address
function readers.choose(self, slot)
	local shard, read = self.topology.map:find(slot), self.conf.read
	if not shard or self.topology.map.moved[slot] or not shard.replicas[1] then
		return nil
	elseif read == "replica" then
		return readers.next_of(self, shard.replicas)
	elseif read == "fallback" then
		return not usable(self, shard.master) and readers.next_of(self, shard.replicas) or nil
	end
	local all = table.move(shard.replicas, 1, #shard.replicas, 2, { shard.master })
	if read == "any" then
		return readers.next_of(self, all)
	end
	if read == "zone" then
		return of_zone(self, shard, all)
	end
	return nearest_of(self, all)
end

return readers
