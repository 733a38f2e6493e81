-- URIs of Redis servers and deployments, as tables of options:
--
--     redis://[[user]:password@]host[:port][/db][?option=value&...]
--     rediss://...   the same with TLS, whose options are tls_ca_file=PATH and so on
--     unix://[[user]:password@]/path/to/socket[?db=1&...]
--     redis+cluster://[[user]:password@]host[:port],host[:port]...[?...]        rediss+cluster:// with TLS
--     redis+sentinel://[[user]:password@]host[:port],.../master[/db][?...]      rediss+sentinel:// with TLS
local checks = require "reef.options"
local known = require "reef.redis.known"

local uri = {}

local tls_kinds = { verify = "boolean", verify_host = "boolean", timeout = "number", alpn = "list" }

local function unescape(text)
	return (text:gsub("%%(%x%x)", function(hex)
		return string.char(tonumber(hex, 16))
	end))
end

local booleans = { ["true"] = true, yes = true, ["1"] = true, ["false"] = false, no = false, ["0"] = false }

local convert = {}

function convert.number(name, text)
	local value = text:find "^%d*%.?%d+$" and tonumber(text)
	return value or error(string.format("redis URI: %s is no number: %s", name, text), 0)
end

function convert.text(_, text)
	return text
end

function convert.boolean(name, text)
	local value = booleans[text:lower()]
	if value == nil then
		error(("redis URI: %s is true or false, not %s"):format(name, text), 0)
	end
	return value
end

function convert.list(_, text)
	local list = {}
	for word in text:gmatch "[^,]+" do
		list[#list + 1] = word
	end
	return list
end

local number = convert.number

-- "tls_ca_file" is the option ca_file of the table `tls`, "limits_reply" the limit `reply`.
local function inner_option(conf, key, text)
	local group, name = key:match "^(tls)_(.+)$"
	if not group then
		group, name = key:match "^(limits)_(.+)$"
	end
	if not group then
		return false
	end
	conf[group] = type(conf[group]) == "table" and conf[group] or {}
	local kind = group == "limits" and "number" or tls_kinds[name] or "text"
	conf[group][name] = convert[kind](key, text)
	return true
end

local function options(conf, query)
	for pair in query:gmatch "[^&]+" do
		local key, value = pair:match "^([^=]+)=(.*)$"
		key, value = key or pair, value and unescape(value)
		local kind = known.kinds[key]
		if value and kind then
			if not (key == "tls" and conf.tls) then
				conf[key] = convert[kind](key, value)
			end
		elseif not (value and inner_option(conf, key, value)) then
			checks.refuse("redis URI", key, known.kinds, 0, known.aliases)
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

local schemes = {}

function schemes.cluster(conf, authority, path)
	conf.hosts, conf.cluster = convert.list("hosts", authority), true
	local db = path:match "^/?(.*)$"
	if db ~= "" then
		conf.db = number("db", db)
	end
end

function schemes.sentinel(conf, authority, path)
	conf.sentinels = convert.list("sentinels", authority)
	local master, db = path:match "^/([^/]+)/?(.*)$"
	conf.master = master and unescape(master) or conf.master
	if db and db ~= "" then
		conf.db = number("db", db)
	end
end

local function parse(given)
	local scheme, rest = given:match "^(%a[%w+.-]*)://(.*)$"
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
	elseif scheme:find "^rediss?%+" and schemes[scheme:match "%+(.*)$"] then
		if scheme:find "^rediss" then
			conf.tls = conf.tls or {}
		end
		schemes[scheme:match "%+(.*)$"](conf, authority, path)
	elseif (scheme == "redis" or scheme == "rediss") and authority:find(",", 1, true) then
		if scheme == "rediss" then
			conf.tls = conf.tls or {}
		end
		schemes.cluster(conf, authority, path)
	elseif scheme == "redis" or scheme == "rediss" or scheme == "tcp" then
		if scheme == "rediss" then
			if conf.tls == false then
				error("redis URI: rediss:// is redis:// with TLS, and tls=false without", 0)
			end
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
local function is_odd(given)
	local authority, rest = given:match "^[^:]*://([^/?#]*)(.*)$"
	if not authority or authority:find("@", 1, true) then
		return false
	end
	return rest:find("@", 1, true) or authority:find "^:" or authority:find "^[^%[].*:%D"
end

---The fields of a URI, which nobody has checked yet. Raises when it makes no sense, without its password.
---@param given string
---@return redis.conf
function uri.read(given)
	local ok, conf = pcall(parse, given)
	return ok and conf or error(is_odd(given) and BAD_ADDRESS or redacted(conf), 0)
end

return uri
