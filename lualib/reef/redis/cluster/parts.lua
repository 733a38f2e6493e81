-- Commands with many keys that Redis Cluster would refuse, taken apart by slot: MGET, MSET, DEL and the like.
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local expect = require "reef.redis.expect"
local operations = require "reef.redis.cluster.operations"

local parts = {}

-- ---- commands that are taken apart ----

local function sum(spec, results)
	local total = 0
	for _, result in ipairs(results) do
		total = total + expect.integer(result.out, spec.command)
	end
	return total
end

local joins = {
	sum = sum,
	status = function()
		return "OK"
	end,
	list = function(spec, results, groups)
		local list = {}
		for i, result in ipairs(results) do
			expect.list(result.out, spec.command)
			for j, place in ipairs(groups[i].places) do
				list[place] = result.out[j]
			end
		end
		return list
	end,
}

---Some parts were applied and others not: whoever asked has to know. Raises then, and when all have failed.
---@param client redis.cluster.client
---@param spec redis.cluster.spec
---@param results table[]  {ok=, out=} of each part
function parts.check(client, spec, results)
	local done, failed, maybe = 0, nil, false
	for _, result in ipairs(results) do
		if result.ok then
			done = done + 1
		else
			local err = operations.failure(client, result.out, spec.command)
			if not errors.is(err) then
				error(err, 0)
			end
			maybe = maybe or err.outcome == "maybe applied"
			failed = failed or err
		end
	end
	if not failed then
		return
	elseif done == 0 and not maybe or spec.rule.reads then
		client:raise(failed)
	end
	client:raise(errors.new { code = failed.code, outcome = maybe and "maybe applied" or "applied in part",
		command = spec.command, host = failed.host, message = ("%s: %d of %d slots' parts were applied; another failed: %s")
			:format(spec.command, done, #results, failed.message) })
end

---Does it, a part for each slot, and puts the replies together.
---@param client redis.cluster.client
---@param view table
---@param spec redis.cluster.spec
---@param list any[]  arguments
---@return any
function parts.perform(client, view, spec, list)
	local groups, by_slot, ops = {}, {}, {}
	local step = spec.rule.step
	for i = 1, list.n, step do
		local slot = core.slot(list[i])
		local group = by_slot[slot]
		if not group then
			group = { places = {}, op = { spec.command, n = 1 } }
			by_slot[slot], groups[#groups + 1], ops[#ops + 1] = group, group, group.op
		end
		local op = group.op
		table.insert(group.places, (i - 1) // step + 1)
		for j = i, i + step - 1 do
			op[op.n + 1], op.n = list[j], op.n + 1
		end
	end
	local results = operations.batch(client, view, ops)
	parts.check(client, spec, results)
	return spec.answer(joins[spec.rule.apart](spec, results, groups))
end

return parts
