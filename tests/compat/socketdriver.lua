-- skynet.socketdriver and skynet.netpack: socket messages for services that dispatch them themselves.
local driver = require "skynet.socketdriver"
local netpack = require "skynet.netpack"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local CONNECT <const>, CLOSE <const>, ACCEPT <const>, ERROR <const>, WARNING <const> = 2, 3, 4, 5, 7

---The first event of that type (and id) that the service has seen, once it has.
local function event(service, what, id)
	return test.eventually("event " .. what, 10, function()
		for _, e in ipairs(skynet.call(service, "lua", "events")) do
			if e[1] == what and (id == nil or e[2] == id) then
				return e
			end
		end
	end)
end

local function raw(service, ...)
	return skynet.call(service, "lua", ...)
end

test.case("listen, accept, start, data, send and close are messages", function()
	local s = test.service "rawsocket"
	local l = raw(s, "listen", "127.0.0.1", 0)
	local listening = event(s, CONNECT, l)
	test.equal(listening[4], "127.0.0.1")
	local port = listening[3]
	test.truthy(port > 0)
	raw(s, "start", l)
	local c = assert(socket.open("127.0.0.1", port))
	local accepted = event(s, ACCEPT, l)
	local id = accepted[3]
	test.matches(accepted[4], "^127%.0%.0%.1:%d+$")
	socket.write(c, "one\ntwo\nrest")
	raw(s, "start", id)
	event(s, CONNECT, id)
	test.eventually("a line", 5, function()
		return raw(s, "has_line", id)
	end)
	test.equal(raw(s, "line", id), "one")
	test.equal(raw(s, "line", id), "two")
	test.equal(raw(s, "line", id), nil)
	test.equal({ raw(s, "pop", id, 100) }, { nil, 4 })
	test.equal({ raw(s, "pop", id, 2) }, { "re", 2 })
	test.equal(raw(s, "all", id), "st")
	test.equal(raw(s, "all", id), "")
	test.equal(raw(s, "send", id, "answer"), true)
	test.equal(raw(s, "nodelay", id), true)
	test.equal(socket.read(c, 6), "answer")
	raw(s, "close", id)
	event(s, CLOSE, id)
	test.equal(socket.readall(c) or "", "")
	socket.close(c)
	raw(s, "close", l)
	event(s, CLOSE, l)
end)

test.case("connect reports success or failure", function()
	local s = test.service "rawsocket"
	local l, ip, port = socket.listen("127.0.0.1", 0)
	local id = raw(s, "connect", ip, port)
	test.equal(event(s, CONNECT, id)[4], ip .. ":" .. port)
	socket.close(l)
	event(s, ERROR, id)
	id = raw(s, "connect", ip, port)
	test.equal(event(s, ERROR, id)[4], "Connection refused")
	test.raises("call failed", raw, s, "connect", "not an address")
	test.equal(event(s, CONNECT)[3], 0)
	id = 123456789
	raw(s, "start", id)
	test.equal(event(s, ERROR, id)[4], "invalid socket")
end)

test.case("unsent output is reported in KiB", function()
	local s = test.service "rawsocket"
	local l, ip, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, l)
	local id = raw(s, "connect", ip, port)
	event(s, CONNECT, id)
	raw(s, "send", id, ("x"):rep(20 * 1024 * 1024))
	test.truthy(event(s, WARNING, id)[3] >= 1024)
	raw(s, "shutdown", id)
	event(s, CLOSE, id)
end)

test.case("buffers work on any bytes that are handed over", function()
	local b = driver.buffer()
	test.equal(driver.push(b, {}, driver.str2p "hello\nworld"), 11)
	test.equal(driver.readline(b, nil, "\n"), true)
	test.equal(driver.readline(b, {}, "\n"), "hello")
	test.equal(driver.readline(b, nil, "\n"), false)
	driver.clear(b, {})
	test.equal(driver.readall(b, {}), "")
	driver.drop(driver.str2p "dropped")
	test.equal(driver.header "\0\5", 5)
end)

test.case("pack puts a length in front, and refuses what does not fit in two bytes", function()
	test.equal(netpack.tostring(netpack.pack "abc"), "\0\3abc")
	test.equal(netpack.tostring(netpack.pack ""), "\0\0")
	test.equal(#netpack.tostring(netpack.pack(("x"):rep(65535))), 65537)
	test.raises("too long", netpack.pack, ("x"):rep(65536))
	local block, size = driver.str2p "block"
	test.equal(netpack.tostring(netpack.pack(block, size)), "\0\5block")
	driver.drop(block, size)
end)

local function packets(service, n)
	return test.eventually(n .. " packets", 10, function()
		local list = {}
		for _, e in ipairs(skynet.call(service, "lua", "got")) do
			if e[1] == "data" then
				list[#list + 1] = e[3]
			end
		end
		return #list >= n and list
	end)
end

---A service that filters, and a connection to it: service, our id, its id.
local function filtered()
	local s = test.service "packets"
	skynet.call(s, "lua", "listen")
	local init = test.eventually("listening", 5, function()
		return skynet.call(s, "lua", "got")[1]
	end)
	test.equal({ init[1], init[3] }, { "init", "127.0.0.1" })
	local c = assert(socket.open("127.0.0.1", init[4]))
	test.defer(socket.close, c)
	local id = test.eventually("open", 5, function()
		for _, e in ipairs(skynet.call(s, "lua", "got")) do
			if e[1] == "open" then
				test.matches(e[3], "^127%.0%.0%.1:%d+$")
				return e[2]
			end
		end
	end)
	return s, c, id
end

test.case("packets come out whole, one at a time or many, a byte at a time or cut anywhere", function()
	local s, c = filtered()
	socket.write(c, "\0\5hello")
	test.equal(packets(s, 1), { "hello" })
	socket.write(c, "\0\1a\0\0\0\2bc\0")
	test.equal(packets(s, 4), { "hello", "a", "", "bc" })
	for byte in ("\3def\0\1g"):gmatch "." do
		socket.write(c, byte)
		skynet.sleep(1)
	end
	test.equal(packets(s, 6), { "hello", "a", "", "bc", "def", "g" })
	local large = ("0123456789"):rep(6553)
	socket.write(c, string.pack(">s2s2", large, "end"))
	local list = packets(s, 8)
	test.truthy(list[7] == large)
	test.equal(list[8], "end")
end)

test.case("open, close and what is sent back arrive", function()
	local s, c, id = filtered()
	skynet.call(s, "lua", "send", id, "reply")
	test.equal(socket.read(c, 7), "\0\5reply")
	socket.write(c, "\0\9incompl")
	socket.close(c)
	test.eventually("close", 5, function()
		for _, e in ipairs(skynet.call(s, "lua", "got")) do
			if e[1] == "close" then
				return e[2] == id
			end
		end
	end)
	skynet.call(s, "lua", "clear")
end)

test.run()
