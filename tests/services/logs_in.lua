-- A login service whose users are those with the password "right"; who is called "outlaw" may not come in, and who is
-- called "slow" takes his time.
local skynet = require "skynet"
local login = require "snax.loginserver"

local taken = {}

login {
	host = "127.0.0.1",
	port = tonumber(skynet.getenv "login_port"),
	instance = 2,
	name = "logs_in",
	timeout = 50,
	auth_handler = function(token)
		local user, password = token:match "^(.-):(.*)$"
		assert(password == "right", "wrong password")
		return "server", user
	end,
	login_handler = function(server, uid, secret)
		if uid == "outlaw" then
			error "banned"
		elseif uid == "slow" then
			skynet.sleep(30)
		end
		taken[uid] = { server, secret }
		return 42
	end,
	command_handler = function(cmd, uid)
		assert(cmd == "taken")
		return table.unpack(taken[uid] or {})
	end,
}
