-- Options of connections to MySQL, and where they lead to.
local redacted = require("reef.text").redacted
local sql = require "reef.sql.options"

---@class mysql.options
---@field host string|nil            name or IP; "127.0.0.1"
---@field port integer|nil           3306
---@field path string|nil            of a Unix socket, instead of host and port
---@field user string|nil
---@field password string|nil
---@field database string|nil
---@field charset string|nil         of texts; "utf8mb4"
---@field max_packet_size integer|nil bytes of a statement or a row at most; 1 MiB
---@field compact_arrays boolean|nil rows are lists in the order of columns
---@field on_connect fun(db: mysql.db)|nil  called on each new connection, before others use it
---@field init string|nil          a statement that each new connection begins with
---@field overload fun(on: boolean)|nil     true: 1 MiB of statements waits; false: none does
---@field timeout number|nil         seconds for a statement, with its wait for others; 30; 0: for ever
---@field connect_timeout number|nil seconds to connect and log in; 5
---@field tls boolean|reef.tls.options|nil
---@field compress boolean|nil
---@field exact boolean|nil          decimals, and integers that Lua does not have, are strings
---@field found_rows boolean|nil     affected_rows counts also rows that had the new values already
---@field errors "string"|"object"|nil "object": what the server refuses is raised
---@field auth_plugins string|nil    that the server may ask for, with commas between
---@field cancel boolean|nil         false: the server is not told of statements whose time is over

local options = {}

local KINDS <const> = {
	path = "string", charset = "string", max_packet_size = "number", compress = "boolean", exact = "boolean",
	found_rows = "boolean", errors = "string", auth_plugins = "string",
}
local MOST_PACKET <const> = 1 << 30
local FOREVER <const> = 86400 -- seconds, where the library wants some
local UNKNOWN_TLS <const> = { "server_name", "partial_chain", "alpn", "client_certificates" }

-- A server that is not who it should be could ask for a password in the clear.
local GUARDED <const> = "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,"
	.. "auth_gssapi_client"

---Raises for what cannot be; a complete table otherwise.
---@param given mysql.options
---@return table
function options.check(given)
	local conf = sql.check("mysql", given, KINDS, { port = 3306, max_packet_size = 1 << 20 }, UNKNOWN_TLS)
	if conf.errors ~= nil and conf.errors ~= "string" and conf.errors ~= "object" then
		error('mysql: errors is "string" or "object", not ' .. redacted(conf.errors))
	end
	if not math.tointeger(conf.max_packet_size) or conf.max_packet_size > MOST_PACKET then
		error(("mysql: max_packet_size is a whole number of bytes, at most %d, not %s"):format(MOST_PACKET,
			conf.max_packet_size))
	end
	if conf.host:find "^/" then
		conf.path = conf.host
	end
	conf.where = conf.path and redacted(conf.path) or conf.where
	if not conf.auth_plugins and not conf.tls and not conf.path then
		conf.auth_plugins = GUARDED
	end
	return conf
end

---What a connection in C is made from.
---@param conf table
---@return table
function options.target(conf)
	return {
		host = conf.path and "localhost" or conf.host, port = math.tointeger(conf.port), path = conf.path,
		user = conf.user, password = conf.password, database = conf.database, charset = conf.charset,
		max_packet_size = math.tointeger(conf.max_packet_size), compress = conf.compress, exact = conf.exact,
		found_rows = conf.found_rows, auth_plugins = conf.auth_plugins,
		seconds = conf.connect_timeout > 0 and math.ceil(math.min(math.max(1, conf.connect_timeout), FOREVER)) or FOREVER,
		tls = conf.tls and options.tls(conf.tls),
	}
end

---Options of TLS with what is meant where nothing is said.
---@param given reef.tls.options
---@return table
function options.tls(given)
	local tls = { verify = true, verify_host = true }
	for name, value in pairs(given) do
		tls[name] = value
	end
	return tls
end

return options
