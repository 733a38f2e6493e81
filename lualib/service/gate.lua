-- A gate that tells a watchdog of its clients, and hands the packets of a client to the watchdog or to an agent.
--
-- To the watchdog: "socket", then "open", fd, address; "data", fd, text; "close", fd; "error", fd, reason;
-- or "warning", fd, kb.
-- To an agent: the packet as a PTYPE_CLIENT message, session = fd.

local skynet = require "skynet"
local front = require "reef.gate"
local gateserver = require "snax.gateserver"
local netpack = require "skynet.netpack"

skynet.register_protocol {
	name = "client",
	id = skynet.PTYPE_CLIENT,
}

local watchdog ---@type integer
local blocks ---@type any may messages come in pieces?
local clients = {} ---@type table<integer, {agent?: integer, client?: integer}>

local handler = {}

function handler.open(source, conf)
	watchdog = conf.watchdog or source
	blocks = conf.blocks
	return conf.address, conf.port
end

function handler.message(fd, msg, sz)
	local client = clients[fd]
	if client and client.agent then
		-- The message's memory goes with it; client 0 stands for this gate.
		skynet.redirect(client.agent, client.client, "client", fd, msg, sz)
	else
		skynet.send(watchdog, "lua", "socket", "data", fd, netpack.tostring(msg, sz))
	end
end

function handler.connect(fd, address)
	clients[fd] = {}
	skynet.send(watchdog, "lua", "socket", "open", fd, address)
end

function handler.disconnect(fd)
	clients[fd] = nil
	skynet.send(watchdog, "lua", "socket", "close", fd)
end

handler["error"] = function(fd, reason)
	clients[fd] = nil
	skynet.send(watchdog, "lua", "socket", "error", fd, reason)
end

function handler.warning(fd, kb)
	skynet.send(watchdog, "lua", "socket", "warning", fd, kb)
end

local command = {}

---The client's packets go to an agent from now on.
function command.forward(source, fd, client, agent)
	local state = assert(clients[fd], "no such client")
	state.client = client or 0
	state.agent = agent or source
	-- The short way is for packets that are whole messages, and for addresses that need not be looked up.
	if not blocks and math.type(state.agent) == "integer" and math.type(state.client) == "integer" then
		front.route(fd, state.agent, state.client, skynet.PTYPE_CLIENT)
	else
		front.route(fd)
	end
	gateserver.openclient(fd)
end

---The client is read; its packets go on to the watchdog.
function command.accept(_, fd)
	local state = assert(clients[fd], "no such client")
	state.agent, state.client = nil, nil
	front.route(fd)
	gateserver.openclient(fd)
end

function command.kick(_, fd)
	clients[fd] = nil
	gateserver.closeclient(fd)
end

function handler.command(cmd, source, ...)
	local f = command[cmd]
	if not f then
		error(("the gate has no command %s"):format(tostring(cmd)), 0)
	end
	return f(source, ...)
end

gateserver.start(handler)
