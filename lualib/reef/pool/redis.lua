-- Redis through a pool: the caller's side. Methods are those of skynet.db.redis; commands leave through
-- reef.pool.redis.core instead of a connection.
--
-- There may be ten thousand callers, so each keeps little: what only transactions, subscriptions or failures need comes
-- in when it is first used, and what the user says of his target is looked at by the first who says so. The directory
-- tells the others what came of it.
local core = require "reef.pool.redis.core"
local all_methods = require "reef.redis.methods"
local engine = require "skynet.core"
local keeping = require "reef.redis.keeping"
local owned = require "reef.redis.owned"
local skynet = require "skynet"
require "reef.redis.partial"

local M = {}

local TOLD_EVERY = 5 -- 1/100 s

---@class reef.pool.redis: redis.db
local methods = setmetatable({}, {
	__index = function(self, name)
		local method = all_methods[name]
		self[name] = method
		return method
	end,
})
local meta = { __index = methods, __name = "redis" }
local kept = keeping.type(methods)

local function directory(...)
	return skynet.call(skynet.uniqueservice "reef_pools", "lua", ...)
end

-- db[1]: the handle that the C methods use; db[2]: what all views of a client share; db[3]: seconds from `with`.
local function view_of(client, seconds, explicit)
	local handle = core.handle(client.remote, seconds, 0, client.objects, client.bound, client.connect)
	return setmetatable({ handle, client, explicit }, meta)
end

-- ---- failures ----

-- The pool's service cannot see that the server calls its connections useless. Said now and then while it is so.
local function tell(client, code)
	local now = skynet.now()
	if client.address and now - (client.told or -TOLD_EVERY) >= TOLD_EVERY then
		client.told = now
		skynet.send(client.address, "lua", "USELESS", code)
	end
end

local function failure_of(client)
	return function(code, outcome, command, waited, why, in_flight, unsent, queued, pin)
		local errors = require "reef.channel.error"
		local fields = { code = code, outcome = outcome, host = client.where, command = command }
		if pin ~= 0 then
			client.own.lender:failed(pin)
		end
		if outcome == "rejected" then
			fields.code, fields.message = why:match "^%S+", why
			if require("reef.redis.useless")[fields.code] then
				tell(client, fields.code)
			end
			return errors.new(fields)
		end
		fields.waited, fields.in_flight, fields.unsent, fields.queued = waited, in_flight, unsent, queued
		fields.why = why
		return errors.new(fields, why)
	end
end

-- ---- clients ----

-- What all clients have; the rest of what the directory has told of one is found out when it is asked for.
local common = {}

local client_type = owned.type(function(client)
	client.view = function(handle)
		return setmetatable({ handle, client }, meta)
	end
	return require("reef.redis.own").new(client, require("reef.pool.lender").new(client))
end, function(client, name)
	local said = rawget(client, "said")
	if said and (name == "conf" or name == "target" or name == "label" or name == "options") then
		local target, given = skynet.unpack(said)
		local more = require "reef.pool.redis.target"
		for field, value in pairs(more.describe(more.conf(target, given), given)) do
			client[field] = value
		end
		client.said = nil
		return client[name]
	end
	return common[name]
end)

---Opens the pool, if it is not open.
---@param said string|nil  what was said of it, and what others who say so can be told
---@param told table|nil
function common.reopen(client, said, told)
	engine.turnsto("pool " .. client.label)
	client.address = directory("OPEN", "redis", client.key, client.label, client.target, client.options, said, told)
	return client.remote:target(client.address)
end

-- Called by the C methods when the pool's service is gone: nothing was sent.
function common.connect(method, db, ...)
	local client = db[2]
	local ok, why = pcall(client.reopen, client)
	if not ok or not client.remote:info().ready then
		error(require("reef.channel.error").new({ code = "closed", outcome = "not sent", host = client.where },
			"the pool could not be opened again: " .. tostring(why)), 0)
	end
	return method(db, ...)
end

function common.timeout(db)
	return db[3] or db[2].seconds
end

function common.changing(client, command)
	local binding = owned.current(client)
	if not binding then
		error(("redis: %s would change a connection that others use (nothing was sent); name another target instead")
			:format(command), 0)
	end
	binding.spoiled = true
end

-- A pool of one server, which is not opened yet.
local function lazy(client)
	client.bound = {}
	client.remote = core.client(failure_of(client), client.limits)
	client.remote:route(client.by_key)
	return setmetatable(view_of(setmetatable(client, client_type), client.seconds), kept)
end

-- ---- targets ----

local function is_plain(words)
	if type(words) ~= "table" or getmetatable(words) then
		return type(words) == "string"
	end
	for name, value in next, words do
		local kind = type(value)
		if type(name) ~= "string" or kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
			return false
		end
	end
	return true
end

local function says_more(words)
	return words.host or words.port or words.db or words.path or words.hosts or words.sentinels
end

-- The server that such words name, for records, if that can be told without reading them as reef.redis.config does;
-- nothing where it might be a part of a password, or where more is said of the place.
local function place_of(target, given)
	local uri = target
	if given.uri or says_more(given) then
		return ""
	elseif type(target) == "table" then
		uri = target.uri
		if uri and says_more(target) or target.path or target.sentinels then
			return ""
		end
		uri = uri or ("redis://%s:%s/%s"):format(target.host or "127.0.0.1", target.port or 6379, target.db or 0)
	end
	local main, query = tostring(uri):match "^rediss?://([^?#]*)(.*)$"
	if not main or query:find("@", 1, true) or query:find("hosts=", 1, true) or query:find("sentinels=", 1, true) then
		return ""
	end
	local place = main:gsub("^.*@", "")
	return place:match "^[%w._-]+:?%d*/?%d*$" or place:match "^%[[%x:.]+%]:?%d*/?%d*$" or ""
end

-- Nobody has said this of a target before, or it cannot be told to others.
local function new(target, given, said)
	local more = require "reef.pool.redis.target"
	local conf = more.conf(target, given)
	if conf.kind == "cluster" then
		return require("reef.pool.redis.cluster").new(conf, given, M.lazy)
	end
	local db = M.lazy(conf, given)
	db[2]:reopen(said, said and more.common(db[2], target))
	return db
end

---The same for who knows the configuration; it is opened by its first command.
---@param conf table
---@param given table
---@return reef.pool.redis
function M.lazy(conf, given)
	local db = lazy(require("reef.pool.redis.target").describe(conf, given))
	if given.on_slow then
		db[2].remote:slow(db[2].options.slow or 0, given.on_slow)
	end
	return db
end

---@param target redis.conf|string
---@param given reef.pool.options|nil
---@return reef.pool.redis
function M.new(target, given)
	given = given or {}
	local said, address, client
	if is_plain(target) and is_plain(given) then
		said = skynet.packstring(target, given)
		engine.turnsto("pool redis " .. place_of(target, given))
		address, client = directory("FIND", said)
	end
	if not address then
		return new(target, given, said)
	end
	client.said, client.address = said, address
	local db = lazy(client)
	client.remote:target(address)
	return db
end

-- ---- methods of their own ----

---The same pool with other options: db:with{timeout = 0.5}:get(key)
function methods:with(given)
	require("reef.options").check("redis: with", given, { timeout = true })
	local seconds = given.timeout
	if seconds ~= nil and (type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds) then
		error("redis: timeout has to be a number of seconds, at least 0")
	end
	return view_of(self[2], seconds or self[2].timeout(self), seconds or self[3])
end

---Gives up this object; the pool stays for others.
function methods:disconnect()
	owned.close(self[2])
	keeping.give_up(self)
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
	return require("reef.redis.pubsub").new(conf, require("reef.pool.listener").new(client, client.own.lender))
end

---Of this caller: ready, in_flight, requests, replies, failures, bound. Of the pool: pool.stat(db).
function methods:status()
	local status = self[2].remote:info()
	status.bound = owned.bindings(self[2])
	return status
end

return M
