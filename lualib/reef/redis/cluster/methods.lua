-- The methods of a db that is a Redis Cluster: those of reef.redis, each with its way to the right node.
local checks = require "reef.options"
local core = require "reef.redis.core"
local keyless = require "reef.redis.cluster.keyless"
local made = require "reef.redis.made"
local map = require "reef.redis.cluster.map"
local operations = require "reef.redis.cluster.operations"
local parts = require "reef.redis.cluster.parts"
local redis = require "reef.redis"
local specs = require "reef.redis.cluster.specs"
local transaction = require "reef.redis.cluster.transaction"

---@class redis.cluster.db: redis.db
local methods = {}

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
				return parts.perform(client, view, spec, list)
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
	local spec = specs.of(name, name:upper())
	if spec.rule.nowhere then
		return function(db, ...)
			return keyless.perform(db[2], db, spec, ...)
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
	checks.check("redis: with", options, { timeout = true })
	local seconds = options.timeout
	if seconds ~= nil and (type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds) then
		error("redis: timeout has to be a number of seconds, at least 0")
	end
	return setmetatable({ false, self[2], seconds or self[3] }, getmetatable(self))
end

local function check_operations(ops)
	if type(ops) ~= "table" or ops[1] == nil then
		error("pipeline is null")
	end
end

-- What a pipeline returns, given the results of all its operations. `whole`: raises if one of them had no answer.
local function finish(client, got, results, whole)
	if results then
		table.move(got, 1, #got, #results + 1, results)
	end
	if whole or not results then
		operations.check(client, got)
	end
	if not results then
		local last = got[#got]
		if not last.ok then
			client:raise(operations.failure(client, last.out, "pipeline"))
		end
		return last.out
	end
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
		local _, odd, leaves, ends, _, multi = core.inspect(ops)
		local ok, out = pcall(transaction.perform, client, self, one, spec, slot, key)
		if one.broken then
			error(out, 0)
		elseif (odd or ends) and not leaves then
			transaction.over(client)
		elseif multi then
			one.multi, one.begun = true, true
		end
		if not ok then
			error(out, 0)
		end
		return out
	end
	local _, watches, leaves, _, changes = core.inspect(ops)
	if changes then
		client:refuse("cluster", "redis pipeline: SELECT, AUTH or CLIENT would change a connection that others use "
			.. "(nothing was sent)")
	elseif watches or leaves then
		client:refuse("cluster", "redis pipeline: a transaction that the pipeline does not end begins with db:watch or "
			.. "db:multi (nothing was sent)")
	end
	return finish(client, operations.in_one_slot(client, self, ops), results, true)
end

---The same for keys in any slots: each node gets its part at once, and the parts are done at the same time.
---@param ops table[]
---@param results table|nil  as of pipeline; where there was no answer, `out` is the error object
function methods:batch(ops, results)
	check_operations(ops)
	local client = self[2]
	local one = transaction.current(client)
	if one and one.multi then
		client:refuse("cluster", "redis batch: a transaction is of one slot, and takes a pipeline (nothing was sent)")
	end
	return finish(client, operations.batch(client, self, ops), results)
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
		error(("redis: a node is named by 'host:port', not %s"):format(tostring(address)))
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
