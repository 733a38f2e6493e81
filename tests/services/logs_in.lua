-- A login service whose users are those with the password "right"; who is called "outlaw" may not come in, and who is
-- called "slow" takes his time. Who is called "stuck" waits until the command "free" ends the coroutine that logs him
-- in.
local skynet = require "skynet"
local login = require "snax.loginserver"

local taken = {}
local stuck

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
		elseif uid == "stuck" and not stuck then
			stuck = coroutine.running()
			skynet.wait {}
		end
		taken[uid] = { server, secret }
		return 42
	end,
	command_handler = function(cmd, uid)
		if cmd == "free" then
			return stuck and skynet.killthread(stuck) ~= nil
		end
		assert(cmd == "taken")
		return table.unpack(taken[uid] or {})
	end,
}
