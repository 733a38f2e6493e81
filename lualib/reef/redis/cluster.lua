-- Redis Cluster: redis.connect with several hosts, or redis+cluster://; see docs/redis.md.
--
-- A db has the methods of reef.redis; each command goes to the node that has its key. See reef.redis.cluster.client.
local core = require "reef.redis.core"
local client = require "reef.redis.cluster.client"
local methods = require "reef.redis.cluster.methods"
local redis = require "reef.redis"
local specs = require "reef.redis.cluster.specs"
local topology = require "reef.redis.cluster.topology"
local transaction = require "reef.redis.cluster.transaction"

local cluster = {}

local meta = { __index = methods, __name = "redis cluster" }

---A db on nodes that somebody else opens.
---@param conf table
---@param open fun(conf: table): table
---@param close fun(node: table)|nil
---@param watch function|nil  instead of reef.redis.cluster.topology.new
---@return redis.cluster.db
function cluster.over(conf, open, close, watch)
	local one = client.new(conf, open, close, watch or topology.new)
	one.spec = specs.of
	-- What reef.redis.script asks.
	one.own = {
		current = function()
			local now = transaction.current(one)
			return now and { queued = now.multi }
		end,
	}
	one.home = function(list)
		local key = (math.tointeger(tonumber(list[2])) or 0) > 0 and list[3] or nil
		local node = one:choose({}, key ~= nil and core.slot(key) or nil)
		return node and node.db
	end
	return setmetatable({ false, one }, meta)
end

---@param conf table  from reef.redis.config
---@return redis.cluster.db
function cluster.lazy(conf)
	return cluster.over(conf, redis.lazy)
end

---The same, with one attempt to find the nodes; raises when none answers.
function cluster.connect(conf)
	local db = cluster.lazy(conf)
	db[2]:prepare(conf.connect_timeout)
	return db
end

return cluster
