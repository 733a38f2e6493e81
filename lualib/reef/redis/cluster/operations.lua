-- Several commands at once on a Redis Cluster: each node gets its part in one write, and what a node redirects is done
-- again where it belongs, in the order in which it was given.
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local keys = require "reef.redis.cluster.keys"
local now = require "reef.base.now"
local together = require "reef.redis.together"

local operations = {}

---The slot of a command's keys, and the first of them; nil: it has none. Raises if they are in several.
---@param client redis.cluster.client
---@param command string  in capitals
---@param list any[]      arguments
---@return integer|nil slot
---@return any key
function operations.slot_of(client, command, list)
	local slot, first
	for _, i in ipairs(keys.places(command, list)) do
		local key = list[i]
		if key ~= nil then
			local other = core.slot(key)
			if slot and other ~= slot then
				client:refuse("CROSSSLOT", ("CROSSSLOT Keys in request don't hash to the same slot: %s of %q (slot %d) and %q "
					.. "(slot %d); nothing was sent"):format(command, tostring(first), slot, tostring(key), other))
			end
			slot, first = other, first or key
		end
	end
	return slot, first
end

local function word_of(op)
	return type(op) == "table" and op[1] ~= nil and tostring(op[1]):upper() or ""
end

local function arguments(op)
	local n = (op.n or #op) - 1
	return table.move(op, 2, n + 1, 1, { n = n })
end

---The slot of each operation; false: it has no key.
---@param client redis.cluster.client
---@param ops table[]
---@return (integer|false)[], any[] keys
function operations.slots(client, ops)
	local slots, first = {}, {}
	for i, op in ipairs(ops) do
		local word = word_of(op)
		local nowhere = keys.rule(word).nowhere
		if nowhere == "node" or nowhere == "masters" then
			client:refuse("cluster", ("redis pipeline: %s is not for one node of a cluster (nothing was sent)"):format(word))
		end
		if nowhere or type(op) ~= "table" then
			slots[i] = false
		else
			local slot, key = operations.slot_of(client, word, arguments(op))
			slots[i], first[i] = slot or false, key
		end
	end
	return slots, first
end

-- Only these say that an operation was not applied and where, or when, it would be.
local elsewhere = { MOVED = true, ASK = true, TRYAGAIN = true, CLUSTERDOWN = true, READONLY = true, LOADING = true,
	MASTERDOWN = true }

local function code_of(reply)
	return not reply.ok and type(reply.out) == "string" and reply.out:match "^%u+"
end

-- One operation by itself, as a result of a pipeline; `out` is an error object where there was no answer.
local function alone(client, view, op, slot)
	local word = word_of(op)
	local spec = client.spec(word, word)
	local ok, reply = pcall(client.perform, client, view, spec, slot or nil, arguments(op))
	if not ok and errors.is(reply) and reply.outcome == "rejected" then
		reply = reply.message
	end
	return { ok = ok, out = reply }
end

-- Sends the operations to a node; what it redirects is done one by one, in what is left of the time of the call.
local function send(client, view, ops, slots, results)
	local as_one = {
		rule = {}, parts = true,
		method = function(db)
			local got = {}
			db:pipeline(ops, got)
			return got
		end,
	}
	local slot
	for i = 1, #ops do
		slot = slot or slots[i] or nil
	end
	local until_then = core.inspect(ops) and math.huge or now() + client:seconds_of(view)
	local got, node = client:perform(view, as_one, slot)
	for i, reply in ipairs(got) do
		if elsewhere[code_of(reply)] then
			local left = until_then - now()
			if left > 0 then
				reply = alone(client, left < math.huge and { false, client, left } or view, ops[i], slots[i])
			end
		elseif reply.ok then
			client:acknowledge(node, slots[i])
		end
		results[i] = reply
	end
end

-- Was something done that is not to be done again: a block, or a command that is in none?
local function has_effect(ops, got)
	local inside = false
	for i, reply in ipairs(got) do
		local word = word_of(ops[i])
		if word == "MULTI" then
			inside = true
		elseif word == "EXEC" or word == "DISCARD" then
			inside = false
			if reply.ok and type(reply.out) == "table" then
				return true
			end
		elseif not inside and reply.ok then
			return true
		end
	end
	return false
end

-- A block from MULTI to EXEC is applied as a whole or not at all. If it was not since the slot is elsewhere, it is sent
-- again as a whole, unless something beside it was done.
local function send_block(client, view, ops, slot, results)
	local spec = {
		rule = {},
		method = function(db)
			local got, moved = {}, nil
			local _ <close> = require "reef.redis.naming"(ops, got)
			db:pipeline(ops, got)
			for _, reply in ipairs(got) do
				moved = moved or elsewhere[code_of(reply)] and reply.out or nil
			end
			if moved and not has_effect(ops, got) then
				-- While a slot is under way, not even ASKING would help: it has to be there first.
				error(errors.new { code = moved:match "^ASK " and "TRYAGAIN" or moved:match "^%u+", outcome = "rejected",
					message = moved }, 0)
			end
			return got
		end,
	}
	local got = client:perform(view, spec, slot)
	table.move(got, 1, #got, 1, results)
end

---Sends all operations, which are in one slot, at once.
---@param client redis.cluster.client
---@param ops table[]
---@return table[] results  {ok=, out=} of each, in order; `out` is an error object where there was no answer
function operations.in_one_slot(client, view, ops)
	local slots, first = operations.slots(client, ops)
	local slot, key
	for i = 1, #ops do
		if slots[i] and slot and slots[i] ~= slot then
			client:refuse("CROSSSLOT", ("CROSSSLOT pipeline: the keys %q (slot %d) and %q (slot %d) are in different slots "
				.. "(nothing was sent); db:batch sends each part where it belongs"):format(tostring(key), slot, tostring(first[i]),
				slots[i]))
		elseif slots[i] and not slot then
			slot, key = slots[i], first[i]
		end
	end
	local results = {}
	local _, _, _, ends = core.inspect(ops)
	if ends then
		send_block(client, view, ops, slot, results)
	else
		send(client, view, ops, slots, results)
	end
	return results
end

---Some operations were answered, and others that had to go elsewhere were not: whoever asked has to know. Raises then.
---@param client redis.cluster.client
---@param results table[]
function operations.check(client, results)
	local done, failed, maybe = false, nil, false
	for _, result in ipairs(results) do
		done = done or result.ok
		if errors.is(result.out) and not result.ok then
			failed, maybe = failed or result.out, maybe or result.out.outcome == "maybe applied"
		end
	end
	if not failed then
		return
	elseif not done and not maybe then
		error(failed, 0)
	end
	client:raise(errors.new { code = failed.code, outcome = maybe and "maybe applied" or "applied in part",
		command = "pipeline", host = failed.host, replies = results,
		message = "pipeline: some operations were answered; another, which had to go elsewhere, was not: "
			.. failed.message })
end

---Sends each operation to the node that it belongs to, each node's part at once.
---@param client redis.cluster.client
---@param ops table[]
---@return table[] results   {ok=, out=} of each, in order; `out` is an error object where there was no answer
function operations.batch(client, view, ops)
	local _, watches, _, ends, changes = core.inspect(ops)
	if watches or ends or changes then
		client:refuse("cluster", "redis batch: a transaction, or what changes a connection, is for a pipeline in one slot "
			.. "(nothing was sent)")
	end
	local slots = operations.slots(client, ops)
	local parts, by_node = {}, {}
	for i, op in ipairs(ops) do
		local node = client:choose({}, slots[i] or nil)
		local address = node and node.address or ""
		local part = by_node[address]
		if not part then
			part = { ops = {}, slots = {}, places = {} }
			by_node[address], parts[#parts + 1] = part, part
		end
		table.insert(part.ops, op)
		table.insert(part.slots, slots[i])
		table.insert(part.places, i)
	end
	local results = {}
	local function do_part(i)
		local part, got = parts[i], {}
		local ok, err = pcall(send, client, view, part.ops, part.slots, got)
		for j, place in ipairs(part.places) do
			results[place] = got[j] or { ok = false, out = not ok and err or "no reply" }
		end
	end
	if #parts == 1 then
		do_part(1)
	else
		together(#parts, do_part)
	end
	return results
end

---The error of an operation that failed, as one that can be raised.
---@param client redis.cluster.client
---@param out any
---@param command string
---@return any
function operations.failure(client, out, command)
	if type(out) == "string" then
		return errors.new { code = out:match "^%u[%u%d_]*" or "error", outcome = "rejected", message = out, command = command,
			host = "redis cluster " .. config.where(client.conf.host, client.conf.port) }
	end
	return out
end

return operations
