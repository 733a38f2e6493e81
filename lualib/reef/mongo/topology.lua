-- The topology as a client holds it: the current description, the generations of pools, and events when it changes.
--
-- Events go to one function as tables {name=, ...}: TopologyOpening, ServerOpening, ServerDescriptionChanged,
-- ServerClosed, TopologyDescriptionChanged, TopologyClosed, with `address`, `previous` and `new` where they apply.
local sdam = require "reef.mongo.sdam"
local sorted = require "reef.base.sorted"

---@class mongo.topology_state
---@field description mongo.topology
---@field generations table<string, integer> how often the connections of an address were given up
local topology = {}
topology.__index = topology

---@param uri mongo.uri
---@param on_event fun(event: table)|nil
---@param on_clear fun(address: string, interrupt: boolean|nil)|nil the connections of that address are given up
---@return mongo.topology_state
function topology.new(uri, on_event, on_clear)
	return setmetatable({
		description = { type = "Unknown", servers = {}, compatible = true },
		first = sdam.new(uri),
		generations = {},
		on_event = on_event or function() end,
		on_clear = on_clear or function() end,
	}, topology)
end

function topology:emit(name, fields)
	fields.name = name
	self.on_event(fields)
end

---Another description is the current one from now on. Events tell the difference.
---@param new mongo.topology
---@param changed mongo.server|nil what led to it; it may not be in it
function topology:replace(new, changed)
	local previous = self.description
	self.description = new
	local addresses = sorted.keys(previous.servers)
	for _, address in ipairs(addresses) do
		local before = previous.servers[address]
		local after = new.servers[address] or changed and changed.address == address and changed
		if after and after ~= before and not sdam.equal(before, after) then
			self:emit("ServerDescriptionChanged", { address = address, previous = before, new = after })
		end
	end
	-- The first description is there before its servers; later ones are told when all has happened that led to them.
	if not addresses[1] then
		self:emit("TopologyDescriptionChanged", { previous = previous, new = new })
	end
	self:add(previous, new)
	for _, address in ipairs(addresses) do
		if not new.servers[address] then
			self:emit("ServerClosed", { address = address })
		end
	end
	if addresses[1] and not self:same(previous, new) then
		self:emit("TopologyDescriptionChanged", { previous = previous, new = new })
	end
end

-- Servers that are new.
function topology:add(previous, new)
	for _, address in ipairs(sorted.keys(new.servers)) do
		if not previous.servers[address] then
			self.generations[address] = self.generations[address] or 0
			self:emit("ServerOpening", { address = address })
		end
	end
end

function topology:same(a, b)
	if a.type ~= b.type or a.setName ~= b.setName then
		return false
	end
	for address, server in pairs(a.servers) do
		if not b.servers[address] or not sdam.equal(server, b.servers[address]) then
			return false
		end
	end
	for address in pairs(b.servers) do
		if not a.servers[address] then
			return false
		end
	end
	return true
end

---Begins: what the connection string says is the first description.
function topology:open()
	self:emit("TopologyOpening", {})
	self:replace(self.first)
	if self.first.type == "LoadBalanced" then
		local address = next(self.first.servers)
		self:heard({ address = address, type = "LoadBalancer" })
	end
end

---Begins anew with what the connection string says.
function topology:restart()
	local first, why = {}, self.description.removed
	for k, v in pairs(self.first) do
		first[k] = v
	end
	first.servers = {}
	for address in pairs(self.first.servers) do
		local known = self.description.servers[address]
		first.servers[address] = sdam.unknown(address, known and known.error or why)
	end
	self:replace(first)
end

---Ends: all servers are closed.
function topology:close()
	local previous = self.description
	for _, address in ipairs(sorted.keys(previous.servers)) do
		self:emit("ServerClosed", { address = address })
	end
	self.description = { type = "Unknown", servers = {}, compatible = true }
	self:emit("TopologyDescriptionChanged", { previous = previous, new = self.description })
	self:emit("TopologyClosed", {})
end

---A server has answered hello.
---@param server mongo.server
function topology:heard(server)
	local new = sdam.update(self.description, server)
	if new ~= self.description then
		self:replace(new, server)
	end
end

---The connections of that address are not to be used any more.
---@param interrupt boolean|nil not even for what waits for an answer on them
function topology:clear(address, interrupt)
	self.generations[address] = (self.generations[address] or 0) + 1
	self.on_clear(address, interrupt)
end

---A server could not be asked.
function topology:lost(address, err)
	if self.description.servers[address] then
		self:heard(sdam.unknown(address, err))
		self:clear(address)
	end
end

---A command of the application failed. Errors of connections that were given up already mean nothing.
---@param err { type: string, reply: table|nil, generation: integer|nil, handshake_done: boolean }
---@return boolean changed the server is to be asked again soon
function topology:application_error(address, err)
	local server = self.description.servers[address]
	if not server or (err.generation or math.maxinteger) < (self.generations[address] or 0) then
		return false
	end
	local unknown, clear = sdam.application_error(server, err)
	if unknown and self.description.type ~= "LoadBalanced" then
		self:heard(unknown)
	end
	if clear then
		self:clear(address)
	end
	return unknown ~= nil
end

return topology
