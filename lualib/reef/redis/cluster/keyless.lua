-- Commands without a key on a Redis Cluster: some go to any node, some to all masters, whose replies are put together,
-- and what is about one node or would change a connection is refused.
local errors = require "reef.channel.error"
local expect = require "reef.redis.expect"
local parts = require "reef.redis.cluster.parts"
local together = require "reef.redis.together"
local transaction = require "reef.redis.cluster.transaction"

local keyless = {}

-- ---- commands without a key ----

local function merged(replies, command)
	local list = {}
	for _, reply in ipairs(replies) do
		table.move(expect.list(reply, command), 1, #reply, #list + 1, list)
	end
	return list
end

local function added(replies, command)
	local total = 0
	for _, n in ipairs(replies) do
		total = total + expect.integer(n, command)
	end
	return total
end

local function least(replies, command)
	local least_one = math.maxinteger
	for _, n in ipairs(replies) do
		least_one = math.min(least_one, expect.integer(n, command))
	end
	return least_one
end

local function least_of_each(replies, command)
	local list = {}
	for _, reply in ipairs(replies) do
		for i, n in ipairs(expect.list(reply, command)) do
			list[i] = math.min(list[i] or math.maxinteger, expect.integer(n, command))
		end
	end
	return list
end

local combine = { DBSIZE = added, KEYS = merged, WAIT = least, WAITAOF = least_of_each }
-- Of these one node's word is enough.
local one_of = { ["CONFIG GET"] = true, ["FUNCTION LIST"] = true, ["FUNCTION DUMP"] = true, ["FUNCTION STATS"] = true,
	["SCRIPT HELP"] = true, ["FUNCTION HELP"] = true, ["CONFIG HELP"] = true }

local function on_masters(client, view, spec, ...)
	local first = spec.list_of(...)[1]
	local whole = spec.command .. " " .. tostring(first):upper()
	if one_of[whole] then
		return (client:perform(view, spec, nil, ...))
	end
	if not client.topology.map then
		client:prepare(client:seconds_of(view))
	end
	local masters, args = client:masters(), table.pack(...)
	local results = together(#masters, function(i)
		local db = view[3] and masters[i].db:with { timeout = view[3] } or masters[i].db
		return spec.method(db, table.unpack(args, 1, args.n))
	end)
	local replies, outcomes = {}, {}
	for i, result in ipairs(results) do
		if not result.ok then
			if errors.is(result.value) then
				client:judge(masters[i], result.value)
			end
			outcomes[i] = { ok = false, out = result.value }
		else
			replies[#replies + 1], outcomes[i] = result.value, { ok = true }
		end
	end
	parts.check(client, spec, outcomes)
	local put_together = whole == "SCRIPT EXISTS" and least_of_each or combine[spec.command]
	if not put_together then
		return replies[1]
	elseif #replies < #masters then
		expect.list(nil, spec.command)
	end
	return put_together(replies, spec.command)
end

local refusals = {
	own = "would change a connection that others use",
	node = "is about one node; use db:node(address)",
}

---Does a command without a key, or refuses it by name.
---@param client redis.cluster.client
---@param view table
---@param spec redis.cluster.spec
---@return any
function keyless.perform(client, view, spec, ...)
	local rule = spec.rule
	local one = transaction.current(client)
	if one and one.multi and rule.nowhere == "masters" then
		client:refuse("cluster", spec.command .. ": goes to all masters, and a transaction to one (nothing was sent)")
	elseif one and rule.nowhere == "any" then
		return transaction.perform(client, view, one, spec, nil, nil, ...)
	elseif rule.nowhere == "any" then
		return (client:perform(view, spec, nil, ...))
	elseif rule.nowhere == "masters" then
		return on_masters(client, view, spec, ...)
	elseif rule.nowhere == "transaction" then
		return transaction.words[spec.command](client, view, spec)
	elseif spec.command == "CLIENT" then
		local word = tostring(spec.list_of(...)[1]):upper()
		if word == "ID" or word == "INFO" or word == "GETNAME" or word == "LIST" then
			return (client:perform(view, spec, nil, ...))
		end
	end
	client:refuse("cluster", ("No way to dispatch this command to Redis Cluster: %s (nothing was sent): it %s"):format(
		spec.name, spec.command == "SCAN" and "has a cursor for each node; use db:scan_iter" or refusals[rule.nowhere]))
end

return keyless
