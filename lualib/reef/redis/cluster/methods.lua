-- The methods of a db that is a Redis Cluster: those of reef.redis, each with its way to the right node.
local checks = require "reef.options"
local core = require "reef.redis.core"
local errors = require "reef.channel.error"
local keys = require "reef.redis.cluster.keys"
local made = require "reef.redis.made"
local map = require "reef.redis.cluster.map"
local operations = require "reef.redis.cluster.operations"
local redis = require "reef.redis"
local together = require "reef.redis.together"
local transaction = require "reef.redis.cluster.transaction"

---@class redis.cluster.db: redis.db
local methods = {}

---@class redis.cluster.spec
---@field name string        as it was written
---@field command string     in capitals
---@field rule redis.cluster.rule
---@field ordinary boolean   it neither blocks nor changes a connection
---@field waits boolean      it blocks, or may
---@field parts boolean|nil   it is several commands, of which each may be refused
---@field method fun(db: table, ...): any
---@field list_of fun(...): any[]
---@field answer fun(reply: any): any

local function list_of(...)
	local first = ...
	if type(first) == "table" and select("#", ...) == 1 and not getmetatable(first) then
		return table.move(first, 1, first.n or #first, 1, { n = first.n or #first })
	elseif first == nil and select("#", ...) <= 1 then
		return { n = 0 }
	end
	return table.pack(...)
end

local function same(reply)
	return reply
end

-- Only these two spellings answer with booleans, and take a fixed number of arguments; see reef.redis.commands.
local most = { exists = 1, sismember = 2 }

local specs = {}

---@param name string
---@param command string
---@return redis.cluster.spec
function methods.spec_of(name, command)
	local spec = specs[name]
	if not spec then
		local rule, class = keys.rule(command), core.classify(command)
		rule.blocks = class == "blocking"
		spec = {
			name = name, command = command, rule = rule, method = redis.methods[name], list_of = list_of, answer = same,
			ordinary = class == "ordinary", waits = class == "blocking" or class == "maybe block",
		}
		if most[name] then
			spec.answer = function(reply)
				return math.type(reply) == "integer" and reply ~= 0 or reply
			end
			spec.list_of = function(...)
				local list = list_of(...)
				list.n = type((...)) == "table" and list.n or math.min(list.n, most[name])
				return list
			end
		end
		specs[name] = spec
	end
	return spec
end

-- ---- commands that are taken apart ----

local function sum(_, results)
	local total = 0
	for _, result in ipairs(results) do
		total = total + result.out
	end
	return total
end

local joins = {
	sum = sum,
	status = function()
		return "OK"
	end,
	list = function(_, results, groups)
		local list = {}
		for i, result in ipairs(results) do
			for j, place in ipairs(groups[i].places) do
				list[place] = result.out[j]
			end
		end
		return list
	end,
}

-- Some parts were applied and others not: whoever asked has to know.
local function raise_part(client, spec, results)
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

local function in_parts(client, view, spec, list)
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
	raise_part(client, spec, results)
	return spec.answer(joins[spec.rule.apart](client, results, groups))
end

-- ---- commands without a key ----

local function merged(replies)
	local list = {}
	for _, reply in ipairs(replies) do
		table.move(reply, 1, #reply, #list + 1, list)
	end
	return list
end

local function added(replies)
	local total = 0
	for _, n in ipairs(replies) do
		total = total + n
	end
	return total
end

local function least(replies)
	return math.min(table.unpack(replies))
end

local function least_of_each(replies)
	local list = {}
	for _, reply in ipairs(replies) do
		for i, n in ipairs(reply) do
			list[i] = math.min(list[i] or n, n)
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
	raise_part(client, spec, outcomes)
	if whole == "SCRIPT EXISTS" then
		return least_of_each(replies)
	end
	return combine[spec.command] and combine[spec.command](replies) or replies[1]
end

local refusals = {
	own = "would change a connection that others use",
	node = "is about one node; use db:node(address)",
}

local function nowhere(client, view, spec, ...)
	local rule = spec.rule
	if rule.nowhere == "any" then
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

-- ---- methods ----

local function keyed(client, view, spec, ...)
	local one = transaction.current(client)
	local first = ...
	local list
	if spec.rule.only_first then
		if type(first) == "table" then
			list = spec.list_of(...)
			first = list[1]
		end
		if first == nil then
			-- The server says what is missing.
			return (client:perform(view, spec, nil, ...))
		end
		local slot = core.slot(first)
		if one then
			return transaction.perform(client, view, one, spec, slot, first, ...)
		end
		return (client:perform(view, spec, slot, ...))
	end
	list = spec.list_of(...)
	if spec.rule.step > 1 and list.n % spec.rule.step ~= 0 then
		client:refuse("ERR", ("ERR wrong number of arguments for '%s' command: %d, but each key has a value (nothing was "
			.. "sent)"):format(spec.command:lower(), list.n))
	end
	if spec.rule.apart and not one and list.n > spec.rule.step and list.n % spec.rule.step == 0 then
		local slot = core.slot(list[1])
		for i = 1 + spec.rule.step, list.n, spec.rule.step do
			if list[i] ~= nil and core.slot(list[i]) ~= slot then
				return in_parts(client, view, spec, list)
			end
		end
	end
	local slot, key = operations.slot_of(client, spec.command, list)
	if spec.command == "WATCH" then
		return transaction.words.WATCH(client, view, spec, slot, key, ...)
	elseif one then
		return transaction.perform(client, view, one, spec, slot, key, ...)
	end
	return (client:perform(view, spec, slot, ...))
end

---@param name string
---@return fun(db: table, ...): any
local function method(name)
	local spec = methods.spec_of(name, name:upper())
	if spec.rule.nowhere then
		return function(db, ...)
			return nowhere(db[2], db, spec, ...)
		end
	end
	if spec.rule.only_first then
		return function(db, key, ...)
			local client, kind = db[2], type(key)
			if client.begun == 0 and (kind == "string" or kind == "number") then
				return (client:perform(db, spec, core.slot(key), key, ...))
			end
			return keyed(client, db, spec, key, ...)
		end
	end
	return function(db, ...)
		return keyed(db[2], db, spec, ...)
	end
end

---The same client with other options: db:with{timeout = 0.5}:get(key)
---@param options redis.options
function methods:with(options)
	checks.check("redis: with", options, { timeout = true }, 2)
	local seconds = options.timeout
	if seconds ~= nil and (type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds) then
		error("redis: timeout has to be a number of seconds, at least 0", 2)
	end
	return setmetatable({ false, self[2], seconds or self[3] }, getmetatable(self))
end

local function check_operations(ops)
	if type(ops) ~= "table" or ops[1] == nil then
		error("pipeline is null", 3)
	end
end

-- What a pipeline returns, given the results of all its operations.
local function finish(client, got, results)
	if not results then
		local last = got[#got]
		if not last.ok then
			client:raise(operations.failure(client, last.out, "pipeline"))
		end
		return last.out
	end
	table.move(got, 1, #got, #results + 1, results)
	return results
end

---Sends all operations at once; their keys have to be in one slot.
---@param ops table[]
---@param results table|nil  gets {ok=, out=} for each; without it the last reply is returned
function methods:pipeline(ops, results)
	check_operations(ops)
	local client = self[2]
	local one = transaction.current(client)
	if one then
		local slot, key
		for _, op in ipairs(ops) do
			local slots, first = operations.slots(client, { op })
			if slots[1] and slot and slots[1] ~= slot then
				slot, key = slots[1], first[1]
				break
			elseif slots[1] then
				slot, key = slots[1], first[1]
			end
		end
		local spec = { command = "pipeline", method = function(db)
			return db:pipeline(ops, results)
		end }
		return transaction.perform(client, self, one, spec, slot, key)
	end
	local _, watches, leaves, _, changes = core.inspect(ops)
	if changes then
		client:refuse("cluster", "redis pipeline: SELECT, AUTH or CLIENT would change a connection that others use "
			.. "(nothing was sent)")
	elseif watches or leaves then
		client:refuse("cluster", "redis pipeline: a transaction that the pipeline does not end begins with db:watch or "
			.. "db:multi (nothing was sent)")
	end
	return finish(client, (operations.in_one_slot(client, self, ops)), results)
end

---The same for keys in any slots: each node gets its part at once, and the parts are done at the same time.
---@param ops table[]
---@param results table|nil  as of pipeline; where there was no answer, `out` is the error object
function methods:batch(ops, results)
	check_operations(ops)
	return finish(self[2], operations.batch(self[2], self, ops), results)
end

---All nodes that are known: {address=, master=boolean}.
---@return table[]
function methods:nodes()
	local client, list = self[2], {}
	client:prepare(client:seconds_of(self))
	local masters = {}
	for _, address in ipairs(client.topology.map:masters()) do
		masters[address] = true
	end
	for address in pairs(client.topology.map.nodes) do
		list[#list + 1] = { address = address, master = masters[address] or false }
	end
	table.sort(list, function(a, b)
		return a.address < b.address
	end)
	return list
end

---One node, as if it had been connected to by itself.
---@param address string  "host:port"
---@return redis.db
function methods:node(address)
	local host, port = map.split(tostring(address))
	if type(address) ~= "string" or host == "" or not map.is_port(port) then
		error(("redis: a node is named by 'host:port', not %s"):format(tostring(address)), 2)
	end
	return self[2]:node(address).db
end

---The slot of a key.
---@param key any
---@return integer
function methods.keyslot(_, key)
	return core.slot(key)
end

---The master that has a key, as if it had been connected to by itself.
---@param key any
---@return redis.db
function methods:node_of(key)
	local client = self[2]
	client:prepare(client:seconds_of(self))
	local node = client:choose({}, core.slot(key))
	if not node then
		error(client:unknown(core.slot(key)), 0)
	end
	return node.db
end

-- Master after master; what moves meanwhile may come twice, or not at all.
function methods:scan_iter(options)
	local client = self[2]
	client:prepare(client:seconds_of(self))
	local masters, at, iterator = client:masters(), 0, nil
	return function()
		while true do
			local key = iterator and iterator()
			if key ~= nil then
				return key
			end
			at = at + 1
			if not masters[at] then
				return nil
			end
			iterator = masters[at].db:scan_iter(options)
		end
	end
end

for _, name in ipairs { "hscan_iter", "sscan_iter", "zscan_iter" } do
	methods[name] = redis.methods[name]
end

---Closes all connections. The object cannot be used any more.
function methods:disconnect()
	self[2]:close()
	setmetatable(self, nil)
	self[2] = nil
end

---What is going on: nodes, masters, looks, redirections, retries, in_flight, bound.
function methods:status()
	local client = self[2]
	local status = {
		looks = client.topology.looks, version = client.topology.version, redirections = client.redirections,
		retries = client.retries, bound = client.begun, nodes = 0, masters = #client:masters(), in_flight = 0,
	}
	for _, node in pairs(client.nodes) do
		status.nodes = status.nodes + 1
		for _, db in ipairs { node.db, node.reader } do
			status.in_flight = status.in_flight + db:status().in_flight
		end
	end
	return status
end

made(methods, method)

return methods
