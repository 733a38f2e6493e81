-- A login service that has room for three clients, of one address for as many as the setting few_of_one says, who may
-- take their time.
local skynet = require "skynet"
local login = require "snax.loginserver"

login {
	host = "127.0.0.1",
	port = tonumber(skynet.getenv "few_port"),
	instance = 2,
	name = "logs_in_few",
	timeout = 60000,
	maxclient = 3,
	peraddress = tonumber(skynet.getenv "few_of_one"),
	auth_handler = function()
		return "server", "somebody"
	end,
	login_handler = function()
		return 1
	end,
	command_handler = function() end,
}
