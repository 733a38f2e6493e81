-- Where a Redis server is and how to talk to it: tables and URIs (reef.redis.uri) in one form, checked.
---@class redis.conf
---@field host string|nil            name, IP, or the path of a Unix socket
---@field port integer|nil           6379
---@field path string|nil            of a Unix socket, instead of host and port
---@field username string|nil        with auth: an ACL user
---@field auth string|nil            password
---@field tls boolean|reef.tls.options|nil
---@field db integer|nil
---@field name string|nil            CLIENT SETNAME
---@field resp 2|3|nil               protocol; 2
---@field timeout number|nil         seconds a command may take; 10; 0: for ever
---@field connect_timeout number|nil seconds for connect and login together; 5
---@field pool integer|nil           connections for blocking commands and transactions at most; 64
---@field errors "string"|"object"|nil how the server's errors are raised; "string"
---@field overload function|nil      overload(true) when 1 MiB waits to be sent, overload(false) when it has left
---@field gap function|nil           of redis.watch: gap{seconds=, why=} after messages may have been missed
---@field heartbeat number|nil       of redis.watch: seconds of silence before a PING; 30; 0: never
---@field hosts table|nil            several of a cluster: "host:port" or {host=, port=}
---@field cluster boolean|nil        this is a Redis Cluster; several hosts say so as well
---@field read "master"|"replica"|"any"|"nearest"|"zone"|"fallback"|nil  of a deployment: where reading commands go
---@field zone string|nil            with read = "zone": where we are
---@field zones table|function|nil   where servers are: {["10.0.0.1"]="a"}, {["10.0.0.1:7000"]="a"}, or f(host, port)
---@field nat table|function|nil     addresses that we reach by others: {["10.0.0.1:7000"]="1.2.3.4:7000"}, or f(host,
---                                  port)
---@field refresh number|nil         of a cluster: seconds between looks at its nodes; 30; 0: only on events
---@field sentinels table|nil        "host:port" or {host=, port=}, with master
---@field master string|nil          the name that Sentinels know the master by
---@field sentinel_username string|nil
---@field sentinel_auth string|nil
---@field sentinel_tls boolean|reef.tls.options|nil
---@field credentials function|string|nil  called before each login: username, password; or a module that returns such
---                                  a function
---@field info boolean|nil           CLIENT SETINFO: the server is told which library this is; false
---@field limits table|nil           reply, elements, depth, tombstones, unsent, queue, queue_bytes
local checks = require "reef.options"
local known = require "reef.redis.known"
local place = require "reef.redis.place"

local redacted = require("reef.text").redacted
local shown = require "reef.base.shown"

local config = {}

---Names of all options, for who has more of his own.
config.known = known.kinds
config.aliases = known.aliases

-- Sentinels listen elsewhere.
local default_ports = { sentinels = 26379 }

-- "host:port", "[::1]:port", or { host = , port = }.
local function place_in(what, item)
	local host, port = item, nil
	if type(item) == "table" then
		host, port = item.host or item[1], item.port or item[2]
	elseif type(item) == "string" then
		host, port = item:match "^%[([%x:.%%]+)%]:?(%d*)$"
		if not host then
			host, port = item:match "^([^:]*):?(%d*)$"
		end
	end
	port = port ~= "" and port or nil
	local number_of_port = math.tointeger(tonumber(port or default_ports[what] or 6379))
	if type(host) ~= "string" or host == "" or not number_of_port or number_of_port < 1 or number_of_port > 65535 then
		error(("redis: %s are a list of 'host:port', not %s"):format(what,
			type(item) == "table" and ("{%s, %s}"):format(shown(tostring(host)), port) or shown(tostring(item))), 0)
	end
	checks.check_host("redis", host, 0)
	return { host = host, port = number_of_port }
end

local function places(conf, what)
	local given, list = conf[what], {}
	if type(given) ~= "table" or #given == 0 then
		error(("redis: %s are a list of 'host:port'"):format(what), 0)
	end
	for i, item in ipairs(given) do
		list[i] = place_in(what, item)
	end
	conf[what] = list
end

local function positive(conf, name, default)
	local v = conf[name]
	if v == nil then
		return default
	end
	if type(v) ~= "number" or v < 0 or v ~= v then
		error(string.format("redis: %s has to be a number of at least 0, not %s", name, checks.quoted(v)), 0)
	end
	return v
end

-- A password of digits may have been written without quotes.
local function text(conf, name)
	local v = conf[name]
	if math.type(v) == "integer" then
		conf[name] = tostring(v)
	elseif v ~= nil and type(v) ~= "string" then
		error(("redis: %s has to be a string, not a %s"):format(name, type(v)), 0)
	end
end

local function callback(conf, name)
	local v = conf[name]
	if v ~= nil and type(v) ~= "function" then
		error(("redis: %s has to be a function, not a %s"):format(name, type(v)), 0)
	end
end

local function take(into, from)
	checks.check_contract("redis", from, known.kinds, 0, known.aliases)
	for k, v in pairs(from or {}) do
		into[k] = v
	end
end

local reads = { master = true, replica = true, any = true, nearest = true, zone = true, fallback = true }
-- Where a connection is to a server that has been chosen once.
local sentinel_reads = { master = true, replica = true, any = true, zone = true }

-- What belongs to clusters and Sentinels. `kind` is "cluster", "sentinel" or nil; host and port are those of the first.
local function deployment(c)
	if c.sentinels then
		places(c, "sentinels")
		if type(c.master) ~= "string" or c.master == "" then
			error("redis: with sentinels the name of the master is required (option master)", 0)
		end
		if c.hosts or c.cluster then
			error("redis: it is a cluster or has sentinels, not both", 0)
		end
		c.kind, c.host, c.port, c.path = "sentinel", c.sentinels[1].host, c.sentinels[1].port, nil
		c.sentinel_tls = c.sentinel_tls and require "reef.tls".options(c.sentinel_tls) or nil
		text(c, "sentinel_username")
		text(c, "sentinel_auth")
	elseif c.hosts or c.cluster then
		c.hosts = c.hosts or { { host = c.host, port = c.port } }
		places(c, "hosts")
		c.kind, c.host, c.port, c.path = "cluster", c.hosts[1].host, c.hosts[1].port, nil
	end
	c.read = c.read or "master"
	if not reads[c.read] then
		error('redis: read is "master", "replica", "any", "nearest", "zone" or "fallback", not ' .. tostring(c.read), 0)
	end
	if c.kind == "sentinel" and not sentinel_reads[c.read] then
		error(('redis: with Sentinels read is "master", "replica", "any" or "zone", not %q'):format(c.read), 0)
	end
	text(c, "zone")
	if c.read == "zone" and not c.zone then
		error('redis: with read = "zone" the zone where we are is required (option zone)', 0)
	elseif c.zones ~= nil and type(c.zones) ~= "table" and type(c.zones) ~= "function" then
		error("redis: zones is a table or a function, not a " .. type(c.zones), 0)
	end
	place.check(c.nat)
	if c.credentials ~= nil and type(c.credentials) ~= "function" and type(c.credentials) ~= "string" then
		error("redis: credentials is a function or the name of a module, not a " .. type(c.credentials), 0)
	end
	c.refresh = positive(c, "refresh", 30)
end

config.where = place.where

---Is it of no matter whether the server is a master?
---@param conf table
---@return boolean
function config.reads_elsewhere(conf)
	return conf.read == "replica" or conf.kind == "sentinel" and (conf.read or "master") ~= "master"
end

---The conf of one node of a deployment: that of the deployment with other places.
---@param conf table
---@param host string
---@param port integer
---@param more table|nil  takes precedence
---@return table
function config.node(conf, host, port, more)
	local node = { host = host, port = port, where = config.where(host, port), errors = "object", setup = {} }
	for name, value in pairs(more or {}) do
		node[name] = value
	end
	return setmetatable(node, { __index = conf })
end

local function new(conf, more)
	local c = {}
	if type(conf) == "string" then
		conf = { uri = conf }
	elseif type(conf) ~= "table" then
		error("redis: expected a table or a URI, got a " .. type(conf), 0)
	end
	c.uri = conf.uri or nil
	text(c, "uri")
	if c.uri then
		take(c, require("reef.redis.uri").read(c.uri))
	end
	take(c, conf)
	take(c, more)
	c.path = c.path or nil
	for _, name in ipairs { "host", "path", "username", "auth", "name" } do
		text(c, name)
	end
	if c.info ~= nil and type(c.info) ~= "boolean" then
		error("redis: info is true or false, not a " .. type(c.info), 0)
	end
	callback(c, "overload")
	callback(c, "gap")
	if c.db ~= nil then
		local db = math.tointeger(tonumber(c.db))
		if not db or db < 0 then
			error("redis: db has to be an integer of at least 0, not " .. checks.quoted(c.db), 0)
		end
		c.db = db
	end
	deployment(c)
	local path = c.path or (c.host and c.host:match "^unix:(.+)$") or (c.host and c.host:match "^/.*")
	if path then
		c.host, c.port, c.where = path, -1, redacted(path)
	else
		local port = c.port or 6379
		c.port = tonumber(port)
		if type(c.host) ~= "string" then
			error("redis: a host is required", 0)
		end
		checks.check_host("redis", c.host, 0)
		if math.type(c.port) ~= "integer" or c.port < 1 or c.port > 65535 then
			error("redis: bad port " .. checks.quoted(port), 0)
		end
		c.where = config.where(c.host, c.port)
		if c.kind == "sentinel" then
			c.where = redacted(c.master) .. " of " .. c.where
		end
	end
	c.tls = c.tls and require "reef.tls".options(c.tls) or nil
	c.timeout = positive(c, "timeout", 10)
	c.connect_timeout = positive(c, "connect_timeout", 5)
	c.pool = positive(c, "pool", 64)
	c.heartbeat = positive(c, "heartbeat", 30)
	c.resp = c.resp or 2
	if c.resp ~= 2 and c.resp ~= 3 then
		error("redis: resp is 2 or 3, not " .. tostring(c.resp), 0)
	end
	c.errors = c.errors or "string"
	if c.errors ~= "string" and c.errors ~= "object" then
		error('redis: errors is "string" or "object", not ' .. tostring(c.errors), 0)
	end
	c.limits = c.limits or {}
	checks.check("redis: limits", c.limits, known.limits, 0)
	for name in pairs(c.limits) do
		positive(c.limits, name)
	end
	return c
end

---Checks a conf or URI and fills in what is missing. The result is a table of its own. Errors show no password.
---@param conf redis.conf|string
---@param more redis.conf|nil   takes precedence
---@return table
function config.new(conf, more)
	local ok, made = pcall(new, conf, more)
	return ok and made or error(redacted(tostring(made)), 0)
end

return config
