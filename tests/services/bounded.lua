-- For compat/mailbox.lua: a service that can be told to limit its mailbox, and to be stuck until it is let go.
local skynet = require "skynet"
local mailbox = require "reef.mailbox"

local commands = {}

function commands.limit(options)
	mailbox.limit(options)
end

-- Until the environment has that name; that it has begun is said there, too.
function commands.stuck(name)
	skynet.setenv(name .. "_begun", "yes")
	while not skynet.getenv(name) do end
	return true
end

function commands.stat()
	return mailbox.stat(), skynet.stat "refused"
end

function commands.call(address)
	return pcall(skynet.call, address, "lua", "stat")
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, command, ...)
		local f = commands[command]
		if skynet.context() then
			if f then
				skynet.retpack(f(...))
			else
				skynet.retpack()
			end
		elseif f then
			f(...)
		end
	end)
end)
