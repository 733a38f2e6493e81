-- The one server that a cache's values come from, or the master that Sentinels name. Of the service `reef_redis_cache`;
-- has the methods of reef.redis.cache.nodes.
local tracking = require "reef.redis.cache.tracking"

---@class redis.cache.server
---@field one redis.cache.tracking
local server = {}
server.__index = server

function server:place()
	return self.one, 0, self.one.conf.where
end

function server.refused() end

function server.fence() end

function server:stat()
	return self.one.on, self.one.losses
end

local function ask_sentinels(self, conf)
	self.sentinel = require("reef.redis.sentinel").new(conf, function()
		if self.one then
			self.one:renew "there is another master"
		end
	end)
	conf.role = "master"
	conf.resolve = function(seconds)
		return self.sentinel:resolve(seconds)
	end
end

---@param conf table
---@param wants table      prefixes, ttl, heartbeat
---@param handle userdata  the cache
---@return redis.cache.server
function server.new(conf, wants, handle)
	local self = setmetatable({}, server)
	conf.resp, conf.limits, conf.setup = 3, conf.limits or {}, {}
	if conf.sentinels then
		ask_sentinels(self, conf)
	end
	self.one = tracking.new(conf, wants, handle)
	return self
end

return server
