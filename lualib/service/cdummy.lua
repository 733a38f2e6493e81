-- `.cslave` of a process without a network (harbor = 0): binds global names and tells those who wait for one.

local skynet = require "skynet"
local names = require "reef.harbor.names"
local process = require "reef.process"

local command = {}

function command.REGISTER(name, handle)
	names.bind(name, handle)
	skynet.ret()
end

command.QUERYNAME = names.answer

skynet.dispatch("lua", function(_, _, cmd, ...)
	local f = command[cmd]
	if not f then
		error(("harbor = 0: no network, %s is not possible"):format(tostring(cmd)), 0)
	end
	f(...)
end)

names.listen()
skynet.start(process.daemon)
