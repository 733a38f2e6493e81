-- Connection strings: mongodb://[user[:password]@]host[:port],.../[database][?option=value&...]
--
-- By the specifications "Connection String" and "URI Options". What is malformed raises; an option that is unknown, or
-- whose value makes no sense, is left out and named in `warnings`. Texts of errors never repeat the string itself: it
-- holds a password.
local is_ipv4 = require "reef.base.ipv4"
local credential = require "reef.mongo.credential"
local options = require "reef.mongo.uri_options"

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

local fail, unescape = options.fail, options.unescape

uri.add = options.add

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
	options.read(result, text)
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
	options.read(result, query or "")
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
