-- Connection pools that all services of the process share; see docs/pools.md. Times are in seconds.
--
--     local pool = require "reef.pool"
--     local db = pool.redis("redis://user:password@host/0", { size = 4 })
--     db:set("greeting", "hello")
--
-- Who names the same target gets the same pool. Its connections belong to a service of their own; commands are made
-- and replies are read here, in the caller's VM.
local skynet = require "skynet"

-- What most want, here already: what a service requires in its main function comes with its copy.
local redis = require "reef.pool.redis"

local pool = {}

local function directory(...)
	return skynet.call(skynet.uniqueservice "reef_pools", "lua", ...)
end

---The methods of skynet.db.redis, through a pool.
---@param target redis.conf|string     as for skynet.db.redis
---@param options reef.pool.options|nil  the first one who names a target decides about size and queue
function pool.redis(target, options)
	return redis.new(target, options)
end

---The methods of skynet.db.mongo's clients, through pools: one for each server of the deployment.
---@param target table|string          as for mongo.client
---@param options reef.pool.options|nil and options of mongo.client
---@return mongo.client
function pool.mongo(target, options)
	return require("reef.pool.mongo").new(target, options)
end

---The methods of skynet.db.mysql, through a pool.
---@param target mysql.options
---@param options reef.sql.pool.options|nil
---@return reef.sql.pool
function pool.mysql(target, options)
	return require("reef.sql.pool").new("mysql", target, options)
end

---The methods of reef.db.postgres, through a pool.
---@param target postgres.options
---@param options reef.sql.pool.options|nil
---@return reef.sql.pool
function pool.postgres(target, options)
	return require("reef.sql.pool").new("postgres", target, options)
end

---A subscriber, as of skynet.db.redis.watch, on one of the pinned connections of a pool.
---@param target table|redis.conf|string  what pool.redis returned, or as for that
---@param options reef.pool.options|nil   also gap and heartbeat
---@return redis.watch
function pool.watch(target, options)
	if type(target) == "table" and type(rawget(target, 2)) == "table" then
		require("reef.options").check("reef.pool: watch", options, { gap = true, heartbeat = true })
		return redis.watch(target, options)
	end
	return redis.watch(redis.new(target, options), options)
end

-- Does something with each pool of what pool.redis or pool.mongo returned. Answers what the directory says; of MongoDB
-- and of Redis Clusters a table of that by address of the server.
local function each(db, command, ...)
	local several = rawget(db, "_core") and require "reef.pool.mongo"
		or rawget(db, 2).nodes and require "reef.pool.redis.cluster"
	if not several then
		return directory(command, db[2].key, ...)
	end
	local answers = {}
	for address, key in pairs(several.keys(db)) do
		local ok, answer = pcall(directory, command, key, ...)
		answers[address] = ok and answer or nil
	end
	return answers
end

---What goes on: of all pools by their label, or of one; of MongoDB by address of the server, as far as it is in use.
---@param db table|nil  what pool.redis or pool.mongo returned
---@return table
function pool.stat(db)
	if db then
		return each(db, "STAT")
	end
	return directory "STAT"
end

---Changes options of a running pool: size, min, pinned, window, queue, queue_timeout, check, idle, max_age, ...
---@param db table  what pool.redis or pool.mongo returned
---@param options reef.pool.options
function pool.set(db, options)
	local known = require "reef.pool.options"
	require("reef.options").needs("pool.set: its second argument", options, "table")
	known.check_service(options)
	each(db, "SET", known.service(options))
end

---Ends a pool: what was accepted is finished first, within the option `drain`. Whoever names the target again, or
---goes on with what he has, gets a new one.
---@param db table  what pool.redis or pool.mongo returned
function pool.close(db)
	each(db, "CLOSE")
end

return pool
