-- A Redis Cluster, by skynet's names, over the client of reef.redis. Times are in seconds.
--
--     local rc = cluster.new({ { host = "127.0.0.1", port = 7000 }, ... }, { auth = "secret", read_slave = true })
--     rc:set("greeting", "hello")
--
-- A command's key is its first argument; those of EVAL and EVALSHA have to be in one slot. Commands without a key are
-- refused, since nobody has said which node they are for: `get_random_connection` and `get_connection_by_slot` return
-- one.
local checks = require "reef.options"
local cluster = require "reef.redis.cluster"
local config = require "reef.redis.config"
local core = require "reef.redis.core"
local keys = require "reef.redis.cluster.keys"
local made = require "reef.redis.made"
local skynet = require "skynet"
local watch = require "reef.redis.cluster.watch"

---@class redis.cluster.contract
---@field connections table<string, redis.db>  of the nodes that are connected to, by "host:port"
local methods = {}
local contract = {}

local MAX_CONNECTIONS = 256
local ALIVE_WITHIN = 1 -- seconds

-- What these would do, or to whom, is not a matter of keys.
local refused = { INFO = true, MULTI = true, EXEC = true, SLAVEOF = true, CONFIG = true, SHUTDOWN = true }
local scripts = { EVAL = true, EVALSHA = true }

local function cannot_dispatch(name)
	error("No way to dispatch this command to Redis Cluster: " .. tostring(name), 0)
end

local function arguments(...)
	local first = ...
	if type(first) == "table" and select("#", ...) == 1 and not getmetatable(first) then
		return first, first.n or #first
	end
	return { ... }, select("#", ...)
end

-- Raises unless there is a key to go by.
local function check(name, command, ...)
	local list = arguments(...)
	local key = list[1]
	if scripts[command] then
		local n = math.tointeger(tonumber(list[2])) or 0
		key = n > 0 and list[3] or nil
		local slot = key ~= nil and core.slot(key)
		for i = 4, n + 2 do
			if list[i] ~= nil and core.slot(list[i]) ~= slot then
				error(("%s: all keys must map to the same slot: %q and %q do not"):format(name, tostring(key),
					tostring(list[i])), 0)
			end
		end
	end
	if key == nil or refused[command] then
		cannot_dispatch(name)
	end
end

-- Names of commands that the cluster client has methods of its own for, or sees another way: here they have a key like
-- all others.
local function dispatch(self, name, ...)
	local command = tostring(name):upper()
	check(name, command, ...)
	local db = self[1].db
	if keys.rule(command).nowhere then
		local spec, client = db[2].spec(tostring(name), command), db[2]
		return (client:perform(db, { name = spec.name, command = command, rule = {},
			ordinary = spec.ordinary, waits = spec.waits,
			method = spec.method, list_of = spec.list_of, answer = spec.answer }, core.slot((arguments(...))[1]), ...))
	end
	return db[name](db, ...)
end

---A command by its name.
---@param name string
---@param ... any
---@return any ...
function methods:call(name, ...)
	return dispatch(self, name, ...)
end

---@param key any
---@return integer
function methods.keyslot(_, key)
	return core.slot(key)
end

---@param slot integer
---@return redis.db
function methods:get_connection_by_slot(slot)
	local client = self[1].db[2]
	if not client.topology.map then
		client:prepare(client.conf.connect_timeout)
	end
	local node = client:choose({}, slot)
	if not node then
		error(client:unknown(slot), 0)
	end
	return node.db
end

---A connection to some master that answers.
---@return redis.db
function methods:get_random_connection()
	local client = self[1].db[2]
	if not client.topology.map then
		client:prepare(client.conf.connect_timeout)
	end
	local masters = client.topology.map:masters()
	local first = math.random(#masters)
	for i = 0, #masters - 1 do
		local db = client:node(masters[(first + i - 1) % #masters + 1]).db
		if i == #masters - 1 or pcall(db.ping, db:with { timeout = ALIVE_WITHIN }) then
			return db
		end
	end
end

---Closes all connections. They come back when they are needed.
function methods:close_all_connection()
	local client = self[1].db[2]
	for address, node in pairs(client.nodes) do
		client.nodes[address] = nil
		pcall(node.db.disconnect, node.db)
		if node.reader then
			pcall(node.reader.disconnect, node.reader)
		end
	end
	local state = self[1]
	if state.watch then
		state.watch:disconnect()
		state.watch = nil
	end
end

---Forgets who has which slots; the next command asks.
function methods:flush_slots_cache()
	local topology = self[1].db[2].topology
	topology.map = nil
end

local function watch_of(self)
	local state = self[1]
	if not state.watch then
		local client = state.db[2]
		local w = watch.new(client.conf, client.topology)
		state.watch = w
		skynet.fork(function()
			while not w.closed do
				local message = table.pack(pcall(w.message, w))
				if message[1] and state.onmessage then
					local ok, err = pcall(state.onmessage, table.unpack(message, 2, message.n))
					if not ok then
						skynet.error("redis cluster: onmessage failed: " .. tostring(err))
					end
				elseif not message[1] and not w.closed then
					skynet.error("redis cluster: " .. tostring(message[2]))
					skynet.sleep(10)
				end
			end
		end)
	end
	return state.watch
end

for _, name in ipairs { "subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe" } do
	methods[name] = function(self, ...)
		if select("#", ...) == 0 and not name:find "unsubscribe" then
			cannot_dispatch(name)
		end
		local w = watch_of(self)
		return w[name](w, ...)
	end
end

made(methods, function(name)
	return function(self, ...)
		return dispatch(self, name, ...)
	end
end)

local meta = {
	__index = function(self, name)
		if name == "connections" then
			local list = {}
			for address, node in pairs(rawget(self, 1).db[2].nodes) do
				list[address] = node.db
			end
			return list
		end
		return methods[name]
	end,
	__name = "redis cluster",
}

local known = { max_connections = true, auth = true, username = true, db = true, read_slave = true }
for name in pairs(config.known) do
	known[name] = true
end

---@param nodes table       { host = , port = }, or a list of these
---@param opt table|nil     max_connections, auth, db, read_slave, and options of redis.connect
---@param onmessage fun(data: string, channel: string, pattern: string|nil)|nil
---@return redis.cluster.contract
function contract.new(nodes, opt, onmessage)
	if type(nodes) ~= "table" then
		error("redis cluster: nodes are {host=, port=}, or a list of these, not a " .. type(nodes))
	end
	opt = opt or {}
	checks.check("redis cluster", opt, known, nil, config.aliases)
	local conf = { hosts = nodes.host and { nodes } or nodes, cluster = true }
	for name, value in pairs(opt) do
		if name ~= "max_connections" and name ~= "read_slave" and not (name == "db" and value == 0) then
			conf[name] = value
		end
	end
	if opt.read_slave then
		conf.read = conf.read or "fallback"
	end
	conf = config.new(conf)
	local self = setmetatable({ { onmessage = onmessage, db = cluster.lazy(conf) } }, meta)
	self[1].db[2].most = math.max(opt.max_connections or MAX_CONNECTIONS, 1)
	-- That there is nobody is told by the first command.
	pcall(self[1].db[2].prepare, self[1].db[2], conf.connect_timeout)
	return self
end

return contract
