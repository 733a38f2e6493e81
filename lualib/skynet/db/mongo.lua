-- MongoDB; see docs/mongo.md.
--
--     local mongo = require "skynet.db.mongo"
--     local client = mongo.client { host = "127.0.0.1" }           -- or mongo.client "mongodb://..."
--     local accounts = client.bank.accounts
--     accounts:insertOne { _id = "alice", balance = 100 }
--     print(accounts:findOne({ _id = "alice" }).balance)
--
-- A client watches all servers of its deployment and keeps pools of connections; every coroutine of the service may use
-- it at the same time.
local bson = require "bson"
local collection_methods = require "skynet.db.mongo.collection"
local core_client = require "skynet.db.mongo.client"
local crud = require "skynet.db.mongo.crud"
local cursor = require "skynet.db.mongo.cursor"
local errors = require "skynet.db.mongo.errors"
local handshake = require "skynet.db.mongo.handshake"
local skynet = require "skynet"
local uri = require "skynet.db.mongo.uri"

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
	"compressors", "loadBalanced", "proxyHost",
}

local function refuse_unsupported(parsed)
	if parsed.srv then
		error("mongo: mongodb+srv is not supported", 0)
	end
	for _, name in ipairs(unsupported) do
		if parsed.options[name] and name ~= "compressors" then
			error(("mongo: the option '%s' is not supported"):format(name), 0)
		elseif parsed.options[name] then
			parsed.warnings[#parsed.warnings + 1] = ("option '%s' ignored: not supported"):format(name)
		end
	end
	for _, warning in ipairs(parsed.warnings) do
		skynet.error("mongo: " .. warning)
	end
end

local function check_mechanism(name)
	if name and name ~= "SCRAM-SHA-1" and name ~= "SCRAM-SHA-256" then
		error(("mongo: the authentication mechanism %s is not supported"):format(name), 0)
	end
	return name
end

local function credentials_of_uri(parsed)
	if not parsed.username then
		check_mechanism(parsed.options.authMechanism)
		return nil
	end
	return {
		username = parsed.username, password = parsed.password or "",
		source = parsed.options.authSource or parsed.database or "admin",
		mechanism = check_mechanism(parsed.options.authMechanism),
	}
end

local function credentials_of_conf(conf)
	if not conf.username or not conf.password then
		return nil
	end
	local mechanism
	if conf.authmod then
		mechanism = mechanisms[conf.authmod]
		assert(mechanism, "Invalid authmod: " .. tostring(conf.authmod))
	end
	return { username = conf.username, password = conf.password, source = conf.authdb or "admin", mechanism = mechanism }
end

local function host_of(conf)
	local host = conf.host or "127.0.0.1"
	local path = host:match "^unix:(.*)$" or host:match "^/.*$"
	return { host = path or host, port = not path and (conf.port or 27017) or nil, type = path and "unix" or "hostname" }
end

-- What a settings table says, in the form of a connection string's.
local function parsed_of_conf(conf)
	if conf.uri then
		return uri.parse(conf.uri)
	end
	local hosts = {}
	for i, entry in ipairs(conf.rs or { conf }) do
		hosts[i] = host_of(entry)
	end
	assert(hosts[1], "mongo: no host")
	return { srv = false, hosts = hosts, options = {}, warnings = {} }
end

local function write_concern_of(options)
	if options.w == nil and options.wTimeoutMS == nil and options.journal == nil then
		return nil
	end
	return { w = options.w, wtimeout = options.wTimeoutMS, j = options.journal }
end

local function read_preference_of(options)
	if not options.readPreference then
		return nil
	end
	return {
		mode = options.readPreference, tags = options.readPreferenceTags, maxStalenessSeconds = options.maxStalenessSeconds,
	}
end

-- ---- client ----

---@class mongo.client
---@field _core mongo.core_client
---@field _settings table
local client_methods = {}
local database_methods = {}

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
	local method = crud[key] or collection_methods[key]
	if method ~= nil then
		rawset(self, key, method)
		return method
	end
	local sub = setmetatable({ name = key, full_name = self.full_name .. "." .. key, database = self.database },
		collection_meta)
	rawset(self, key, sub)
	return sub
end

function collection_meta.__tostring(self)
	return "[mongo collection : " .. self.full_name .. "]"
end

---Connects to a deployment. One attempt: raises an error object when no server that takes writes answers at once.
---@param conf string|table a connection string, or settings: host, port, username, password, authmod, authdb, rs, uri,
---  acknowledged, exact, on_event, and options by their names in connection strings
---@return mongo.client
function mongo.client(conf)
	conf = type(conf) == "string" and { uri = conf } or conf
	local parsed = parsed_of_conf(conf)
	refuse_unsupported(parsed)
	local first = conf.rs and conf.rs[1] or conf
	local options = setmetatable({
		credentials = conf.uri and credentials_of_uri(parsed) or credentials_of_conf(first),
	}, { __index = conf })
	local core = core_client.new(parsed, options)
	local read_level = core.options.readConcernLevel
	local concern = write_concern_of(core.options)
	local settings = {
		where = parsed.hosts[1].host,
		acknowledged = conf.acknowledged == nil or conf.acknowledged,
		exact = conf.exact,
		write_concern = concern,
		write_extra = concern and { "writeConcern", concern },
		read_concern = read_level and { level = read_level },
		read_preference = read_preference_of(core.options),
	}
	-- Every other key is the name of a database.
	local self = setmetatable({ _core = core, _settings = settings }, client_meta)
	local ok, err = pcall(self.connect, self)
	if not ok then
		core:close()
		error(err, 0)
	end
	return self
end

-- Finds a server and, with credentials, logs in once, so that a wrong password is known now.
function client_methods:connect()
	local core = self._core
	local deadline = skynet.hpc() / 1e9 + core.selection_timeout
	local any = { mode = "nearest" }
	local server = core:select({ name = "connect", preference = self._settings.read_preference and any }, deadline, true)
	core.pools[server.address]:prove(core.connect_timeout)
end

---@return mongo.database
function client_methods:getDB(name)
	local database = setmetatable({ name = name, client = self }, database_meta)
	rawset(self, name, rawget(self, name) or database)
	return database
end

client_methods.database = client_methods.getDB

---Ends the client: its connections are closed, its coroutines end.
function client_methods:disconnect()
	self._core:close()
end

client_methods.close = client_methods.disconnect

function client_methods:runCommand(...)
	return self:getDB("admin"):runCommand(...)
end

function client_methods:genId()
	self._core.last_request = self._core.last_request + 1
	return self._core.last_request
end

-- From now on connections log in with these, or not at all.
local function use_credentials(core, credentials)
	core.credentials = credentials
	for _, connections in pairs(core.pools) do
		connections:login()
	end
end

function client_methods:logout()
	use_credentials(self._core, nil)
	return true
end

---A session, for operations that belong together.
function client_methods:startSession(options)
	return self._core.sessions:take(self._core.topology.description.logicalSessionTimeoutMinutes, false, options)
end

function client_methods:listDatabases()
	local body = { "listDatabases", 1 }
	local reply, err = self._core:execute { db = "admin", name = "listDatabases", body = body, retry = true }
	if err then
		error(err, 0)
	end
	return reply.databases
end

---Writes to several collections in one command; MongoDB 8 and later.
---@return boolean ok
---@return string|nil err
---@return table reply
---@return integer[] failed_indexes
function client_methods:bulkWrite(ops, comment, is_ordered, bypass, errors_only)
	local spaces, index, list = {}, {}, {}
	for i, op in ipairs(ops) do
		local ns = op.collection
		if not index[ns] then
			spaces[#spaces + 1] = { ns = ns }
			index[ns] = #spaces - 1
		end
		if op.op == "insert" then
			list[i] = bson.document("insert", index[ns], "document", op.insert)
		elseif op.op == "update" then
			list[i] = bson.document("update", index[ns], "filter", op.filter, "updateMods", op.update,
				"multi", op.multi or false, "upsert", op.upsert or false)
			list[i].constants, list[i].collation, list[i].hit = op.constants, op.collation, op.hit
		elseif op.op == "delete" then
			list[i] = bson.document("delete", index[ns], "filter", op.filter, "multi", op.multi or false)
			list[i].collation, list[i].hit = op.collation, op.hit
		else
			error("Invalid op " .. tostring(op.op))
		end
	end
	local body = { "bulkWrite", 1, "ops", bson.array(list), "nsInfo", bson.array(spaces),
		"ordered", is_ordered ~= false, "bypassDocumentValidation", bypass or false, "errorsOnly", errors_only or false }
	if comment then
		body[#body + 1], body[#body + 2] = "comment", comment
	end
	local reply = self._core:execute { db = "admin", name = "bulkWrite", body = body, write = true }
	local failed, text = {}, errors.text_of_reply(reply)
	for _, item in ipairs(reply.cursor and reply.cursor.firstBatch or {}) do
		if item.ok ~= 1 then
			failed[#failed + 1] = item.idx + 1
			text = text or item.errmsg
		end
	end
	return reply.ok == 1 and not text, text, reply, failed
end

-- ---- database ----

---@class mongo.database
---@field name string
---@field client mongo.client

---A command whose keys are sent in order. Answers the reply, also when it says that the command failed.
function database_methods:runCommand(cmd, value, ...)
	local body = value and { cmd, value, ... } or { cmd, 1 }
	return (self.client._core:execute { db = self.name, name = cmd, body = body, exact = self.client._settings.exact })
end

---Sends a command and forgets it.
function database_methods:send_command(cmd, value, ...)
	local body = value and { cmd, value, ... } or { cmd, 1 }
	body[#body + 1], body[#body + 2] = "writeConcern", { w = 0 }
	self.client._core:execute { db = self.name, name = cmd, body = body, write = true, unacknowledged = true }
	return { ok = 1 }
end

---Logs in as somebody else, known to this database.
---@return boolean
function database_methods:auth(username, password)
	local core = self.client._core
	local current = core.credentials
	local credentials = {
		username = username, password = password, source = self.name, mechanism = current and current.mechanism,
	}
	local deadline = skynet.hpc() / 1e9 + core.connect_timeout
	local server = core:select({ name = "auth", preference = { mode = "nearest" } }, deadline)
	local connection, err = handshake.connect(server.address, { credentials = credentials, tls = core.tls },
		core.connect_timeout)
	if not connection then
		skynet.error("mongo: " .. tostring(err))
		return false
	end
	connection.raw:close()
	use_credentials(core, credentials)
	return true
end

---@return mongo.collection
function database_methods:getCollection(name)
	return setmetatable({ name = name, full_name = self.name .. "." .. name, database = self }, collection_meta)
end

function database_methods:aggregate(pipeline, options)
	return cursor.aggregate(self.client._core, self.name, 1, pipeline, options or {}, {})
end

---@return table[] what is known of each collection
function database_methods:listCollections(filter)
	return cursor.command(self.client._core, self.name, "listCollections",
		{ "listCollections", 1, "filter", filter or {} }, {}):toArray()
end

function database_methods:dropDatabase()
	return self:runCommand "dropDatabase"
end

---Makes an optional part known: loads skynet.db.mongo.NAME.
function mongo.enable(name)
	require("skynet.db.mongo." .. name).init { mongo_db = database_methods }
end

return mongo
