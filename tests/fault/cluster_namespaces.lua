-- timeout: 300
-- Three hosts with a node and a member of etcd each: partitions, cuts in one direction, delay and loss, and the end
-- of a node and of a member. Calls have numbers: what succeeded has happened once, what was not sent has not, and no
-- call is without an end.
local namespaces = require "test.namespaces"
local process = require "test.process"
local servers = require "test.etcd"
local skynet = require "skynet"
local test = require "test"
local test_nodes = require "test.nodes"

local CONFIG <const> = [[
cluster_nodes = "etcd"
cluster_name = "%s"
cluster_address = "%s:2528"
cluster_heartbeat = 50
cluster_lease = 300
etcd = "%s"
etcd_timeout = 300
]]

local function start_etcd(net)
	if not servers.can_speak then
		test.skip "built without HTTP"
	elseif process.run { "sh", "-c", "command -v etcd" } ~= 0 then
		test.skip "there is no etcd"
	end
	local names, members = {}, {}
	for i, h in ipairs(net) do
		names[i] = ("m%d=http://%s:2380"):format(i, h.ip)
	end
	for i, h in ipairs(net) do
		members[i] = process.start(h:command {
			"etcd", "--name", "m" .. i, "--data-dir", process.path "etcd", "--listen-client-urls", "http://0.0.0.0:2379",
			"--advertise-client-urls", ("http://%s:2379"):format(h.ip), "--listen-peer-urls",
			("http://%s:2380"):format(h.ip), "--initial-advertise-peer-urls", ("http://%s:2380"):format(h.ip),
			"--initial-cluster", table.concat(names, ","), "--heartbeat-interval", "50", "--election-timeout", "500",
			"--logger", "zap", "--log-level", "error",
		})
	end
	return members
end

local function start_node(net, i)
	local endpoints = {}
	for k, other in ipairs(net) do
		endpoints[k] = ("http://%s:2379"):format(other.ip)
	end
	local name = ("abc"):sub(i, i)
	return test_nodes.start(name, {
		host = net[i], more = CONFIG:format(name, net[i].ip, table.concat(endpoints, ",")),
	})
end

local first = 1

-- Numbered calls from one node to another while f does something to the network; counts how they ended.
local function numbered(from, to, count, f)
	local begin = first
	first = first + count
	from:call("run_numbers", to.name, begin, count)
	f()
	local outcomes
	test.eventually("every call ends", 60, function()
		local running
		outcomes, running = from:call "outcomes"
		return running == 0
	end)
	local ends, counts = { ok = 0, ["not sent"] = 0, ["maybe applied"] = 0, rejected = 0 }, to:counted()
	for n = begin, begin + count - 1 do
		local outcome, times = outcomes[n], counts[n] or 0
		ends[outcome] = ends[outcome] + 1
		if outcome == "ok" then
			test.equal(times, 1, n)
		elseif outcome == "not sent" then
			test.equal(times, 0, n)
		else
			test.between(times, 0, 1)
		end
	end
	return ends
end

local function world()
	local net = namespaces.start(3)
	local members = start_etcd(net)
	local nodes = {}
	for i = 1, 3 do
		nodes[i] = start_node(net, i)
	end
	for i = 1, 3 do
		for k = 1, 3 do
			if i ~= k then
				nodes[i]:reaches(nodes[k].name, 40)
			end
		end
	end
	return net, nodes, members
end

test.case("partitions and cuts in one direction: numbered calls", { timeout = 200 }, function()
	local net, nodes = world()
	local a, b, c = table.unpack(nodes)
	local ends = numbered(a, b, 200, function()
		skynet.sleep(20)
		net[2]:unplug()
		skynet.sleep(250)
		test.truthy(a:call("try", "c", "@main", "echo", 1))
		net[2]:plug()
	end)
	test.truthy(ends.ok > 0 and ends["maybe applied"] > 0)
	a:reaches "b"
	for _, cut in ipairs { { 1, 2 }, { 2, 1 } } do
		ends = numbered(a, b, 200, function()
			skynet.sleep(20)
			net[cut[1]]:deaf_to(net[cut[2]])
			skynet.sleep(250)
			test.truthy(c:call("try", "b", "@main", "echo", 1))
			net[cut[1]]:hear(net[cut[2]])
		end)
		test.truthy(ends.ok > 0 and ends["maybe applied"] > 0)
		a:reaches "b"
	end
end)

test.case("the loss of a node and of a member of etcd", { timeout = 120 }, function()
	local net, nodes, members = world()
	local a, b = nodes[1], nodes[2]
	nodes[3].process:kill()
	members[3]:kill()
	local ends = numbered(a, b, 100, function()
		test.eventually("c is gone", 30, function()
			return a:call("nodes").c == false and b:call("nodes").c == false
		end)
	end)
	test.equal(ends.ok, 100)
	-- A node that comes finds the others, and is found.
	local c = start_node(net, 3)
	a:reaches("c", 60)
	c:reaches("b", 60)
end)

test.case("delay and loss", { timeout = 120 }, function()
	local net, nodes = world()
	if not net[1]:netem("delay", "20ms", "5ms", "loss", "3%") or not net[2]:netem("delay", "20ms", "loss", "3%") then
		test.skip "the kernel has no netem"
	end
	local ends = numbered(nodes[1], nodes[2], 300, function() end)
	test.truthy(ends.ok > 200)
end)

test.run()
