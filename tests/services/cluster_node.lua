-- A node of a cluster, for tests: listens at its port, and has services with names. What `number` is told goes into a
-- file before it is answered, so that it outlives the process.

local cluster = require "skynet.cluster"
local skynet = require "skynet"
local snax = require "skynet.snax"
require "skynet.manager"

local noted = {}
local numbers = assert(io.open(skynet.getenv "numbers", "a"))

local command = {}

function command.echo(...)
	return ...
end

function command.fail(text)
	error(text, 0)
end

function command.sleep(cs, ...)
	skynet.sleep(cs)
	return ...
end

function command.note(value)
	noted[#noted + 1] = value
end

function command.noted()
	local all = noted
	noted = {}
	return all
end

function command.size(text)
	return #text
end

function command.number(n, load)
	numbers:write(n, "\n")
	numbers:flush()
	return n, load
end

local outcomes, running = {}, 0

-- A number that is sent, and nobody is told about.
function command.pushed(n)
	numbers:write("push ", n, "\n")
	numbers:flush()
end

-- Calls another node with each number once, eight at a time; says later what became of each. With `bytes`, every fourth
-- takes so many along, there and back; and each is sent, too, in the order of the numbers.
function command.run_numbers(to, first, count, bytes)
	local at, last = first, first + count - 1
	for _ = 1, 8 do
		running = running + 1
		skynet.fork(function()
			while at <= last do
				local n = at
				at = at + 1
				local load = bytes and n % 4 == 0 and ("x"):rep(bytes) or nil
				if bytes then
					cluster.send(to, "@main", "pushed", n)
				end
				local ok, result, back = pcall(cluster.call, to, "@main", "number", n, load)
				outcomes[n] = ok and "ok" or require("reef.cluster").error(result).outcome
				if ok and (result ~= n or back ~= load) then
					outcomes[n] = ("the answer of another call: %s"):format(tostring(result))
				end
				skynet.sleep(ok and 1 or 10)
			end
			running = running - 1
		end)
	end
end

-- Sets each number once in the tree of datacenter, four at a time.
function command.set_numbers(first, count)
	local at, last = first, first + count - 1
	for _ = 1, 4 do
		running = running + 1
		skynet.fork(function()
			while at <= last do
				local n = at
				at = at + 1
				local ok, err = pcall(require("skynet.datacenter").set, "numbers", n, n)
				outcomes[n] = ok and "ok" or tostring(err):match "%((not sent)%)" or tostring(err):match "%((maybe applied)%)"
					or tostring(err)
				skynet.sleep(ok and 1 or 10)
			end
			running = running - 1
		end)
	end
end

function command.outcomes()
	return outcomes, running
end

function command.reload(nodes)
	cluster.reload(nodes)
end

function command.call(...)
	return cluster.call(...)
end

function command.try(...)
	return pcall(cluster.call, ...)
end

function command.datacenter(name, ...)
	return pcall(require("skynet.datacenter")[name], ...)
end

-- Works as long as it is elected: each piece says its fence to the node `home`, and to etcd.
function command.elect(name, ttl)
	local singleton = require "reef.singleton"
	singleton.elect(name, function(holder)
		while holder:valid() do
			pcall(cluster.call, "home", "@work", "piece", holder.fence, skynet.getenv "node")
			pcall(holder.guard, holder, { success = { { "put", "/fence", tostring(holder.fence) } } })
			skynet.sleep(2)
		end
	end, { ttl = ttl })
end

function command.launch(...)
	require("reef.singleton").launch(...)
end

function command.singleton(name, ...)
	return pcall(require("reef.singleton")[name], ...)
end

function command.nodes()
	return require("reef.cluster").nodes()
end

function command.services()
	return skynet.call(".launcher", "lua", "LIST")
end

-- Bytes of all VMs, after they have been cleaned up.
function command.memory()
	skynet.call(".launcher", "lua", "GC", 5000)
	local sum = 0
	for _, text in pairs(skynet.call(".launcher", "lua", "MEM", 5000)) do
		sum = sum + (tonumber(tostring(text):match "^([%d.]+) Kb") or 0)
	end
	return math.floor(sum * 1024)
end

function command.die()
	skynet.exit()
end

function command.fresh(name)
	local address = skynet.newservice "cluster_echo"
	cluster.register(name, address)
	return address
end

function command.kill(address)
	skynet.kill(address)
end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, name, ...)
		if session == 0 then
			command[name](...)
		else
			skynet.retpack(command[name](...))
		end
	end)
	cluster.register "main"
	skynet.name(".main", skynet.self())
	snax.uniqueservice("clustered", skynet.getenv "node")
	cluster.open(math.tointeger(tonumber(skynet.getenv "port")))
	if skynet.getenv "control" then
		cluster.reload { control = skynet.getenv "control" }
		cluster.open "control"
	end
	print "ready"
	io.stdout:flush()
end)
