-- A client, until the case is over, of a Redis server that a test has started.
local redis = require "skynet.db.redis"
local test = require "test"

---@param s { port: integer }
---@param options table|nil  of skynet.db.redis
---@return redis.db
return function(s, options)
	options = options or {}
	options.host, options.port = "127.0.0.1", s.port
	local db = redis.connect(options)
	test.defer(pcall, db.disconnect, db)
	return db
end
