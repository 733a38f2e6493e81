-- What can become of a Redis Cluster (test.redis_cluster), as chance decides. A fault is over when its function comes
-- back: the cluster is whole again.
--
--     local faults = require "test.redis_faults"
--     local lossy = faults.nodes.kill(cluster, math.random, { key = f })   -- key: names one that is written
--     local lossy = faults.links.cable(cluster, math.random, { net = net }) -- nodes on test.namespaces
--     local elections = faults.elections(cluster)
--     if elections() > 0 then ... end
--
-- True comes back when a replica may have taken over by itself: then servers may lose what they have acknowledged.
-- `elections` counts those that no fault meant: on a busy machine a node that lives may look dead.
local core = require "reef.redis.core"
local skynet = require "skynet"
local test = require "test"

local faults = { nodes = {}, links = {} }
local nodes, links = faults.nodes, faults.links

---Numbers of the master and of the replica of a shard.
---@param shard integer  1 to 3
---@return integer master, integer replica
function faults.pair_of(cluster, shard)
	if cluster.nodes[shard]:says("^master", "ROLE") then
		return shard, shard + 3
	end
	return shard + 3, shard
end

local function taken_over(cluster, replica)
	test.eventually("the replica to take over", 60, function()
		return cluster.nodes[replica]:says("^master", "ROLE")
	end)
end

-- The cluster works, and the node is a replica that follows its master.
local function back(cluster, old)
	cluster:settled(60)
	test.eventually("a replica that follows", 60, function()
		return cluster.nodes[old]:says("master_link_status:up", "INFO", "replication")
	end)
end

-- ---- nodes ----

---Three slots go elsewhere while they are written.
function nodes.move(cluster, random, more)
	for _ = 1, 3 do
		local slot = core.slot(more.key(random))
		local from = cluster:master_of(slot)
		local to = cluster:master_of(random(0, 16383))
		if from and to and from ~= to then
			cluster:begin_move(slot, from, to)
			skynet.sleep(random(0, 20))
			cluster:move_keys(slot, from, to)
			skynet.sleep(random(0, 5))
			cluster:end_move(slot, from, to)
		end
	end
end

function nodes.hand_over(cluster, random)
	local master, replica = faults.pair_of(cluster, random(3))
	cluster.nodes[replica]:cli("CLUSTER", "FAILOVER")
	taken_over(cluster, replica)
	back(cluster, master)
end

function nodes.kill(cluster, random)
	local master, replica = faults.pair_of(cluster, random(3))
	cluster.nodes[master]:kill()
	taken_over(cluster, replica)
	cluster.nodes[master]:restart()
	back(cluster, master)
	return true
end

function nodes.kill_replica(cluster, random)
	local _, replica = faults.pair_of(cluster, random(3))
	cluster.nodes[replica]:kill()
	skynet.sleep(random(0, 50))
	cluster.nodes[replica]:restart()
	back(cluster, replica)
end

function nodes.freeze(cluster, random)
	local master, replica = faults.pair_of(cluster, random(3))
	local node = cluster.nodes[master]
	node:freeze()
	node.frozen = true
	taken_over(cluster, replica)
	skynet.sleep(random(0, 100))
	node:thaw()
	node.frozen = nil
	back(cluster, master)
	return true
end

---Too short for anybody to take over, as a rule.
function nodes.pause(cluster, random)
	local node = cluster.nodes[(faults.pair_of(cluster, random(3)))]
	node:freeze()
	skynet.sleep(random(60))
	node:thaw()
end

function nodes.hang_up(cluster, random)
	cluster.nodes[(faults.pair_of(cluster, random(3)))]:cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
end

-- ---- links ----

---The whole host is gone.
function links.cable(cluster, random, more)
	local master, replica = faults.pair_of(cluster, random(3))
	more.net[master]:unplug()
	taken_over(cluster, replica)
	skynet.sleep(random(0, 100))
	more.net[master]:plug()
	back(cluster, master)
	return true
end

---The nodes do not hear from a master, which hears them, and whom clients reach.
function links.mute_among_nodes(cluster, random, more)
	local net, master, replica = more.net, faults.pair_of(cluster, random(3))
	for i = 1, 6 do
		if i ~= master then
			net[i]:deaf_to(net[master])
		end
	end
	taken_over(cluster, replica)
	skynet.sleep(random(0, 100))
	for i = 1, 6 do
		if i ~= master then
			net[i]:hear(net[master])
		end
	end
	back(cluster, master)
	return true
end

---Replies do not come back.
function links.replies(cluster, random, more)
	local net, master = more.net, faults.pair_of(cluster, random(3))
	net.here:deaf_to(net[master])
	skynet.sleep(random(50, 400))
	net.here:hear(net[master])
end

---Requests do not arrive.
function links.requests(cluster, random, more)
	local net, master = more.net, faults.pair_of(cluster, random(3))
	net[master]:deaf_to(net.here)
	skynet.sleep(random(50, 400))
	net[master]:hear(net.here)
end

---Nobody is reached for a while.
function links.all(_, random, more)
	for i = 1, 6 do
		more.net[i]:deaf_to(more.net.here)
	end
	skynet.sleep(random(50, 200))
	for i = 1, 6 do
		more.net[i]:hear(more.net.here)
	end
end

-- ---- who took over without being told ----

local function won(process)
	local text = process:output()
	local _, all = text:gsub("Failover election won", "")
	local _, meant = text:gsub("Manual failover user request accepted", "")
	return all - meant
end

---@return fun(): integer  elections that were won since, but for those that somebody asked for
function faults.elections(cluster)
	local before = {}
	for _, node in ipairs(cluster.nodes) do
		before[node.process] = won(node.process)
	end
	return function()
		local n = 0
		for _, node in ipairs(cluster.nodes) do
			n = n + math.max(won(node.process) - (before[node.process] or 0), 0)
		end
		return n
	end
end

return faults
