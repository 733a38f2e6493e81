-- timeout: 300
-- Nodes of a cluster that find each other: by etcd, also while it is away, and by DNS.
local nameserver = require "test.nameserver"
local process = require "test.process"
local servers = require "test.etcd"
local skynet = require "skynet"
local test = require "test"
local test_nodes = require "test.nodes"

local function start(name, more)
	return test_nodes.start(name, { more = more })
end

local function by_etcd(etcd, name)
	return ([[
		cluster_nodes = "etcd"
		etcd = "%s"
		etcd_timeout = 200
		cluster_name = "%s"
		cluster_address = "127.0.0.1"
		cluster_lease = 200
	]]):format(table.concat(etcd.endpoints, ","), name)
end

test.case("nodes that come and go are found by etcd, without a reload", function()
	local etcd = servers.start()
	local a = start("a", by_etcd(etcd, "a"))
	local b = start("b", by_etcd(etcd, "b"))
	a:reaches "b"
	b:reaches "a"
	test.equal(a:call("nodes").b, "127.0.0.1:" .. b.port)

	-- A call to who is not there yet waits for him.
	local answered
	skynet.fork(function()
		answered = a:call("call", "c", "@main", "echo", "early")
	end)
	local c = start("c", by_etcd(etcd, "c"))
	test.eventually("the call", 20, function()
		return answered == "early"
	end)

	-- Who ends in order is gone at once, who is killed after the time of a lease.
	c.process:signal "TERM"
	test.eventually("c is gone", 10, function()
		return a:call("nodes").c == false
	end)
	-- A call may still go out on the connection that c is about to end.
	test.eventually("calls are refused", 10, function()
		local ok, err = a:call("try", "c", "@main", "echo", 1)
		test.matches(not ok and err or "cluster node c", "cluster node c")
		return not ok and err:find "not sent"
	end)
	b.process:kill()
	test.eventually("b is gone", 20, function()
		return a:call("nodes").b == false
	end)

	-- The name moves to another address.
	start("b", by_etcd(etcd, "b"))
	a:reaches "b"
end)

test.case("a node that listens in several places is put into etcd once, with one lease", { timeout = 60 }, function()
	local etcd = servers.start()
	local client = require("reef.etcd").new { endpoints = etcd.endpoints }
	for _, name in ipairs { "a", "b", "c", "d" } do
		local more = ('control = "127.0.0.1:%d"\n'):format(process.free_port())
		test_nodes.start(name, { more = by_etcd(etcd, name) .. more }):reaches("control")
	end
	local items
	test.eventually("all are there", 20, function()
		items = client:list "/reef/cluster/"
		return #items == 4
	end)
	-- The time of a lease that nobody prolongs.
	skynet.sleep(300)
	items = client:list "/reef/cluster/"
	for i, item in ipairs(items) do
		test.equal({ i, item.version }, { i, 1 })
	end
	test.equal(#items, 4)
	test.equal(#client.members:ask("/v3/lease/leases", {}, true).leases, 4)
	client:close()
end)

test.case("while etcd is away, nodes that are known are called", { timeout = 90 }, function()
	local etcd = servers.start()
	local a = start("a", by_etcd(etcd, "a"))
	local b = start("b", by_etcd(etcd, "b"))
	a:reaches "b"
	b:reaches "a"
	etcd[1]:kill()
	skynet.sleep(300)
	test.equal(a:call("call", "b", "@main", "echo", "still"), "still")
	-- A node that starts now goes on, too, and is found later.
	local c = start("c", by_etcd(etcd, "c"))
	test.equal(c:call("echo", 1), 1)
	etcd[1]:restart()
	a:reaches "c"
	c:reaches "a"
	b:reaches "c"
	a:reaches "b"
end)

test.case("a name that another process has is not taken from it", { timeout = 60 }, function()
	local etcd = servers.start()
	local a = start("a", by_etcd(etcd, "a"))
	local other = start("other", by_etcd(etcd, "a"))
	other.process:expect(("the name is taken by 127.0.0.1:%d"):format(a.port), 20)
	other:reaches "a"
	test.equal(other:call("nodes").a, "127.0.0.1:" .. a.port)
	a.process:kill()
	test.eventually("the name is free, and taken", 20, function()
		return other:call("nodes").a == "127.0.0.1:" .. other.port
	end)
end)

local function srv(port, target)
	return nameserver.record(33, 60, string.pack(">I2I2I2", 0, 1, port) .. nameserver.name(target))
end

test.case("nodes are found by SRV records", { timeout = 60 }, function()
	local b = start("b", "")
	local c = start("c", "")
	local records = { srv(b.port, "b-0.game.test") }
	local broken = false
	local server = nameserver.start(function(name, kind, query)
		if broken then
			return { nameserver.reply(query, nameserver.SERVFAIL, {}) }
		elseif kind == 33 and name == "_reef._tcp.game.test" then
			return { nameserver.reply(query, nameserver.OK, records) }
		elseif kind == nameserver.A then
			return { nameserver.reply(query, nameserver.OK, { nameserver.a "127.0.0.1" }) }
		end
		return { nameserver.reply(query, nameserver.NXDOMAIN, {}) }
	end)
	local a = start("a", ([[
		cluster_nodes = "dns"
		cluster_dns = "_reef._tcp.game.test"
		cluster_dns_server = "127.0.0.1:%d"
		cluster_dns_interval = 20
	]]):format(server.port))
	a:reaches "b-0"
	records = { srv(b.port, "b-0.game.test"), srv(c.port, "c-0.game.test") }
	a:reaches "c-0"
	broken = true
	skynet.sleep(60)
	a:reaches "b-0"
	broken = false
	records = { srv(c.port, "c-0.game.test") }
	test.eventually("b is gone", 10, function()
		return a:call("nodes")["b-0"] == false
	end)
	a:reaches "c-0"
end)

test.case("nodes are found by A records", { timeout = 60 }, function()
	local b = start("b", "")
	local server = nameserver.start(function(_, kind, query)
		if kind == nameserver.A then
			return { nameserver.reply(query, nameserver.OK, { nameserver.a "127.0.0.1", nameserver.a "127.0.0.2" }) }
		end
		return { nameserver.reply(query, nameserver.NXDOMAIN, {}) }
	end)
	local a = start("a", ([[
		cluster_nodes = "dns"
		cluster_dns = "game.test:%d"
		cluster_dns_server = "127.0.0.1:%d"
	]]):format(b.port, server.port))
	a:reaches "127.0.0.1"
	a:reaches "127.0.0.2"
end)

test.case("what the configuration lacks is said", function()
	for _, item in ipairs {
		{ 'cluster_nodes = "x"', 'cluster_nodes = x: "etcd" or "dns" is needed' },
		{ 'cluster_nodes = "etcd"', servers.can_speak and "the key `etcd` has to name the members" or "built without HTTP" },
		{ 'cluster_nodes = "dns"', "the key `cluster_dns` has to say" },
		{ 'cluster_nodes = "dns" cluster_dns = "name"', "neither _service._protocol.name nor name:port" },
	} do
		local config = test_nodes.new("x", { more = item[1] }).config
		local _, output = process.run { test.reef, config }
		test.truthy(output:find(item[2], 1, true), output)
	end
end)

test.run()
