-- MongoDB through pools: skynet.db.mongo, whose requests go to the service that has the connections to a server instead
-- of to connections of its own.
--
-- There is one such service for each server, user and name of pool. Which server an operation goes to is decided here,
-- in the caller's VM, as always; the bytes of a message are made and read here, too.
local now = require "reef.base.now"
local core = require "reef.pool.mongo.core"
local engine = require "skynet.core"
local errors = require "reef.mongo.errors"
local label_of = require "reef.pool.label"
local mongo = require "reef.mongo"
local options = require "reef.pool.options"
local sdam = require "reef.mongo.sdam"
local skynet = require "skynet"

local M = {}

-- Seconds for which all servers have been gone when requests begin to fail at once.
local CIRCUIT = 5

-- ---- one server ----

---What stands for reef.mongo.pool in a client: takes requests for one server.
---@class reef.pool.mongo.link
local link = {}
link.__index = link

local function new_raw(self)
	local raw
	raw = core.client(function(code, outcome, command, waited, why, in_flight, _, queued)
		-- Its service is about to go; another takes its place.
		self.over = self.over or code == "ended"
		if code == "connect" or (code == "closed" and raw:ready()) then
			code = "network"
		end
		return errors.new({
			code = code, outcome = outcome, host = "mongo " .. self.address, command = command,
			waited = waited, in_flight = in_flight, queued = queued,
		}, why)
	end)
	if self.given.on_slow then
		raw:slow(self.options.slow or 0, self.given.on_slow)
	end
	return raw
end

---The service for an address, and what it has to know.
---@param client mongo.core_client
local function identity(client, address, name)
	local host, port = sdam.split(address)
	local credentials = client.credentials
	local target = {
		address = address, host = host, port = port, credentials = credentials, appName = client.options.appName,
		tls = client.tls, watched = client.watched, api = client.api,
	}
	local key = { "mongo=" .. address }
	key[#key + 1] = name and ("pool=%q"):format(tostring(name))
	key[#key + 1] = target.appName and ("app=%q"):format(tostring(target.appName))
	if client.tls then
		key[#key + 1] = require "reef.tls".key(client.tls)
	end
	for i = 1, client.api and #client.api or 0, 2 do
		key[#key + 1] = ("%s=%s"):format(client.api[i], client.api[i + 1])
	end
	for _, field in ipairs { "username", "password", "source", "mechanism" } do
		local value = credentials and credentials[field]
		key[#key + 1] = value ~= nil and ("%s=%q"):format(field, tostring(value)) or nil
	end
	return table.concat(key, " "), label_of("mongo", address, name), target
end

---@param client mongo.core_client
---@param address string
---@param given reef.pool.options
function link.new(client, address, given)
	local self = setmetatable({ client = client, address = address, given = given, options = given.options,
		generation = 0, last_will = 0, wills = {} }, link)
	self:login()
	return self
end

---From now on with what the client knows of its user.
function link:login()
	self.key, self.label, self.target = identity(self.client, self.address, self.given.pool)
	self.raw = new_raw(self)
	self:renew()
end

function link:renew()
	self.entry = { connection = { raw = self.raw }, generation = self.generation }
end

---Sees to it that there is a service to talk to.
---@return table|nil entry
---@return mongo.error|nil
function link:check_out()
	if self.over or not self.raw:ready() then
		if self.client.ending then
			-- A farewell is no reason to open a pool again that was closed.
			return nil, errors.new({ code = "closed", outcome = "not sent", host = "mongo " .. self.address },
				"the pool was closed")
		end
		self.over = false
		engine.turnsto("pool " .. self.label)
		local ok, address = pcall(skynet.call, skynet.uniqueservice "reef_pools", "lua", "OPEN", "mongo", self.key,
			self.label, self.target, self.options)
		if not ok or not self.raw:target(address) then
			return nil, errors.new({ code = "closed", outcome = "not sent", host = "mongo " .. self.address },
				"the pool could not be opened: " .. tostring(address))
		end
	end
	return self.entry
end

function link:check_in()
end

---Raises unless the server can be talked to, as this user.
function link:prove(seconds)
	local since = now()
	local entry, err = self:check_out()
	if entry then
		entry, err = self.raw:request(seconds - (now() - since), "", "ping", nil, nil, "ping", 1, "$db", "admin")
	end
	if not entry then
		error(err, 0)
	end
end

---Leaves a command without a reply that is sent if this service ends before it takes it back.
---@return integer number for `revoke`
function link:will(...)
	local number = self.last_will + 1
	self.last_will = number
	self.wills[number] = true
	self.raw:will(number, ...)
	return number
end

function link:revoke(number)
	self.wills[number] = nil
	self.raw:revoke(number)
end

---Requests of this client that are on their way.
function link:busy()
	return self.raw:info().in_flight
end

-- What becomes of the connections is the service's business.
function link:clear()
	self.generation = self.generation + 1
	self:renew()
end

function link:ready()
end

function link:close()
	for number in pairs(self.wills) do
		self:revoke(number)
	end
	if self.client.ending then
		-- Whoever closes the client first still knows which pools it had.
		self.given.keys[self.address] = self.key
	end
end

-- ---- clients ----

local function milliseconds(value)
	return value and value / 1000
end

-- What the pool's services are to be like: options of pools, and those of connection strings that mean the same.
local function pool_options(given, core_options)
	local o = {
		size = core_options.maxPoolSize ~= 0 and core_options.maxPoolSize or nil, min = core_options.minPoolSize,
		connecting = core_options.maxConnecting, idle = milliseconds(core_options.maxIdleTimeMS),
		queue_timeout = core_options.waitQueueTimeoutMS ~= 0 and milliseconds(core_options.waitQueueTimeoutMS) or nil,
		connect_timeout = milliseconds(core_options.connectTimeoutMS),
	}
	for name, value in pairs(options.service(given)) do
		o[name] = value
	end
	return options.service(o)
end

---@param target table|string  as for mongo.client
---@param given reef.pool.options|nil  and options of mongo.client
---@return mongo.client
function M.new(target, given)
	local conf, own = {}, { keys = {} }
	for name, value in pairs(type(target) == "table" and target or { uri = target }) do
		conf[name] = value
	end
	for name, value in pairs(given or {}) do
		if options.is(name) then
			own[name] = value
		else
			conf[name] = value
		end
	end
	conf.circuit = conf.circuit or CIRCUIT
	function conf.new_pool(client, address)
		if client.credentials and require("reef.mongo.mechanisms").is_live(client.credentials) then
			error(("mongo: %s needs a client with connections of its own: its keys come from a function"):format(
				client.credentials.mechanism), 0)
		elseif client.balanced then
			error("mongo: loadBalanced needs a client with connections of its own: cursors and transactions keep theirs", 0)
		end
		own.options = own.options or pool_options(own, client.options)
		return link.new(client, address, own)
	end
	local client = mongo.client(conf)
	rawget(client, "_core").pool_keys = own.keys
	return client
end

---The keys of a client's pools by address of their server, as the directory knows them.
---@param client mongo.client
---@return table<string, string>
function M.keys(client)
	local inner = rawget(client, "_core")
	local keys = {}
	if inner.closed then
		return inner.pool_keys
	end
	for address, connections in pairs(inner.pools) do
		keys[address] = connections.key
	end
	return keys
end

return M
