-- The server for an operation: one that is suitable, waited for until somebody's time is over. Methods of a client
-- (client.lua).
local errors = require "reef.mongo.errors"
local now = require "reef.base.now"
local selection = require "reef.mongo.selection"
local skynet = require "skynet"
local transactions = require "reef.mongo.transactions"

local methods = {}

local MOST_TOLD = 10

local function describe_servers(t)
	local parts = {}
	for address, server in pairs(t.servers) do
		parts[#parts + 1] = ("%s is %s%s"):format(address, server.type,
			server.error and " (" .. tostring(server.error) .. ")" or "")
	end
	table.sort(parts)
	if #parts > MOST_TOLD then
		parts = table.move(parts, 1, MOST_TOLD, 1, { [MOST_TOLD + 1] = ("and %d more"):format(#parts - MOST_TOLD) })
	elseif #parts == 0 then
		parts[1] = "no servers are known"
	end
	parts[#parts + 1] = t.removed
	return table.concat(parts, "; ")
end

function methods:no_server(operation, since, text)
	local t = self.topology.description
	local err = errors.new({
		code = "selection", outcome = "not sent", command = operation.name, waited = now() - since, topology = t,
		timeout = operation.timed,
	}, ("%s: topology %s, %s"):format(text, t.type, describe_servers(t)))
	if operation.transaction then
		transactions.label(operation, err)
	end
	return errors.name(err, operation.db, errors.collection_of(operation))
end

-- Has every server been asked, in vain?
function methods:all_lost()
	for address in pairs(self.topology.description.servers) do
		if (self.view.checks[address] or 0) == 0 then
			return false
		end
	end
	return true
end

-- The answer for the primary is kept as long as the topology stays what it is; `only`, if it is one server.
function methods:suitable(operation)
	local t = self.topology.description
	local plain = (operation.write or not operation.preference) and not (operation.avoid and next(operation.avoid))
	if plain and self.kept_for == t then
		return self.kept
	elseif not t.compatible then
		error(errors.new({ code = "incompatible", outcome = "not sent", command = operation.name }, t.incompatible), 0)
	end
	local servers = selection.in_window(selection.suitable(t, operation, self.heartbeat), self.threshold)
	if plain and servers[1] then
		self.kept_for, self.kept, self.only = t, servers, not servers[2] and servers[1]
	end
	return servers
end

function methods:wait_for_change(seconds, once)
	local token = {}
	self.waiting[#self.waiting + 1] = token
	self.view:want(seconds, once)
	skynet.sleep(math.max(1, math.ceil(seconds * 100)), token)
end

---The server that the operation goes to; waits until there is one. Raises an error object at the deadline.
---@param operation table see selection.suitable
---@param deadline number
---@param once boolean|nil give up when all servers were asked once
---@return mongo.server
function methods:select(operation, deadline, once)
	if not self.on_log then
		local only = self.only
		if only and self.kept_for == self.topology.description and (operation.write or not operation.preference)
			and not operation.avoid and self.pools[only.address]
		then
			return only
		end
		return self:choose(operation, deadline, once)
	end
	local log = require "reef.mongo.log_messages".selection
	log(self, "Server selection started", operation, {})
	local ok, server = pcall(self.choose, self, operation, deadline, once)
	if not ok then
		log(self, "Server selection failed", operation, { failure = tostring(server) })
		error(server, 0)
	end
	log(self, "Server selection succeeded", operation, { address = server.address })
	return server
end

-- The same, told to nobody.
function methods:choose(operation, deadline, once)
	local since = now()
	local told = not self.on_log
	local limit = math.min(deadline, since + self.selection_timeout)
	while not self.closed do
		local servers = self:suitable(operation)
		local server = servers[2] and selection.pick(servers, function(address)
			local connections = self.pools[address]
			return connections and connections:busy() or 0
		end) or servers[1]
		if server and self.pools[server.address] then
			return server
		end
		local left = limit - now()
		if left <= 0 then
			error(self:no_server(operation, since, "no suitable server in time"), 0)
		elseif once and self:all_lost() then
			error(self:no_server(operation, since, "no server answers"), 0)
		elseif self.circuit and self.down_since and now() - self.down_since >= self.circuit then
			-- Whoever fails at once has servers asked again all the same.
			self.view:want(1)
			error(self:no_server(operation, since, ("no server has answered for %.1f s"):format(now() - self.down_since)), 0)
		end
		if not told then
			told = true
			require "reef.mongo.log_messages".selection(self, "Waiting for suitable server to become available", operation,
				{ remainingTimeMS = math.floor(left * 1000) }, "info")
		end
		self:wait_for_change(left, once)
	end
	error(errors.new({ code = "closed", outcome = "not sent", command = operation.name }, "the client is closed"), 0)
end

return methods
