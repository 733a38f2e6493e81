-- Connection pools that all services of the process share; see docs/pools.md.
--
--     local pool = require "reef.pool"
--     local db = pool.redis("redis://user:password@host/0", { size = 4 })
--     db:set("greeting", "hello")
--
-- Who names the same target gets the same pool. Its connections belong to a service of their own; commands are made and
-- replies are read here, in the caller's VM.
local skynet = require "skynet"

local pool = {}

local function directory(...)
	return skynet.call(skynet.uniqueservice "reef_pools", "lua", ...)
end

---The methods of skynet.db.redis, through a pool.
---@param target redis.conf|string     as for skynet.db.redis
---@param options reef.pool.options|nil  the first one who names a target decides about size and queue
function pool.redis(target, options)
	return require("reef.pool.redis").new(target, options)
end

---A subscriber (skynet.db.redis.watch) to the same server. It has a connection of its own in this service: what is
---published goes to whoever reads it.
function pool.watch(target, options)
	local watched = require("reef.pool.redis").conf(target, options)
	return require("skynet.db.redis").watch(watched)
end

---What goes on: of all pools by their label, or of one.
---@param db table|nil  what pool.redis returned
---@return table
function pool.stat(db)
	if db then
		return directory("STAT", db[2].key)
	end
	return directory "STAT"
end

---Changes options of a running pool: size, min, pinned, window, queue, queue_timeout, check, idle, max_age, ...
---@param db table  what pool.redis returned
---@param options reef.pool.options
function pool.set(db, options)
	directory("SET", db[2].key, require("reef.pool.options").service(options))
end

---Ends a pool: what was accepted is finished first, within the option `drain`. A later pool.redis makes a new one.
---@param db table  what pool.redis returned
function pool.close(db)
	directory("CLOSE", db[2].key)
end

return pool
