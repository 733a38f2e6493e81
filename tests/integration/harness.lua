-- timeout: 60
-- The test support itself: programs are started, stopped, watched and cleaned up.
local process = require "test.process"
local redis = require "test.redis"
local test = require "test"

test.case("a program's exit code, signal and output are told", function()
	local code, output = process.run { "sh", "-c", "echo $GREETING; exit 3", env = { GREETING = "hello" } }
	test.equal(code, 3)
	test.equal(output, "hello\n")
	local sleeper = process.start { "sleep", "1000" }
	test.truthy(sleeper:signal "TERM")
	local none, signal = sleeper:wait()
	test.equal(none, nil)
	test.equal(signal, 15)
	test.equal(sleeper:signal "TERM", false)
end)

test.case("a program that does not exist is an error", function()
	test.raises("no%-such%-program.*No such file", process.start, { "/no-such-program" })
end)

test.case("a program inherits no file descriptor", function()
	local code, output = process.run { "sh", "-c", "ls /proc/self/fd" }
	test.equal(code, 0)
	test.equal(output, "0\n1\n2\n3\n") -- 3 is the directory that ls reads
end)

test.case("a port for a server is none that the system gives to a connection meanwhile", function()
	local range <close> = assert(io.open "/proc/sys/net/ipv4/ip_local_port_range")
	local first = range:read "n"
	if first < 21000 then
		test.skip "there is no room below those"
	end
	for _ = 1, 200 do
		test.between(process.free_port(), 1024, first - 1)
	end
end)

test.case("a redis-server can be frozen, killed and restarted on its port", function()
	local server = redis.start()
	test.equal(server:cli("SET", "k", "v"), "OK")
	local port = server.port
	server:restart()
	test.equal(server.port, port)
	test.equal(server:cli("GET", "k"), "")
	test.truthy(process.can_connect(server.port))
	server:freeze()
	server:thaw()
	test.equal(server:cli "PING", "PONG")
	server:kill()
	test.equal(process.can_connect(server.port), false)
end)

test.case("values are compared by content and subtype", function()
	test.equal({ 1, { a = "x" } }, { 1, { a = "x" } })
	test.raises("got 1.0, want 1", test.equal, 1.0, 1)
	test.raises("want {1, 2}", test.equal, { 1 }, { 1, 2 })
	test.raises("not after", test.eventually, "never", 0.05, function() end)
end)

test.run()
