-- Secrets in addresses, and addresses in the wrong place: they are in no error, no label, no name in a record.
local core = require "skynet.core"
local metrics = require "reef.metrics"
local pool = require "reef.pool"
local test = require "test"

local WORD <const> = "s3cr3t"
local MARKS <const> = { "", "", "", "%40", "@", ":", "/", "?", "#", "%2F", "&", "=", "+", ",", "%20", "]", "%" }
local QUERIES <const> = {
	"password=%s", "auth=%s", "sslpassword=%s", "tls_password=%s", "token=%s", "sentinel_auth=%s", "passwd=a&password=%s",
	"authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:%s", "tlsCertificateKeyFilePassword=%s",
	"timeout=1&secret=%s", "pwd=%s", "proxyPassword=%s",
}
local SCHEMES <const> = {
	"redis", "rediss", "redis+cluster", "redis+sentinel", "unix", "mongodb", "mongodb+srv", "mysql", "postgres",
	"postgresql", "http", "https", "nats", "tls", "ws",
}

local random = math.random

local function one_of(list)
	return list[random(#list)]
end

local function secret()
	return WORD .. one_of(MARKS) .. (random(2) == 1 and WORD or "")
end

-- Mostly as they should be, or almost.
local function uri(scheme)
	local login, query = "", ""
	local form = random(4)
	if form == 1 then
		login = ":" .. secret() .. "@"
	elseif form == 2 then
		login = "me:" .. secret() .. "@"
	elseif form == 3 then
		login = secret() .. ":" .. secret() .. "@"
	end
	if scheme and scheme:find "^[hw]" then
		-- There, a slash ends the host, and a host may have any name.
		login = login:gsub("[/?#]", "")
	end
	if login == "" or random(4) == 1 then
		query = "?" .. one_of(QUERIES):format(WORD .. one_of { "", "%40", "%20" } .. WORD)
	end
	return ("%s://%s%s%s%s"):format(scheme or one_of(SCHEMES), login, one_of { "127.0.0.1:1", "127.0.0.1:1", "[::1]:1" },
		one_of { "", "/", "/0", "/name/0" }, query)
end

-- The same; what it is for may have been forgotten.
local function address(scheme)
	local text = uri(scheme)
	return random(4) == 1 and text:gsub("^[^/]*//", "") or text
end

-- Whatever is in there.
local function find(value, seen, key)
	if type(value) == "string" then
		return value:find(WORD, 1, true) and ("%s = %s"):format(tostring(key), value)
	elseif type(value) ~= "table" or seen[value] then
		return nil
	end
	seen[value] = true
	for k, v in next, value do
		-- MongoDB's descriptions of servers are data, in which the set has the name that it was given.
		local found = k ~= "setName" and (find(k, seen, "key") or find(v, seen, k))
		if found then
			return found
		end
	end
end

local FIELDS <const> = {
	redis = { "host", "path", "port", "username", "auth", "db", "name", "hosts", "sentinels", "master", "read", "zone",
		"timeout", "resp", "errors", "credentials", "nat", "limits", "tls", "cluster" },
	sql = { "host", "port", "user", "password", "database", "charset", "application_name", "init", "timeout", "settings",
		"auth_plugins", "path", "errors", "tls" },
	mongo = { "host", "port", "username", "password", "authdb", "authmod", "replicaSet", "appName", "readPreference",
		"authMechanism", "authMechanismProperties", "compressors", "w", "timeoutMS", "tlsCAFile", "tls", "authSource" },
}

-- A configuration with the URI in a place where it belongs or not.
local function conf_of(kind, scheme)
	local conf = { host = "127.0.0.1", port = 1, connect_timeout = 0.2 }
	if kind == "mongo" then
		conf = { host = "127.0.0.1", port = 1, serverSelectionTimeoutMS = 1, connectTimeoutMS = 200 }
	elseif kind == "sql" then
		conf.timeout = 0.2
	end
	local form = random(6)
	if form == 1 and kind ~= "sql" then
		return uri(scheme)
	elseif form == 2 and kind ~= "sql" then
		conf.host, conf.port, conf.uri = nil, nil, uri(scheme)
		return conf
	end
	for _ = 1, random(2) do
		local field, value = one_of(FIELDS[kind]), uri(random(2) == 1 and scheme or nil)
		if field == "hosts" or field == "sentinels" then
			value = random(2) == 1 and { address(scheme) } or { { host = value, port = 1 } }
			conf.master = conf.master or "m"
		elseif field == "settings" or field == "limits" or field == "nat" or field == "tls" then
			value = random(2) == 1 and { [value] = 1 } or { [one_of { "reply", "ca_file", "a:1" }] = value }
		end
		conf[field] = value
	end
	if random(8) == 1 then
		conf[uri(scheme)] = 1
	end
	return conf
end

local function given_of()
	local given = { pool = random(3) == 1 and uri() or nil }
	if random(6) == 1 then
		given[one_of { "size", "routing", "idle", "queue" }] = uri()
	end
	return given
end

local function use(db, ...)
	test.defer(pcall, pool.close, db)
	local said = tostring(db)
	local ok, why = pcall(...)
	local stats = pool.stat()
	local text = metrics.text()
	pcall(pool.close, db)
	return { said, why, ok, stats, text }
end

local users = {}

function users.redis()
	return require "skynet.db.redis".connect(conf_of("redis", "redis")):get "x"
end

function users.redis_pool()
	local db = pool.redis(conf_of("redis", "redis"), given_of())
	return use(db, db.get, db, "x")
end

function users.mongo()
	local c = require "skynet.db.mongo".client(conf_of("mongo", "mongodb"))
	return { tostring(c), tostring(c.a), tostring(c.a.b) }
end

function users.mongo_pool()
	local conf = conf_of("mongo", "mongodb")
	if type(conf) == "table" then
		conf.lazy = random(2) == 1
	end
	local c = pool.mongo(conf, given_of())
	return use(c, function()
		return c.a.b:findOne {}
	end)
end

function users.mysql()
	return require "skynet.db.mysql".connect(conf_of "sql")
end

function users.postgres()
	return require "reef.db.postgres".connect(conf_of "sql")
end

function users.mysql_pool()
	local db = pool.mysql(conf_of "sql", given_of())
	return use(db, db.query, db, "SELECT 1")
end

function users.postgres_pool()
	local db = pool.postgres(conf_of "sql", given_of())
	return use(db, db.query, db, "SELECT 1")
end

function users.channel()
	local conf = { host = uri(), port = random(2) == 1 and 1 or nil, connect_timeout = 0.1 }
	return require "skynet.socketchannel".channel(conf):request("x", function() end)
end

function users.socket()
	return { require "skynet.socket".open(uri(), random(2) == 1 and 1 or nil, 10) }
end

function users.httpc()
	local httpc = require "http.httpc"
	httpc.timeout = 20
	return { httpc.get(address(one_of { "http", "https" }), "/", {}) }
end

function users.http()
	local client = require "reef.http.client".new { timeout = 20, proxy = random(2) == 1 and address "http" or nil }
	return client:request({ url = address(one_of { "http", "http", "http", "https", "https", "ftp" }) }).status
end

function users.websocket()
	local url = address(one_of { "ws", "wss", "http" }) .. one_of { "", "", " ", "\n" }
	return require "http.websocket".connect(url, {}, 20)
end

-- A server says where to; its word is in the error if that is not gone to.
function users.redirect()
	local url = require "reef.http.target".parse "https://127.0.0.1:1/"
	local request = { method = "GET", header = {} }
	require "reef.http.redirect".next(request, url, 302, uri(one_of { "http", "http", "ws" }))
end

function users.etcd()
	return require "reef.etcd".new({ endpoints = { address(one_of { "http", "https", "etcd" }) }, timeout = 0.1 }):get "x"
end

for _, name in ipairs(require "reef.base.sorted".keys(users)) do
	test.case(name .. ": no secret of an address is shown", { timeout = 300 }, function()
		local named, turnsto = {}, core.turnsto
		test.defer(function()
			core.turnsto = turnsto
		end)
		function core.turnsto(text)
			named[#named + 1] = text
			return turnsto(text)
		end
		for i = 1, test.count(100) do
			math.randomseed(test.seed + i)
			local _, result = pcall(users[name])
			local found = find(result, {}) or find(tostring(result), {}) or find(named, {})
			test.equal(found, nil, ("seed %d"):format(test.seed + i))
		end
	end)
end

test.run()
