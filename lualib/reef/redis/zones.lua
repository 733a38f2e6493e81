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

---What tells apart those who want different zones of the same servers. Raises for what services cannot share.
---@param conf table  zone, zones
---@return string
function zones.key(conf)
	local list = {}
	if type(conf.zones) == "function" then
		error("redis: zones is a function, which services cannot share; give a table", 0)
	end
	for where, zone in pairs(conf.zones or {}) do
		list[#list + 1] = ("%s>%s"):format(where, zone)
	end
	table.sort(list)
	return ("zone=%q %s"):format(conf.zone, table.concat(list, ","))
end

---What INFO says.
---@param text any
---@return string|nil
function zones.announced(text)
	local zone = type(text) == "string" and text:match "availability_zone:([^\r\n]+)"
	return zone and zone ~= "" and zone or nil
end

return zones
