-- Where a Redis server is and how to talk to it: tables and URIs in one form.
--
--     redis://[[user]:password@]host[:port][/db][?option=value&...]
--     rediss://...   the same with TLS, whose options are tls_ca_file=PATH and so on
--     unix://[[user]:password@]/path/to/socket[?db=1&...]
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
---@field limits table|nil           reply, elements, depth, tombstones, unsent, queue
local config = {}

local numbers = {
	port = true, db = true, resp = true, timeout = true, connect_timeout = true, pool = true, heartbeat = true,
}
local names = { name = true, errors = true, auth = true, username = true }

local function unescape(text)
	return (text:gsub("%%(%x%x)", function(hex)
		return string.char(tonumber(hex, 16))
	end))
end

local function number(name, text)
	return tonumber(text) or error(string.format("redis URI: %s is no number: %s", name, text), 0)
end

-- One of reef.tls.
local function tls_option(conf, key, value)
	if value == "true" or value == "false" then
		value = value == "true"
	end
	conf.tls = conf.tls or {}
	conf.tls[key] = value
end

local function options(conf, query)
	for pair in query:gmatch "[^&]+" do
		local key, value = pair:match "^([^=]+)=(.*)$"
		if key and numbers[key] then
			conf[key] = number(key, unescape(value))
		elseif key and names[key] then
			conf[key] = unescape(value)
		elseif key and key:match "^tls_" then
			tls_option(conf, key:sub(5), unescape(value))
		else
			error("redis URI: unknown option " .. pair, 0)
		end
	end
end

local function credentials(conf, text)
	local user, password = text:match "^([^:]*):(.*)$"
	if not user then
		user, password = "", text
	end
	conf.auth = unescape(password)
	if user ~= "" then
		conf.username = unescape(user)
	end
end

local redacted = require("reef.text").redacted

local BAD_ADDRESS = "redis URI: bad address; it is [[user]:password@]host[:port], "
	.. "where / ? and # of a password are written %2F, %3F and %23"

local function address(conf, text)
	local host, port = text:match "^%[([%x:.%%]+)%](.*)$"
	if not host then
		host, port = text:match "^([^:%[%]]*)(.*)$"
	end
	if not host or (port ~= "" and not port:match "^:%d+$") then
		error(BAD_ADDRESS, 0)
	end
	conf.host = host ~= "" and unescape(host) or "127.0.0.1"
	if port ~= "" then
		conf.port = number("port", port:sub(2))
	end
end

local function parse(uri)
	local scheme, rest = uri:match "^(%a[%w+.-]*)://(.*)$"
	if not scheme then
		error("redis URI: expected redis://... or unix://...", 0)
	end
	scheme = scheme:lower()
	local conf = {}
	local main, query = rest:match "^([^?]*)%??(.*)$"
	options(conf, query)
	local authority, path = main:match "^([^/]*)(.*)$"
	-- A password may contain an @ that nobody escaped: the last one ends it.
	local login, where = authority:match "^(.*)@([^@]*)$"
	if login then
		credentials(conf, login)
		authority = where
	end
	if scheme == "unix" or scheme == "redis+unix" then
		if authority ~= "" or path == "" then
			error("redis URI: unix:// is followed by an absolute path", 0)
		end
		conf.path = unescape(path)
	elseif scheme == "redis" or scheme == "rediss" or scheme == "tcp" then
		if scheme == "rediss" then
			conf.tls = conf.tls or {}
		end
		address(conf, authority)
		local db = path:match "^/?(.*)$"
		if db ~= "" then
			conf.db = number("db", db)
		end
	else
		error("redis URI: unknown scheme " .. scheme, 0)
	end
	return conf
end

-- Was a part of a password perhaps taken for the path, an option, or a port?
local function is_odd(uri)
	local authority, rest = uri:match "^[^:]*://([^/?#]*)(.*)$"
	if not authority or authority:find("@", 1, true) then
		return false
	end
	return rest:find("@", 1, true) or authority:find "^:" or authority:find "^[^%[].*:%D"
end

---@param uri string
---@return redis.conf
function config.uri(uri)
	local ok, conf = pcall(parse, uri)
	return ok and conf or error(is_odd(uri) and BAD_ADDRESS or redacted(conf), 0)
end

local function positive(conf, name, default)
	local v = conf[name]
	if v == nil then
		return default
	end
	if type(v) ~= "number" or v < 0 or v ~= v then
		error(string.format("redis: %s has to be a number of at least 0, not %s", name, tostring(v)), 0)
	end
	return v
end

---Checks a conf or URI and fills in what is missing. The result is a table of its own.
---@param conf redis.conf|string
---@param more redis.conf|nil   takes precedence
---@return table
function config.new(conf, more)
	local c = {}
	if type(conf) == "table" and conf.uri then
		for k, v in pairs(config.uri(conf.uri)) do
			c[k] = v
		end
	end
	for k, v in pairs(type(conf) == "table" and conf or config.uri(conf)) do
		c[k] = v
	end
	for k, v in pairs(more or {}) do
		c[k] = v
	end
	local path = c.path or (c.host and c.host:match "^unix:(.+)$") or (c.host and c.host:match "^/.*")
	if path then
		c.host, c.port, c.where = path, -1, path
	else
		c.port = tonumber(c.port or 6379)
		if type(c.host) ~= "string" then
			error("redis: a host is required", 0)
		end
		if math.type(c.port) ~= "integer" or c.port < 1 or c.port > 65535 then
			error("redis: bad port " .. tostring(c.port), 0)
		end
		c.where = (c.host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(c.host, c.port)
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
	return c
end

return config
