-- Pipelines: many operations in one write. What blocks, changes its connection or is a transaction goes to a connection
-- of its own.
local core = require "reef.redis.core"
local owned = require "reef.redis.owned"

---@class redis.db
local pipelines = {}

-- A pipeline on the connection that the coroutine has for itself.
local function bound_pipeline(db, binding, ops, results, ends)
	binding.spoiled = binding.spoiled or core.doubtful(ops)
	local over <close> = db[2].own:ending(not ends)
	local _ <close> = require "reef.redis.naming"(ops, results, binding)
	local reply = core.pipeline(db, ops, results)
	over.done = true
	return reply
end

---Sends all operations at once: {{"SET", key, value}, {"GET", key}}.
---@param ops table[]
---@param results table|nil  gets {ok=, out=} for each; without it the last reply is returned
function pipelines:pipeline(ops, results)
	if type(ops) ~= "table" or ops[1] == nil then
		error("pipeline is null")
	end
	local blocks, watches, leaves, ends, changes = core.inspect(ops)
	local client = self[2]
	local bound = owned.current(client)
	if changes and not bound and client.changing then
		client:changing "SELECT, AUTH or CLIENT"
	end
	if watches or leaves then
		bound = client.own:bind(self)
	end
	if bound then
		return bound_pipeline(self, bound, ops, results, not leaves and (watches or ends))
	end
	if not (blocks or changes or ends) then
		return core.pipeline(self, ops, results)
	end
	local _ <close> = require "reef.redis.naming"(ops, results)
	if not (blocks or changes) then
		return (core.pipeline(self, ops, results))
	end
	local lease <close> = client.own:lease(self, self[3] or (blocks and 0 or client.conf.timeout))
	lease.spoiled = core.doubtful(ops)
	local reply = core.pipeline(lease.db, ops, results)
	lease.done = true
	return reply
end

return pipelines
