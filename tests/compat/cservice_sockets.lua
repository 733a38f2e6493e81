-- Services written in C that use sockets: tests/modules/echo.c.
local skynet = require "skynet"
local socket = require "skynet.socket"
require "skynet.manager"
local test = require "test"

local modules = test.reef:match "^(.*)/[^/]*$" .. "/tests/modules"
assert(os.execute("mkdir -p cservice && ln -sf '" .. modules .. "'/*.so cservice/"))

skynet.register_protocol {
	name = "text",
	id = skynet.PTYPE_TEXT,
	pack = tostring,
	unpack = skynet.tostring,
}

local function echo(param)
	local address = assert(skynet.launch("echo", param))
	test.defer(skynet.kill, address)
	return address
end

local function ask(address, what)
	return skynet.call(address, "text", what)
end

local function connect(address)
	local id
	test.eventually("it has a port", 5, function()
		return tonumber(ask(address, "port")) > 0
	end)
	id = assert(socket.open("127.0.0.1", tonumber(ask(address, "port"))))
	test.defer(socket.close, id)
	return id
end

test.case("it listens, accepts, reads and writes", function()
	local address = echo "listen 0"
	local id = connect(address)
	for _ = 1, 20 do
		local text = ("x"):rep(math.random(1, 2000)) .. "\n"
		socket.write(id, text)
		test.equal(socket.readline(id, "\n"):gsub("> ", ""), text:sub(1, -2))
	end
	test.matches(ask(address, "peer"), "^127%.0%.0%.1:%d+$")
	-- Listening, started, accepted, started, and data.
	test.matches(ask(address, "events"), "^224?2")
	test.equal(ask(address, "count"), "2")
	socket.close(id)
	test.eventually("it hears of the end", 5, function()
		return ask(address, "events"):find "3" and ask(address, "count") == "1"
	end)
end)

test.case("it connects, from its init too", function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	local got
	socket.start(listener, function(id)
		socket.start(id)
		got = socket.read(id, 5)
		socket.write(id, "back\n")
		got = got .. socket.readline(id)
		socket.close(id)
	end)
	local address = echo("dial " .. port .. " hello")
	test.eventually("both have been heard", 5, function()
		return got == "hello> back"
	end)
	test.eventually("it hears of the end", 5, function()
		return ask(address, "events"):find "^21+3"
	end)
end)

test.case("a connection that fails is told of", function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.close(listener)
	skynet.sleep(1)
	local address = echo("dial " .. port .. " hello")
	test.eventually("an error", 5, function()
		return ask(address, "events") == "5"
	end)
end)

test.case("pause, start, close and shutdown", function()
	local address = echo "listen 0"
	for _, ending in ipairs { "close", "shutdown" } do
		local id = connect(address)
		test.eventually("accepted", 5, function()
			return ask(address, "count") == "2"
		end)
		ask(address, "pause")
		socket.write(id, "a\n")
		skynet.sleep(5)
		test.equal(ask(address, "events"):find "1", nil)
		ask(address, "start")
		test.equal(socket.readline(id), "> a")
		ask(address, ending)
		test.equal(socket.readline(id), false)
		socket.close(id)
		skynet.kill(address)
		address = echo "listen 0"
	end
end)

test.case("datagrams", function()
	local probe = socket.udp(function() end, "127.0.0.1", 0)
	local port = math.random(20000, 60000)
	socket.close(probe)
	echo("udp " .. port)
	local got = {}
	local id = socket.udp(function(text)
		got[#got + 1] = text
	end)
	test.defer(socket.close, id)
	socket.udp_connect(id, "127.0.0.1", port)
	test.eventually("an echo", 5, function()
		socket.write(id, "ping")
		skynet.sleep(1)
		return got[1] == "ping"
	end)
end)

test.case("what is refused says so", function()
	local address = echo "listen 0"
	test.equal(ask(address, "refused"), "-1 -1 -1 -1")
end)

test.case("sockets end with their service", function()
	local address = echo "listen 0"
	local id = connect(address)
	skynet.kill(address)
	test.equal(socket.readline(id), false)
end)

test.run()
