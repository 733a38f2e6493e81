-- timeout: 300
-- What processes share by etcd: the tree of skynet.datacenter, and services of which there is one in the whole cluster,
-- also when a process is frozen and comes back.
local cluster = require "skynet.cluster"
local datacenter = require "skynet.datacenter"
local process = require "test.process"
local servers = require "test.etcd"
local skynet = require "skynet"
local test = require "test"
local test_nodes = require "test.nodes"

local function start(name, etcd, more)
	return test_nodes.start(name, {
		more = ('etcd = "%s"\netcd_timeout = 300\n%s'):format(table.concat(etcd.endpoints, ","), more or ""),
	})
end

local SHARED <const> = 'datacenter = "etcd"\n'

-- ---- the tree ----

test.case("two processes have one tree; it does what the tree of one process does", { timeout = 120 }, function()
	local etcd = servers.start()
	local nodes = { start("a", etcd, SHARED), start("b", etcd, SHARED) }
	local keys = { "a", "b", 1, 2.5, true, "with/slash", "%2F", "", "\0\255" }
	local function random_value(depth)
		local kind = math.random(depth > 2 and 4 or 6)
		if kind == 1 then
			return math.random(1000)
		elseif kind == 2 then
			return "text\0" .. math.random(9)
		elseif kind == 3 then
			return math.random(2) == 1
		elseif kind == 4 then
			return nil
		end
		local t = {}
		for _ = 1, math.random(0, 3) do
			t[keys[math.random(#keys)]] = random_value(depth + 1)
		end
		return t
	end
	local function random_path(most)
		local path = { "property", n = math.random(1, most) }
		for i = 2, path.n do
			path[i] = keys[math.random(#keys)]
		end
		return path
	end
	for i = 1, test.count(200) do
		local path = random_path(4)
		local method = i % 2 == 0 and "get" or "set"
		local n = path.n
		if method == "set" then
			n = n + 1
			path[n] = random_value(1)
		end
		local there = table.pack(nodes[i % 4 < 2 and 1 or 2]:call("datacenter", method, table.unpack(path, 1, n)))
		local here = table.pack(pcall(datacenter[method], table.unpack(path, 1, n)))
		test.equal(there[1], here[1])
		if here[1] then
			test.equal(there[2], here[2])
		else
			test.matches(there[2], "is a value, there can be no")
		end
	end
end)

test.case("wait returns what another process sets, and says when it cannot come", { timeout = 60 }, function()
	local etcd = servers.start()
	local a, b = start("a", etcd, SHARED), start("b", etcd, SHARED)
	local function waiting(...)
		local outcome, path = {}, table.pack(...)
		skynet.fork(function()
			table.move(table.pack(a:call("datacenter", "wait", table.unpack(path, 1, path.n))), 1, 2, 1, outcome)
		end)
		return outcome
	end
	local function over(outcome)
		test.eventually("the wait is over", 10, function()
			return outcome[1] ~= nil
		end)
		return outcome
	end
	local many = {}
	for i = 1, 20 do
		many[i] = waiting("w", i)
	end
	local branch, value = waiting("x"), waiting("y", "deeper")
	skynet.sleep(20)
	for i = 1, 20 do
		b:call("datacenter", "set", "w", i, i * i)
	end
	for i = 1, 20 do
		test.equal(over(many[i]), { true, i * i })
	end
	b:call("datacenter", "set", "x", "below", 1)
	test.matches(over(branch)[2], "x has become a branch")
	b:call("datacenter", "set", "y", 1)
	test.matches(over(value)[2], "a value has been set above y.deeper")
	test.equal(over(waiting("w", 3)), { true, 9 })
	etcd[1]:kill()
	local ok, err = a:call("datacenter", "get", "w", 3)
	test.equal(ok, false)
	test.matches(err, "etcd txn failed.*not sent")
	etcd[1]:restart()
	test.eventually("it goes on", 10, function()
		return a:call("datacenter", "get", "w", 3)
	end)
end)

-- ---- one in the cluster ----

local function home(work)
	skynet.dispatch("lua", function(_, _, what, ...)
		skynet.retpack(work(what, ...))
	end)
	cluster.register("work")
	local _, port = cluster.open(0)
	return 'cluster_nodes = "etcd"\ncluster_address = "127.0.0.1"\ncluster_lease = 200\ncluster = "' .. (function()
		local path = process.path "names"
		local file <close> = assert(io.open(path, "w"))
		file:write(('home = "127.0.0.1:%d"\n'):format(port))
		return path
	end)() .. '"\n'
end

test.case("frozen holders that come back do no work; a member of etcd is lost meanwhile", { timeout = 200 }, function()
	local etcd = servers.start(3)
	local db = servers.client.new { endpoints = etcd.endpoints, timeout = 5 }
	test.eventually("a leader", 20, function()
		return pcall(db.put, db, "ready", "1")
	end)
	-- The resource: refuses whoever has a lower fence than it has seen.
	local highest, accepted, refused, by_fence, turns = 0, 0, 0, {}, {}
	local more = home(function(_, fence, who)
		test.truthy(by_fence[fence] == nil or by_fence[fence] == who)
		by_fence[fence] = who
		if fence < highest then
			refused = refused + 1
			return false
		end
		if fence > highest then
			highest = fence
			turns[#turns + 1] = who
		end
		accepted = accepted + 1
		return true
	end)
	local nodes = {}
	for i = 1, 3 do
		local name = "s" .. i
		nodes[name] = start(name, etcd, more .. ('cluster_name = "%s"\n'):format(name))
		nodes[name]:call("elect", "worker", 2)
	end
	local function next_turn(count)
		test.eventually("another is elected", 30, function()
			return #turns >= count
		end)
	end
	next_turn(1)
	for round = 1, 3 do
		local who, before = turns[#turns], #turns
		nodes[who].process:freeze()
		next_turn(before + 1)
		test.different(turns[#turns], who)
		if round == 2 then
			etcd[math.random(3)]:kill()
		end
		local stale = refused
		assert(nodes[who].process:signal "CONT")
		local enough = accepted + 20
		test.eventually("work goes on", 20, function()
			return accepted >= enough
		end)
		-- What was on its way when it was frozen, at most.
		test.between(refused - stale, 0, 1)
	end
	test.eventually("etcd knows the last fence", 10, function()
		local value = db:get "/fence"
		return math.tointeger(tonumber(value)) == highest
	end)
end)

test.case("a service of the whole cluster is launched once, called from anywhere, and fails over", { timeout = 120 },
	function()
		local etcd = servers.start()
		local more = home(function() end)
		local nodes = {}
		for i = 1, 2 do
			local name = "l" .. i
			nodes[name] = start(name, etcd, more .. ('cluster_name = "%s"\n'):format(name))
			nodes[name]:call("launch", "echoes", "cluster_echo")
		end
		local function where(from)
			local ok, name = nodes[from]:call("singleton", "where", "echoes")
			return ok and name
		end
		test.eventually("one has it", 20, function()
			return where "l1"
		end)
		local first = where "l1"
		local second = first == "l1" and "l2" or "l1"
		for name in pairs(nodes) do
			test.eventually("it answers", 20, function()
				local ok, answer = nodes[name]:call("singleton", "call", "echoes", "echo", name)
				return ok and answer
			end)
		end
		nodes[first].process:kill()
		test.eventually("the other has it", 40, function()
			return where(second) == second
		end)
		test.eventually("it answers", 20, function()
			return nodes[second]:call("singleton", "call", "echoes", "echo", 1)
		end)
	end)

test.run()
