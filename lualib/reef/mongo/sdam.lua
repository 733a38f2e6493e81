-- Server discovery: what a deployment looks like, from what its servers say. Pure data, no time and no network.
--
-- A topology description is a table that is never changed: `update` answers a new one for the description of one
-- server. By the specification "Server Discovery And Monitoring"; names of types and fields are its.
local bson = require "bson"
local values = require "reef.values"

local sdam = {}

---@class mongo.server what one server said last; never changed once made
---@field address string
---@field type string Unknown, Standalone, Mongos, RSPrimary, RSSecondary, RSArbiter, RSOther, RSGhost, LoadBalancer
---@field error any why it is Unknown

---@class mongo.topology
---@field type string Unknown, Single, Sharded, ReplicaSetNoPrimary, ReplicaSetWithPrimary, LoadBalanced
---@field servers table<string, mongo.server> by address
---@field setName string|nil
---@field maxSetVersion integer|nil
---@field maxElectionId string|nil
---@field logicalSessionTimeoutMinutes integer|nil
---@field compatible boolean
---@field incompatible string|nil why not
---@field removed string|nil which server does not belong to it any more, and why

-- Wire versions that this driver speaks: MongoDB 4.2 and later.
local MIN_WIRE, MAX_WIRE = 8, 29

local function copy(t)
	local out = {}
	for k, v in pairs(t) do
		out[k] = v
	end
	return out
end

---Address of a host of a connection string: lower case, with its port.
---@param host mongo.host
---@return string
function sdam.address(host)
	if host.type == "unix" then
		return host.host
	end
	local name = host.host:lower()
	return (name:find(":", 1, true) and "[" .. name .. "]" or name) .. ":" .. (host.port or 27017)
end

---A host and a port, or a path and -1.
---@param address string
function sdam.split(address)
	if address:find("/", 1, true) then
		return address, -1
	end
	local host, port = address:match "^(.*):(%d+)$"
	return host:match "^%[(.*)%]$" or host, math.tointeger(tonumber(port))
end

---@return mongo.server
function sdam.unknown(address, err, topology_version)
	return { address = address, type = "Unknown", error = err, topologyVersion = topology_version }
end

-- ---- servers ----

local function server_type(hello)
	if hello.msg == "isdbgrid" then
		return "Mongos"
	elseif hello.isreplicaset then
		return "RSGhost"
	elseif not hello.setName then
		return "Standalone"
	elseif hello.isWritablePrimary or hello.ismaster then
		return "RSPrimary"
	elseif hello.hidden then
		return "RSOther"
	elseif hello.secondary then
		return "RSSecondary"
	elseif hello.arbiterOnly then
		return "RSArbiter"
	end
	return "RSOther"
end

local function lower(list)
	local out = {}
	for i, address in ipairs(list or {}) do
		out[i] = address:lower()
	end
	return out
end

-- Of a BSON date.
local function milliseconds(date)
	if not date then
		return nil
	end
	local _, seconds, rest = bson.type(date)
	return seconds * 1000 + (rest or 0)
end

---The description of a server from its reply to hello.
---@param address string
---@param hello table
---@return mongo.server
function sdam.describe(address, hello)
	if hello.ok ~= 1 then
		return sdam.unknown(address, hello.errmsg or "hello failed", hello.topologyVersion)
	end
	return {
		address = address,
		type = server_type(hello),
		setName = hello.setName,
		setVersion = hello.setVersion,
		electionId = hello.electionId,
		primary = hello.primary and hello.primary:lower(),
		me = hello.me and hello.me:lower(),
		hosts = lower(hello.hosts),
		passives = lower(hello.passives),
		arbiters = lower(hello.arbiters),
		tags = hello.tags or {},
		minWireVersion = hello.minWireVersion or 0,
		maxWireVersion = hello.maxWireVersion or 0,
		logicalSessionTimeoutMinutes = hello.logicalSessionTimeoutMinutes,
		topologyVersion = hello.topologyVersion,
		lastWriteDate = milliseconds(hello.lastWrite and hello.lastWrite.lastWriteDate),
		maxBsonObjectSize = hello.maxBsonObjectSize,
		maxMessageSizeBytes = hello.maxMessageSizeBytes,
		maxWriteBatchSize = hello.maxWriteBatchSize,
		helloOk = hello.helloOk,
	}
end

local compared = {
	"address", "type", "setName", "setVersion", "electionId", "primary", "me", "minWireVersion", "maxWireVersion",
	"logicalSessionTimeoutMinutes",
}

---Do two descriptions of a server mean the same to an application?
---@return boolean
function sdam.equal(a, b)
	for _, key in ipairs(compared) do
		if a[key] ~= b[key] then
			return false
		end
	end
	return values.same(a.hosts, b.hosts) and values.same(a.passives, b.passives) and values.same(a.arbiters, b.arbiters)
		and values.same(a.tags, b.tags) and values.same(a.topologyVersion, b.topologyVersion)
		and tostring(a.error) == tostring(b.error)
end

---Is a topology version older than (-1), the same as (0), or newer than (1) another? Not comparable: 1.
---@return integer
function sdam.compare_versions(a, b)
	if not a or not b or a.processId ~= b.processId then
		return 1
	end
	local x, y = a.counter, b.counter
	return x < y and -1 or x > y and 1 or 0
end

-- ---- the topology ----

local data_bearing = { Standalone = true, Mongos = true, RSPrimary = true, RSSecondary = true, LoadBalancer = true }

local function has_primary(t)
	for _, server in pairs(t.servers) do
		if server.type == "RSPrimary" then
			return true
		end
	end
	return false
end

local function check_primary(t)
	t.type = has_primary(t) and "ReplicaSetWithPrimary" or "ReplicaSetNoPrimary"
end

local function members(server)
	local set = {}
	for _, list in ipairs { server.hosts, server.passives, server.arbiters } do
		for _, address in ipairs(list) do
			set[address] = true
		end
	end
	return set
end

local function add_members(t, server)
	for address in pairs(members(server)) do
		if not t.servers[address] then
			t.servers[address] = sdam.unknown(address)
		end
	end
end

-- `removed` tells whoever finds no server what has become of the last that went by its own words.
local function remove(t, server)
	t.servers[server.address] = nil
	t.removed = ("%s was removed: it is %s%s%s"):format(server.address, server.type,
		server.setName and " of the set '" .. server.setName .. "'" or "",
		server.me and server.me ~= server.address and " and calls itself " .. server.me or "")
end

-- Why a server that calls itself primary is not taken for one.
local OLD_ELECTION = "primary of an election that is over"

local function stale_primary(t, server, text)
	t.servers[server.address] = sdam.unknown(server.address, text)
end

-- nil is older than everything.
local function less(a, b)
	if a == nil or b == nil then
		return a == nil and b ~= nil
	end
	return a < b
end

-- Is this primary one of an election that is over? Notes the newest election seen. Before 6.0 the set's version
-- counted first.
local function is_stale_primary(t, server)
	local election, version = server.electionId, server.setVersion
	if server.maxWireVersion >= 17 then
		if less(election, t.maxElectionId) or (election == t.maxElectionId and less(version, t.maxSetVersion)) then
			return true
		end
		t.maxElectionId, t.maxSetVersion = election, version
		return false
	end
	if version and election then
		if t.maxSetVersion and t.maxElectionId
			and (t.maxSetVersion > version or (t.maxSetVersion == version and less(election, t.maxElectionId)))
		then
			return true
		end
		t.maxElectionId = election
	end
	if version and less(t.maxSetVersion, version) then
		t.maxSetVersion = version
	end
	return false
end

local function from_primary(t, server)
	t.setName = t.setName or server.setName
	if t.setName ~= server.setName then
		remove(t, server)
		return check_primary(t)
	end
	if is_stale_primary(t, server) then
		stale_primary(t, server, OLD_ELECTION)
		return check_primary(t)
	end
	for address, other in pairs(copy(t.servers)) do
		if other.type == "RSPrimary" and address ~= server.address then
			stale_primary(t, other, "a newer primary was found")
		end
	end
	add_members(t, server)
	local set = members(server)
	for address in pairs(copy(t.servers)) do
		if not set[address] then
			t.servers[address] = nil
		end
	end
	check_primary(t)
end

local function without_primary(t, server)
	t.setName = t.setName or server.setName
	if t.setName ~= server.setName then
		return remove(t, server)
	end
	add_members(t, server)
	if server.me and server.me ~= server.address then
		remove(t, server)
	end
end

local function with_primary(t, server)
	if t.setName ~= server.setName or (server.me and server.me ~= server.address) then
		remove(t, server)
	end
	check_primary(t)
end

local function became_set(t, server)
	t.type = "ReplicaSetNoPrimary"
	without_primary(t, server)
end

local function remove_and_check(t, server)
	remove(t, server)
	check_primary(t)
end

local function keep() end

local function standalone_found(t, server)
	if t.seeds == 1 then
		t.type = "Single"
	else
		remove(t, server)
	end
end

local function sharded(t)
	t.type = "Sharded"
end

-- What a server's type means to a topology of some type.
local transitions = {
	Unknown = {
		Unknown = keep, Standalone = standalone_found, Mongos = sharded, RSPrimary = from_primary,
		RSSecondary = became_set, RSArbiter = became_set, RSOther = became_set, RSGhost = keep,
	},
	Sharded = {
		Unknown = keep, Standalone = remove, Mongos = keep, RSPrimary = remove, RSSecondary = remove,
		RSArbiter = remove, RSOther = remove, RSGhost = remove,
	},
	ReplicaSetNoPrimary = {
		Unknown = keep, Standalone = remove, Mongos = remove, RSPrimary = from_primary, RSSecondary = without_primary,
		RSArbiter = without_primary, RSOther = without_primary, RSGhost = keep,
	},
	ReplicaSetWithPrimary = {
		Unknown = check_primary, Standalone = remove_and_check, Mongos = remove_and_check, RSPrimary = from_primary,
		RSSecondary = with_primary, RSArbiter = with_primary, RSOther = with_primary, RSGhost = check_primary,
	},
}

local function session_timeout(t)
	local least
	for _, server in pairs(t.servers) do
		if data_bearing[server.type] then
			local minutes = server.logicalSessionTimeoutMinutes
			if not minutes then
				return nil
			end
			least = math.min(least or minutes, minutes)
		end
	end
	return least
end

local function check_compatible(t)
	t.compatible, t.incompatible = true, nil
	for address, server in pairs(t.servers) do
		if server.type ~= "Unknown" and server.type ~= "LoadBalancer" then
			if server.minWireVersion > MAX_WIRE then
				t.incompatible = ("%s needs wire version %d, this driver has up to %d"):format(address,
					server.minWireVersion, MAX_WIRE)
			elseif server.maxWireVersion < MIN_WIRE then
				t.incompatible = ("%s has wire version %d, this driver needs %d (MongoDB 4.2)"):format(address,
					server.maxWireVersion, MIN_WIRE)
			end
			t.compatible = t.incompatible == nil and t.compatible
		end
	end
end

---The topology before any server was asked.
---@param uri mongo.uri
---@return mongo.topology
function sdam.new(uri)
	local o = uri.options
	local t = {
		type = o.directConnection and "Single" or o.loadBalanced and "LoadBalanced"
			or o.replicaSet and "ReplicaSetNoPrimary" or "Unknown",
		setName = o.replicaSet,
		seeds = #uri.hosts,
		servers = {},
		compatible = true,
	}
	for _, host in ipairs(uri.hosts) do
		local address = sdam.address(host)
		t.servers[address] = sdam.unknown(address)
	end
	return t
end

---The topology after name servers were asked for its hosts: those that they do not know any more are gone, new ones are
---there.
---@param old mongo.topology
---@param hosts mongo.host[]
---@param most integer|nil servers at most; nil or 0: all
---@return mongo.topology
function sdam.with_hosts(old, hosts, most)
	local t = copy(old)
	local known, fresh, n = {}, {}, 0
	t.servers = {}
	for _, host in ipairs(hosts) do
		local address = sdam.address(host)
		known[address] = true
		if not old.servers[address] then
			fresh[#fresh + 1] = address
		end
	end
	for address, server in pairs(old.servers) do
		if known[address] then
			t.servers[address] = server
			n = n + 1
		end
	end
	for i = #fresh, 1, -1 do
		local j = math.random(i)
		if not most or most == 0 or n < most then
			t.servers[fresh[j]] = sdam.unknown(fresh[j])
			n = n + 1
		end
		fresh[j] = fresh[i]
	end
	t.seeds = math.max(t.seeds or 0, #hosts)
	return t
end

---The topology after one server's description changed; the same one if the server does not belong to it (any more), or
---if what it says is older than what is known.
---@param old mongo.topology
---@param server mongo.server
---@return mongo.topology
function sdam.update(old, server)
	local before = old.servers[server.address]
	if not before or sdam.compare_versions(server.topologyVersion, before.topologyVersion) < 0 then
		return old
	end
	local t = copy(old)
	t.servers = copy(old.servers)
	if t.type == "Single" and t.setName and server.type ~= "Unknown" and server.setName ~= t.setName then
		server = sdam.unknown(server.address, ("is not a member of the replica set '%s'"):format(t.setName))
	end
	t.servers[server.address] = server
	if t.type == "Unknown" and server.type == "RSPrimary" then
		t.type = "ReplicaSetWithPrimary"
	end
	local transition = transitions[t.type]
	if transition then
		transition[server.type](t, server)
	end
	t.logicalSessionTimeoutMinutes = session_timeout(t)
	check_compatible(t)
	return t
end

---Can this topology not become usable by itself? It has lost all servers, or remembers an election that none of them
---knows, or knows only servers that do not answer, and not all that it began with.
---@param t mongo.topology
---@param seeds table<string, any> what it began with
---@return "empty"|"old election"|"lost"|nil
function sdam.is_stuck(t, seeds)
	if next(t.servers) == nil then
		return "empty"
	end
	local lost = true
	for _, server in pairs(t.servers) do
		if server.error == OLD_ELECTION and t.type == "ReplicaSetNoPrimary" then
			return "old election"
		end
		lost = lost and server.type == "Unknown" and server.error ~= nil
	end
	for address in pairs(lost and seeds or {}) do
		if not t.servers[address] then
			return "lost"
		end
	end
	return nil
end

-- ---- errors of the application's commands ----

local not_primary = { [10107] = true, [13435] = true, [10058] = true }
local recovering = { [11600] = true, [11602] = true, [13436] = true, [189] = true, [91] = true }
local shutdown = { [11600] = true, [91] = true }

local function text_says(reply, text)
	return not reply.code and type(reply.errmsg) == "string" and reply.errmsg:find(text, 1, true) ~= nil
end

---What a failed command's reply says about its server: "shutdown" and "recovering" and "not primary", or nil.
---@param reply table
---@return string|nil
function sdam.state_change(reply)
	local concern = reply.writeConcernError
	if reply.ok == 1 and type(concern) == "table" then
		reply = concern
	elseif reply.ok == 1 then
		return nil
	end
	local code = reply.code
	if shutdown[code] then
		return "shutdown"
	elseif recovering[code] or text_says(reply, "not master or secondary") or text_says(reply, "node is recovering") then
		return "recovering"
	elseif not_primary[code] or text_says(reply, "not master") then
		return "not primary"
	end
	return nil
end

---What an error of the application means for what is known of its server.
---@param server mongo.server as it is known now
---@param err { type: "command"|"network"|"timeout"|"refused", handshake_done: boolean, reply: table|nil } refused: no
---  connection came about, for a reason that has nothing to do with load, such as a wrong password
---@return mongo.server|nil unknown its description from now on, or nil: nothing changes
---@return boolean clear its connections are not to be used any more
function sdam.application_error(server, err)
	if err.type == "command" then
		local change = sdam.state_change(err.reply)
		local version = err.reply.topologyVersion
		if not change or (version and sdam.compare_versions(version, server.topologyVersion) <= 0) then
			return nil, false
		end
		return sdam.unknown(server.address, err.reply.errmsg or change, version), change == "shutdown"
	elseif err.type == "timeout" and err.handshake_done then
		return nil, false
	elseif not err.handshake_done and (err.type == "timeout" or err.type == "network") then
		-- Who does not get a connection may have met a server that has too much to do: its monitor knows more.
		return nil, false
	end
	return sdam.unknown(server.address, err.why or err.type), true
end

return sdam
