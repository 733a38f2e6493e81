-- A Redis Cluster of the test's own: three masters with a replica each, on free ports.
--
--     local cluster = require("test.redis_cluster").start { "--requirepass", "x" }     -- options of every node
--     cluster.nodes[1].port                      -- test.redis servers; 1 to 3 begin as masters, 4 to 6 as replicas
--     cluster:hosts()                            -- {"127.0.0.1:7000", ...}; cluster:uri()
--     cluster:move(slot, from, to)               -- one slot, with its keys, as redis-cli does it
--     cluster:begin_move(slot, from, to)         -- MIGRATING and IMPORTING only
--     cluster:master_of(slot)                    -- which node has it; nil: none that lives
--     cluster:failover(4)                        -- that replica takes over
--     cluster:settled(seconds)                   -- waits until every slot has a master that all living nodes agree on
local redis = require "test.redis"
local test = require "test"

---@class test.redis_cluster
local cluster = {}
cluster.__index = cluster

local NODE_TIMEOUT = 1000 -- ms

local function options_of(given)
	local list = {
		"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
		"--cluster-node-timeout", NODE_TIMEOUT, "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0",
		"--cluster-allow-replica-migration", "no", "--repl-ping-replica-period", "1",
	}
	return table.move(given or {}, 1, #(given or {}), #list + 1, list)
end

local function each(self, f)
	for i, node in ipairs(self.nodes) do
		f(node, i)
	end
end

---Do all living nodes see `n` nodes and a cluster that works?
function cluster:agree(n)
	for _, node in ipairs(self.nodes) do
		if node.process:running() and not node.frozen then
			local ok, info = pcall(node.cli, node, "CLUSTER", "INFO")
			if not ok or not info:find "cluster_state:ok" or not info:find("cluster_known_nodes:" .. n, 1, true) then
				return false
			end
		end
	end
	return true
end

---@param seconds number|nil
function cluster:settled(seconds)
	test.eventually("a cluster that works", seconds or 30, function()
		return self:agree(#self.nodes)
	end)
end

---@param options string[]|nil
---@param tls { certificate: table, ca_file: string }|nil
---@param net test.host[]|nil    each node on one of these hosts
---@return test.redis_cluster
function cluster.start(options, tls, net)
	local self = setmetatable({ nodes = {} }, cluster)
	for i = 1, 6 do
		local list = options_of(options)
		if tls then
			table.move({ "--tls-cluster", "yes", "--tls-replication", "yes" }, 1, 4, #list + 1, list)
		end
		self.nodes[i] = tls and redis.start_tls(tls.certificate, tls.ca_file, list) or net and redis.start_on(net[i], list)
			or redis.start(list)
	end
	local ranges = { { 0, 5460 }, { 5461, 10922 }, { 10923, 16383 } }
	each(self, function(node, i)
		node:cli("CLUSTER", "SET-CONFIG-EPOCH", i)
		node.id = node:cli("CLUSTER", "MYID")
		if ranges[i] then
			node:cli("CLUSTER", "ADDSLOTSRANGE", ranges[i][1], ranges[i][2])
		end
		if i > 1 then
			self.nodes[1]:cli("CLUSTER", "MEET", node.host, node.port, node.bus_port)
		end
	end)
	self:settled()
	for i = 4, 6 do
		self.nodes[i]:cli("CLUSTER", "REPLICATE", self.nodes[i - 3].id)
	end
	test.eventually("replicas", 30, function()
		for i = 4, 6 do
			if not self.nodes[i]:says("master_link_status:up", "INFO", "replication") then
				return false
			end
		end
		-- They are named once they have taken over their master's data, and all have heard of that.
		for i = 1, 6 do
			for j = 4, 6 do
				if not self.nodes[i]:cli("CLUSTER", "SLOTS"):find(self.nodes[j].id, 1, true) then
					return false
				end
			end
		end
		return true
	end)
	return self
end

---@return string[]
function cluster:hosts()
	local list = {}
	each(self, function(node, i)
		list[i] = node.host .. ":" .. node.port
	end)
	return list
end

---@param turn integer|nil  0 to 5: another URI of the same cluster for each, so what services share by it is apart
---@return string
function cluster:uri(turn)
	local hosts, list = self:hosts(), {}
	for i = 1, #hosts do
		list[i] = hosts[(i - 1 + (turn or 0)) % #hosts + 1]
	end
	return "redis+cluster://" .. table.concat(list, ",")
end

---@param slot integer
---@return integer|nil
function cluster:master_of(slot)
	for i, node in ipairs(self.nodes) do
		if node.process:running() and not node.frozen and node:says("^master", "ROLE") then
			for from, to in node:cli("CLUSTER", "NODES"):match "[^\n]*myself[^\n]*":gmatch " (%d+)%-?(%d*)%f[ \0]" do
				if tonumber(from) <= slot and slot <= (tonumber(to) or tonumber(from)) then
					return i
				end
			end
		end
	end
end

function cluster:begin_move(slot, from, to)
	self.nodes[to]:cli("CLUSTER", "SETSLOT", slot, "IMPORTING", self.nodes[from].id)
	self.nodes[from]:cli("CLUSTER", "SETSLOT", slot, "MIGRATING", self.nodes[to].id)
end

---Moves keys of a slot that is under way.
function cluster:move_keys(slot, from, to)
	local source, target = self.nodes[from], self.nodes[to]
	test.eventually("keys that have moved", 60, function()
		local keys = {}
		for key in source:cli("CLUSTER", "GETKEYSINSLOT", slot, 100):gmatch "[^\n]+" do
			keys[#keys + 1] = key
		end
		if keys[1] then
			source:cli("MIGRATE", target.host, target.port, "", 0, 5000, "KEYS", table.unpack(keys))
		end
		return not keys[1]
	end)
end

---All masters are told, as redis-cli does: one that has not heard of it yet would refuse the next move.
function cluster:end_move(slot, from, to)
	local id = self.nodes[to].id
	self.nodes[to]:cli("CLUSTER", "SETSLOT", slot, "NODE", id)
	self.nodes[from]:cli("CLUSTER", "SETSLOT", slot, "NODE", id)
	for i, node in ipairs(self.nodes) do
		if i ~= from and i ~= to and node.process:running() and not node.frozen and node:says("^master", "ROLE") then
			node:cli("CLUSTER", "SETSLOT", slot, "NODE", id)
		end
	end
end

function cluster:move(slot, from, to)
	self:begin_move(slot, from, to)
	self:move_keys(slot, from, to)
	self:end_move(slot, from, to)
end

---@param replica integer
function cluster:failover(replica)
	self.nodes[replica]:cli("CLUSTER", "FAILOVER")
	test.eventually("a replica that takes over", 20, function()
		return self.nodes[replica]:says("^master", "ROLE")
	end)
end

return cluster
