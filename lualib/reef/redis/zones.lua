-- Availability zones of servers: what the user says of them, and what they say themselves. Redis servers say nothing;
-- Valkey's do when they are configured so (availability-zone), in INFO and, since 9.1, in a cluster's map.
local config = require "reef.redis.config"

local zones = {}

---What the configuration says.
---@param conf table   zones: by "host:port" or host, or f(host, port)
---@param host string
---@param port integer
---@return string|nil
function zones.of(conf, host, port)
	local given = conf.zones
	if type(given) == "function" then
		return given(host, port)
	end
	return given and (given[config.where(host, port)] or given[host]) or nil
end

---What INFO says.
---@param text any
---@return string|nil
function zones.announced(text)
	local zone = type(text) == "string" and text:match "availability_zone:([^\r\n]+)"
	return zone and zone ~= "" and zone or nil
end

return zones
