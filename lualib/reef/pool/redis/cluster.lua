-- A pool for each node of a Redis Cluster, and one watcher of it for all services of the process. What a service asks
-- keeps its order by slot.
local skynet = require "skynet"

local M = {}

-- A node has left: what was accepted is finished, within the pool's option `drain`.
local function close_node(db)
	if db[2].address then
		pcall(skynet.call, skynet.uniqueservice "reef_pools", "lua", "CLOSE", db[2].key, true)
	end
end

---@param conf table
---@param given table
---@param open fun(conf: table, given: table): table  a pool of one server
function M.new(conf, given, open)
	if given.routing == nil then
		given = setmetatable({ routing = "key" }, { __index = given })
	end
	local db = require("reef.redis.cluster").over(conf, function(node)
		-- A node that is frozen must not hold up whoever opens its pool.
		node.at_once = true
		return open(node, given)
	end, close_node, require("reef.redis.cluster.remote").new)
	if given.routing == "key" then
		db[2].lane = function(node, slot)
			node[2].remote:order(slot + 1)
		end
	end
	db[2].pooled = true
	pcall(db[2].prepare, db[2], conf.connect_timeout)
	return db
end

---The keys of the pools of a cluster's nodes by address, as the directory knows them.
---@param db table
---@return table<string, string>
function M.keys(db)
	local keys = {}
	for address, node in pairs(db[2].nodes) do
		keys[address] = node.db[2].address and node.db[2].key
		if node.reader and node.reader[2].address then
			keys[address .. " readonly"] = node.reader[2].key
		end
	end
	return keys
end

return M
