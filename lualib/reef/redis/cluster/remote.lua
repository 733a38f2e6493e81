-- A cluster's map as the process' one watcher has it (the service `reef_redis`): stands for a
-- reef.redis.cluster.topology where many services use the same cluster, so that its nodes are asked once for all of
-- them.
--
-- Whoever follows has one request there, answered when there is something new. What this service is told by a node it
-- notes at once, and tells the watcher that it is time to look.
local now = require "reef.base.now"
local config = require "reef.redis.config"
local map = require "reef.redis.cluster.map"
local skynet = require "skynet"
local topology = require "reef.redis.cluster.topology"

local APART = 0.05       -- seconds between two hints
local AFTER_FAILURE = 50 -- cs

---@class redis.cluster.remote: redis.cluster.topology
local remote = {}
remote.__index = remote

local plain = {
	"hosts", "kind", "host", "port", "where", "tls", "username", "auth", "credentials", "nat", "refresh",
	"connect_timeout", "timeout", "limits", "resp", "name", "info", "sentinels", "master", "sentinel_username",
	"sentinel_auth", "sentinel_tls",
}

---What another service needs to know of a deployment, and a name for it.
---@param conf table
---@return table, string
function remote.identity(conf)
	local fields, key = {}, {}
	for _, name in ipairs(plain) do
		local value = conf[name]
		if type(value) == "function" then
			error(("redis: %s is a function, which services cannot share; give %s"):format(name,
				name == "nat" and "a table" or "the name of a module that returns it"), 0)
		end
		fields[name] = value
	end
	for _, name in ipairs { "username", "auth", "credentials", "master", "sentinel_username", "sentinel_auth" } do
		key[#key + 1] = ("%s=%q"):format(name, tostring(conf[name]))
	end
	for _, place in ipairs(conf.sentinels or conf.hosts) do
		key[#key + 1] = config.where(place.host, place.port)
	end
	local from = {}
	for other, own in pairs(conf.nat or {}) do
		own = type(own) == "table" and config.where(own.host or own[1], own.port or own[2]) or own
		from[#from + 1] = other .. ">" .. own
	end
	table.sort(from)
	key[#key + 1] = table.concat(from, ",")
	if conf.tls then
		key[#key + 1] = require "reef.tls".key(conf.tls)
	end
	return fields, table.concat(key, " ")
end

local function wake(self)
	local waiting = self.waiting
	self.waiting = {}
	for _, token in ipairs(waiting) do
		skynet.wakeup(token)
	end
end

local function hub()
	return skynet.uniqueservice "reef_redis"
end

local function follow(weak, fields, key)
	while weak.remote and not weak.remote.closed do
		local version = weak.remote.version
		local ok, number, fresh, why, failures = pcall(function()
			return skynet.call(hub(), "lua", "FOLLOW", key, fields, version)
		end)
		local self = weak.remote
		if not self or self.closed then
			return
		elseif not ok then
			self.why, self.failures = tostring(number), self.failures + 1
			-- A new watcher counts from the beginning.
			self.version = 0
			wake(self)
			skynet.sleep(AFTER_FAILURE)
		else
			self.why, self.failures = why, failures
			if fresh and number ~= self.version then
				self.map, self.version = map.take(fresh), number
				self.changed(self.map)
			end
			wake(self)
		end
	end
end

function remote:refresh()
	if self.closed or now() - self.hinted < APART then
		return
	end
	self.hinted = now()
	skynet.fork(function()
		pcall(skynet.send, hub(), "lua", "REFRESH", self.key, self.fields)
	end)
end

remote.wait, remote.moved = topology.wait, topology.moved

function remote:close()
	self.closed = true
	wake(self)
end

---@param conf table
---@param changed fun(map: redis.cluster.map)
---@return redis.cluster.remote
function remote.new(conf, changed)
	local fields, key = remote.identity(conf)
	local self = setmetatable({
		conf = conf, changed = changed, version = 0, looks = 0, failures = 0, waiting = {}, hinted = -math.huge, key = key,
		fields = fields,
	}, remote)
	skynet.fork(follow, setmetatable({ remote = self }, { __mode = "v" }), fields, key)
	return self
end

return remote
