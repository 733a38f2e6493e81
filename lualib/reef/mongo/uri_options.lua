-- Options of connection strings, by the specification "URI Options": their names, what their values may be, and reading
-- them from a string or from a table of settings (uri.lua says what is done about those that make no sense).
local checks = require "reef.options"
local credential = require "reef.mongo.credential"
local redacted = require("reef.text").redacted

local uri_options = {}

---Raises what is wrong with a connection string.
function uri_options.fail(format, ...)
	error("Invalid MongoDB connection string: " .. format:format(...), 0)
end

local fail = uri_options.fail

---@param text string
---@param what string that it is, for messages
---@return string
function uri_options.unescape(text, what)
	if text:find "%%%X" or text:find "%%%x%X" or text:find "%%%x?$" then
		fail("bad percent sign in the %s", what)
	end
	return (text:gsub("%%(%x%x)", function(hex)
		return string.char(tonumber(hex, 16))
	end))
end

local unescape = uri_options.unescape

-- ---- values ----

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
	local list = {}
	for word in text:gmatch "[^,]+" do
		list[#list + 1] = compressors[word] and word
	end
	if not list[1] then
		-- What is not made of names may be an address in the wrong place, whose parts nobody could see a password in.
		return nil, text:find "^[%w_.,-]+$" and ("no such compressor: '%s'"):format(text) or "no such compressor"
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

-- What a table of settings may have: options, and more.
local settings = {}
for _, d in ipairs(definitions) do
	settings[d[1]] = true
end
for name in ([[host port username password authmod authdb rs uri overload acknowledged exact on_event on_log lazy
	circuit new_pool oidc_callback aws_credentials serverApi backgroundThreadIntervalMS watchedAs]]):gmatch "%S+" do
	settings[name] = true
end

-- Projects may have given more, which nobody has looked at; those who ask for a pool are told.
local function check_names(conf)
	if conf.new_pool then
		require("reef.pool.options").check(conf, settings)
	else
		checks.warn("mongo.client", conf, settings)
	end
end

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

---Reads what is behind the question mark of a connection string.
---@param result mongo.uri what is found goes to its options and warnings
---@param text string
function uri_options.read(result, text)
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
function uri_options.add(result, conf)
	local own = {}
	for key in pairs(conf) do
		local lower = type(key) == "string" and key:lower()
		local option = lower and known[old_names[lower] or lower]
		if option and option.name ~= key then
			error(("mongo: there is no option '%s', it is called '%s'"):format(key, option.name), 0)
		end
	end
	check_names(conf)
	for _, d in ipairs(definitions) do
		local name, given = d[1], conf[d[1]]
		if given ~= nil then
			local value, problem = value_of({ name = name, read = d[2] }, given)
			if value == nil then
				error(redacted(("mongo: %s = %s: %s"):format(name, name:find "Password" and "***" or tostring(given), problem)), 0)
			end
			own[name], result.options[name] = value, value
		end
	end
	return own
end

return uri_options
