-- timeout: 300
-- config: cluster_heartbeat = 150
-- config: snax = "$REEF_TEST_ROOT/tests/services/snax/?.lua"
-- A cluster of several processes: what nodes call and send each other, and what becomes of it when one of them dies,
-- freezes, moves or comes back.
local cluster = require "skynet.cluster"
local process = require "test.process"
local reef_cluster = require "reef.cluster"
local skynet = require "skynet"
local test = require "test"
local test_nodes = require "test.nodes"
require "skynet.manager"

-- Starts a node that this process calls by its name.
local function start(name)
	return test_nodes.start(name, { handle = name })
end

local function together(n, f)
	local left, token, results = n, {}, {}
	for i = 1, n do
		skynet.fork(function()
			results[i] = table.pack(pcall(f, i))
			left = left - 1
			if left == 0 then
				skynet.wakeup(token)
			end
		end)
	end
	if left > 0 then
		skynet.wait(token)
	end
	return results
end

test.case("call, query, names, and errors with their reason", function()
	start "one"
	test.equal({ cluster.call("one", "@main", "echo", 1, "two", { 3, x = 4.5 }, nil, false) },
		{ 1, "two", { 3, x = 4.5 }, nil, false })
	local address = cluster.query("one", "main")
	test.equal(math.type(address), "integer")
	for _, to in ipairs { address, ".main", (":%08x"):format(address), "@main" } do
		test.equal(cluster.call("one", to, "echo", to), to)
	end
	test.raises("nobody is registered as none", cluster.query, "one", "none")
	test.raises("nobody is registered as @none", cluster.call, "one", "@none", "echo")
	test.raises("no service .none", cluster.call, "one", ".none", "echo")
	test.raises("call failed: .*invalid address", cluster.call, "one", 0x7fffff, "echo")
	local err = test.raises("cluster%.lua:%d+: call failed: no such account$", function()
		cluster.call("one", "@main", "fail", "no such account")
	end)
	test.equal(reef_cluster.error(err).outcome, "rejected")
	test.raises("call failed: .*", cluster.call, "one", "@main", "nothing")
end)

test.case("an address that cannot be sent is an error, also for the first call to a node, and nobody else's", function()
	start "addressed"
	local results = {}
	for i, to in ipairs { print, "@main", print, "@main" } do
		skynet.fork(function()
			results[i] = table.pack(pcall(cluster.call, "addressed", to, "echo", i))
		end)
	end
	cluster.send("addressed", print, "add", 1)
	cluster.send("addressed", "@main", "add", 1)
	test.eventually("the end of all calls", 20, function()
		return #results == 4
	end)
	for i = 1, 3, 2 do
		test.equal(results[i][1], false)
		test.matches(results[i][2], "call failed: cluster node addressed: .*type function.*not sent")
		test.equal({ results[i + 1][1], results[i + 1][2] }, { true, i + 1 })
	end
	test.raises("type function", cluster.call, "addressed", print, "echo", 1)
end)

test.case("3 MB both ways, while small calls go on", function()
	start "large"
	local text = ("0123456789abcdef"):rep(3 << 16)
	local left = 4
	for _ = 1, 4 do
		skynet.fork(function()
			test.truthy(cluster.call("large", "@main", "echo", text) == text)
			left = left - 1
		end)
	end
	local small = 0
	while left > 0 do
		test.equal(cluster.call("large", "@main", "echo", small), small)
		small = small + 1
	end
	test.truthy(small > 0)
end)

test.case("sends keep their order, from the first one on, and with calls between", function()
	start "order"
	for i = 1, 5000 do
		cluster.send("order", "@main", "note", i)
		if i % 1000 == 0 then
			cluster.call("order", "@main", "note", -i)
		end
	end
	local noted = cluster.call("order", "@main", "noted")
	local expected = {}
	for i = 1, 5000 do
		expected[#expected + 1] = i
		if i % 1000 == 0 then
			expected[#expected + 1] = -i
		end
	end
	test.equal(noted, expected)
end)

test.case("a large send, and a call behind it", function()
	start "push"
	local text = ("p"):rep(2 << 20)
	cluster.send("push", "@main", "note", text)
	test.equal(cluster.call("push", "@main", "echo", "behind"), "behind")
	test.eventually("the send", 20, function()
		local noted = cluster.call("push", "@main", "noted")
		return noted[1] == text
	end)
end)

test.case("a proxy stands for a service: calls, sends, errors", function()
	start "far"
	local proxy = cluster.proxy "far@main"
	test.equal(cluster.proxy("far", "@main"), proxy)
	test.equal({ skynet.call(proxy, "lua", "echo", 1, nil, "x") }, { 1, nil, "x" })
	test.equal(skynet.call(cluster.proxy "far.main", "lua", "echo", 2), 2)
	test.equal(skynet.call(cluster.proxy("far", cluster.query("far", "main")), "lua", "echo", 3), 3)
	for i = 1, 100 do
		skynet.send(proxy, "lua", "note", i)
	end
	test.equal(#skynet.call(proxy, "lua", "noted"), 100)
	test.raises("call failed: on purpose$", skynet.call, proxy, "lua", "fail", "on purpose")
	local text = ("x"):rep(200000)
	test.truthy(skynet.call(proxy, "lua", "echo", text) == text)
end)

test.case("snax services of another node", function()
	start "snaxes"
	local object = cluster.snax("snaxes", "clustered")
	object.post.add(5)
	object.post.add(6)
	test.equal({ object.req.get() }, { "snaxes", 11 })
	test.raises("on purpose", object.req.fails)
	test.raises("no exist", function()
		object.req.none()
	end)
end)

test.case("1,000 calls at once, by services that share the connection", function()
	start "busy"
	local results = together(1000, function(i)
		return cluster.call("busy", "@main", "sleep", i % 10, i)
	end)
	for i = 1, 1000 do
		test.equal(results[i], { true, i, n = 2 })
	end
end)

test.case("nodes call each other in turn, and one names another", function()
	local b, c = start "b", start "c"
	cluster.call("b", "@main", "reload", { c = "127.0.0.1:" .. c.port })
	cluster.call("c", "@main", "reload", { b = "127.0.0.1:" .. b.port })
	test.equal(cluster.call("b", "@main", "call", "c", "@main", "call", "b", "@main", "echo", "around"), "around")
	local err = test.raises("on purpose", cluster.call, "b", "@main", "call", "c", "@main", "fail", "on purpose")
	test.equal(reef_cluster.error(err).outcome, "rejected")
	c.process:kill()
	err = test.raises("cluster node c ", cluster.call, "b", "@main", "call", "c", "@main", "echo", 1)
	test.equal(reef_cluster.error(err).outcome, "rejected") -- by b, whatever c has done
end)

test.case("the service that is called ends: so does the call", function()
	start "ends"
	local address = cluster.call("ends", "@main", "fresh", "mortal")
	local err
	skynet.fork(function()
		err = select(2, pcall(cluster.call, "ends", "@mortal", "sleep", 100000))
	end)
	skynet.sleep(10)
	cluster.call("ends", "@main", "kill", address)
	test.eventually("the error", 20, function()
		return err
	end)
	test.matches(tostring(err), "call failed")
	test.raises("invalid address", cluster.call, "ends", "@mortal", "echo", 1)
end)

-- What calls with numbers have come to, against what the node has counted.
local function settle(n, outcomes)
	local counts, tally = n:counted(), { ok = 0, ["not sent"] = 0, ["maybe applied"] = 0, applied = 0 }
	for number, outcome in pairs(outcomes) do
		tally[outcome] = tally[outcome] + 1
		local times = counts[number] or 0
		if outcome == "ok" then
			test.equal(times, 1, number)
		elseif outcome == "not sent" then
			test.equal(times, 0, number)
		else
			test.truthy(times <= 1)
			tally.applied = tally.applied + times
		end
	end
	return tally
end

-- Calls with numbers from many coroutines until `stop()`; the outcome of each, when all have ended.
local function load_with_numbers(name, workers)
	local self = { outcomes = {}, started = 0, left = workers, good = 0 }
	for _ = 1, workers do
		skynet.fork(function()
			while not self.stopped do
				self.started = self.started + 1
				local number = self.started
				local ok, err = pcall(cluster.call, name, "@main", "number", number)
				self.outcomes[number] = ok and "ok" or reef_cluster.error(err).outcome
				self.good = self.good + (ok and 1 or 0)
				if not ok then
					skynet.sleep(2)
				end
			end
			self.left = self.left - 1
		end)
	end
	return self
end

local function finish(load, n)
	load.stopped = true
	test.eventually("the end of every call", 30, function()
		return load.left == 0
	end)
	for number = 1, load.started do
		test.truthy(load.outcomes[number], number)
	end
	return settle(n, load.outcomes)
end

local function more(load, n)
	local before = load.good
	test.eventually("more calls", 30, function()
		return load.good >= before + n
	end)
end

test.case("a node that is killed and restarted: every call ends, its outcome is true", { timeout = 120 }, function()
	local n = start "killed"
	local load = load_with_numbers("killed", 32)
	for _ = 1, 3 do
		more(load, 500)
		n.process:kill()
		skynet.sleep(20)
		n:restart()
	end
	more(load, 500)
	local tally = finish(load, n)
	test.truthy(tally.ok >= 2000)
	test.truthy(tally["not sent"] > 0)
end)

test.case("a node that freezes: its calls end, and it comes back", { timeout = 120 }, function()
	local n = start "frozen"
	local load = load_with_numbers("frozen", 8)
	more(load, 100)
	n.process:freeze()
	test.eventually("errors", 30, function()
		for _, outcome in pairs(load.outcomes) do
			if outcome == "maybe applied" then
				return true
			end
		end
	end)
	n.process:signal "CONT"
	more(load, 100)
	finish(load, n)
end)

test.case("a handler that takes its time is not taken for a dead node", function()
	start "slow"
	test.equal(cluster.call("slow", "@main", "sleep", 500, "done"), "done")
end)

test.case("a node that moves: what is called afterwards goes to the new place", function()
	local first, second = start "moving", start "target"
	test.equal(cluster.call("moving", "@main", "number", 1), 1)
	cluster.reload { moving = "127.0.0.1:" .. second.port }
	test.equal(cluster.call("moving", "@main", "number", 2), 2)
	test.equal({ first:counted()[2], second:counted()[2] }, { nil, 1 })
end)

-- ---- the configuration ----

local function run(config)
	local path, script = process.path "config", process.path "script"
	local file = assert(io.open(script .. ".lua", "w"))
	file:write [[
		local cluster = require "skynet.cluster"
		local skynet = require "skynet"
		skynet.start(function()
			skynet.error("OPEN", pcall(cluster.open, 0))
			skynet.error("LOOPBACK", pcall(cluster.open, "self"))
			skynet.error("AGAIN", pcall(cluster.reload))
			require("skynet.manager").abort()
		end)
	]]
	file:close()
	file = assert(io.open(path, "w"))
	file:write(("luaservice = \"%s\"\nstart = \"%s\"\n%s\n"):format(test.dir .. "/?.lua", script:match "[^/]+$", config))
	file:close()
	return select(2, process.run({ test.reef, path }, 60))
end

test.case("the file with the nodes; listening beyond loopback is said, or refused", function()
	local nodes = process.path "nodes"
	local function write(text)
		local file = assert(io.open(nodes, "w"))
		file:write(text)
		file:close()
	end
	write "self = \"127.0.0.1:0\"\nother = false\n__nowaiting = true\n"
	local key = ("cluster = %q\n"):format(nodes)
	local output = run(key)
	test.matches(output, "listening on 0%.0%.0%.0:%d+: whoever reaches that can call every service")
	test.matches(output, "OPEN true 0%.0%.0%.0 %d+")
	test.matches(output, "LOOPBACK true 127%.0%.0%.1 %d+")
	test.matches(output, "AGAIN true")
	output = run(key .. "cluster_listen = \"loopback\"")
	test.matches(output, "OPEN false .*cluster_listen = \"loopback\" forbids it")
	test.matches(output, "LOOPBACK true 127%.0%.0%.1 %d+")
	test.matches(run "cluster = \"/nowhere\"", "OPEN false .*cannot read /nowhere: No such file")
	write "self = = 1"
	test.matches(run(key), "OPEN false .*cluster: .*nodes:1: unexpected symbol")
	test.matches(run(key .. "cluster_heartbeat = \"often\""), "cluster_heartbeat = often: must be an integer")
end)

test.case("no more connections than cluster.open allows", function()
	local _, port = cluster.open(0, 2)
	local socket = require "skynet.socket"
	local ids = {}
	for i = 1, 3 do
		ids[i] = assert(socket.open("127.0.0.1", port))
		test.defer(socket.close, ids[i])
	end
	test.equal(test.within(20, socket.read, ids[3]), false)
	socket.close(ids[1])
	test.eventually("room for another", 20, function()
		local id = assert(socket.open("127.0.0.1", port))
		socket.write(id, string.pack(">s2", string.pack("<BI4I4", 0, 0, 1) .. skynet.packstring "x"))
		local answer = socket.read(id)
		socket.close(id)
		return answer
	end)
end)

test.run()
