-- Where players log in: a token is `base64(user)@base64(server):base64(password)`.
local crypt = require "skynet.crypt"
local login = require "snax.loginserver"
local skynet = require "skynet"

local ip, port = ...
local gates = {} -- server -> the gate's address

local server = { host = ip, port = tonumber(port), name = "login_master", instance = 4 }

function server.auth_handler(token)
	local user, name, password = token:match "([^@]+)@([^:]+):(.+)"
	user, name, password = crypt.base64decode(user), crypt.base64decode(name), crypt.base64decode(password)
	assert(password == "open sesame " .. user, "wrong password")
	return name, user
end

function server.login_handler(name, uid, secret)
	return skynet.call(assert(gates[name], "unknown server"), "lua", "login", uid, secret)
end

local command = {}

function command.register_gate(name, address)
	gates[name] = address
end

function server.command_handler(name, ...)
	return assert(command[name], name)(...)
end

login(server)
