-- A node of a harbor network, for tests. Its global name is NODE and its number; the test talks to it through its
-- cluster port, as `@main`.

local cluster = require "skynet.cluster"
local datacenter = require "skynet.datacenter"
local harbor = require "skynet.harbor"
local multicast = require "skynet.multicast"
local skynet = require "skynet"
require "skynet.manager"

local received, channel = {}, nil
local command = {}

function command.echo(...)
	return ...
end

function command.fail(text)
	error(text, 0)
end

function command.forever()
	skynet.wait()
end

function command.note(value)
	received[#received + 1] = value
end

function command.received()
	local all = received
	received = {}
	return all
end

function command.self()
	return skynet.self()
end

-- From this node, what the test asks for.
command["do"] = function(what, ...)
	if what == "call" then
		return skynet.call(...)
	elseif what == "try" then
		return pcall(skynet.call, ...)
	elseif what == "send" then
		return skynet.send(...)
	elseif what == "raw" then
		return skynet.rawcall(...)
	elseif what == "name" then
		return skynet.name(...)
	elseif what == "unique" then
		return skynet.uniqueservice(true, ...)
	elseif what == "list" then
		return skynet.call(".service", "lua", "LIST")
	elseif what == "fresh" then
		return skynet.newservice(...)
	elseif what == "kill" then
		return skynet.kill(...)
	elseif what == "abort" then
		skynet.timeout(10, skynet.abort)
		return
	end
	return (harbor[what] or datacenter[what])(...)
end

function command.channel(number)
	channel = multicast.new { channel = number, dispatch = function(_, source, ...)
		received[#received + 1] = { source, ... }
	end }
	return channel.channel
end

function command.on_channel(method, ...)
	channel[method](channel, ...)
end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, name, ...)
		if session == 0 then
			command[name](...)
		else
			skynet.retpack(command[name](...))
		end
	end)
	skynet.name("NODE" .. skynet.getenv "harbor", skynet.self())
	cluster.register "main"
	cluster.open(math.tointeger(tonumber(skynet.getenv "port")))
	print "ready"
	io.stdout:flush()
end)
