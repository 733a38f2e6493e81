-- Addresses of servers: how they are written, and where we reach what deployments call by other names (`nat`).
local place = {}

---@param host string
---@param port integer
---@return string  "host:port", "[::1]:port"
function place.where(host, port)
	return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

---@param port any
---@return boolean
function place.is_port(port)
	return math.type(port) == "integer" and port > 0 and port <= 65535
end

---@param where string  "host:port"; IPv6 addresses with brackets or without
---@return string host, integer|nil port
function place.split(where)
	local host, port = where:match "^(.*):(%d+)$"
	host = host or where
	return host:match "^%[(.*)%]$" or host, math.tointeger(tonumber(port))
end

-- What an entry of `nat` makes of an address: "host:port", "host", {host=, port=}, or nil.
local function translation(entry, host, port)
	if entry == nil then
		return host, port
	elseif type(entry) == "table" then
		return entry.host or entry[1], math.tointeger(tonumber(entry.port or entry[2] or port))
	elseif type(entry) == "string" then
		local other, other_port = place.split(entry)
		return other, other_port or port
	end
end

---Raises when a map of addresses makes no sense.
---@param nat any
function place.check(nat)
	if nat ~= nil and type(nat) ~= "table" and type(nat) ~= "function" then
		error("redis: nat is a table or a function, not a " .. type(nat), 0)
	end
	for from, to in pairs(type(nat) == "table" and nat or {}) do
		local host, port = translation(to, "", 1)
		if type(from) ~= "string" or not from:find ":%d+$" or type(host) ~= "string" or host == ""
			or not place.is_port(port) then
			error(('redis: nat is {["host:port"] = "host:port", ...}, and %s is at %s'):format(tostring(from),
				type(to) == "table" and ("{%s, %s}"):format(host, port) or tostring(to)), 0)
		end
	end
end

local function translated(conf, host, port)
	if type(conf.nat) == "function" then
		local other, other_port = conf.nat(host, port)
		return other or host, other_port and math.tointeger(tonumber(other_port)) or not other_port and port
	elseif conf.nat then
		return translation(conf.nat[place.where(host, port)], host, port)
	end
	return host, port
end

---An address as the cluster announces it, as we reach it. Raises when `nat` says nothing that makes sense.
---@param conf table  nat
---@param host string
---@param port integer
---@return string, integer
function place.reach(conf, host, port)
	local other, other_port = translated(conf, host, port)
	if type(other) ~= "string" or other == "" or other == "?" or not place.is_port(other_port) then
		error(("redis: nat says that %s is at %s, port %s"):format(place.where(host, port), tostring(other),
			tostring(other_port)), 0)
	end
	return other, other_port
end

return place
