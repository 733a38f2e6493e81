-- Options of pools, and their defaults. All times are seconds.

---@class reef.pool.options
---@field pool string|nil           another name makes another pool of the same target
-- Defaults are those of Redis; MongoDB's are in reef.pool.server.mongo.
---@field size integer|nil          shared connections; 4
---@field min integer|nil           of these are kept open also when idle; size
---@field connecting integer|nil    connections that are being made at the same time; size
---@field pinned integer|nil        connections for transactions, blocking commands, subscribers; 64
---@field window integer|nil        requests on their way on one shared connection; 512
---@field queue integer|nil         requests that may wait; 65536
---@field queue_bytes integer|nil   the same in bytes; 64 MB
---@field unsent integer|nil        bytes that may wait to be sent on one connection; 8 MB
---@field queue_timeout number|nil  how long one may wait; 2
---@field routing "caller"|"key"|"any"|nil  whose requests keep their order; "caller"
---@field connect_timeout number|nil for connect and login together; 5
---@field stall number|nil          silence after which a connection that owes replies is given up; 5
---@field check number|nil          between health checks of idle connections; 30; 0: never
---@field idle number|nil           after which connections beyond `min` are closed; 60; 0: never
---@field max_age number|nil        after which a connection is replaced; 0: never
---@field drain number|nil          for what was accepted, at the end; 5
---@field timeout number|nil        of the caller: that a command may take; 10; 0: for ever
---@field slow number|nil           requests that take longer are slow; 0: none are
---@field on_slow fun(command: string, seconds: number)|nil  of the caller
---@field errors "string"|"object"|nil  of the caller; as for skynet.db.redis

local checks = require "reef.options"
local redacted = require("reef.text").redacted

local options = {}

local numbers = {
	size = { 4, 1 }, pinned = { 64, 0 }, window = { 512, 1 }, queue = { 65536, 0 }, queue_timeout = { 2, 0.001 },
	connect_timeout = { 5, 0.001 }, stall = { 5, 0 }, check = { 30, 0 }, idle = { 60, 0 }, max_age = { 0, 0 },
	queue_bytes = { 64 << 20, 1 }, unsent = { 8 << 20, 1 },
	drain = { 5, 0 }, slow = { 0, 0 }, min = { nil, 0 }, connecting = { math.huge, 1 },
}
local routings = { caller = true, key = true, any = true }

---The options that a pool's service has, checked, out of all.
---@param given table
---@return table
function options.service(given)
	local result = {}
	for name, rule in pairs(numbers) do
		local v = given[name]
		if v ~= nil and (type(v) ~= "number" or v < rule[2] or v ~= v) then
			error(("reef.pool: %s has to be a number of at least %s, not %s"):format(name, rule[2],
				redacted(checks.quoted(v))), 0)
		end
		result[name] = v
	end
	if given.routing ~= nil and not routings[given.routing] then
		error('reef.pool: routing is "caller", "key" or "any", not ' .. redacted(tostring(given.routing)), 0)
	end
	result.routing = given.routing
	if given.pool and type(given.pool) ~= "string" and type(given.pool) ~= "number" then
		error("reef.pool: pool has to be a string, not a " .. type(given.pool), 0)
	end
	return result
end

---The same with what is missing filled in: from `old`, which is complete, or with defaults.
---@param given table
---@param old table|nil
---@param defaults table|nil  of the protocol; where it has none, there are general ones
---@return table
function options.complete(given, old, defaults)
	local result = {}
	old = old or defaults or {}
	for name, rule in pairs(numbers) do
		result[name] = given[name] or old[name] or rule[1]
	end
	result.routing = given.routing or old.routing or "caller"
	-- Unless something else was said, all stay open.
	if not given.min and old.min == old.size then
		result.min = result.size
	end
	result.min = math.min(result.min, result.size)
	return result
end

---Raises unless all of these can be changed while a pool works.
---@param given table
function options.check_service(given)
	local known = { routing = true }
	for name in pairs(numbers) do
		known[name] = true
	end
	checks.check("reef.pool", given, known, 0)
end

---All options of a pool, and other names.
---@param also table<string, any>
---@return table<string, boolean>
function options.names(also)
	local known = { routing = true, pool = true, on_slow = true }
	for name in pairs(numbers) do
		known[name] = true
	end
	for name in pairs(also) do
		known[name] = true
	end
	return known
end

---Raises unless all of these are options of a pool, or of what it connects to.
---@param given table|nil
---@param also table<string, any>
---@param aliases table<string, string>|nil
function options.check(given, also, aliases)
	checks.check("reef.pool", given, options.names(also), 0, aliases)
end

---Everything that is an option of a pool and nothing of the connection's.
---@param name string
function options.is(name)
	return numbers[name] ~= nil or name == "routing" or name == "pool" or name == "on_slow"
end

return options
