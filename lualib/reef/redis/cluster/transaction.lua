-- Transactions on a Redis Cluster: all keys in one slot, from WATCH or MULTI to EXEC or DISCARD.
--
-- Which node it is for says the first key: of WATCH, or of the first command after MULTI, which is sent only then. From
-- there on the node's own db does the rest (reef.redis.own). A key of another slot is refused, and with it the whole
-- transaction: EXEC applies nothing then, as after any command that a server refuses to queue.
local core = require "reef.redis.core"
local errors = require "reef.channel.error"

---@class redis.cluster.transaction
---@field node redis.cluster.node|nil
---@field slot integer|nil
---@field key string|nil
---@field multi boolean     MULTI was called
---@field begun boolean     and has been sent
---@field gone boolean|nil   what was watched is elsewhere, as an error has said; the next WATCH begins anew
---@field broken string|nil  why EXEC will apply nothing
local transaction = {}

---The running coroutine's; nil: it has none.
---@param client redis.cluster.client
---@return redis.cluster.transaction|nil
---@return lightuserdata|nil task
function transaction.current(client)
	if client.begun > 0 then
		local task, serial = core.task()
		local one = client.transactions[task]
		if one and one.serial == serial then
			return one, task
		end
	end
end

local function forget(client, task)
	if client.transactions[task] then
		client.transactions[task] = nil
		client.begun = client.begun - 1
	end
end

local function sweep(client)
	for task, one in pairs(client.transactions) do
		if not core.alive(task, one.serial) then
			forget(client, task)
		end
	end
end

local function begin(client)
	sweep(client)
	local task, serial = core.task()
	forget(client, task)
	local one = { serial = serial, multi = false, begun = false }
	client.transactions[task] = one
	client.begun = client.begun + 1
	return one
end

---The running coroutine's is over.
---@param client redis.cluster.client
function transaction.over(client)
	local _, task = transaction.current(client)
	if task then
		forget(client, task)
	end
end

---The node's connection is lost, and with it what was begun; what the server refused is told by EXEC.
local function note(client, one, err)
	if not errors.is(err) then
		return
	elseif err.outcome ~= "rejected" then
		transaction.over(client)
	elseif one.node then
		local what = client:judge(one.node, err)
		one.gone = one.gone or not one.multi and (what == "moved" or what == "ask")
	end
end

local function call(client, one, f, ...)
	local ok, reply = pcall(f, ...)
	if not ok then
		note(client, one, reply)
		client:raise(reply)
	end
	return reply
end

---A command of the running coroutine's transaction.
---@param one redis.cluster.transaction
---@param slot integer|nil
---@param key any
function transaction.perform(client, view, one, spec, slot, key, ...)
	if slot and one.slot and slot ~= one.slot then
		one.broken = ("%s: the keys %q (slot %d) and %q (slot %d) of one transaction are in different slots"):format(
			spec.command, tostring(one.key), one.slot, tostring(key), slot)
		client:refuse("CROSSSLOT", "CROSSSLOT " .. one.broken .. " (nothing was sent)")
	end
	if slot and not one.node then
		local node = client:choose({}, slot)
		if not node then
			error(client:unknown(slot), 0)
		end
		one.node, one.slot, one.key = node, slot, key
	elseif not one.node then
		client:refuse("cluster", spec.command .. ": a transaction begins with a command that has a key (nothing was sent)")
	end
	if one.multi and not one.begun then
		one.begun = true
		call(client, one, one.node.db.multi, view[3] and one.node.db:with { timeout = view[3] } or one.node.db)
	end
	return call(client, one, spec.method, one.node.db, ...)
end

local words = {}
transaction.words = words

---@param client redis.cluster.client
function words.WATCH(client, view, spec, slot, key, ...)
	local one = transaction.current(client)
	if one and one.gone then
		pcall(one.node.db.unwatch, one.node.db)
		transaction.over(client)
	elseif one then
		return transaction.perform(client, view, one, spec, slot, key, ...)
	end
	local reply, node = client:perform(view, spec, slot, ...)
	one = begin(client)
	one.node, one.slot, one.key = node, slot, key
	return reply
end

function words.MULTI(client)
	local one = transaction.current(client) or begin(client)
	if one.multi then
		client:refuse("ERR", "ERR MULTI calls can not be nested")
	end
	one.multi = true
	return "OK"
end

local function without(client, spec)
	client:refuse("ERR", "ERR " .. spec.command .. " without MULTI")
end

function words.EXEC(client, _, spec)
	local one = transaction.current(client)
	if not one or not one.multi then
		without(client, spec)
	elseif one.broken then
		if one.begun then
			pcall(one.node.db.discard, one.node.db)
		end
		transaction.over(client)
		client:refuse("EXECABORT", "EXECABORT Transaction discarded because of: " .. one.broken)
	elseif not one.begun then
		-- Nothing was asked for; what was watched is let go.
		if one.node then
			pcall(one.node.db.unwatch, one.node.db)
		end
		transaction.over(client)
		return {}
	end
	transaction.over(client)
	local ok, reply = pcall(one.node.db.exec, one.node.db)
	if not ok then
		client:judge(one.node, reply)
		client:raise(reply)
	end
	client:acknowledge(one.node, one.slot)
	return reply
end

function words.DISCARD(client, _, spec)
	local one = transaction.current(client)
	if not one or not one.multi then
		without(client, spec)
	end
	transaction.over(client)
	if one.begun then
		return one.node.db:discard()
	elseif one.node then
		pcall(one.node.db.unwatch, one.node.db)
	end
	return "OK"
end

function words.UNWATCH(client)
	local one = transaction.current(client)
	if one and one.begun then
		return one.node.db:unwatch()
	elseif one and one.node then
		if not one.multi then
			transaction.over(client)
		end
		return one.node.db:unwatch()
	end
	return "OK"
end

return transaction
