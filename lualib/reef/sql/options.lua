-- Options of connections to SQL servers: what both kinds check.
local checks = require "reef.options"

local options = {}

-- What each may be in both.
local COMMON <const> = {
	host = "string", port = "number", user = "string", password = "string", database = "string",
	compact_arrays = "boolean", on_connect = "function", overload = "function", init = "string", timeout = "number",
	connect_timeout = "number", cancel = "boolean",
}
local ALIASES <const> = {
	username = "user", db = "database", dbname = "database", auth = "password", passwd = "password", pass = "password",
}

---Raises for what cannot be.
---@param name string                    "mysql"
---@param given table
---@param kinds table<string, string>    the types of further options
---@param defaults table
---@param unknown_tls string[]           options of TLS that the library lacks
---@return table conf  with what was not given filled in
function options.check(name, given, kinds, defaults, unknown_tls)
	local known = { tls = "table" }
	for _, list in ipairs { COMMON, kinds } do
		for option, kind in pairs(list) do
			known[option] = kind
		end
	end
	local check = name == "mysql" and checks.check_contract or checks.check
	check(name, given, known, nil, ALIASES)
	local conf = { host = "127.0.0.1", timeout = 30, connect_timeout = 5 }
	for option, value in pairs(defaults) do
		conf[option] = value
	end
	for option, value in pairs(given or {}) do
		if option == "port" and type(value) == "string" then
			value = tonumber(value) or value -- keys of the configuration are texts
		end
		if option == "tls" then
			conf.tls = value and require "reef.tls".options(value) or nil
		elseif known[option] and type(value) ~= known[option] then
			error(("%s: %s is a %s, not a %s"):format(name, option, known[option], type(value)))
		elseif type(value) == "number" and (value < 0 or value ~= value) then
			error(("%s: %s has to be at least 0, not %s"):format(name, option, value))
		elseif type(value) == "string" and value:find("\0", 1, true) then
			-- The libraries would see the part before it.
			error(("%s: %s has a zero byte"):format(name, option))
		elseif known[option] then
			conf[option] = value
		end
	end
	if not math.tointeger(conf.port) or conf.port < 1 or conf.port > 65535 then
		error(("%s: port is a whole number from 1 to 65535, not %s"):format(name, conf.port))
	end
	for _, option in ipairs(unknown_tls) do
		if conf.tls and conf.tls[option] ~= nil then
			error(("%s: its library has nothing like the option %s of TLS"):format(name, option))
		end
	end
	checks.check_host(name, conf.host)
	conf.where = (conf.host:find ":" and "[%s]:%d" or "%s:%d"):format(conf.host, conf.port)
	return conf
end

return options
