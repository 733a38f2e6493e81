-- Names to addresses, asked of a name server of one's choice. Times are in hundredths of a second.
--
--     dns.server()                       -- what /etc/resolv.conf says
--     print(dns.resolve "example.com")   -- "93.184.215.14", { "93.184.215.14" }
--
-- Asked in this order: the name itself when it is an address, the hosts file, the cache, the servers. The servers are
-- asked in C (c-ares), one after the other when one fails or is slow, over TCP when an answer is too long for UDP.
local skynet = require "skynet"
local core = require "reef.socketcore"

local MAX_TTL <const> = 3600 -- s, that an answer is remembered for
local MAX_CACHED <const> = 4096

---@class skynet.dns
local dns = {
	DEFAULT_HOSTS = "/etc/hosts",
	DEFAULT_RESOLV_CONF = "/etc/resolv.conf",
}

---@class dns.entry
---@field ips string[]
---@field expires integer cs

local servers           ---@type string|false|nil "ip:port,..."; false: those of DEFAULT_RESOLV_CONF; nil: not set yet
local cache, cached = {}, 0 ---@type table<string, dns.entry> by name, with a mark for IPv6
local hosts             ---@type table<boolean, table<string, string[]>>|nil by "is IPv6"

-- ---- names ----

local function is_ipv4(text)
	local a, b, c, d = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
	return a and tonumber(a) < 256 and tonumber(b) < 256 and tonumber(c) < 256 and tonumber(d) < 256
end

local function is_ipv6(text)
	return text:find(":", 1, true) ~= nil and not text:find "[^%x:.]"
end

local function is_legal(name)
	if name == "" or #name > 1024 or name:find "[^a-z0-9_%-.]" or name:find("..", 1, true) or name:sub(1, 1) == "." then
		return false
	end
	for label in name:gmatch "[^.]+" do
		if #label > 63 then
			return false
		end
	end
	return true
end

local function read_file(path)
	local f = io.open(path)
	if not f then
		return ""
	end
	local text = f:read "a"
	f:close()
	return text or ""
end

local function load_hosts()
	local found = { [false] = {}, [true] = {} }
	for line in read_file(dns.DEFAULT_HOSTS):gmatch "[^\n]+" do
		local ip, names = line:gsub("#.*", ""):match "^%s*(%S+)%s+(.+)$"
		local ipv6 = ip and is_ipv6(ip)
		if ip and (ipv6 or is_ipv4(ip)) then
			for name in names:lower():gmatch "%S+" do
				local ips = found[ipv6][name] or {}
				found[ipv6][name] = ips
				ips[#ips + 1] = ip
			end
		end
	end
	return found
end

-- ---- the servers ----

local function has_nameserver()
	for line in read_file(dns.DEFAULT_RESOLV_CONF):gmatch "[^\n]+" do
		if line:find "^%s*nameserver%s+%S" then
			return true
		end
	end
end

-- An address as the C half takes it.
local function server_text(ip, port)
	local _, colons = ip:gsub(":", "")
	if colons > 1 and ip:sub(1, 1) ~= "[" then
		ip = "[" .. ip .. "]"
	end
	local text = port and ("%s:%d"):format(ip, port) or ip
	if not text:find "^%d+%.%d+%.%d+%.%d+:?%d*$" and not text:find "^%[%x*:[%x:]*[%d.]*%]:?%d*$" then
		error(("dns.server: '%s' is no address"):format(ip))
	end
	return text
end

---Sets the server, or several, in order: a list of "ip", "ip:port", "[v6]:port". Without an address those of
---DEFAULT_RESOLV_CONF.
---@param ip string|string[]|nil
---@param port integer|nil
function dns.server(ip, port)
	if ip == nil then
		if not has_nameserver() then
			error("Call dns.server first")
		end
		servers = false
		return
	end
	if type(ip) == "string" then
		servers = server_text(ip, port or 53)
		return
	end
	local list = {}
	for i, server in ipairs(ip) do
		list[i] = server_text(server)
	end
	servers = table.concat(list, ",")
end

---Asks; ips and ttl, or nil and why not.
local function ask(name, ipv6)
	if servers == nil then
		dns.server()
	end
	if servers then
		return core.lookup(name, ipv6, servers)
	end
	return core.lookup(name, ipv6, nil, dns.DEFAULT_RESOLV_CONF)
end

-- ---- what users call ----

---Forgets what was learned, and reads the hosts file again next time.
function dns.flush()
	cache, cached = {}, 0
	hosts = nil
end

local function remember(key, ips, ttl)
	if not cache[key] then
		if cached >= MAX_CACHED then
			cache, cached = {}, 0
		end
		cached = cached + 1
	end
	cache[key] = { ips = ips, expires = skynet.now() + math.min(ttl, MAX_TTL) * 100 }
end

---@param name string
---@param ipv6 boolean|nil
---@return string|nil ip
---@return string[]|string ips or, without an ip, "illegal name"
function dns.resolve(name, ipv6)
	name = name:lower()
	ipv6 = ipv6 and true or false
	if is_ipv4(name) or is_ipv6(name) then
		return name, { name }
	end
	local absolute = name:gsub("%.$", "")
	if not is_legal(absolute) then
		return nil, "illegal name"
	end
	hosts = hosts or load_hosts()
	local ips = hosts[ipv6][absolute]
	if ips then
		return ips[1], ips
	end
	if absolute == "localhost" or absolute:find "%.localhost$" then -- RFC 6761, 6.3
		local loopback = ipv6 and "::1" or "127.0.0.1"
		return loopback, { loopback }
	end
	local key = (ipv6 and "6 " or "4 ") .. name
	local entry = cache[key]
	if entry and entry.expires > skynet.now() then
		return entry.ips[1], entry.ips
	end
	local found, more = ask(name, ipv6)
	if found then
		remember(key, found, more)
		return found[1], found
	elseif entry then
		return entry.ips[1], entry.ips
	end
	error(("%s: %s: timeout or no answer"):format(name, more))
end

return dns
