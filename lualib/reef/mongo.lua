-- MongoDB; see docs/mongo.md. Times are in milliseconds where a name ends in MS, else in seconds.
--
--     local mongo = require "reef.mongo"
--     local client = mongo.client { host = "127.0.0.1" }           -- or mongo.client "mongodb://..."
--     local accounts = client.bank.accounts
--     accounts:insertOne { _id = "alice", balance = 100 }
--     print(accounts:findOne({ _id = "alice" }).balance)
--
-- A client watches all servers of its deployment and keeps pools of connections; every coroutine of the service may use
-- it at the same time.
local bson = require "bson"
local now = require "reef.base.now"
local collection_methods = require "reef.mongo.collection"
local checks = require "reef.options"
local core_client = require "reef.mongo.client"
local core_of = require "reef.mongo.core"
local limits = require "reef.mongo.limits"
local crud = require "reef.mongo.crud"
local known = require "reef.mongo.known"
local database_methods = require "reef.mongo.database"
local scopes = require "reef.mongo.settings"
local skynet = require "skynet"

local mongo = {
	null = bson.null,
	minkey = bson.minkey,
	maxkey = bson.maxkey,
	type = bson.type,
}

-- ---- settings ----

local mechanisms = { scram_sha1 = "SCRAM-SHA-1", scram_sha256 = "SCRAM-SHA-256" }

-- Options of connection strings that would change what happens, but not here.
local unsupported = {
	"proxyHost",
}

-- Those of the compressors asked for that are here; the others are named in the log.
local function compressors_of(parsed)
	local here, list = {}, {}
	for _, name in ipairs(core_of.compressors()) do
		here[name] = true
	end
	for _, name in ipairs(parsed.options.compressors) do
		if here[name] then
			list[#list + 1] = name
		else
			parsed.warnings[#parsed.warnings + 1] = ("the compressor %s is not in this build"):format(name)
		end
	end
	return list[1] and list or nil
end

local function refuse_unsupported(parsed)
	for _, name in ipairs(unsupported) do
		if parsed.options[name] then
			error(("mongo: the option '%s' is not supported"):format(name), 0)
		end
	end
	if parsed.options.compressors then
		parsed.options.compressors = compressors_of(parsed)
	end
	for _, warning in ipairs(parsed.warnings) do
		skynet.error("mongo: " .. warning)
	end
end

local function credentials_of_uri(parsed, conf)
	local credentials = parsed.credential
	if not credentials and conf.authMechanism then
		credentials = {
			username = conf.username, password = conf.password, mechanism = conf.authMechanism, source = "$external",
			mechanism_properties = conf.authMechanismProperties,
		}
	end
	local mechanism = credentials and credentials.mechanism
	if mechanism and not require("reef.mongo.scram").known(mechanism)
		and not require("reef.mongo.mechanisms").known(mechanism) then
		error(("mongo: the authentication mechanism %s is not supported"):format(mechanism), 0)
	elseif credentials then
		credentials.password = credentials.password or ""
		credentials.oidc_callback, credentials.aws_credentials = conf.oidc_callback, conf.aws_credentials
	end
	return credentials
end

local function credentials_of_conf(conf)
	if not conf.username or not conf.password then
		return nil
	end
	local mechanism
	if conf.authmod == "mongodb_cr" then
		error("mongo: authmod mongodb_cr is not supported: servers have not had it since MongoDB 4.0", 0)
	elseif conf.authmod then
		mechanism = mechanisms[conf.authmod]
		assert(mechanism, "Invalid authmod: " .. tostring(conf.authmod))
	end
	return { username = conf.username, password = conf.password, source = conf.authdb or "admin", mechanism = mechanism }
end

local function host_of(conf)
	local host = conf.host or "127.0.0.1"
	if host:find("\0", 1, true) then
		error("mongo: a host contains a zero byte", 0)
	end
	checks.check_host("mongo", host, 0)
	local path = host:match "^unix:(.*)$" or host:match "^/.*$"
	local port = math.tointeger(tonumber(conf.port or 27017))
	if not path and not (port and port > 0 and port < 65536) then
		error("mongo: port is a whole number from 1 to 65535", 0)
	end
	return { host = path or host, port = not path and port or nil, type = path and "unix" or "hostname" }
end

-- The reader of connection strings is larger than the rest of a client, and needed once.
local READER <const> = { "reef.mongo.uri", "reef.mongo.uri_options", "reef.mongo.credential" }

local function read_by(method, ...)
	local loaded, before = package.loaded, {}
	for i, name in ipairs(READER) do
		before[i] = loaded[name]
	end
	local result = require("reef.mongo.uri")[method](...)
	for i, name in ipairs(READER) do
		loaded[name] = before[i]
	end
	return result
end

-- What a settings table says, in the form of a connection string's.
local function parsed_of_conf(conf)
	if conf.uri then
		return read_by("parse", conf.uri, conf.oidc_callback ~= nil)
	end
	local hosts = {}
	for i, entry in ipairs(conf.rs or { conf }) do
		hosts[i] = host_of(entry)
	end
	assert(hosts[1], "mongo: no host")
	return { srv = false, hosts = hosts, options = {}, warnings = {} }
end

-- ---- client ----

---@class mongo.client
---@field _core mongo.core_client
---@field _settings table
local client_methods = {}

local collection_meta = {}
local database_meta = {}
local client_meta = {}

function client_meta.__index(self, key)
	local method = client_methods[key]
	if method ~= nil then
		return method
	end
	return self:getDB(key)
end

function client_meta.__tostring(self)
	return "[mongo client : " .. self._settings.where .. "]"
end

function database_meta.__index(self, key)
	local method = database_methods[key]
	if method ~= nil then
		return method
	end
	local found = self:getCollection(key)
	rawset(self, key, found)
	return found
end

function database_meta.__tostring(self)
	return "[mongo db : " .. self.name .. "]"
end

function collection_meta.__index(self, key)
	local method = crud[key] or collection_methods[key] or require("reef.mongo.indexes")[key]
	if method ~= nil then
		rawset(self, key, method)
		return method
	end
	local sub = setmetatable({
		name = key, full_name = self.full_name .. "." .. key, database = self.database, _settings = self._settings,
	}, collection_meta)
	rawset(self, key, sub)
	return sub
end

function collection_meta.__tostring(self)
	return "[mongo collection : " .. self.full_name .. "]"
end

---Connects to a deployment. One attempt: raises an error object when no server that takes writes answers at once.
---@param conf string|table a connection string, or settings: host, port, username, password, authmod, authdb, rs, uri,
---  acknowledged, exact, on_event, on_log, on_span, lazy, and options by their names in connection strings
---@return mongo.client
function mongo.client(conf)
	conf = type(conf) == "string" and { uri = conf } or conf
	if type(conf) ~= "table" then
		error("mongo.client: neither a connection string nor a table of settings: " .. tostring(conf))
	end
	local parsed = parsed_of_conf(conf)
	if parsed.srv then
		parsed = require "reef.mongo.srv".resolve(parsed, conf)
	end
	local own = read_by("add", parsed, conf)
	refuse_unsupported(parsed)
	own.compressors = parsed.options.compressors
	local first = conf.rs and conf.rs[1] or conf
	own.credentials = conf.uri and credentials_of_uri(parsed, conf) or credentials_of_conf(first)
	local options = setmetatable(own, { __index = conf })
	local core = core_client.new(parsed, options)
	local settings = scopes.of_client(conf, core.options, parsed.name or parsed.hosts[1].host)
	-- Every other key is the name of a database.
	local self = setmetatable({ _core = core, _settings = settings }, client_meta)
	local ok, err = true, nil
	if not conf.lazy then
		ok, err = pcall(self.connect, self)
	end
	if not ok then
		core:close()
		error(err, 0)
	end
	return self
end

-- Finds a server and, with credentials, logs in once, so that a wrong password is known now.
function client_methods:connect()
	local core = self._core
	local deadline = now() + core.selection_timeout
	local any = { mode = "nearest" }
	local server = core:select({ name = "connect", preference = self._settings.read_preference and any }, deadline, true)
	core.pools[server.address]:prove(core.connect_timeout)
end

---The database of that name, as `client.name` is.
---@param name string
---@return mongo.database
function client_methods:getDB(name)
	local database = self:database(name)
	rawset(self, name, rawget(self, name) or database)
	return database
end

---The database of that name, with ways to read and write of its own.
---@param name string
---@param options mongo.scope_options|nil
---@return mongo.database
function client_methods:database(name, options)
	local settings = scopes.derive(self._settings, options)
	return setmetatable({ name = name, client = self, _settings = settings }, database_meta)
end

---Ends the client: its connections are closed, its coroutines end.
function client_methods:disconnect()
	self._core:close()
end

client_methods.close = client_methods.disconnect

---A command for the database `admin`; see the database's.
---@param ... any
---@return table reply
function client_methods:runCommand(...)
	return self:getDB("admin"):runCommand(...)
end

---A number for a request.
---@return integer
function client_methods:genId()
	self._core.last_request = self._core.last_request + 1
	return self._core.last_request
end

-- From now on connections log in with these, or not at all.
function client_methods:use_credentials(credentials)
	local core = self._core
	core.credentials = credentials
	for _, connections in pairs(core.pools) do
		connections:clear()
		connections:ready()
	end
end

---From now on connections do not log in.
---@return boolean
function client_methods:logout()
	self:use_credentials(nil)
	return true
end

---A session, for operations that belong together: causally consistent, or with { snapshot = true } one whose reads are
---all of one moment.
---@param options mongo.session_options|nil
---@return mongo.session
function client_methods:startSession(options)
	return self._core.sessions:take(self._core:session_timeout(), options, self._settings)
end

---@param options { filter: table|nil, nameOnly: boolean|nil, authorizedDatabases: boolean|nil, comment: any,
---  session: mongo.session|nil }|nil
---@return table[] what is known of each database
function client_methods:listDatabases(options)
	options = options or {}
	local body = { "listDatabases", 1 }
	for _, key in ipairs { "filter", "nameOnly", "authorizedDatabases", "comment" } do
		if options[key] ~= nil then
			body[#body + 1], body[#body + 2] = key, options[key]
		end
	end
	local reply, err = self._core:execute(limits.set({
		db = "admin", name = "listDatabases", body = body, retry = true, shape = "databases",
	}, self._settings, options))
	if err then
		error(err, 0)
	end
	return reply.databases
end

---@param options table|nil as of listDatabases
---@return string[]
function client_methods:listDatabaseNames(options)
	local names = {}
	for i, database in ipairs(self:listDatabases(setmetatable({ nameOnly = true }, { __index = options or {} }))) do
		names[i] = database.name
	end
	return names
end

---Watches all databases.
---@param pipeline table|nil stages that choose and change what is told
---@param options mongo.change_stream_options|nil
---@return mongo.change_stream
function client_methods:watch(pipeline, options)
	return require "reef.mongo.change_stream".watch(self._core, "admin", 1, pipeline, self._settings, options, true)
end

---Writes to several collections in one command; MongoDB 8 and later. Models by their names in the specification, and
---options, give a result or raise (client_bulk.lua). The form that skynet has, { op = "insert", collection = "db.c",
---insert = doc }, answers ok, err, reply and the indexes of what failed.
---@param models table[]
---@param options table|nil
---@param ... any of skynet's form
function client_methods:bulkWrite(models, options, ...)
	if models[1] and models[1].op then
		return require("reef.mongo.client_bulk").run_ops(self._core, models, options, ...)
	end
	options = options or {}
	known.check_bulk(options)
	local concern = options.writeConcern
	if concern == nil and not (options.session and options.session:inTransaction()) then
		concern = self._settings.write_concern
	end
	local own = {}
	for k, v in pairs(options) do
		own[k] = v
	end
	own.writeConcern = scopes.concern(concern)
	return require("reef.mongo.client_bulk").run(self._core, models, own)
end

---@param name string
---@return mongo.collection
function database_methods:getCollection(name)
	return self:collection(name)
end

---The collection of that name, with ways to read and write of its own.
---@param name string
---@param options mongo.scope_options|nil
---@return mongo.collection
function database_methods:collection(name, options)
	return setmetatable({
		name = name, full_name = self.name .. "." .. name, database = self,
		_settings = scopes.derive(self._settings, options),
	}, collection_meta)
end

---Makes an optional part known: loads skynet.db.mongo.NAME.
---@param name string
function mongo.enable(name)
	require("reef.mongo." .. name).init { mongo_db = database_methods }
end

known.guard(client_methods, "client")
known.guard(database_methods, "database")

return mongo
