-- Values of Redis kept in this process, for all services, and never stale. Times are in seconds.
--
--     local cache = require "reef.redis.cache"
--     local db = cache.open("redis://127.0.0.1/0", { bytes = 64 << 20 })
--     print(db:get "greeting")      -- asks the server once; then it is a look into memory that all services share
--
-- The service `reef_redis_cache` reads on a connection on which the server tells what has changed (CLIENT TRACKING),
-- and in the order in which it happened: so what it stores was true when it was told of nothing since. What is written
-- here is taken out before the write and again before its caller goes on; what was asked for in between is not stored.
-- When that connection is lost, all that came on it is forgotten, and nothing is kept until there is another. A cluster
-- has one such connection for each master.
-- https://redis.io/docs/latest/develop/reference/client-side-caching
local checks = require "reef.options"
local config = require "reef.redis.config"
local core = require "reef.redis.cache.core"
local engine = require "skynet.core"
local errors = require "reef.channel.error"
local keys = require "reef.redis.cluster.keys"
local made = require "reef.redis.made"
local now = require "reef.base.now"
local redis_core = require "reef.redis.core"
local remote = require "reef.redis.cluster.remote"
local skynet = require "skynet"
local together = require "reef.redis.together"

local cache = {}

local WORTH_COUNTING = 0.01 -- seconds that a call may take longer than it was given

---@class redis.cache.options
---@field bytes integer|nil     that keys and values may take; 64 MB
---@field prefixes string[]|nil only keys that begin so are kept; the server tells of all changes to such keys.
---                             Otherwise it remembers which keys were read
---@field ttl number|nil        seconds that a value is kept at most
---@field heartbeat number|nil  seconds between signs of life; 1
---@field db redis.db|nil       for everything else; a pool otherwise
local known = { bytes = true, prefixes = true, ttl = true, heartbeat = true, db = true }

local function service()
	return skynet.uniqueservice "reef_redis_cache"
end

local function covered(self, key)
	local prefixes = self.prefixes
	if not prefixes then
		return true
	end
	for _, prefix in ipairs(prefixes) do
		if key:sub(1, #prefix) == prefix then
			return true
		end
	end
	return false
end

-- What get does when the value is not there.
local function miss(db, key, ...)
	local self = db[3]
	if type(key) == "table" and select("#", ...) == 0 and #key == 1 then
		key = key[1]
	end
	if math.type(key) == "integer" then
		key = tostring(key)
	end
	if type(key) ~= "string" or select("#", ...) > 0 or not covered(self, key) then
		return db[4]:get(key, ...)
	end
	local since, seconds = now(), db[4][3] or db[2].conf.timeout
	local ok, there, value = pcall(skynet.call, service(), "lua", "GET", self.number, key, seconds)
	if ok and there then
		return value
	end
	-- No tracking at the moment, or an error: the db says which, in the time that is left.
	local waited = now() - since
	if seconds == 0 or waited < WORTH_COUNTING then
		return db[4]:get(key)
	elseif waited >= seconds then
		error(errors.new({ code = "timeout", outcome = "maybe applied", command = "GET", host = self.where,
			waited = waited }, "no reply in time"), 0)
	end
	return db[4]:with({ timeout = seconds - waited }):get(key)
end

-- Takes keys out now and when it is closed.
local writing = {
	__close = function(self)
		if self.written then
			self.written()
		end
		for _, key in ipairs(self) do
			self.handle:drop(key)
		end
		if self.all then
			self.handle:flush()
		end
	end,
}

local empties = { FLUSHALL = true, FLUSHDB = true, SWAPDB = true }

local function add(into, command, list)
	if empties[command] then
		into.all = true
	elseif not keys.rule(command).reads then
		for _, place in ipairs(keys.places(command, list)) do
			local key = list[place]
			if type(key) == "string" or type(key) == "number" then
				into[#into + 1] = tostring(key)
			end
		end
	end
end

local function begin(self, into)
	into.handle, into.written = self.handle, self.written
	for _, key in ipairs(into) do
		self.handle:drop(key)
	end
	if into.all then
		self.handle:flush()
	end
	return setmetatable(into, writing)
end

-- From WATCH or MULTI on, a coroutine asks the server itself: what it reads belongs to its transaction. Keys that it
-- writes change when that is executed, so they are taken out again then.

local function transaction_of(self)
	if next(self.open) then
		local _, serial = redis_core.task()
		return self.open[serial], serial
	end
end

local function begin_transaction(self)
	local task, serial = redis_core.task()
	for other, one in pairs(self.open) do
		if not redis_core.alive(one.task, other) then
			self.open[other] = nil
		end
	end
	self.open[serial] = self.open[serial] or { task = task }
	for db in pairs(self.views) do
		db.get = self.careful
	end
end

local function end_transaction(self)
	local one, serial = transaction_of(self)
	if serial then
		self.open[serial] = nil
	end
	if not next(self.open) then
		for db in pairs(self.views) do
			db.get = self.getter
		end
	end
	return one or {}
end

local methods = {}

local function list_of(...)
	local first = ...
	if type(first) == "table" and select("#", ...) == 1 and not getmetatable(first) then
		return first
	end
	return table.pack(...)
end

local function wrapped(name)
	local command = name:upper()
	local rule = keys.rule(command)
	if command == "MULTI" or command == "WATCH" then
		return function(db, ...)
			local self = db[3]
			begin_transaction(self)
			return db[4][name](db[4], ...)
		end
	elseif command == "EXEC" or command == "DISCARD" or command == "UNWATCH" then
		return function(db, ...)
			local self = db[3]
			local _ <close> = begin(self, end_transaction(self))
			return db[4][name](db[4], ...)
		end
	elseif (rule.reads or rule.nowhere) and not empties[command] then
		return function(db, ...)
			return db[4][name](db[4], ...)
		end
	end
	return function(db, ...)
		local self = db[3]
		local into = {}
		add(into, command, list_of(...))
		local one = transaction_of(self)
		if one then
			table.move(into, 1, #into, #one + 1, one)
		end
		local _ <close> = begin(self, into)
		return db[4][name](db[4], ...)
	end
end

---As of the db: what its operations write is taken out.
function methods:pipeline(ops, results)
	local mine, into = self[3], {}
	for _, op in ipairs(type(ops) == "table" and ops or {}) do
		if type(op) == "table" and op[1] ~= nil then
			local n = (op.n or #op) - 1
			add(into, tostring(op[1]):upper(), table.move(op, 2, n + 1, 1, { n = n }))
		end
	end
	local _ <close> = begin(mine, into)
	return self[4]:pipeline(ops, results)
end

---Values of several keys, each as of get.
function methods:mget(...)
	local list = list_of(...)
	local n = list.n or #list
	local values = {}
	if n == 0 or transaction_of(self[3]) then
		return self[4]:mget(...)
	end
	local results = together(n, function(i)
		return self:get(list[i])
	end)
	for i, result in ipairs(results) do
		-- What is no string is nothing for MGET.
		if result.ok then
			values[i] = result.value
		elseif not tostring(result.value):find "WRONGTYPE" then
			error(result.value, 0)
		end
	end
	return values
end

---hits, misses, stored, outdated (not stored since something was written meanwhile), evicted, dropped, flushes,
---entries, bytes, most_bytes: of all services. on: is the server's word being heard?
---@return table
function methods:cache_stat()
	local stat = self[3].handle:stat()
	stat.on, stat.losses = skynet.call(service(), "lua", "STAT", self[3].number)
	return stat
end

---The db that everything else goes through.
function methods:uncached()
	return self[4]
end

---Gives up this object; the cache stays for others.
function methods:disconnect()
	self[4]:disconnect()
	setmetatable(self, nil)
	self[3], self[4], self.get = nil, nil, nil
end

made(methods, wrapped)

local meta = { __index = methods, __name = "redis cache" }

-- db[2]: what the db has there, for who looks; db[3]: what all views share; db[4]: the db with the view's options.
local function view_of(self, db)
	local view = setmetatable({ false, db[2], self, db }, meta)
	view.get = next(self.open) and self.careful or self.getter
	self.views[view] = true
	return view
end

---The same cache with other options: db:with{timeout = 0.5}:get(key)
---@param options redis.options
function methods:with(options)
	return view_of(self[3], self[4]:with(options))
end

local function check_prefixes(prefixes)
	local good = prefixes == nil or type(prefixes) == "table" and prefixes[1] ~= nil
	for _, prefix in ipairs(good and prefixes or {}) do
		good = good and type(prefix) == "string"
	end
	if not good then
		error("redis cache: prefixes are a list of strings")
	end
end

-- Who has written somewhere must not be told something older from elsewhere.
local function fence(self)
	return function(slot, address)
		if not self.handle:is_home(slot, address) then
			skynet.call(service(), "lua", "FENCE", self.number, slot, address)
		end
	end
end

-- With Sentinels: where the db writes to by now.
local function fence_master(self, db)
	local fenced = fence(self)
	return function()
		local client, address = db[2], nil
		if client.link then
			address = client.link.at
		elseif client.address then
			local ok, at = pcall(skynet.call, client.address, "lua", "AT")
			address = ok and at or nil
		end
		if address then
			fenced(0, address)
		end
	end
end

---@param target redis.conf|string
---@param options redis.cache.options|nil  the first service that names a target decides about all but `db`
---@return redis.db
function cache.open(target, options)
	options = options or {}
	checks.check("redis cache", options, known)
	checks.numbers("redis cache", options, { bytes = 1, ttl = 0.0, heartbeat = 0.01 })
	check_prefixes(options.prefixes)
	local conf = config.new(target)
	local over = options.db
	if over and ((conf.kind == "cluster") ~= (over[2].topology ~= nil) or over[2].conf.kind ~= conf.kind) then
		error("redis cache: db and the target have to be the same deployment")
	end
	local fields, key = remote.identity(conf.kind and conf or setmetatable({ hosts = { { host = conf.host,
		port = conf.port } } }, { __index = conf }))
	fields.db = conf.db
	key = ("%s db=%s"):format(key, tostring(conf.db))
	local wants = { bytes = options.bytes or 64 << 20, prefixes = options.prefixes, ttl = options.ttl or 0,
		heartbeat = options.heartbeat or 1 }
	engine.turnsto("cache redis " .. conf.where)
	local number, prefixes = skynet.call(service(), "lua", "OPEN", key, fields, wants)
	local self = {
		number = number, where = "redis " .. conf.where, prefixes = prefixes, handle = core.open(number), open = {},
		views = setmetatable({}, { __mode = "k" }),
	}
	self.getter = self.handle:getter(miss)
	self.careful = function(db, ...)
		if transaction_of(self) then
			return db[4]:get(...)
		end
		return self.getter(db, ...)
	end
	over = over or require("reef.pool").redis(target)
	if conf.kind == "cluster" then
		over[2].acknowledged[number] = fence(self)
	elseif conf.kind == "sentinel" then
		self.written = fence_master(self, over)
	end
	return view_of(self, over)
end

return cache
