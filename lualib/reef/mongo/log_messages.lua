-- What happens in a client as the messages that the driver specifications name: of commands, connections, the topology
-- and the choice of servers. Each is a table { level =, component =, data = { message =, ... } } for the function that
-- the client was given as `on_log`.
local bson = require "bson"
local sdam = require "reef.mongo.sdam"
local texts = require "reef.mongo.show"

local log_messages = {}

-- Characters of a document that are shown.
local MOST = 1000

local function show(value)
	return texts.value(value, MOST)
end

local function show_topology(t)
	local servers = {}
	for address, server in pairs(t.servers) do
		servers[#servers + 1] = ("%s: %s%s"):format(address, server.type,
			server.error and " (" .. tostring(server.error) .. ")" or "")
	end
	table.sort(servers)
	return ("%s%s { %s }"):format(t.type, t.setName and " " .. t.setName or "", table.concat(servers, ", "))
end

-- The id of a service behind a load balancer, as text.
local function service_of(event)
	local _, id = bson.type(event.serviceId)
	return event.serviceId and id
end

local function milliseconds(seconds)
	return seconds and seconds * 1000
end

-- The data of a message about a server.
local function of_server(address, data)
	local host, port = sdam.split(address)
	data.serverHost, data.serverPort = host, port > 0 and port or nil
	return data
end

-- ---- commands ----

local function of_command(event, message, more)
	local data = of_server(event.address, more)
	data.message, data.commandName, data.databaseName = message, event.commandName, event.databaseName
	data.requestId, data.operationId, data.driverConnectionId = event.requestId, event.operationId, event.connectionId
	data.serverConnectionId, data.serviceId = event.serverConnectionId, service_of(event)
	return "command", data
end

local make = {}

function make.CommandStarted(event)
	return of_command(event, "Command started", { command = show(texts.command(event)) })
end

function make.CommandSucceeded(event)
	return of_command(event, "Command succeeded", { durationMS = milliseconds(event.duration), reply = show(event.reply) })
end

function make.CommandFailed(event)
	return of_command(event, "Command failed", {
		durationMS = milliseconds(event.duration), failure = tostring(event.failure),
	})
end

-- ---- connections ----

local closed = {
	stale = "Connection became stale because the pool was cleared",
	idle = "Connection has been available but unused for longer than the configured max idle time",
	error = "An error occurred while using the connection", poolClosed = "Connection pool was closed",
}

local failed = {
	timeout = "Wait queue timeout elapsed without a connection becoming available",
	connectionError = "An error occurred while trying to establish a new connection",
	poolClosed = "Connection pool was closed",
}

local function of_connection(message, reasons)
	return function(event)
		local data = of_server(event.address, {
			message = message, driverConnectionId = event.connectionId, durationMS = milliseconds(event.duration),
			serviceId = service_of(event), reason = reasons and reasons[event.reason],
			error = event.error and tostring(event.error) or nil,
		})
		return "connection", data
	end
end

make.ConnectionPoolReady = of_connection "Connection pool ready"
make.ConnectionPoolCleared = of_connection "Connection pool cleared"
make.ConnectionPoolClosed = of_connection "Connection pool closed"
make.ConnectionCreated = of_connection "Connection created"
make.ConnectionReady = of_connection "Connection ready"
make.ConnectionClosed = of_connection("Connection closed", closed)
make.ConnectionCheckOutStarted = of_connection "Connection checkout started"
make.ConnectionCheckedOut = of_connection "Connection checked out"
make.ConnectionCheckOutFailed = of_connection("Connection checkout failed", failed)
make.ConnectionCheckedIn = of_connection "Connection checked in"

function make.ConnectionPoolCreated(event)
	local data = of_server(event.address, { message = "Connection pool created" })
	for _, name in ipairs { "maxIdleTimeMS", "minPoolSize", "maxPoolSize", "maxConnecting", "waitQueueTimeoutMS" } do
		data[name] = event.options[name]
	end
	return "connection", data
end

-- ---- the topology ----

local function of_topology(message)
	return function(event, id)
		local data = { message = message, topologyId = id }
		return "topology", event.address and of_server(event.address, data) or data
	end
end

make.TopologyOpening = of_topology "Starting topology monitoring"
make.TopologyClosed = of_topology "Stopped topology monitoring"
make.ServerOpening = of_topology "Starting server monitoring"
make.ServerClosed = of_topology "Stopped server monitoring"

function make.TopologyDescriptionChanged(event, id)
	return "topology", {
		message = "Topology description changed", topologyId = id, previousDescription = show_topology(event.previous),
		newDescription = show_topology(event.new),
	}
end

local function of_heartbeat(message)
	return function(event, id)
		return "topology", of_server(event.address, {
			message = message, topologyId = id, awaited = event.awaited, driverConnectionId = event.connectionId,
			serverConnectionId = event.serverConnectionId, durationMS = milliseconds(event.duration),
			reply = event.reply and show(event.reply), failure = event.failure and tostring(event.failure),
		})
	end
end

make.ServerHeartbeatStarted = of_heartbeat "Server heartbeat started"
make.ServerHeartbeatSucceeded = of_heartbeat "Server heartbeat succeeded"
make.ServerHeartbeatFailed = of_heartbeat "Server heartbeat failed"

local last_topology = 0

---What turns events into messages.
---@param on_log fun(message: { level: string, component: string, data: table })
---@return fun(event: table)
function log_messages.of_events(on_log)
	last_topology = last_topology + 1
	local id = last_topology
	return function(event)
		local maker = make[event.name]
		if maker then
			local component, data = maker(event, id)
			on_log { level = "debug", component = component, data = data }
		end
	end
end

-- ---- the choice of a server ----

local function selector_of(operation)
	if operation.write or not operation.preference then
		return "primary"
	end
	return show(operation.preference)
end

---@param client mongo.core_client with `on_log`
---@param message string
---@param operation table
---@param more table
---@param level string|nil
function log_messages.selection(client, message, operation, more, level)
	more.message, more.operation, more.operationId = message, operation.name, operation.id
	more.selector, more.topologyDescription = selector_of(operation), show_topology(client.topology.description)
	if more.address then
		of_server(more.address, more)
		more.address = nil
	end
	client.on_log { level = level or "debug", component = "serverSelection", data = more }
end

return log_messages
