-- Records of names other than addresses, which skynet.dns and sockets look up by themselves.
local core = require "reef.socketcore"
local skynet = require "skynet"

local dns = {}

local servers

---Whom this service is to ask, in place of the configuration's `name_servers` or those of the system; nil: those again.
---@param list string|nil "ip:port,[v6]:port"
function dns.servers(list)
	servers = list
end

local function whom(asked)
	return asked or servers or skynet.getenv "name_servers"
end

---Hosts that have a service (RFC 2782). Priorities and weights are not told.
---@param name string for example _mongodb._tcp.example.com
---@param asked string|nil whom to ask this time, as in `servers`
---@return { target: string, port: integer }[]|nil records empty if there are none
---@return integer|string ttl 0: it is not known for how long; or why nobody knows
function dns.srv(name, asked)
	return core.records(name, "SRV", whom(asked))
end

---Texts of a name, each record as one.
---@param name string
---@return string[]|nil texts empty if there are none
---@return integer|string ttl 0: it is not known for how long; or why nobody knows
function dns.txt(name)
	return core.records(name, "TXT", whom())
end

return dns
