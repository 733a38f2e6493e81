-- Redis through a pool: the caller's side. Methods are those of skynet.db.redis; commands leave through
-- reef.pool.redis.core instead of a connection.
local checks = require "reef.options"
local config = require "reef.redis.config"
local core = require "reef.pool.redis.core"
local engine = require "skynet.core"
local errors = require "reef.channel.error"
local lender = require "reef.pool.lender"
local listener = require "reef.pool.listener"
local options = require "reef.pool.options"
local own = require "reef.redis.own"
local pubsub = require "reef.redis.pubsub"
local redis = require "reef.redis"
local renewal = require "reef.redis.renewal"
local skynet = require "skynet"
local zones = require "reef.redis.zones"

local M = {}

local TOLD_EVERY = 5 -- 1/100 s

---@class reef.pool.redis: redis.db
local methods = setmetatable({}, {
	__index = function(self, name)
		local method = redis.methods[name]
		self[name] = method
		return method
	end,
})
local meta = { __index = methods, __name = "redis" }

-- What pool.redis returns keeps the methods that were used. With thousands of callers in turn, every table that a call
-- looks into is one that the processor has to fetch from far away.
local keeping = { __name = "redis", __index = function(db, name)
	local method = methods[name]
	rawset(db, name, method)
	return method
end }

local function view_of(client, seconds, explicit)
	local handle = core.handle(client.remote, seconds, 0, client.objects, client.bound, client.connect)
	return setmetatable({ handle, client, explicit }, meta)
end

---The options of the connection, out of all.
---@param target redis.conf|string
---@param given table|nil
---@return table
function M.conf(target, given)
	local more = {}
	options.check(given, config.known, config.aliases)
	for name, value in pairs(given or {}) do
		if not options.is(name) or name == "connect_timeout" then
			more[name] = value
		end
	end
	return config.new(target, more)
end

-- What the service needs to connect, and what tells one pool from another.
local function identity(conf, name)
	local target = {
		host = conf.host, port = conf.port, where = conf.where, username = conf.username, auth = conf.auth, db = conf.db,
		resp = conf.resp, name = conf.name, limits = conf.limits, tls = conf.tls, setup = conf.setup,
		at_once = conf.at_once, credentials = conf.credentials, info = conf.info,
	}
	if type(conf.credentials) == "function" then
		error("redis: credentials is a function, which services cannot share; give the name of a module that returns it", 0)
	end
	local key = { conf.tls and require "reef.tls".key(conf.tls) }
	if conf.kind == "sentinel" then
		local fields, who = require("reef.redis.cluster.remote").identity(conf)
		for field, value in pairs(fields) do
			target[field] = value
		end
		target.read = conf.read
		if not config.reads_elsewhere(conf) then
			target.role = "master"
		else
			name = (name or "") .. " " .. conf.read
		end
		key[#key + 1] = who
		if conf.read == "zone" then
			target.zone, target.zones = conf.zone, conf.zones
			key[#key + 1], name = zones.key(conf), name .. " " .. conf.zone
		end
	end
	for _, field in ipairs { "where", "username", "auth", "db", "resp", "name", "credentials", "info" } do
		key[#key + 1] = ("%s=%q"):format(field, tostring(conf[field]))
	end
	if conf.setup and conf.setup.READONLY then
		key[#key + 1], name = "readonly", (name or "") .. " readonly"
	end
	local label = ("redis %s/%d%s"):format(conf.where, conf.db or 0, name and " " .. name or "")
	return table.concat(key, " ") .. " pool=" .. tostring(name), label, target
end

-- The pool's service cannot see that the server calls its connections useless. Said now and then while it is so.
local function tell(client, code)
	local now = skynet.now()
	if client.address and now - (client.told or -TOLD_EVERY) >= TOLD_EVERY then
		client.told = now
		skynet.send(client.address, "lua", "USELESS", code)
	end
end

local function failure_of(client, lent)
	return function(code, outcome, command, waited, why, in_flight, unsent, queued, pin)
		local fields = { code = code, outcome = outcome, host = client.where, command = command }
		if pin ~= 0 then
			lent:failed(pin)
		end
		if outcome == "rejected" then
			fields.code, fields.message = why:match "^%S+", why
			if renewal.wants(fields.code) then
				tell(client, fields.code)
			end
			return errors.new(fields)
		end
		fields.waited, fields.in_flight, fields.unsent, fields.queued = waited, in_flight, unsent, queued
		fields.why = why
		return errors.new(fields, why)
	end
end

local function open(client)
	engine.turnsto("pool " .. client.label)
	local address = skynet.call(skynet.uniqueservice "reef_pools", "lua", "OPEN", "redis", client.key, client.label,
		client.target, client.options)
	client.address = address
	return client.remote:target(address)
end

-- Called by the C methods when the pool's service is gone: nothing was sent.
local function connect_and_call(method, db, ...)
	local client = db[2]
	local ok, why = pcall(open, client)
	if not ok or not client.remote:info().ready then
		error(errors.new({ code = "closed", outcome = "not sent", host = client.where },
			"the pool could not be opened again: " .. tostring(why)), 0)
	end
	return method(db, ...)
end

-- A pool of one server, which is not opened yet.
local function lazy(conf, given)
	local client = { conf = conf, objects = conf.errors == "object", bound = {}, where = "redis " .. conf.where }
	client.key, client.label, client.target = identity(conf, given.pool)
	client.options = options.service(given)
	local lent = lender.new(client)
	client.remote = core.client(failure_of(client, lent), conf.limits)
	client.remote:route(given.routing == "key")
	if given.on_slow then
		client.remote:slow(client.options.slow or 0, given.on_slow)
	end
	client.timeout = function(db)
		return db[3] or conf.timeout
	end
	client.connect = connect_and_call
	client.reopen = open
	client.view = function(handle)
		return setmetatable({ handle, client }, meta)
	end
	client.own = own.new(client, lent)
	client.changing = function(command)
		local binding = client.own:current()
		if not binding then
			error(("redis: %s would change a connection that others use (nothing was sent); name another target instead")
				:format(command), 0)
		end
		binding.spoiled = true
	end
	return setmetatable(view_of(client, conf.timeout), keeping)
end

-- A node has left: what was accepted is finished, within the pool's option `drain`.
local function close_node(db)
	if db[2].address then
		pcall(skynet.call, skynet.uniqueservice "reef_pools", "lua", "CLOSE", db[2].key, true)
	end
end

-- A pool for each node, and one watcher of the cluster for all services of the process. What a service asks keeps its
-- order by slot.
local function clustered(conf, given)
	if given.routing == nil then
		given = setmetatable({ routing = "key" }, { __index = given })
	end
	local db = require("reef.redis.cluster").over(conf, function(node)
		-- A node that is frozen must not hold up whoever opens its pool.
		node.at_once = true
		return lazy(node, given)
	end, close_node, require("reef.redis.cluster.remote").new)
	if given.routing == "key" then
		db[2].lane = function(node, slot)
			node[2].remote:order(slot + 1)
		end
	end
	db[2].pooled = true
	pcall(db[2].prepare, db[2], conf.connect_timeout)
	return db
end

---@param target redis.conf|string
---@param given reef.pool.options|nil
---@return reef.pool.redis
function M.new(target, given)
	given = given or {}
	local conf = M.conf(target, given)
	if conf.kind == "cluster" then
		return clustered(conf, given)
	end
	local db = lazy(conf, given)
	open(db[2])
	return db
end

---The keys of the pools of a cluster's nodes by address, as the directory knows them.
---@param db table
---@return table<string, string>
function M.keys(db)
	local keys = {}
	for address, node in pairs(db[2].nodes) do
		keys[address] = node.db[2].address and node.db[2].key
		if node.reader and node.reader[2].address then
			keys[address .. " readonly"] = node.reader[2].key
		end
	end
	return keys
end

---The same pool with other options: db:with{timeout = 0.5}:get(key)
function methods:with(given)
	checks.check("redis: with", given, { timeout = true }, 2)
	local seconds = given.timeout
	if seconds ~= nil and (type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds) then
		error("redis: timeout has to be a number of seconds, at least 0", 2)
	end
	return view_of(self[2], seconds or self[2].timeout(self), seconds or self[3])
end

---Gives up this object; the pool stays for others.
function methods:disconnect()
	self[2].own:close()
	setmetatable(self, nil)
	for key in pairs(self) do
		self[key] = nil
	end
end

---A subscriber to the same server, on one of the pool's connections; see reef.redis.pubsub.
---@param more redis.conf|nil  gap, heartbeat
---@return redis.watch
function M.watch(db, more)
	local client = db[2]
	more = more or {}
	if client.pooled then
		return require("reef.redis.cluster.watch").new(setmetatable({ gap = more.gap, heartbeat = more.heartbeat },
			{ __index = client.conf }), client.topology)
	end
	local conf = setmetatable({ gap = more.gap, heartbeat = more.heartbeat }, { __index = client.conf })
	return pubsub.new(conf, listener.new(client, client.own.lender))
end

---Of this caller: ready, in_flight, requests, replies, failures, bound. Of the pool: pool.stat(db).
function methods:status()
	local status = self[2].remote:info()
	status.bound = self[2].own.bindings
	return status
end

return M
