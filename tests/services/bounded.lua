-- For compat/mailbox.lua: a service that can be told to limit its mailbox, and to be stuck for a while.
local skynet = require "skynet"
local mailbox = require "reef.mailbox"

local commands = {}

function commands.limit(options)
	mailbox.limit(options)
end

function commands.stuck(seconds)
	local to = os.clock() + 0
	local start = skynet.hpc()
	while skynet.hpc() - start < seconds * 1e9 do
		to = to + 1
	end
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
