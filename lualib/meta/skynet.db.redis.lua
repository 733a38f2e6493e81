---@meta skynet.db.redis
-- Methods of reef.redis that are made from lists of names.

---Any command is a method, in small or capital letters: `db:hset("key", "field", 1)`. What it returns is the reply: a
---string, an integer, nil for none, a table for several. An error of the server is raised (docs/redis.md).
---@class redis.db
local db = {}

---@param key string
---@return string? value nil: there is none
function db:get(key) end

---@param key string
---@param value string|number
---@param ... any options of SET
---@return string|nil ok "OK"
function db:set(key, value, ...) end

---@param key string
---@return boolean
function db:exists(key) end

---@param key string
---@param member string|number
---@return boolean
function db:sismember(key, member) end

---@class redis.watch
local watch = {}

---@param ... string channels
function watch:subscribe(...) end

---@param ... string patterns
function watch:psubscribe(...) end

---@param ... string channels of a shard (Redis Cluster)
function watch:ssubscribe(...) end

---@param ... string channels; none: all
function watch:unsubscribe(...) end

---@param ... string patterns; none: all
function watch:punsubscribe(...) end

---@param ... string channels of a shard; none: all
function watch:sunsubscribe(...) end
