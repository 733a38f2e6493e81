-- Options of connections to PostgreSQL, as libpq names them.
local redacted = require("reef.text").redacted
local resolve = require "reef.socketcore".resolve
local sql = require "reef.sql.options"

---@class postgres.options
---@field host string|nil            name or IP, or the directory of a Unix socket; "127.0.0.1"
---@field port integer|nil           5432
---@field user string|nil            "postgres"
---@field password string|nil
---@field database string|nil        as the user
---@field application_name string|nil "reef"
---@field settings table<string, string>|nil  of the server, for this connection: { search_path = "game" }
---@field compact_arrays boolean|nil rows are lists in the order of columns
---@field on_connect fun(db: postgres.db)|nil  called on each new connection, before others use it
---@field init string|nil          a statement that each new connection begins with
---@field overload fun(on: boolean)|nil     true: 1 MiB of statements waits; false: none does
---@field timeout number|nil         seconds for a statement, with its wait for others; 30; 0: for ever
---@field connect_timeout number|nil seconds to connect and log in; 5
---@field tls boolean|reef.tls.options|nil
---@field cancel boolean|nil         false: the server is not told of statements whose time is over
---@field gap fun(info: table)|nil   of postgres.listen: notifications may be missing
---@field heartbeat number|nil       of postgres.listen: seconds of silence before the server is asked; 30

local options = {}

local KINDS <const> = { application_name = "string", settings = "table", gap = "function", heartbeat = "number" }
local UNKNOWN_TLS <const> = { "server_name", "partial_chain", "alpn", "client_certificates", "ciphers", "ca_dir" }

---Raises for what cannot be; a complete table otherwise.
---@param given postgres.options
---@return table
function options.check(given)
	local conf = sql.check("postgres", given, KINDS, {
		port = 5432, user = "postgres", application_name = "reef", heartbeat = 30,
	}, UNKNOWN_TLS)
	for name, value in pairs(conf.settings or {}) do
		if type(name) ~= "string" or not name:find "^[%a_][%w_.]*$" then
			error(("postgres: %q is not the name of a setting"):format(redacted(tostring(name))))
		elseif tostring(value):find("\0", 1, true) then
			error(("postgres: the setting %s has a zero byte"):format(name))
		end
	end
	return conf
end

-- Where distributions keep the authorities that they trust.
local BUNDLES <const> = {
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
}

local function system_bundle()
	for _, path in ipairs(BUNDLES) do
		local f = io.open(path)
		if f then
			f:close()
			return path
		end
	end
	error("postgres: TLS needs the option ca_file: there are no authorities of the system's", 0)
end

-- Nothing of the user's own directory is looked at.
local function set_tls(target, tls)
	if not tls then
		target.sslmode = "disable"
		return
	end
	local verify = tls.verify ~= false
	target.sslmode = not verify and "require" or tls.verify_host == false and "verify-ca" or "verify-full"
	target.sslrootcert = verify and (tls.ca_file or system_bundle()) or "/dev/null/none"
	target.sslcert, target.sslkey = tls.cert_file or "/dev/null/none", tls.key_file or tls.cert_file
	target.sslpassword = tls.password
	target.ssl_min_protocol_version = "TLSv" .. (tls.min_version or "1.2")
end

local function quoted(text)
	return (text:gsub("[%s\\]", "\\%0"))
end

---What a connection in C is made from.
---@param conf table
---@return table<string, string>
function options.target(conf)
	local target = {
		port = tostring(math.tointeger(conf.port)), user = conf.user, password = conf.password,
		dbname = conf.database or conf.user, application_name = conf.application_name, client_encoding = "UTF8",
		gssencmode = "disable", host = conf.host,
	}
	if not conf.host:find "^[/@]" then
		-- libpq would wait for the name server. It tries these in turn.
		local addresses = resolve(conf.host)
		target.hostaddr = table.concat(addresses, ",")
		target.host = (conf.host .. ","):rep(#addresses):sub(1, -2)
		target.port = (target.port .. ","):rep(#addresses):sub(1, -2)
	end
	local settings = {}
	for name, value in pairs(conf.settings or {}) do
		settings[#settings + 1] = ("-c %s=%s"):format(name, quoted(tostring(value)))
	end
	target.options = #settings > 0 and table.concat(settings, " ") or nil
	set_tls(target, conf.tls)
	return target
end

return options
