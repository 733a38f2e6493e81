-- timeout: 300
-- The bus: in one process, over NATS and over Redis, also when the broker is away, hangs, or is restarted.
local bus = require "reef.bus"
local cluster = require "skynet.cluster"
local nats = require "test.nats"
local process = require "test.process"
local redis = require "test.redis"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
require "skynet.manager"

local CONFIG <const> = [[
thread = 2
luaservice = "%s/tests/services/?.lua"
start = "bus_node"
port = %d
bus = "%s"
%s
]]

---@class test.bus_node
local node = {}
node.__index = node

local serial = 0

local function start(url, more)
	serial = serial + 1
	local self = setmetatable({ port = process.free_port(), handle = "b" .. serial }, node)
	local config = process.path "config"
	local file <close> = assert(io.open(config, "w"))
	file:write(CONFIG:format(test.root, self.port, url, more or ""))
	file:close()
	self.process = process.start { test.reef, config }
	self.process:expect("ready", 60)
	cluster.reload { [self.handle] = "127.0.0.1:" .. self.port }
	return self
end

function node:call(...)
	return cluster.call(self.handle, "@main", ...)
end

-- All that it hears until there are n.
function node:hears(n)
	local all = {}
	test.eventually(("%d messages"):format(n), 15, function()
		table.move(self:call "received", 1, 1 << 20, #all + 1, all)
		return #all >= n
	end)
	test.equal(#all, n)
	return all
end

test.case("in one process: subjects, patterns, values, the end of a subscription", function()
	local got = {}
	local function listen(pattern)
		return bus.subscribe(pattern, function(subject, ...)
			got[#got + 1] = pattern .. " " .. subject .. " " .. table.concat({ ... }, ",")
		end)
	end
	local exact = listen "a.b"
	listen "a.*"
	listen "a.>"
	listen "*.b"
	listen "a-b.c"
	test.equal(bus.publish("a.b", 1, "x"), 4)
	test.equal(bus.publish("a.b.c", 2), 1)
	test.equal(bus.publish("a", 3), 0)
	test.equal(bus.publish("aXb.c", 3), 0)
	test.eventually("five", 5, function()
		return #got >= 5
	end)
	table.sort(got)
	test.equal(got, { "*.b a.b 1,x", "a.* a.b 1,x", "a.> a.b 1,x", "a.> a.b.c 2", "a.b a.b 1,x" })
	exact:close()
	exact:close()
	test.equal(bus.publish("a.b", 1), 3)
	for _, wrong in ipairs { "", "a..b", ".a", "a b", "a.*", "a.>", "a*" } do
		test.raises("bus: ", bus.publish, wrong)
	end
	for _, wrong in ipairs { "a.>.b", "a*", "x.>>" } do
		test.raises("bus: ", bus.subscribe, wrong, print)
	end
	test.equal(bus.status().broker, "none")
end)

test.case("a service that ends is forgotten, one message reaches many", function()
	local heard = 0
	local counter = skynet.self()
	skynet.dispatch("lua", function()
		heard = heard + 1
	end)
	local services = {}
	for i = 1, test.count(1000) do
		services[i] = skynet.newservice "bus_listener"
		skynet.call(services[i], "lua", "many")
	end
	test.equal(bus.publish("many", counter), #services)
	test.eventually("all", 20, function()
		return heard == #services
	end)
	for _, address in ipairs(services) do
		skynet.kill(address)
	end
	test.eventually("they are forgotten", 10, function()
		return bus.publish("many", counter) == 0
	end)
end)

-- Who subscribes while others do, and while somebody publishes, hears all from then on, and nothing twice.
local function subscribe_in_a_storm(here, there, new)
	for _ = 1, test.count(20) do
		local where = new()
		here:call("storm", where, 1)
		there:call("storm", where, 2)
		local all, most = here:call("subscribe_at_once", 4, where)
		for _, n in ipairs { here, there } do
			n:call("calm", where)
		end
		test.equal(all, { 20, 20, 20, 20 })
		test.equal(most, 1)
	end
end

-- What both brokers do.
local function both(url, broker)
	local a, b, c = start(url), start(url), start(url)
	b:call("subscribe", "x.y")
	c:call("subscribe", "x.*")
	a:call("subscribe", "x.>")
	test.equal({ a:call("publish", "x.y", 1, { "two" }, nil, "\r\n\0") }, { true, 1 })
	for _, n in ipairs { a, b, c } do
		test.equal(n:hears(1)[1], { "x.y", 1, { "two" }, nil, "\r\n\0" })
	end
	a:call("publish", "x.y.z")
	test.equal(a:hears(1), { { "x.y.z" } })
	-- Order, and nothing lost.
	test.equal(a:call("publish_many", 2000, "x.y"), 0)
	for _, n in ipairs { a, b, c } do
		for i, item in ipairs(n:hears(2000)) do
			test.equal(item[2], i)
		end
	end
	test.equal(b:call("lost"), {})
	-- One message crosses the wire once for all services of a process.
	b:call("many", 50, "wide")
	local before = b:call("status").received
	test.equal({ a:call("publish", "wide", 0x7fffff) }, { true, 0 })
	test.eventually("one message", 10, function()
		return b:call("status").received > before
	end)
	skynet.sleep(10)
	test.equal(b:call("status").received, before + 1)
	local storms = 0
	subscribe_in_a_storm(b, a, function()
		storms = storms + 1
		return "storm." .. storms
	end)
	b:call("unsubscribe", "x.y")
	a:call("publish", "x.y", "unheard")
	test.equal(c:hears(1)[1][2], "unheard")
	test.equal(b:call "received", {})

	-- Away: who publishes hears it, own services get it. Back: all goes on, and gaps are counted.
	b:call("subscribe", "x.y")
	a:call("publish", "x.y", "before")
	-- "unheard" may have been on its way to b's process all the time.
	test.eventually("it is heard again", 15, function()
		for _, item in ipairs(b:call "received") do
			if item[2] == "before" then
				return true
			end
		end
	end)
	a:call "received"
	broker:kill()
	test.eventually("it is noticed", 20, function()
		return not a:call("publish", "x.y", "away")
	end)
	local ok, outcome, text = a:call("publish", "x.y", "away")
	test.equal(ok, false)
	test.matches(outcome, "not sent")
	test.matches(text, "publish x.y failed")
	test.eventually("own services get it", 10, function()
		return #a:call "received" > 0
	end)
	test.matches(c:call("subscribe", "late") or "", "is away")
	broker:restart()
	test.eventually("it goes on", 30, function()
		return b:call("status").connected and c:call("status").connected and a:call("publish", "x.y", "back")
	end)
	a:call("publish", "x.y", "again")
	test.eventually("it is heard", 20, function()
		a:call("publish", "x.y", "again")
		return #b:call "received" > 0
	end)
	test.truthy(b:call("status").lost > 0)
	test.eventually("the subscriber is told", 5, function()
		return #b:call "lost" > 0
	end)
	a:call("publish", "late", 1)
	test.eventually("what was subscribed to meanwhile", 10, function()
		a:call("publish", "late", 1)
		for _, item in ipairs(c:call "received") do
			if item[1] == "late" then
				return true
			end
		end
	end)
end

test.case("over NATS", { timeout = 120 }, function()
	local server = nats.start()
	both(server.url, server)
end)

test.case("over Redis", { timeout = 120 }, function()
	local server = redis.start()
	both("redis://127.0.0.1:" .. server.port, server)
end)

test.case("a NATS server that hangs is left for another; passwords; large messages", { timeout = 120 },
	function()
		local one = nats.start { "--user", "reef", "--pass", "secret" }
		local two = nats.start { "--user", "reef", "--pass", "secret" }
		local url = ("nats://reef:secret@127.0.0.1:%d,reef:secret@127.0.0.1:%d"):format(one.port, two.port)
		local a, b = start(url, "bus_heartbeat = 60"), start(url, "bus_heartbeat = 60")
		b:call("subscribe", "s")
		local ok, outcome, text = a:call("publish", "s", ("x"):rep(2 << 20))
		test.equal({ ok, outcome }, { false, "not sent" })
		test.matches(text, "the server takes 1048576")
		a:call("publish", "s", ("x"):rep(1 << 19))
		test.equal(#b:hears(1)[1][2], 1 << 19)
		test.equal(a:call("status").broker:find "secret", nil)
		one:freeze()
		test.eventually("both go over to the other", 40, function()
			a:call("publish", "s", "there")
			for _, item in ipairs(b:call "received") do
				if item[2] == "there" then
					return true
				end
			end
		end)
		one:thaw()
		local wrong = start(("nats://reef:wrong@127.0.0.1:%d"):format(two.port))
		test.eventually("the reason", 10, function()
			local _, _, why = wrong:call("publish", "s", 1)
			return why and why:lower():find "authorization"
		end)
	end)

-- A server that lets in, and then says something that it should not; after that many times it behaves.
local function hostile(times)
	local id, _, port = socket.listen("127.0.0.1", 0)
	local said = {
		"MSG reef.s 1 99999999999\r\n", "MSG\r\n", "MSG reef.s 1 3\r\nabcdef", "MSG reef.s 77 3\r\nabc\r\nMSG x\r\n",
		"WHAT 1\r\n",
		"-ERR 'Stale Connection'\r\n", "INFO {\r\n-ERR\r\n", "MSG reef.s 1 40\r\n" .. ("z"):rep(40) .. "\r\n\r\n",
		"MSG reef.s 1 2\r\na",
	}
	local count = 0
	socket.start(id, function(fd)
		socket.start(fd)
		count = count + 1
		local behaves = count > times
		socket.write(fd, 'INFO {"max_payload":1000}\r\n')
		for line in function() return socket.readline(fd, "\r\n") or nil end do
			if line == "PING" then
				socket.write(fd, "PONG\r\n")
				if not behaves then
					local text = math.random(2) == 1 and said[math.random(#said)] or nil
					if not text then
						local bytes = {}
						for i = 1, math.random(60) do
							bytes[i] = string.char(math.random(0, 255))
						end
						text = table.concat(bytes) .. "\r\n"
					end
					socket.write(fd, text)
					socket.close(fd)
					return
				end
			end
		end
		socket.close(fd)
	end)
	test.defer(socket.close, id)
	return port, function()
		return count
	end
end

test.case("no password of a broker is shown", { timeout = 60 }, function()
	for _, url in ipairs { "redis://:s3/cr3t@127.0.0.1:1/0", "redis://127.0.0.1:1?auth=s3cr3t",
		"nats://s3/cr3t@127.0.0.1:1", "nats://me:s3@cr3t@127.0.0.1:1",
		"rediss://me:s3cr3t@127.0.0.1:1/0?tls_password=s3cr3t" } do
		local status = start(url):call "status"
		test.equal(status.broker:find "s3" or status.broker:find "cr3t", nil, status.broker)
		test.equal(status.connected, false)
	end
end)

test.case("whatever a broker sends, its connection ends at worst", { timeout = 60 }, function()
	local port, count = hostile(25)
	local a = start("nats://127.0.0.1:" .. port)
	a:call("subscribe", "s")
	test.eventually("it has come through", 40, function()
		return count() > 25 and a:call("status").connected
	end)
	test.equal({ a:call("publish", "s", 1) }, { true, 1 })
	test.eventually("own messages", 10, function()
		for _, item in ipairs(a:call "received") do
			if item[2] == 1 then
				return true
			end
		end
	end)
end)

test.case("channels of skynet.multicast over the bus", { timeout = 60 }, function()
	local server = nats.start()
	local a, b = start(server.url, 'multicast = "bus"'), start(server.url, 'multicast = "bus"')
	local number = a:call "channel"
	test.equal(b:call("channel", number), number)
	for _, n in ipairs { a, b } do
		n:call("on_channel", number, "subscribe")
	end
	a:call("on_channel", number, "publish", "one", 1)
	b:call("on_channel", number, "publish", "two", 2)
	for _, n in ipairs { a, b } do
		local all = n:hears(2)
		table.sort(all, function(x, y)
			return x[3] < y[3]
		end)
		test.equal(all, { { "channel", "one", 1 }, { "channel", "two", 2 } })
	end
	subscribe_in_a_storm(b, a, function()
		return a:call "channel"
	end)
	b:call("on_channel", number, "unsubscribe")
	a:call("on_channel", number, "publish", "three", 3)
	test.equal(a:hears(1), { { "channel", "three", 3 } })
	test.equal(b:call "received", {})
	b:call("on_channel", number, "subscribe")
	a:call("on_channel", number, "delete")
	test.eventually("nobody hears what is published on a deleted channel", 10, function()
		b:call("on_channel", number, "publish", "four", 4)
		skynet.sleep(2)
		return #b:call "received" == 0
	end)
end)

test.run()
