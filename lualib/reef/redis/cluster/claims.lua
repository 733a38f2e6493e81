-- Whose word counts when nodes disagree about a slot: theirs whose claim has the higher config epoch.
--
-- A node that was frozen or cut off tells what it knew then. Nodes settle that among themselves by config epochs: who
-- takes a slot over has a higher one than who had it. A client that does the same never goes back to an older owner.
-- https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-slots-configuration-propagation
local claims = {}

local SLOTS = 16384

---The config epochs of all nodes by their ids, out of the reply to CLUSTER NODES. Empty where it is none.
---@param text any
---@return table<string, integer>
function claims.epochs(text)
	local epochs = {}
	for line in (type(text) == "string" and text or ""):gmatch "[^\r\n]+" do
		local id, epoch = line:match "^(%S+) %S+ %S+ %S+ %S+ %S+ (%d+) "
		if id then
			epochs[id] = math.tointeger(tonumber(epoch))
		end
	end
	return epochs
end

-- The shard that a map has at a slot, given the range to begin with; and the last slot of which the same holds.
local function at(map, i, slot)
	while map.last[i] and map.last[i] < slot do
		i = i + 1
	end
	if not map.first[i] then
		return i, nil, SLOTS - 1
	elseif map.first[i] > slot then
		return i, nil, map.first[i] - 1
	end
	return i, map.shard[i], map.last[i]
end

-- Nothing is said against those whose epoch is not known.
local function is_older(shard, known)
	return known.epoch and (not shard or shard.epoch and shard.epoch < known.epoch)
end

---Gives slots back to those whose claims in the map that we have are newer than in the one that has come.
---@param fresh redis.cluster.map  is changed
---@param known redis.cluster.map
---@return boolean kept  there were such slots
function claims.keep(fresh, known)
	local first, last, shards, kept = {}, {}, {}, false
	local slot, i, j = 0, 1, 1
	while slot < SLOTS do
		local shard, mine, theirs, ours
		i, shard, theirs = at(fresh, i, slot)
		j, mine, ours = at(known, j, slot)
		if mine and is_older(shard, mine) then
			shard, kept = mine, true
			for _, address in ipairs { mine.master, table.unpack(mine.replicas) } do
				fresh.nodes[address] = fresh.nodes[address] or known.nodes[address]
			end
		end
		local n, upto = #first, math.min(theirs, ours)
		if shard and shards[n] == shard and last[n] == slot - 1 then
			last[n] = upto
		elseif shard then
			first[n + 1], last[n + 1], shards[n + 1] = slot, upto, shard
		end
		slot = upto + 1
	end
	if kept then
		fresh.first, fresh.last, fresh.shard = first, last, shards
	end
	return kept
end

return claims
