-- Which servers may an operation go to, and which of them does it go to? By the specifications "Server Selection" and
-- "Max Staleness". Pure functions of a topology description.
local selection = {}

---@class mongo.read_preference
---@field mode "primary"|"primaryPreferred"|"secondary"|"secondaryPreferred"|"nearest"
---@field tags table<string, string>[]|nil sets of tags, tried in turn
---@field maxStalenessSeconds integer|nil

-- A secondary is written to at least this often, in ms: what looks stale by less may just be idle.
local IDLE_WRITE_PERIOD = 10000
local SMALLEST_MAX_STALENESS = 90

local function fail(format, ...)
	error("Invalid read preference: " .. format:format(...), 0)
end

---Raises if the preference makes no sense for the topology.
---@param t mongo.topology
---@param preference mongo.read_preference
---@param heartbeat integer milliseconds between checks of a server
function selection.check(t, preference, heartbeat)
	local mode, staleness = preference.mode or "primary", preference.maxStalenessSeconds
	local tags = preference.tags
	if mode == "primary" and tags and next(tags) and next(tags[1]) then
		fail "mode primary with tags"
	end
	if not staleness or staleness == -1 then
		return
	elseif mode == "primary" then
		fail "mode primary with maxStalenessSeconds"
	elseif t.type ~= "ReplicaSetNoPrimary" and t.type ~= "ReplicaSetWithPrimary" then
		return
	elseif staleness * 1000 < heartbeat + IDLE_WRITE_PERIOD or staleness < SMALLEST_MAX_STALENESS then
		fail("maxStalenessSeconds is %d, the least is %d", staleness,
			math.max(SMALLEST_MAX_STALENESS, (heartbeat + IDLE_WRITE_PERIOD) // 1000))
	end
end

local function of_type(servers, wanted)
	local out = {}
	for _, server in ipairs(servers) do
		if server.type == wanted then
			out[#out + 1] = server
		end
	end
	return out
end

-- ---- staleness and tags ----

local function staleness_to_primary(server, primary, heartbeat)
	return (server.lastUpdateTime - server.lastWriteDate) - (primary.lastUpdateTime - primary.lastWriteDate) + heartbeat
end

-- Those of the secondaries that are fresh enough.
local function fresh(secondaries, all, preference, heartbeat)
	local limit = preference.maxStalenessSeconds
	if not limit or limit == -1 then
		return secondaries
	end
	local primary = of_type(all, "RSPrimary")[1]
	local newest = 0
	for _, server in ipairs(of_type(all, "RSSecondary")) do
		newest = math.max(newest, server.lastWriteDate or 0)
	end
	local out = {}
	for _, server in ipairs(secondaries) do
		if server.lastWriteDate then
			local staleness = primary and staleness_to_primary(server, primary, heartbeat)
				or newest - server.lastWriteDate + heartbeat
			if staleness <= limit * 1000 then
				out[#out + 1] = server
			end
		end
	end
	return out
end

local function has_tags(server, tags)
	for k, v in pairs(tags) do
		if (server.tags or {})[k] ~= v then
			return false
		end
	end
	return true
end

-- The servers that match the first set of tags that any matches.
local function tagged(servers, sets)
	if not sets or not next(sets) then
		return servers
	end
	for _, tags in ipairs(sets) do
		local out = {}
		for _, server in ipairs(servers) do
			if has_tags(server, tags) then
				out[#out + 1] = server
			end
		end
		if out[1] then
			return out
		end
	end
	return {}
end

-- ---- suitable servers ----

local modes = {}

function modes.primary(servers)
	return of_type(servers, "RSPrimary")
end

function modes.secondary(servers, all, preference, heartbeat)
	return tagged(fresh(of_type(servers, "RSSecondary"), all, preference, heartbeat), preference.tags)
end

function modes.primaryPreferred(servers, ...)
	local primary = modes.primary(servers)
	return primary[1] and primary or modes.secondary(servers, ...)
end

function modes.secondaryPreferred(servers, ...)
	local secondaries = modes.secondary(servers, ...)
	return secondaries[1] and secondaries or modes.primary(servers)
end

function modes.nearest(servers, all, preference, heartbeat)
	local candidates = of_type(servers, "RSPrimary")
	local secondaries = fresh(of_type(servers, "RSSecondary"), all, preference, heartbeat)
	table.move(secondaries, 1, #secondaries, #candidates + 1, candidates)
	return tagged(candidates, preference.tags)
end

local function sorted(t)
	local out = {}
	for _, server in pairs(t.servers) do
		out[#out + 1] = server
	end
	table.sort(out, function(a, b)
		return a.address < b.address
	end)
	return out
end

local function select_from(t, servers, all, preference, write, heartbeat)
	if t.type == "Sharded" then
		return of_type(servers, "Mongos")
	elseif t.type == "ReplicaSetWithPrimary" or t.type == "ReplicaSetNoPrimary" then
		return write and modes.primary(servers)
			or modes[preference.mode or "primary"](servers, all, preference, heartbeat)
	end
	return {}
end

---The servers that the operation may go to; those that are `avoided` only when there are no others.
---@param t mongo.topology
---@param operation { write: boolean|nil, preference: mongo.read_preference|nil, avoid: table<string, boolean>|nil }
---@param heartbeat integer milliseconds
---@return mongo.server[]
function selection.suitable(t, operation, heartbeat)
	local preference = operation.preference or { mode = "primary" }
	if not operation.write then
		selection.check(t, preference, heartbeat)
	end
	local all = sorted(t)
	if t.type == "Single" or t.type == "LoadBalanced" then
		return all[1] and all[1].type ~= "Unknown" and all or {}
	end
	local servers = {}
	for _, server in ipairs(all) do
		if not (operation.avoid or {})[server.address] then
			servers[#servers + 1] = server
		end
	end
	local found = select_from(t, servers, all, preference, operation.write, heartbeat)
	if not found[1] and #servers < #all then
		found = select_from(t, all, all, preference, operation.write, heartbeat)
	end
	return found
end

---Those whose round trip is within `threshold` milliseconds of the shortest.
---@param servers mongo.server[]
---@return mongo.server[]
function selection.in_window(servers, threshold)
	local shortest = math.huge
	for _, server in ipairs(servers) do
		shortest = math.min(shortest, server.roundTripTime or math.huge)
	end
	local out = {}
	for _, server in ipairs(servers) do
		if not server.roundTripTime or server.roundTripTime <= shortest + threshold then
			out[#out + 1] = server
		end
	end
	return out
end

---Of two chosen by chance, the one with fewer operations under way.
---@param servers mongo.server[]
---@param operations fun(address: string): integer
---@return mongo.server|nil
function selection.pick(servers, operations)
	local n = #servers
	if n <= 1 then
		return servers[1]
	end
	local i = math.random(n)
	local j = math.random(n - 1)
	if j >= i then
		j = j + 1
	end
	local a, b = servers[i], servers[j]
	return operations(a.address) <= operations(b.address) and a or b
end

---The average round trip after a new sample, in any unit: an exponentially weighted one.
---@param average number|nil
---@param sample number
---@return number
function selection.average(average, sample)
	return average and 0.2 * sample + 0.8 * average or sample
end

return selection
