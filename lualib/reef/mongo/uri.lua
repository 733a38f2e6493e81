-- Connection strings: mongodb://[user[:password]@]host[:port],.../[database][?option=value&...]
--
-- By the specifications "Connection String" and "URI Options". What is malformed raises; an option that is unknown, or
-- whose value makes no sense, is left out and named in `warnings`. Texts of errors never repeat the string itself: it
-- holds a password.
local is_ipv4 = require "reef.base.ipv4"
local credential = require "reef.mongo.credential"

local uri = {}

---@class mongo.host
---@field host string name, address, or path of a Unix socket
---@field port integer|nil
---@field type "hostname"|"ipv4"|"ip_literal"|"unix"

---@class mongo.uri
---@field srv boolean
---@field hosts mongo.host[]
---@field username string|nil
---@field password string|nil
---@field database string|nil
---@field options table by their names as the specification writes them
---@field warnings string[]
---@field credential mongo.credential|nil

local function fail(format, ...)
	error("Invalid MongoDB connection string: " .. format:format(...), 0)
end

---@return string
local function unescape(text, what)
	if text:find "%%%X" or text:find "%%%x%X" or text:find "%%%x?$" then
		fail("bad percent sign in the %s", what)
	end
	return (text:gsub("%%(%x%x)", function(hex)
		return string.char(tonumber(hex, 16))
	end))
end

-- ---- options ----

-- Each reader answers the value, or nil and what is wrong with it.

local function text_value(text)
	return text
end

local function boolean_value(text)
	if text == "true" then
		return true
	elseif text == "false" then
		return false
	end
	return nil, "neither true nor false"
end

local function integer_value(low, high)
	return function(text)
		local n = text:find "^-?%d+$" and math.tointeger(tonumber(text))
		if not n then
			return nil, "not an integer"
		elseif n < low or n > (high or math.maxinteger) then
			return nil, "out of range"
		end
		return n
	end
end

local function one_of(...)
	local allowed = {}
	for _, word in ipairs { ... } do
		allowed[word] = true
	end
	return function(text)
		if allowed[text] then
			return text
		end
		return nil, "not one of its values"
	end
end

-- key:value,key:value; a value may contain colons.
local function pairs_value(text)
	local map = {}
	for pair in (text .. ","):gmatch "([^,]*)," do
		local key, value = pair:match "^([^:]+):(.*)$"
		if key then
			map[key] = value
		elseif text ~= "" then
			return nil, "not a list of key:value"
		end
	end
	return map
end

local function properties_value(text)
	local map, err = pairs_value(text)
	if map and (map.CANONICALIZE_HOST_NAME == "true" or map.CANONICALIZE_HOST_NAME == "false") then
		map.CANONICALIZE_HOST_NAME = map.CANONICALIZE_HOST_NAME == "true"
	end
	return map, err
end

local function w_value(text)
	local n = text:find "^-?%d+$" and math.tointeger(tonumber(text))
	if n and n < 0 then
		return nil, "out of range"
	end
	return n or text
end

local function mechanism_value(text)
	if credential.known(text) then
		return text
	end
	return nil, "not a mechanism"
end

local compressors = { snappy = true, zlib = true, zstd = true }

-- Those that are none are left out, and only a list without any is wrong.
local function compressors_value(text)
	local list, unknown = {}, nil
	for word in text:gmatch "[^,]+" do
		if compressors[word] then
			list[#list + 1] = word
		else
			unknown = word
		end
	end
	if not list[1] then
		return nil, ("no such compressor: '%s'"):format(unknown)
	end
	return list
end

local milliseconds = integer_value(0)

-- Name as the specification writes it, reader.
local definitions = {
	{ "appName", text_value },
	{ "authMechanism", mechanism_value },
	{ "authMechanismProperties", properties_value },
	{ "authSource", text_value },
	{ "compressors", compressors_value },
	{ "connectTimeoutMS", milliseconds },
	{ "directConnection", boolean_value },
	{ "enableOverloadRetargeting", boolean_value },
	{ "heartbeatFrequencyMS", milliseconds },
	{ "journal", boolean_value },
	{ "loadBalanced", boolean_value },
	{ "localThresholdMS", milliseconds },
	{ "maxAdaptiveRetries", integer_value(0) },
	{ "maxConnecting", integer_value(1) },
	{ "maxIdleTimeMS", milliseconds },
	{ "maxPoolSize", integer_value(0) },
	{ "maxStalenessSeconds", integer_value(-1) },
	{ "minPoolSize", integer_value(0) },
	{ "proxyHost", text_value },
	{ "proxyPassword", text_value },
	{ "proxyPort", integer_value(1, 65535) },
	{ "proxyUsername", text_value },
	{ "readConcernLevel", text_value },
	{ "readPreference", one_of("primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest") },
	{ "readPreferenceTags", pairs_value },
	{ "replicaSet", text_value },
	{ "retryReads", boolean_value },
	{ "retryWrites", boolean_value },
	{ "serverMonitoringMode", one_of("auto", "stream", "poll") },
	{ "serverSelectionTimeoutMS", milliseconds },
	{ "serverSelectionTryOnce", boolean_value },
	{ "socketTimeoutMS", milliseconds },
	{ "srvMaxHosts", integer_value(0) },
	{ "srvServiceName", text_value },
	{ "timeoutMS", milliseconds },
	{ "tls", boolean_value },
	{ "tlsAllowInvalidCertificates", boolean_value },
	{ "tlsAllowInvalidHostnames", boolean_value },
	{ "tlsCAFile", text_value },
	{ "tlsCertificateKeyFile", text_value },
	{ "tlsCertificateKeyFilePassword", text_value },
	{ "tlsDisableCertificateRevocationCheck", boolean_value },
	{ "tlsDisableOCSPEndpointCheck", boolean_value },
	{ "tlsInsecure", boolean_value },
	{ "w", w_value },
	{ "waitQueueTimeoutMS", milliseconds },
	{ "wTimeoutMS", milliseconds },
	{ "zlibCompressionLevel", integer_value(-1, 9) },
}

local known = {}
for _, d in ipairs(definitions) do
	known[d[1]:lower()] = { name = d[1], read = d[2] }
end
known.ssl = known.tls

local old_names = { wtimeout = "wtimeoutms", j = "journal" }

local function read_option(result, key, value)
	local lower = key:lower()
	local warnings = result.warnings
	if old_names[lower] then
		warnings[#warnings + 1] = ("option '%s' is now called '%s'"):format(key, known[old_names[lower]].name)
		lower = old_names[lower]
		if result.options[known[lower].name] ~= nil then
			return
		end
		result.old[lower] = true
	end
	local option = known[lower]
	if not option then
		-- What is not even a name may be a part of a password behind a ? that should have been encoded.
		warnings[#warnings + 1] = ("unknown option '%s'"):format(key:find "^[%w_.-]+$" and key or "***")
		if result.names then
			result.names[#result.names + 1] = key
		end
		return
	end
	local name = option.name
	if result.names then
		result.names[#result.names + 1] = name
	end
	local parsed, problem
	if value == "" and name ~= "readPreferenceTags" then
		if name == "authSource" then
			fail "authSource is empty"
		end
		problem = "no value"
	else
		parsed, problem = option.read(value)
	end
	if parsed == nil then
		warnings[#warnings + 1] = ("option '%s' ignored: %s"):format(name, problem)
	elseif name == "readPreferenceTags" then
		local list = result.options[name] or {}
		list[#list + 1] = parsed
		result.options[name] = list
	elseif name == "tls" and result.options.tls ~= nil and result.options.tls ~= parsed then
		fail "tls and ssl contradict each other"
	elseif result.options[name] ~= nil and name:find "^proxy" then
		fail("%s is given more than once", name)
	elseif result.options[name] ~= nil and name ~= "tls" and not result.old[lower] then
		warnings[#warnings + 1] = ("option '%s' given more than once, the first counts"):format(name)
	else
		if not old_names[key:lower()] then
			result.old[lower] = nil
		end
		result.options[name] = parsed
	end
end

local function read_options(result, text)
	for pair in text:gmatch "[^&]+" do
		local key, value = pair:match "^([^=]+)=(.*)$"
		if not key then
			fail "an option without a value"
		end
		read_option(result, unescape(key, "options"), unescape(value, "options"))
	end
end

-- ---- options of a table ----

-- Those whose values may be given as a list or a map, too.
local structured = { authMechanismProperties = true, compressors = true, readPreferenceTags = true }

local function value_of(option, given)
	if type(given) == "table" and structured[option.name] then
		if option.name == "compressors" then
			return compressors_value(table.concat(given, ","))
		end
		return given
	elseif math.type(given) == "float" then
		local whole = math.tointeger(given) or given == given and math.tointeger(math.ceil(given))
		return option.read(tostring(whole or given))
	elseif type(given) == "table" or type(given) == "function" then
		return nil, "a " .. type(given)
	end
	local value, problem = option.read(tostring(given))
	if value ~= nil and option.name == "readPreferenceTags" then
		return { value }
	end
	return value, problem
end

---Reads the options that a table of settings has by the names of connection strings, and puts them into what a
---connection string said. Raises what makes no sense, and names that are no more than nearly right.
---@param result mongo.uri
---@param conf table
---@return table options those of the table
function uri.add(result, conf)
	local own = {}
	for key in pairs(conf) do
		local lower = type(key) == "string" and key:lower()
		local option = lower and known[old_names[lower] or lower]
		if option and option.name ~= key then
			error(("mongo: there is no option '%s', it is called '%s'"):format(key, option.name), 0)
		end
	end
	for _, d in ipairs(definitions) do
		local name, given = d[1], conf[d[1]]
		if given ~= nil then
			local value, problem = value_of({ name = name, read = d[2] }, given)
			if value == nil then
				error(("mongo: %s = %s: %s"):format(name, name:find "Password" and "***" or tostring(given), problem), 0)
			end
			own[name], result.options[name] = value, value
		end
	end
	return own
end

-- ---- rules between options ----

local exclusive = {
	{ "tlsInsecure", "tlsAllowInvalidCertificates" },
	{ "tlsInsecure", "tlsAllowInvalidHostnames" },
	{ "tlsInsecure", "tlsDisableCertificateRevocationCheck" },
	{ "tlsInsecure", "tlsDisableOCSPEndpointCheck" },
	{ "tlsAllowInvalidCertificates", "tlsDisableCertificateRevocationCheck" },
	{ "tlsAllowInvalidCertificates", "tlsDisableOCSPEndpointCheck" },
	{ "tlsDisableCertificateRevocationCheck", "tlsDisableOCSPEndpointCheck" },
}

local function check_together(o, srv)
	if o.w == 0 and o.journal then
		fail "journal with unacknowledged writes (w=0)"
	end
	for _, pair in ipairs(exclusive) do
		if o[pair[1]] ~= nil and o[pair[2]] ~= nil then
			fail("%s and %s exclude each other", pair[1], pair[2])
		end
	end
	if srv then
		-- What is missing may come from the name server.
		return
	elseif not o.proxyHost and (o.proxyPort or o.proxyUsername or o.proxyPassword) then
		fail "proxy options without proxyHost"
	elseif (o.proxyUsername == nil) ~= (o.proxyPassword == nil) then
		fail "proxyUsername and proxyPassword need each other"
	end
end

local function check_topology(result)
	local o = result.options
	if o.directConnection and #result.hosts > 1 then
		fail "directConnection with more than one host"
	end
	if o.directConnection and result.srv then
		fail "directConnection with mongodb+srv"
	end
	if o.loadBalanced then
		if #result.hosts > 1 then
			fail "loadBalanced with more than one host"
		elseif o.directConnection then
			fail "loadBalanced with directConnection"
		elseif o.replicaSet then
			fail "loadBalanced with replicaSet"
		end
	end
	if not result.srv and (o.srvServiceName or o.srvMaxHosts) then
		fail "SRV options without mongodb+srv"
	end
	if o.srvMaxHosts and o.srvMaxHosts > 0 and (o.replicaSet or o.loadBalanced) then
		fail("srvMaxHosts with %s", o.replicaSet and "replicaSet" or "loadBalanced")
	end
end

-- ---- hosts ----

local function read_port(text)
	local port = text:find "^%d+$" and math.tointeger(tonumber(text))
	if not port or port < 1 or port > 65535 then
		fail "a port is not a number from 1 to 65535"
	end
	return port
end

local function read_host(text)
	if text == "" then
		fail "an empty host"
	end
	local literal, rest = text:match "^%[([^%]]*)%](.*)$"
	if literal then
		if not literal:find "^[%x:.]+$" and not literal:find "^[%x:.]+%%25" then
			fail "an IP literal is malformed"
		elseif rest ~= "" and rest:sub(1, 1) ~= ":" then
			fail "something between an IP literal and its port"
		end
		return { host = unescape(literal, "host"), port = rest ~= "" and read_port(rest:sub(2)) or nil, type = "ip_literal" }
	end
	local name, port = text:match "^([^:]*):(.*)$"
	name = unescape(name or text, "host")
	if name == "" then
		fail "an empty host"
	elseif name:find("\0", 1, true) then
		fail "a host contains a zero byte"
	elseif name:find("/", 1, true) then
		if port then
			fail "a Unix socket with a port"
		end
		return { host = name, type = "unix" }
	end
	return { host = name, port = port and read_port(port), type = is_ipv4(name) and "ipv4" or "hostname" }
end

local function read_hosts(result, text)
	for part in (text .. ","):gmatch "([^,]*)," do
		result.hosts[#result.hosts + 1] = read_host(part)
	end
	if result.srv then
		local host = result.hosts[1]
		if #result.hosts > 1 or host.port or host.type ~= "hostname" then
			fail "mongodb+srv needs exactly one name without a port"
		end
	end
end

-- ---- the whole ----

local function read_user(result, text)
	local user, password = text:match "^([^:]*):(.*)$"
	user = user or text
	if user == "" then
		fail "an empty user name"
	elseif (password or ""):find "[:/?#%[%]@]" or user:find "[/?#%[%]@]" then
		fail "user name or password with characters that must be percent-encoded"
	end
	result.username = unescape(user, "user name")
	result.password = password and unescape(password, "password")
end

---Options alone, as a TXT record has them (srv.lua).
---@param text string
---@return { options: table, names: string[], warnings: string[] }
function uri.options(text)
	local result = { options = {}, names = {}, warnings = {}, old = {} }
	read_options(result, text)
	return result
end

---Whether what a connection string says goes together, once its hosts are known; and who logs in. Raises.
---@param result mongo.uri
function uri.check(result)
	check_together(result.options, false)
	check_topology(result)
	local ok, made = pcall(credential.of, result)
	if not ok then
		fail("%s", made)
	end
	result.credential = made
end

---@param text string
---@param has_callback boolean|nil a function will give the token for logging in
---@return mongo.uri
function uri.parse(text, has_callback)
	local scheme, rest = text:match "^(mongodb[+srv]*)://(.*)$"
	if scheme ~= "mongodb" and scheme ~= "mongodb+srv" then
		fail "it does not begin with mongodb:// or mongodb+srv://"
	end
	local result = { srv = scheme == "mongodb+srv", hosts = {}, options = {}, warnings = {}, old = {},
		callback = has_callback or nil }
	local before, query = rest:match "^([^?]*)%?(.*)$"
	before = before or rest
	local user, place = before:match "^(.*)@(.*)$"
	if user then
		read_user(result, user)
	end
	local hosts, database = (place or before):match "^([^/]*)/(.*)$"
	read_hosts(result, hosts or place or before)
	if database and database ~= "" then
		result.database = unescape(database, "database")
		if result.database:find '[/\\ "$]' then
			fail "a database name with characters that it must not have"
		end
	end
	read_options(result, query or "")
	check_together(result.options, result.srv)
	check_topology(result)
	result.old = nil
	local ok, made = pcall(credential.of, result)
	if not ok then
		fail("%s", made)
	end
	result.credential = made
	return result
end

return uri
