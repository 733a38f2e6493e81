-- The one server that a cache's values come from, or the master that Sentinels name. Of the service `reef_redis_cache`;
-- has the methods of reef.redis.cache.nodes.
--
-- Sentinels do not learn of another master at the same moment. So where a write was acknowledged is where values come
-- from, whatever a Sentinel says that this service has asked.
local config = require "reef.redis.config"
local map = require "reef.redis.cluster.map"
local now = require "reef.base.now"
local tracking = require "reef.redis.cache.tracking"

local FENCED = 15 -- seconds for which the word of who has written counts more than a Sentinel's

---@class redis.cache.server
---@field one redis.cache.tracking
---@field fenced string|nil  the address of the master that has acknowledged a write
local server = {}
server.__index = server

function server:place()
	return self.one, 0, self.one.conf.where
end

function server.refused() end

---A write has been acknowledged there. Of a deployment with Sentinels.
---@param address string
function server:fence(_, address)
	self.fenced, self.fenced_until = address, now() + FENCED
	if self.one.on and self.one.link.at ~= address then
		self.one:renew "there is another master"
	end
end

function server:stat()
	return self.one.on, self.one.losses
end

local function ask_sentinels(self, conf)
	self.sentinel = require("reef.redis.sentinel").new(conf, function(host, port)
		if config.where(host, port) ~= self.fenced then
			self.fenced = nil
		end
		if self.one and self.one.on and self.one.link.at ~= config.where(host, port) then
			self.one:renew "there is another master"
		end
	end)
	conf.role = "master"
	conf.resolve = function(seconds)
		if self.fenced and now() < self.fenced_until then
			return map.split(self.fenced)
		end
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
	local hooks
	if conf.sentinels then
		ask_sentinels(self, conf)
		hooks = { opened = function(link)
			handle:set_home(0, link.at)
		end }
	end
	self.one = tracking.new(conf, wants, handle, hooks)
	return self
end

return server
