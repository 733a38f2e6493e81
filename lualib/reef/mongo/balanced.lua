-- Servers behind a load balancer, by the specification of that name: one address stands for many services, and each
-- connection leads to one of them. What belongs together, a cursor's batches or a transaction's commands, goes over one
-- connection, which is held meanwhile. What is known of a service comes from hello on that connection, and its errors
-- concern the connections to it alone.
local sdam = require "reef.mongo.sdam"

local balanced = {}

---@class mongo.held a connection that a cursor, a transaction or both use
---@field entry mongo.pooled
---@field connections mongo.pool
---@field users integer
local held = {}
held.__index = held

---One user less; without any the connection goes back.
function held:release()
	self.users = self.users - 1
	if self.users == 0 then
		self.entry.purpose = nil
		self.connections:check_in(self.entry)
	end
end

function held:share()
	self.users = self.users + 1
	return self
end

---Holds a connection that was checked out.
---@param purpose "cursors"|"transactions"
---@return mongo.held
function balanced.hold(connections, entry, purpose)
	entry.purpose = purpose
	return setmetatable({ entry = entry, connections = connections, users = 1 }, held)
end

---The service at the other end of a connection, as server selection knows servers.
---@param entry mongo.pooled
---@return mongo.server
function balanced.server(entry, server)
	local connection = entry.connection
	if not connection.server then
		local hello = connection.hello
		connection.server = {
			address = server.address, type = "LoadBalancer", logicalSessionTimeoutMinutes = math.huge,
			minWireVersion = hello.minWireVersion or 0, maxWireVersion = hello.maxWireVersion or 0,
			serviceId = connection.service,
		}
	end
	return connection.server
end

---The connection that an operation has to use, nil: any.
---@return mongo.held|nil
function balanced.of(op)
	return op.held or op.transaction and op.session.pinned_connection
end

---An operation has been answered: is its connection needed further?
---@param op mongo.command
---@param reply table|nil
---@param connection mongo.held|nil that it was told to use
---@param connections mongo.pool
---@param entry mongo.pooled
---@return boolean kept it must not be checked in
function balanced.keep(op, reply, connection, connections, entry)
	if op.transaction and not op.ending and not connection then
		connection = balanced.hold(connections, entry, "transactions")
		op.session.pinned_connection = connection
	end
	local cursor = op.opens and reply and reply.ok == 1 and reply.cursor
	if cursor and cursor.id ~= 0 then
		op.held = connection and connection:share() or balanced.hold(connections, entry, "cursors")
		return true
	end
	return connection ~= nil
end

---A command of the application has failed: whether the connections to that service are given up.
---@param client mongo.core_client
---@param address string
---@param entry mongo.pooled
---@param err { type: string, reply: table|nil }
function balanced.report(client, address, entry, err)
	local connections = client.pools[address]
	if not connections or not entry.service or connections:is_stale(entry) then
		return
	end
	local _, clear = sdam.application_error({ address = address, type = "LoadBalancer" }, err)
	if clear then
		connections:clear_service(entry.service)
	end
end

return balanced
