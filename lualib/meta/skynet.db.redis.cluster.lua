---@meta skynet.db.redis.cluster
-- Methods that are made from lists of names.

---Any command is a method, as of `skynet.db.redis`; it goes to the node that has the key.
---@class redis.cluster.contract
local cluster = {}

---@param ... string channels
function cluster:subscribe(...) end

---@param ... string patterns
function cluster:psubscribe(...) end

---@param ... string channels; none: all
function cluster:unsubscribe(...) end

---@param ... string patterns; none: all
function cluster:punsubscribe(...) end
