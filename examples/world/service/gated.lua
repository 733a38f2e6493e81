-- The gate to the world: whoever has logged in gets an agent, which answers what he asks.
local msgserver = require "snax.msgserver"
local skynet = require "skynet"

local login_service = tonumber((...))
local server = {}
local agents = {} -- username -> address
local names = {}  -- uid -> username
local name_of_server
local last_id = 0

skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT }

function server.login_handler(uid, secret)
	-- Whoever is in already has come through another door meanwhile, or has lost what was said.
	server.logout_handler(uid)
	last_id = last_id + 1
	local id = last_id
	local username = msgserver.username(uid, id, name_of_server)
	names[uid] = username
	local agent = skynet.newservice "agent"
	skynet.call(agent, "lua", "login", uid)
	agents[username] = agent
	msgserver.login(username, secret)
	return id
end

function server.logout_handler(uid)
	local username = names[uid]
	if username then
		msgserver.logout(username)
		skynet.send(agents[username], "lua", "logout")
		names[uid], agents[username] = nil, nil
	end
end

server.kick_handler = server.logout_handler

function server.disconnect_handler(username)
	skynet.error(username, "has lost its connection")
end

function server.request_handler(username, message)
	return skynet.tostring(skynet.rawcall(agents[username], "client", message))
end

function server.register_handler(name)
	name_of_server = name
	skynet.call(login_service, "lua", "register_gate", name, skynet.self())
end

msgserver.start(server)
