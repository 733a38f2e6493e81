-- Takes its time: what proxies are put in front of. Started with an argument, it refuses to start.
local skynet = require "skynet"

local refuse = ...
local running, most, order, noted = 0, 0, {}, nil
local command = {}

function command.echo(...)
	table.insert(order, (...))
	return ...
end

command.pay, command.idle, command.quick = command.echo, command.echo, command.echo

function command.fail(text)
	error(text)
end

function command.note(text)
	noted = text
end

function command.noted()
	return noted
end

function command.wait(cs, ...)
	running = running + 1
	most = math.max(most, running)
	skynet.sleep(cs)
	running = running - 1
	return ...
end

-- Lets nobody else get on, from the moment when this is answered.
function command.block(ms)
	skynet.fork(function()
		local since = skynet.hpc()
		repeat until skynet.hpc() - since > ms * 1000000
	end)
end

function command.who(cs)
	skynet.sleep(cs)
	return skynet.self()
end

function command.most()
	return most
end

function command.order()
	return order
end

skynet.start(function()
	assert(not refuse, "slow refuses to start")
	skynet.dispatch("lua", function(session, _, name, ...)
		if session == 0 then
			command[name](...)
		else
			skynet.retpack(command[name](...))
		end
	end)
end)
