-- A login service that has room for three clients, who may take their time. Its arguments are a port, and how many
-- clients may be of one address.
local skynet = require "skynet"
local login = require "snax.loginserver"

local port, peraddress = ...

login {
	host = "127.0.0.1",
	port = tonumber(port or skynet.getenv "few_port"),
	instance = 2,
	name = "logs_in_few",
	timeout = 60000,
	maxclient = 3,
	peraddress = tonumber(peraddress),
	auth_handler = function()
		return "server", "somebody"
	end,
	login_handler = function()
		return 1
	end,
	command_handler = function() end,
}
