-- timeout: 300
-- Networks of nodes with numbers: their bytes, by peers that are scripts, and three processes that talk, name services,
-- and are lost.
local harbor = require "test.harbor"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local LUA <const>, RESPONSE <const>, ERROR <const> = skynet.PTYPE_LUA, skynet.PTYPE_RESPONSE, skynet.PTYPE_ERROR

-- ---- our master and our slave, and slaves that are scripts ----

test.case("a slave that is a script joins: hello, names, messages both ways, the end", function()
	local master = process.free_port()
	local one = harbor.start(1, master, { standalone = true })
	local port, accept = harbor.listen()
	local to_master = harbor.connect(master)
	to_master:tell("H", 9, "127.0.0.1:" .. port)
	test.equal(to_master:told(), { "W", 1 })
	local peer = accept()
	peer:write "\9"
	test.equal(peer:read(1), "\1")

	to_master:tell("Q", "NODE1")
	local name = to_master:told_of "N"
	test.equal(name[2], "NODE1")
	local main = name[3]
	test.equal(main >> 24, 1)

	peer:message(0x09000005, main, LUA, 77, skynet.packstring("echo", "over", { 1 }))
	local reply = peer:received()
	test.equal({ reply[1], reply[2], reply[3], reply[4] }, { main, 5, RESPONSE, 77 })
	test.equal({ skynet.unpack(reply[5]) }, { "over", { 1 } })

	peer:message(0x09000005, main, LUA, 78, skynet.packstring("fail", "why"))
	reply = peer:received()
	test.equal({ reply[1], reply[2], reply[3], reply[4] }, { main, 5, ERROR, 78 })

	peer:message(0x09000005, 0xfffff, LUA, 79, skynet.packstring "nobody")
	reply = peer:received()
	test.equal({ reply[2], reply[3], reply[4] }, { 5, ERROR, 79 })
	test.equal(reply[1], 0x010fffff)

	peer:message(0x09000005, main, LUA, 0, skynet.packstring("note", "pushed"))
	test.eventually("the push", 10, function()
		return one:call("received")[1] == "pushed"
	end)

	to_master:tell("R", "FAR", 0x09000042)
	test.equal(to_master:told_of "N", { "N", "FAR", 0x09000042 })
	local answered
	skynet.fork(function()
		answered = { one:run("call", "FAR", "lua", "ask", 5) }
	end)
	local request = peer:received()
	test.equal({ request[2], request[3] }, { 0x42, LUA })
	test.equal(request[1], main)
	test.equal({ skynet.unpack(request[5]) }, { "ask", 5 })
	peer:message(0x09000042, request[1], RESPONSE, request[4], skynet.packstring("answer", 6))
	test.eventually("the answer", 10, function()
		return answered
	end)
	test.equal(answered, { "answer", 6 })

	-- An error, and a call that the end of the node answers.
	local results = {}
	for i = 1, 2 do
		skynet.fork(function()
			results[i] = { one:run("try", "FAR", "lua", i) }
		end)
	end
	local first = peer:received()
	local second = peer:received()
	peer:message(0x09000042, first[1], ERROR, first[4], "")
	test.eventually("an error", 10, function()
		return results[skynet.unpack(first[5])]
	end)
	test.equal(results[skynet.unpack(first[5])][1], false)
	socket.close(peer.id)
	test.eventually("the other", 10, function()
		return results[skynet.unpack(second[5])]
	end)
	test.matches(results[skynet.unpack(second[5])][2], "harbor 9: the connection was lost %(maybe applied%)")
	test.matches(select(2, one:run("try", "FAR", "lua", 3)), "harbor 9: that node is lost %(not sent%)")
	test.matches(select(2, one:run("try", 0x09000001, "lua", 3)), "not sent")
	one:run("link", 9)
end)

test.case("a node that takes nothing: what waits for it is bounded, calls say it", { timeout = 60 }, function()
	local master = process.free_port()
	local one = harbor.start(1, master, { standalone = true })
	local port, accept = harbor.listen()
	local to_master = harbor.connect(master)
	to_master:tell("H", 9, "127.0.0.1:" .. port)
	local peer = accept()
	peer:write "\9"
	test.equal(peer:read(1), "\1")
	test.eventually("a node that is there", 20, function()
		return one.process:output():find "harbor 9: connected"
	end)
	local text = ("x"):rep(4 << 20)
	local ok, err
	for _ = 1, 40 do
		one:run("send", 0x09000042, "lua", text)
	end
	skynet.fork(function()
		ok, err = one:run("try", 0x09000042, "lua", "x")
	end)
	test.eventually("the call ends", 20, function()
		return ok ~= nil
	end)
	test.matches(err, "harbor 9: more than %d+ bytes wait to be sent %(not sent%)")
	-- It takes all that was sent, and is called again.
	repeat
		local message = test.within(20, peer.received, peer)
		test.truthy(message[4] == 0)
		text = message[5]
		one:run("send", 0x09000042, "lua", "last")
	until skynet.unpack(text) == "last"
end)

test.case("names are given once, who joins later learns of losses, numbers are taken once", function()
	local master = process.free_port()
	harbor.start(1, master, { standalone = true })
	local port, accept = harbor.listen()
	local a = harbor.connect(master)
	a:tell("H", 2, "127.0.0.1:" .. port)
	test.equal(a:told(), { "W", 1 })
	accept():write "\2"
	local b = harbor.connect(master)
	b:tell("H", 3, "127.0.0.1:1")
	test.equal(b:told(), { "W", 2 })
	test.equal(a:told(), { "C", 3, "127.0.0.1:1" })

	a:tell("R", "TWICE", 0x02000001)
	test.equal(a:told(), { "N", "TWICE", 0x02000001 })
	test.equal(b:told(), { "N", "TWICE", 0x02000001 })
	b:tell("R", "TWICE", 0x03000001)
	test.equal(b:told(), { "N", "TWICE", 0x02000001 })
	b:tell("Q", "LATER")
	a:tell("R", "LATER", 0x02000002)
	test.equal(b:told(), { "N", "LATER", 0x02000002 })

	local taken = harbor.connect(master)
	taken:tell("H", 2, "127.0.0.1:1")
	test.equal(taken:told(), nil)
	socket.close(b.id)
	test.equal(a:told_of "D", { "D", 3 })
	local again = harbor.connect(master)
	again:tell("H", 3, "127.0.0.1:1")
	test.equal(again:told(), nil)
end)

test.case("a node among scripts: its hello, whom it waits for, whom it connects to", function()
	local master, accept_slave = harbor.listen()
	local node = harbor.start(4, master, { ready = false })
	local to_slave = accept_slave()
	test.equal(to_slave:told(), { "H", 4, "127.0.0.1:" .. node.port })
	to_slave:tell("W", 2)
	-- Of two that come with one number, the one that is heard first is kept, whichever that is.
	local twins, first = { harbor.connect(node.port), harbor.connect(node.port) }, nil
	for _, twin in ipairs(twins) do
		twin:write "\5"
		test.equal(twin:read(1), "\4")
	end
	test.eventually("one is refused", 20, function()
		for i, twin in ipairs(twins) do
			if socket.disconnected(twin.id) then
				first = twins[3 - i]
				return true
			end
		end
	end)
	local port, accept = harbor.listen()
	to_slave:tell("C", 7, "127.0.0.1:" .. port)
	local third = accept()
	third:write "\7"
	test.equal(third:read(1), "\4")
	test.equal(node.process:output():find "service_mgr", nil)
	local second = harbor.connect(node.port)
	second:write "\6"
	test.equal(second:read(1), "\4")
	-- It has no SERVICE of its own: it asks for who has it, and reports there.
	test.equal(to_slave:told(), { "Q", "SERVICE" })
	to_slave:tell("N", "SERVICE", 0x05000003)
	local report = first:received()
	test.equal({ report[2], report[3] }, { 3, LUA })
	test.equal(skynet.unpack(report[5]), "REPORT")
	first:message(0x05000003, report[1], RESPONSE, report[4], skynet.packstring(true))
	test.equal(to_slave:told_of("R")[2], "NODE4")
	node:ready()

	-- Messages for a name wait until the master knows it.
	local answered
	skynet.fork(function()
		answered = { node:run("call", "UNKNOWN", "lua", "early") }
	end)
	test.equal(to_slave:told(), { "Q", "UNKNOWN" })
	to_slave:tell("N", "UNKNOWN", 0x07000011)
	local request = third:received()
	test.equal({ request[2], skynet.unpack(request[5]) }, { 0x11, "early" })
	third:message(0x07000011, request[1], RESPONSE, request[4], skynet.packstring "late")
	test.eventually("the answer", 10, function()
		return answered and answered[1] == "late"
	end)

	-- The master's end: linkmaster comes back, nodes go on.
	local linked
	skynet.fork(function()
		node:run "linkmaster"
		linked = true
	end)
	skynet.sleep(10)
	test.equal(linked, nil)
	socket.close(to_slave.id)
	test.eventually("linkmaster", 10, function()
		return linked
	end)
	node:run "linkmaster"
	third:message(0x07000011, 0x04000000 | request[1], LUA, 3, skynet.packstring("echo", "still"))
	test.equal(skynet.unpack(third:received()[5]), "still")
end)

test.case("a start fails when the master is not there, or ends the connection", function()
	local node = harbor.start(2, process.free_port(), { ready = false })
	test.equal(node.process:wait(), 1)
	test.matches(node.process:output(), "harbor 2: cannot connect to the master")
	local master, accept = harbor.listen()
	node = harbor.start(3, master, { ready = false })
	local wire = accept()
	wire:told()
	socket.close(wire.id)
	test.equal(node.process:wait(), 1)
	test.matches(node.process:output(), "harbor 3: cannot join: the master [%d.:]+ has ended the connection")
end)

test.case("who is lost while a node starts is not waited for", function()
	local master, accept = harbor.listen()
	local node = harbor.start(4, master, { ready = false })
	local wire = accept()
	wire:told()
	wire:tell("W", 1)
	wire:tell("D", 5)
	test.equal(wire:told(), { "Q", "SERVICE" })
	node.process:signal "KILL"
end)

-- ---- three processes ----

local function network()
	local master = process.free_port()
	local nodes = { harbor.start(1, master, { standalone = true }) }
	for id = 2, 3 do
		nodes[id] = harbor.start(id, master)
	end
	return nodes, master
end

test.case("three nodes: names, addresses, datacenter, unique services, channels, and the loss of one", function()
	local nodes = network()
	for id, node in ipairs(nodes) do
		local address = node:call "self"
		test.equal(address >> 24, id)
		for other = 1, 3 do
			test.equal(nodes[other]:run("call", "NODE" .. id, "lua", "echo", other, { id }), other)
			test.equal(nodes[other]:run("call", address, "lua", "echo", "direct"), "direct")
			test.equal(nodes[other]:run("queryname", "NODE" .. id), address)
		end
	end
	test.matches(select(2, nodes[2]:run("try", "NODE3", "lua", "fail", "the reason")), "call failed: .*the reason")
	test.matches(select(2, nodes[2]:run("try", 0x03ffffff, "lua", "echo")), "call to invalid address :03ffffff")
	local large = ("0123456789abcdef"):rep(3 << 16)
	test.truthy(nodes[1]:run("call", "NODE3", "lua", "echo", large) == large)
	nodes[1]:run("connect", 2)

	-- Order of sends and calls.
	for i = 1, 500 do
		nodes[2]:run("send", "NODE3", "lua", "note", i)
	end
	local noted = nodes[2]:run("call", "NODE3", "lua", "received")
	test.equal(#noted, 500)
	for i = 1, 500 do
		test.equal(noted[i], i)
	end

	test.equal(nodes[2]:run("set", "tree", "leaf", 5), nil)
	test.equal(nodes[3]:run("get", "tree"), { leaf = 5 })
	local waited
	skynet.fork(function()
		waited = nodes[3]:run("wait", "tree", "later")
	end)
	skynet.sleep(10)
	nodes[1]:run("set", "tree", "later", "now")
	test.eventually("wait", 10, function()
		return waited == "now"
	end)

	local unique = nodes[2]:run("unique", "cluster_echo")
	test.equal(unique >> 24, 1)
	test.equal(nodes[3]:run("unique", "cluster_echo"), unique)
	test.equal(nodes[1]:run("unique", "cluster_echo"), unique)
	test.truthy(nodes[1]:run("list")["@cluster_echo"])
	test.truthy(nodes[1]:run("list")["multicastd@2"] == nil)

	local number = nodes[2]:call "channel"
	test.equal(number & 0xff, 2)
	for id = 1, 3 do
		nodes[id]:call("channel", number)
		nodes[id]:call("on_channel", "subscribe")
	end
	test.truthy(nodes[1]:run("list")["multicastd@2"])
	for id = 1, 3 do
		nodes[id]:call("on_channel", "publish", "news", id)
	end
	for id = 1, 3 do
		local got = {}
		test.eventually("what was published", 10, function()
			for _, item in ipairs(nodes[id]:call "received") do
				got[#got + 1] = item
			end
			return #got == 3
		end)
		local seen = {}
		for _, item in ipairs(got) do
			test.equal(item[2], "news")
			test.equal(item[1], nodes[item[3]]:call "self")
			seen[item[3]] = true
		end
		test.equal(seen, { true, true, true })
	end
	nodes[3]:call("on_channel", "unsubscribe")
	nodes[1]:call("on_channel", "publish", "more")
	test.eventually("what node 1 has", 10, function()
		return #nodes[1]:call "received" == 1
	end)
	test.equal(nodes[3]:call "received", {})

	-- The loss of node 3: calls at work end, links return, the others go on.
	local ended, linked
	skynet.fork(function()
		ended = { nodes[1]:run("try", "NODE3", "lua", "forever") }
	end)
	skynet.fork(function()
		nodes[2]:run("link", 3)
		linked = true
	end)
	nodes[1]:run("call", "NODE3", "lua", "echo")
	nodes[2]:run("call", "NODE3", "lua", "echo")
	skynet.sleep(10)
	test.equal(linked, nil)
	nodes[3].process:signal "KILL"
	test.eventually("the call and the link", 10, function()
		return ended and linked
	end)
	test.matches(ended[2], "harbor 3: .*%(maybe applied%)")
	test.matches(select(2, nodes[2]:run("try", "NODE3", "lua", "echo")), "%(not sent%)")
	test.equal(nodes[1]:run("call", "NODE2", "lua", "echo", 1), 1)
	nodes[2]:run "abort"
	nodes[2].process:wait()
	nodes[1]:run("link", 2)
	test.equal(nodes[1]:call("echo", 1), 1)
end)

test.case("a service that dies fails its callers of other nodes", function()
	local nodes = network()
	local victim = nodes[3]:run("fresh", "harbor_node_victim")
	local result
	skynet.fork(function()
		result = { nodes[2]:run("try", victim, "lua", "wait") }
	end)
	test.eventually("it has the call", 10, function()
		return nodes[2]:run("call", victim, "lua", "count") == 1
	end)
	nodes[3]:run("kill", victim)
	test.eventually("an error", 10, function()
		return result
	end)
	test.equal(result[1], false)
end)

-- ---- bytes that nobody should send ----

test.case("whatever bytes come, the network goes on", { timeout = 120 }, function()
	local master = process.free_port()
	local one = harbor.start(1, master, { standalone = true })
	local two = harbor.start(2, master)
	local random = math.random
	local id = 10
	local function bytes(n)
		local t = {}
		for i = 1, n do
			t[i] = string.char(random(0, 255))
		end
		return table.concat(t)
	end
	for round = 1, test.count(60) do
		local wire = harbor.connect(master)
		local kind = round % 4
		if kind == 0 then
			wire:write(bytes(random(1, 300)))
		elseif kind == 1 then
			wire:tell(({ "H", "W", "R", "Q", "X" })[random(5)], ({ 0, 300, "x", 2, -1 })[random(5)], random(100))
		elseif kind == 2 then
			-- Whoever says so is that node: the numbers that come below are left alone.
			wire = harbor.connect(one.port)
			wire:write(string.char(random(3) == 1 and random(0, 2) or random(100, 255)) .. bytes(random(1, 100)))
		else
			-- A node that is let in, and then talks nonsense.
			local port, accept = harbor.listen()
			id = id + 1
			wire:tell("H", id, "127.0.0.1:" .. port)
			for _ = 1, 2 do
				local peer = accept()
				peer:write(string.char(id))
				for _ = 1, 5 do
					peer:message(random(0) & 0xffffffff, random(0) & 0xffffff, random(0, 255), random(0) & 0xffffffff,
						bytes(random(0, 50)))
				end
				peer:message(id << 24 | 1, 8, random(0, 255), random(0, 3), bytes(random(0, 50)))
				peer:write(bytes(random(1, 40)))
				socket.close(peer.id)
			end
		end
		socket.close(wire.id)
	end
	test.equal(one:run("call", "NODE2", "lua", "echo", "fine"), "fine")
	test.equal(two:run("call", "NODE1", "lua", "echo", "fine"), "fine")
end)

test.run()
