-- timeout: 300
-- Peers that mean no good, or are broken, against a node: it goes on, gives back what they have used, and serves
-- others.
local cluster = require "skynet.cluster"
local frame = require "reef.cluster.frame"
local peer = require "test.frames"
local proxy = require "test.proxy"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
local test_nodes = require "test.nodes"

local framed, receive = peer.framed, peer.receive
local pack, unpack = string.pack, string.unpack

local function connect(node)
	local id
	test.eventually("a connection", 20, function()
		id = socket.open("127.0.0.1", node.port)
		return id
	end)
	return id
end

local function call(to, session, ...)
	return (frame.request(to, session, skynet.packstring(...)))
end

-- Connections that the node serves, this test's own among them.
local function agents(node)
	local n = 0
	for _, name in pairs(node:call("services")) do
		n = n + (name:find "clusteragent" and 1 or 0)
	end
	return n
end

test.case("a hundred thousand names that nobody has", { timeout = 200 }, function()
	local node = test_nodes.start "x"
	local id = connect(node)
	local count, refused = test.count(100000), 0
	local function ask(first, last)
		local bytes = {}
		for i = first, last do
			-- Called, asked for, and sent to.
			bytes[#bytes + 1] = i % 3 == 0 and call("@no." .. i, i, "x") or i % 3 == 1 and call(0, i, "no." .. i)
				or call(".no." .. i, i, "x")
			bytes[#bytes + 1] = call("@none." .. i, 0, "x")
		end
		socket.write(id, table.concat(bytes))
		for _ = first, last do
			local _, kind = unpack("<I4B", (assert(receive(id))))
			refused = refused + (kind == 0 and 1 or 0)
		end
	end
	ask(1, 1000)
	local before = node:call "memory"
	for first = 1001, count, 1000 do
		ask(first, math.min(first + 999, count))
	end
	test.equal(refused, count)
	-- No name is kept: 100 bytes each would be more.
	test.between(node:call "memory" - before, -math.huge, math.max(4 << 20, count * 50))
	socket.write(id, call("@main", 7, "echo", "still"))
	test.equal((skynet.unpack((assert(receive(id)):sub(6)))), "still")
	socket.close(id)
end)

test.case("a peer that connects every ten milliseconds, asks, and is gone", { timeout = 100 }, function()
	local node = test_nodes.start "x"
	test.equal(node:call("echo", 1), 1)
	for i = 1, test.count(300) do
		local id = connect(node)
		socket.write(id, call("@main", 1, "sleep", 5) .. call("@main", 2, "echo", ("x"):rep(1000)))
		if i % 3 == 0 then
			socket.write(id, "\0\20half a frame")
		end
		skynet.sleep(1)
		socket.close(id)
	end
	test.equal(node:call("echo", 2), 2)
	test.eventually("nothing of it is left", 60, function()
		return agents(node) == 1
	end)
end)

test.case("a session that is used again before its answer has come is answered twice", function()
	local node = test_nodes.start "x"
	local id = connect(node)
	socket.write(id, call("@main", 5, "sleep", 10, "first") .. call("@main", 5, "echo", "second"))
	local seen = {}
	for i = 1, 2 do
		local payload = assert(test.within(20, receive, id))
		test.equal((unpack("<I4", payload)), 5)
		seen[i] = skynet.unpack((payload:sub(6)))
	end
	test.equal(seen, { "second", "first" })
	socket.close(id)
end)

test.case("what who knows the secret has said is worth nothing when it is said again", { timeout = 60 }, function()
	local secret = 'cluster_secret = "0123456789abcdef0"\n'
	local node = test_nodes.start("x", { more = secret })
	-- What it says on its way: kept by somebody in between.
	local said, listener, _, port = {}, socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.start(id)
		local to = connect(node)
		skynet.fork(function()
			for data in function() return socket.read(to) or nil end do
				socket.write(id, data)
			end
			socket.close(id)
		end)
		for data in function() return socket.read(id) or nil end do
			said[#said + 1] = data
			socket.write(to, data)
		end
		socket.close(to)
	end)
	local path = require("test.process").path "asks" .. ".lua"
	local file <close> = assert(io.open(path, "w"))
	file:write(([[
		local cluster = require "skynet.cluster"
		local skynet = require "skynet"
		skynet.start(function()
			cluster.reload { x = "127.0.0.1:%d" }
			print("result", cluster.call("x", "@main", "number", 4711))
			require("reef.process").stop()
		end)
	]]):format(port))
	file:close()
	local config = require("test.process").path "config"
	local out <close> = assert(io.open(config, "w"))
	out:write(('thread = 2\nluaservice = "%s/?.lua"\nstart = "%s"\n%s'):format(path:match "^(.*)/",
		path:match "([^/]*)%.lua$", secret))
	out:close()
	local _, output = require("test.process").run({ test.reef, config }, 60)
	test.matches(output, "result%s+4711")
	test.equal(node:counted()[4711], 1)
	local id = connect(node)
	socket.write(id, table.concat(said))
	local answer = test.within(30, socket.readall, id) or ""
	test.equal(answer:find("4711", 1, true), nil)
	test.equal(node:counted()[4711], 1)
	socket.close(id)
end)

test.case("an address that changes while calls are on their way", { timeout = 100 }, function()
	local a, b = test_nodes.start "a", test_nodes.start "b"
	local links = { proxy.start(b.port), proxy.start(b.port) }
	a:call("reload", { b = "127.0.0.1:" .. links[1].port })
	local count = 300
	a:call("run_numbers", "b", 1, count)
	local outcomes, running = nil, 1
	local turn = 0
	while running > 0 do
		turn = turn + 1
		a:call("reload", { b = turn % 5 == 0 and false or "127.0.0.1:" .. links[turn % 2 + 1].port })
		skynet.sleep(3)
		outcomes, running = a:call "outcomes"
	end
	a:call("reload", { b = "127.0.0.1:" .. links[1].port })
	a:reaches "b"
	local counts = b:counted()
	for n = 1, count do
		test.between(counts[n] or 0, outcomes[n] == "ok" and 1 or 0, outcomes[n] == "not sent" and 0 or 1)
	end
end)

test.case("sizes that are announced cost nothing", function()
	local node = test_nodes.start "x"
	local before, ids = node:call "memory", {}
	for i = 1, 50 do
		ids[i] = connect(node)
		local bytes = {}
		for session = 1, 100 do
			bytes[session] = framed(pack("<Bs1I4I4", 0x81, "@main", session, 200 << 20))
		end
		socket.write(ids[i], table.concat(bytes))
		socket.write(ids[i], call("@main", 1000, "echo", 1))
	end
	for _, id in ipairs(ids) do
		assert(test.within(20, receive, id))
	end
	test.between(node:call "memory" - before, -math.huge, 64 << 20)
	for _, id in ipairs(ids) do
		socket.close(id)
	end
	test.equal(cluster.call(node.handle, "@main", "echo", 2), 2)
end)

test.run()
