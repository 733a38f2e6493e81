-- Numbers of the configuration that concern connections between nodes, checked once.

local skynet = require "skynet"

local options = {}


---@param key string
---@param default integer
---@param least integer
---@return integer
local function number(key, default, least)
	local text = skynet.getenv(key)
	if text == nil then
		return default
	end
	local value = math.tointeger(tonumber(text))
	if not value or value < least then
		error(("%s = %s: a whole number from %d on is needed"):format(key, text, least), 0)
	end
	return value
end

options.timeout = number("cluster_timeout", 0, 0) / 100       -- seconds for a reply; 0: for ever
options.heartbeat = number("cluster_heartbeat", 1000, 0) / 100 -- seconds of silence; 0: never looks
options.limit = number("cluster_limit", 256 << 20, 65536)      -- bytes in unfinished messages of a connection
options.requests = number("cluster_requests", 65536, 1)        -- of a connection at work at a time
options.unfinished = number("cluster_unfinished", 6000, 1) / 100 -- seconds until the next part has to come

options.lease = number("cluster_lease", 1000, 200) / 100       -- seconds after which a node that is gone is out of etcd
options.election = math.floor(number("singleton_lease", 1000, 200) / 100) -- seconds until who is gone is replaced
options.dns_interval = number("cluster_dns_interval", 500, 10) -- cs between two questions to DNS

return options
