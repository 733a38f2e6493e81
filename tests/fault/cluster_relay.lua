-- timeout: 600
-- What nodes share, over links that are slow, narrow, cut in the middle of a frame, dead in one direction, half closed,
-- and to processes that are frozen: by chance, from the seed. Everything has a number. What has succeeded has happened
-- once, what was not sent has not happened, the rest at most once; what comes in an order comes in it, and every wait
-- ends.
local cluster = require "skynet.cluster"
local process = require "test.process"
local proxy = require "test.proxy"
local redis = require "test.redis"
local servers = require "test.etcd"
local skynet = require "skynet"
local test = require "test"
local test_nodes = require "test.nodes"

local random = math.random

-- ---- faults ----

-- One fault of a link, of those that are over after a while by themselves or by `mend`.
local faults <const> = {
	function(link)
		link:set { latency = random(1, 60) }
	end,
	function(link)
		link:set { rate = random(100000, 2000000) }
	end,
	function(link)
		link:set { split = { random(1, 200), random(1, 100) } }
	end,
	function(link)
		link:set { stall = { random(1000, 50000), random(10, 300) } }
	end,
	function(link)
		link:hold(({ "up", "down" })[random(2)])
	end,
	function(link)
		link:hold()
	end,
	function(link)
		link:half(({ "up", "down" })[random(2)])
	end,
	function(link)
		link[({ "cut", "close" })[random(2)]](link)
	end,
	-- In the middle of a frame, most likely.
	function(link)
		link:next(({ "up", "down" })[random(2)], random(1, 60000), ({ "fin", "rst", "hold", "half" })[random(4)])
		link:cut()
	end,
	function(link)
		link:refuse()
		link:cut()
	end,
}

local function mend(links)
	for _, link in ipairs(links) do
		link:pass()
		link:accept()
	end
end

-- So many faults one after the other, of links and of processes, and some time in between; then all is well again.
local function trouble(count, links, processes)
	for _ = 1, count do
		local victim = processes and random(6) == 1 and processes[random(#processes)]
		if victim then
			victim:freeze()
			skynet.sleep(random(10, 150))
			assert(victim:signal "CONT")
		else
			faults[random(#faults)](links[random(#links)])
		end
		skynet.sleep(random(5, 60))
		if random(2) == 1 then
			mend(links)
		end
	end
	mend(links)
end

-- ---- calls and sends ----

test.case("calls and sends of a cluster", { timeout = 280 }, function()
	math.randomseed(test.seed)
	local more = "cluster_heartbeat = 30\ncluster_timeout = 400\n"
	local a, b = test_nodes.start("a", { more = more }), test_nodes.start("b", { more = more })
	local link = proxy.start(b.port)
	a:call("reload", { b = "127.0.0.1:" .. link.port })
	local first, sum, pushed = 1, { ok = 0, ["not sent"] = 0, ["maybe applied"] = 0 }, 0
	local losses = 0
	for _ = 1, test.count(20) do
		local count = 60
		a:call("run_numbers", "b", first, count, 100000)
		trouble(random(2, 6), { link }, { b.process })
		local outcomes
		test.eventually("every call ends", 60, function()
			local running
			outcomes, running = a:call "outcomes"
			return running == 0
		end)
		a:reaches "b"
		local counts = b:counted()
		for n = first, first + count - 1 do
			local outcome, times = outcomes[n], counts[n] or 0
			test.truthy(sum[outcome], outcome)
			sum[outcome] = sum[outcome] + 1
			test.between(times, outcome == "ok" and 1 or 0, outcome == "not sent" and 0 or 1)
		end
		-- Nothing comes twice; and what was sent before comes before, unless the connection was lost in between.
		local seen, before, turns = {}, first - 1, 0
		local list = b:pushed()
		for i = pushed + 1, #list do
			test.between(list[i], first, first + count - 1)
			test.equal(seen[list[i]], nil, "twice")
			seen[list[i]] = true
			turns = turns + (list[i] < before and 1 or 0)
			before = list[i]
		end
		pushed = #list
		-- What was under way on a connection that was lost may come among what was sent on the next one.
		test.eventually("a loss is told, if some came late", 10, function()
			local _, all = a.process:output():gsub("calls were in flight", "")
			if turns == 0 or all > losses then
				losses = all
				return true
			end
		end)
		first = first + count
	end
	test.truthy(sum.ok > 0 and pushed > 0)
end)

-- ---- what lies in etcd ----

-- One etcd, and a link to it for each node.
local function etcd_through(count)
	local etcd, links = servers.start(), {}
	for i = 1, count do
		links[i] = proxy.start(etcd[1].port)
	end
	return etcd, links
end

local function start(name, link, more)
	return test_nodes.start(name, {
		more = ('etcd = "http://127.0.0.1:%d"\netcd_timeout = 100\ncluster_heartbeat = 30\n%s'):format(link.port, more or ""),
	})
end

test.case("the tree of datacenter", { timeout = 280 }, function()
	math.randomseed(test.seed)
	local _, links = etcd_through(2)
	local a = start("a", links[1], 'datacenter = "etcd"\n')
	local b = start("b", links[2], 'datacenter = "etcd"\n')
	local first = 1
	for _ = 1, test.count(10) do
		local count = 40
		a:call("set_numbers", first, count)
		trouble(random(2, 4), links, { a.process })
		local outcomes
		test.eventually("every change ends", 60, function()
			local running
			outcomes, running = a:call "outcomes"
			return running == 0
		end)
		for n = first, first + count - 1 do
			-- Connections that were hurt may fail once more.
			local ok, value
			test.eventually("the other reads", 30, function()
				ok, value = b:call("datacenter", "get", "numbers", n)
				return ok
			end)
			if outcomes[n] == "ok" then
				test.equal(value, n)
			elseif outcomes[n] == "not sent" then
				test.equal(value, nil)
			else
				test.equal(outcomes[n], "maybe applied")
				test.truthy(value == nil or value == n)
			end
		end
		first = first + count
	end
end)

test.case("no two holders of a fencing number are at work", { timeout = 280 }, function()
	math.randomseed(test.seed)
	local etcd, links = etcd_through(3)
	local db = servers.client.new { endpoints = etcd.endpoints, timeout = 5 }
	-- What is worked on takes no lower number than the highest that it has seen.
	local highest, accepted, who = 0, 0, {}
	skynet.dispatch("lua", function(_, _, _, fence, name)
		test.truthy(who[fence] == nil or who[fence] == name, "a number has two holders")
		who[fence] = name
		local good = fence >= highest
		highest, accepted = math.max(highest, fence), accepted + (good and 1 or 0)
		skynet.retpack(good)
	end)
	cluster.register "work"
	local _, port = cluster.open(0)
	local nodes, processes = {}, {}
	for i = 1, 3 do
		nodes[i] = start("s" .. i, links[i], 'cluster_name = "s' .. i .. '"\n')
		processes[i] = nodes[i].process
		nodes[i]:call("reload", { home = "127.0.0.1:" .. port })
		nodes[i]:call("elect", "worker", 2)
	end
	local elections = 0
	for _ = 1, test.count(10) do
		trouble(random(1, 3), links, nil)
		-- Longer than a lease: who comes back has an old one.
		local victim = processes[random(3)]
		victim:freeze()
		skynet.sleep(random(10, 350))
		assert(victim:signal "CONT")
		local before = accepted
		test.eventually("work goes on", 60, function()
			return accepted > before + 10
		end)
		-- etcd knows itself who may write: what `guard` has written is never from before.
		local value = math.tointeger(tonumber((db:get "/fence")))
		test.truthy(value == nil or value >= elections)
		elections = value or elections
	end
	test.eventually("the last one has the highest number", 30, function()
		return math.tointeger(tonumber((db:get "/fence"))) == highest
	end)
end)

-- ---- the bus ----

local BUS <const> = [[
thread = 2
luaservice = "%s/tests/services/?.lua"
start = "bus_node"
port = %d
bus = "redis://127.0.0.1:%d"
]]

test.case("the bus", { timeout = 200 }, function()
	math.randomseed(test.seed)
	local server = redis.start()
	local links, names = {}, { "pub", "sub" }
	for i, name in ipairs(names) do
		links[i] = proxy.start(server.port)
		local port, config = process.free_port(), process.path "config"
		local file <close> = assert(io.open(config, "w"))
		file:write(BUS:format(test.root, port, links[i].port))
		file:close()
		process.start({ test.reef, config }):expect("ready", 60)
		cluster.reload { [name] = "127.0.0.1:" .. port }
	end
	local function at(name, ...)
		return cluster.call(name, "@main", ...)
	end
	at("sub", "subscribe", "n")
	local heard, lost = 0, 0
	for _ = 1, test.count(10) do
		local done
		skynet.fork(function()
			for _ = 1, 20 do
				at("pub", "publish_next", "n", 10)
				skynet.sleep(2)
			end
			done = true
		end)
		trouble(random(1, 4), links)
		test.eventually("all are published, or refused", 90, function()
			return done
		end)
		test.eventually("the next one is heard", 60, function()
			at("pub", "publish_next", "n", 1)
			for _, item in ipairs(at("sub", "received")) do
				test.truthy(item[2] > heard, "twice, or out of order")
				-- Of what came before the first one nobody here can know.
				lost = lost + (heard > 0 and item[2] - heard - 1 or 0)
				heard = item[2]
			end
			return heard == at("pub", "published")
		end)
	end
	-- What is missing was refused, or is counted.
	test.between(at("sub", "status").lost, 0, lost)
	local refused = at("pub", "status").refused
	test.between(lost, 0, refused + at("sub", "status").lost)
end)

test.run()
