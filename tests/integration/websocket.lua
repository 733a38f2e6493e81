-- timeout: 180
-- http.websocket: with Python's `websockets` on the other side, and with peers that break the rules.
if require "test".without("reef.http.core", "reef.http.frames") then
	return
end

local certificates = require "test.tls"
local http = require "reef.http.server"
local httpc = require "http.httpc"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"
local websocket = require "http.websocket"

-- A server that echoes; what its handle was told, and what accept came to.
local function echo(options)
	local told, over = {}, {}
	local function note(...)
		told[#told + 1] = table.concat({ ... }, " ", 1, select("#", ...))
	end
	local handle = {
		connect = function()
			note "connect"
		end,
		handshake = function(id, header, url)
			note("handshake", url, header["x-real-ip"] or "-", websocket.real_ip(id) or "-")
		end,
		message = function(id, data, kind)
			if data == "close me" then
				websocket.close(id, 4000, "as you wish")
			else
				websocket.write(id, data, kind)
			end
		end,
		ping = function()
			note "ping"
		end,
		pong = function()
			note "pong"
		end,
		close = function(_, code, reason)
			note("close", tostring(code), tostring(reason))
		end,
		error = function()
			note "error"
		end,
	}
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(newid, addr)
		over[#over + 1] = table.pack(websocket.accept(newid, handle, "ws", addr, options))
	end)
	test.defer(socket.close, id)
	return port, told, over
end

local function python(text, ...)
	local code, output = process.run { "/usr/bin/python3", "-c", "import asyncio, sys, websockets\n" .. text, ... }
	test.equal(code, 0, output)
	return output
end

local UPGRADE = "GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
	.. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

local function raw(port, more)
	local id = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, id)
	socket.write(id, UPGRADE .. (more or ""))
	local head = socket.readline(id, "\r\n\r\n")
	test.matches(head, "^HTTP/1.1 101 .*Sec%-WebSocket%-Accept: s3pPLMBiTxaQ9kYGzzhZRbK%+xOo=")
	return id
end

-- A frame as a client sends it.
local function frame(first, data, size)
	return string.char(first, 128 | (size or #data), 0, 0, 0, 0) .. data
end

test.case("Python's client is served", { timeout = 60 }, function()
	local port, told, over = echo { max_message = 4 * 1024 * 1024 }
	python(([[
async def main():
    url = "ws://127.0.0.1:%d/a?b"
    async with websockets.connect(url, extra_headers={"X-Real-IP": "9.8.7.6"}, max_size=None) as ws:
        for n in (0, 1, 125, 126, 127, 65535, 65536, 1000000):
            await ws.send("x" * n)
            assert await ws.recv() == "x" * n
            await ws.send(b"\xff" * n)
            assert await ws.recv() == b"\xff" * n
        await ws.send(["a", "bc", "", "d"])
        assert await ws.recv() == "abcd"
        await asyncio.wait_for(await ws.ping(), 5)
    async with websockets.connect(url, subprotocols=["x", "chat"]) as ws:
        assert ws.subprotocol == "chat"
        await ws.send("close me")
        try:
            await ws.recv()
        except websockets.ConnectionClosed as e:
            assert (e.rcvd.code, e.rcvd.reason) == (4000, "as you wish"), e
        else:
            raise AssertionError
asyncio.run(main())]]):format(port))
	test.eventually("both are over", 10, function()
		return #over == 2
	end)
	test.equal({ over[1][1], over[2][1] }, { true, true })
	test.equal({ table.unpack(told, 1, 4) }, { "connect", "handshake /a?b 9.8.7.6 9.8.7.6", "ping", "close 1000 " })
end)

test.case("Python's server is a peer", { timeout = 60 }, function()
	local server = process.start { "/usr/bin/python3", "-u", "-c", [[
import asyncio, websockets
async def serve(ws):
    async for m in ws:
        if m == "bye":
            await ws.close(4001, "bye then")
        else:
            await ws.send(["fr", "ag", m] if isinstance(m, str) else m)
async def main():
    async with websockets.serve(serve, "127.0.0.1", 0, max_size=None, ping_interval=0.2) as s:
        print("port", s.sockets[0].getsockname()[1])
        await asyncio.Future()
asyncio.run(main())]] }
	local url = ("ws://127.0.0.1:%s"):format(server:expect "port (%d+)")
	local id = websocket.connect(url)
	for _, n in ipairs { 0, 1, 125, 126, 65535, 65536, 200000 } do
		websocket.write(id, ("x"):rep(n))
		test.equal(websocket.read(id), "frag" .. ("x"):rep(n))
		websocket.write(id, ("\xff"):rep(n), "binary", 0x01020304)
		test.equal(websocket.read(id), ("\xff"):rep(n))
	end
	test.equal(websocket.addrinfo(id), url:sub(6))
	skynet.fork(function()
		skynet.sleep(70)
		websocket.write(id, "bye")
	end)
	test.equal({ websocket.read(id) }, { false, "\x0f\xa1bye then" })
	test.equal(websocket.is_close(id), true)
	id = websocket.connect(url .. "/path")
	test.within(3, websocket.close, id, 1000, "done")
	test.equal(websocket.is_close(id), true)
end)

test.case("a handshake that is none has its answer", function()
	local port, _, over = echo()
	local function refused(status, text)
		local id = assert(socket.open("127.0.0.1", port))
		socket.write(id, text)
		test.matches(socket.readall(id) or "", "^HTTP/1.1 " .. status, text)
		socket.close(id)
	end
	refused(400, (UPGRADE:gsub("GET", "POST")))
	refused(426, (UPGRADE:gsub("Upgrade: websocket\r\n", "")))
	refused(400, (UPGRADE:gsub("Connection: [^\r]*", "Connection: close")))
	refused(426, (UPGRADE:gsub("Version: 13", "Version: 8")))
	refused(400, (UPGRADE:gsub("dGhl", "dGhlIHNh")))
	refused(400, (UPGRADE:gsub("Sec%-WebSocket%-Key: [^\r]*\r\n", "")))
	refused(400, (UPGRADE:gsub("Host: a\r\n", "")))
	refused(400, (UPGRADE:gsub("Host: a", "Sec-WebSocket-Protocol: mqtt\r\n%0")))
	refused(413, (UPGRADE:gsub("Host: a", "X: " .. ("x"):rep(9000) .. "\r\n%0")))
	refused(505, (UPGRADE:gsub("HTTP/1.1", "HTTP/2.0")))
	refused(400, (UPGRADE:gsub("HTTP/1.1", "HTTP/1.0")))
	test.eventually("all are over", 30, function()
		return #over == 11
	end)
	for _, result in ipairs(over) do
		test.equal(result[1], false)
	end
end)

test.case("who breaks the rules is told and let go", function()
	local port, told, over = echo()
	local function broken(code, bytes)
		local before = #over
		local id = raw(port)
		socket.write(id, bytes)
		local answer = socket.readall(id) or ""
		socket.close(id)
		test.eventually("it is over", 5, function()
			return #over > before
		end)
		test.equal(over[#over][1], false, ("%q"):format(bytes:sub(1, 20)))
		test.equal(told[#told], "error")
		test.equal(answer:byte(1), 0x88)
		test.equal(#answer > 2 and (">I2"):unpack(answer, 3) or nil, code, ("%q"):format(bytes:sub(1, 20)))
	end
	broken(1002, frame(0xc1, "a"))            -- a reserved bit
	broken(1002, frame(0x83, "a"))            -- an unknown opcode
	broken(1002, frame(0x80, "a"))            -- the end of what never began
	broken(1002, frame(0x01, "a") .. frame(0x81, "b")) -- a message within another
	broken(1002, "\x81\1a")                   -- a client's frame without a mask
	broken(nil, frame(0x09, "a"))             -- a ping in fragments
	broken(nil, string.char(0x89, 254, 0, 200, 0, 0, 0, 0) .. ("x"):rep(200)) -- a ping that is too long
	broken(1007, frame(0x81, "\xff\xfe"))     -- a text that is none
	broken(1007, frame(0x88, "\x03\xe8\xff"))  -- a reason that is no text
	broken(1002, frame(0x88, "\x03\xed"))     -- a code that nobody may send
	broken(1009, string.char(0x82, 255) .. (">I8"):pack(300000) .. "\0\0\0\0" .. ("x"):rep(300000))
	broken(1009, string.char(0x02, 255) .. (">I8"):pack(200000) .. "\0\0\0\0" .. ("x"):rep(200000)
		.. string.char(0x80, 255) .. (">I8"):pack(200000) .. "\0\0\0\0" .. ("x"):rep(200000))
end)

test.case("every other way to break the rules ends the connection, too", { timeout = 120 }, function()
	local port, _, over = echo()
	local function ends(what, bytes, ...)
		local before = #over
		local id = raw(port)
		socket.write(id, bytes)
		local answer = test.within(30, socket.readall, id) or ""
		socket.close(id)
		test.eventually(what .. ": it is over", 30, function()
			return #over > before
		end)
		test.equal(over[#over][1], false, what)
		test.equal(answer:byte(1), 0x88, what)
		local code = #answer > 2 and (">I2"):unpack(answer, 3) or nil
		local allowed = false
		for _, c in ipairs { ... } do
			allowed = allowed or c == code
		end
		test.truthy(allowed or code == nil, ("%s: %s"):format(what, code))
	end
	local function long(first, bits, n, rest)
		return string.char(first, bits == 16 and 254 or 255) .. (bits == 16 and ">I2" or ">I8"):pack(n) .. "\0\0\0\0" .. rest
	end
	for _, first in ipairs { 0xa1, 0x91, 0xf1, 0xa8, 0x99 } do
		ends(("reserved bits %02x"):format(first), frame(first, "a"), 1002)
	end
	for opcode = 3, 15 do
		if opcode < 8 or opcode > 10 then
			ends(("opcode %d"):format(opcode), frame(0x80 | opcode, "a"), 1002)
		end
	end
	for _, opcode in ipairs { 8, 9, 10 } do
		ends(("control %d in fragments"):format(opcode), frame(opcode, ""), 1002)
		ends(("control %d of 126 bytes"):format(opcode), long(0x80 | opcode, 16, 126, ("x"):rep(126)), 1002)
	end
	ends("a length of 16 bits that fits into 7", long(0x82, 16, 125, ("x"):rep(125)), 1002)
	ends("a length of 64 bits that fits into 16", long(0x82, 64, 65535, ("x"):rep(65535)), 1002)
	ends("a length with the highest bit", long(0x82, 64, math.mininteger, ""), 1002, 1009)
	ends("a length of all bits", long(0x82, 64, -1, ""), 1002, 1009)
	ends("the largest length", long(0x82, 64, math.maxinteger, ("x"):rep(300000)), 1009)
	ends("a close of one byte", frame(0x88, "\3"), 1002)
	for _, code in ipairs { 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535 } do
		ends("close " .. code, frame(0x88, (">I2"):pack(code)), 1002)
	end
	for what, text in pairs {
		["a surrogate"] = "\xed\xa0\x80", ["too long for what it is"] = "\xc0\x80", ["beyond the last"] = "\xf4\x90\x80\x80",
		["of five bytes"] = "\xf8\x88\x80\x80\x80", ["cut off"] = "a\xe2\x82", ["only the rest"] = "\x80",
	} do
		ends("text: " .. what, frame(0x81, text), 1007)
		for cut = 0, #text do
			ends("text in pieces: " .. what, frame(0x01, text:sub(1, cut)) .. frame(0x80, text:sub(cut + 1)), 1007)
		end
	end
	-- What is right at any cut.
	local text = "a\xe2\x82\xac\xf0\x9f\x90\x9fb"
	for cut = 0, #text do
		local id = raw(port)
		socket.write(id, frame(0x01, text:sub(1, cut)) .. frame(0x80, text:sub(cut + 1)))
		test.equal(test.within(30, socket.read, id, 2 + #text), string.char(0x81, #text) .. text)
		socket.close(id)
	end
	for _, code in ipairs { 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999 } do
		local id = raw(port)
		socket.write(id, frame(0x88, (">I2"):pack(code)))
		test.equal(test.within(30, socket.readall, id), "\x88\2" .. (">I2"):pack(code))
		socket.close(id)
	end
end)

test.case("messages come whole however they are cut, in fragments and with pings between", function()
	local port = echo()
	for _ = 1, test.count(50) do
		local id = raw(port)
		local data = ("0123456789"):rep(math.random(1, 12))
		local cut = math.random(0, #data)
		local bytes = frame(0x01, data:sub(1, cut)) .. frame(0x89, "p") .. frame(0x80, data:sub(cut + 1))
		local at = 1
		while at <= #bytes do
			local n = math.random(1, 30)
			socket.write(id, bytes:sub(at, at + n - 1))
			at = at + n
			skynet.sleep(0)
		end
		test.equal(socket.read(id, 3), "\x8a\x01p")
		test.equal(socket.read(id, 2 + #data), string.char(0x81, #data) .. data)
		socket.write(id, frame(0x88, ""))
		test.equal(socket.readall(id), "\x88\0")
		socket.close(id)
	end
end)

test.case("frames that come with the handshake are not lost", function()
	local port = echo()
	local id = raw(port, frame(0x81, "early"))
	test.equal(socket.read(id, 7), "\x81\5early")
end)

test.case("who is silent is pinged, and let go", function()
	local port, told, over = echo { idle_timeout = 40 }
	local id = raw(port)
	test.equal(socket.read(id, 2), "\x89\0")
	test.eventually("it is over", 5, function()
		return #over == 1
	end)
	test.equal(told[#told], "error")
	id = assert(socket.open("127.0.0.1", port))
	test.defer(function()
		websocket.handshake_timeout = 1000
	end)
	websocket.handshake_timeout = 20
	socket.write(id, "GET / HTTP")
	socket.close(id)
	local silent = stream.listen(function(s)
		socket.readall(s)
		socket.close(s)
	end)
	test.raises("in time", websocket.connect, "ws://127.0.0.1:" .. silent)
end)

test.case("a goodbye has an end, whatever the peer goes on sending", function()
	local port, _, over = echo()
	local id = raw(port)
	test.eventually("it is over", 10, function()
		socket.write(id, frame(0x81, "close me"))
		skynet.sleep(10)
		return #over == 1
	end)
end)

test.case("who pings and does not read the answers is not read either", function()
	local server
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		server = id
		websocket.accept(id, {})
	end)
	local id = raw(port)
	socket.pause(id)
	local n, block = test.count(250000), 1000
	local pings = frame(0x89, ("p"):rep(125)):rep(block)
	local function unsent()
		for _, one in ipairs(socket.netstat()) do
			if one.id == server then
				return one.wbuffer or 0
			end
		end
		return 0
	end
	local most = 0
	for _ = 1, n // block do
		socket.write(id, pings)
		skynet.sleep(0)
		most = math.max(most, unsent())
	end
	for _ = 1, 100 do
		skynet.sleep(1)
		most = math.max(most, unsent())
	end
	test.between(most, 0, 4 << 20)
	for _ = 1, n // block do
		test.equal(socket.read(id, 127 * block), ("\x8a\x7d" .. ("p"):rep(125)):rep(block))
	end
end)

test.case("what a client's handshake says is there once, whatever fields the caller gives", function()
	local head
	local port = stream.listen(function(id)
		head = socket.readline(id, "\r\n\r\n")
		socket.write(id, ("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			.. "Sec-WebSocket-Accept: %s\r\n\r\n"):format(require("reef.http.handshake").accept_of(
				head:match "Sec%-WebSocket%-Key: (%S+)")))
		socket.read(id) -- its goodbye
		socket.close(id)
	end)
	local same = { { "Connection", "Upgrade" }, { "Connection", "keep-alive, upgrade" }, { "Upgrade", "WebSocket" },
		{ "Sec-WebSocket-Version", 13 }, { "Host", "else.where" }, { "X-Own", "1" } }
	local others = { { "Connection", "close" }, { "Upgrade", "h2c" }, { "Sec-WebSocket-Version", "8" },
		{ "Sec-WebSocket-Key", "x" }, { "Sec-WebSocket-Extensions", "x" }, { "Content-Length", "0" },
		{ "Transfer-Encoding", "chunked" } }
	local function any_case(name)
		return (name:gsub("%a", function(c)
			return math.random(2) == 1 and c:upper() or c:lower()
		end))
	end
	for _ = 1, test.count(40) do
		local header, wrong = {}, math.random(3) == 1 and others[math.random(#others)]
		for _, field in ipairs(same) do
			if math.random(2) == 1 and not (wrong and wrong[1] == field[1]) then
				header[any_case(field[1])] = field[2]
			end
		end
		if wrong then
			header[any_case(wrong[1])] = wrong[2]
			test.raises("websocket: the field .* is the handshake's own", websocket.connect, "ws://127.0.0.1:" .. port, header)
		else
			websocket.close((websocket.connect("ws://127.0.0.1:" .. port, header)))
			local seen = {}
			for name in head:gmatch "\n([^:]+):" do
				test.equal(seen[name:lower()], nil, head)
				seen[name:lower()] = true
			end
			for _, name in ipairs { "host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version" } do
				test.truthy(seen[name], head)
			end
		end
	end
end)

test.case("a client refuses a server that is none", function()
	local server = http.listen("127.0.0.1:0", function()
		return 200, "hello"
	end)
	test.defer(server.close, server)
	test.raises("answers 200", websocket.connect, "ws://127.0.0.1:" .. server.port)
	test.raises("begin with ws", websocket.connect, "http://127.0.0.1:" .. server.port)
	local port = stream.listen(function(id)
		socket.readline(id, "\r\n\r\n")
		socket.write(id, "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n")
		socket.readall(id)
		socket.close(id)
	end)
	test.raises("Accept is wrong", websocket.connect, "ws://127.0.0.1:" .. port)
	-- Of subprotocols, one that was asked for or none.
	local protocol = "Sec-WebSocket-Protocol: chat\r\n"
	port = stream.listen(function(id)
		local key = socket.readline(id, "\r\n\r\n"):match "Sec%-WebSocket%-Key: (%S+)"
		socket.write(id, ("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			.. "Sec-WebSocket-Accept: %s\r\n%s\r\n"):format(require("reef.http.handshake").accept_of(key), protocol))
		socket.readall(id)
		socket.close(id)
	end)
	local url = "ws://127.0.0.1:" .. port
	test.raises("a subprotocol that nobody has asked for", websocket.connect, url)
	test.raises("a subprotocol that nobody has asked for", websocket.connect, url, { ["Sec-WebSocket-Protocol"] = "x, y" })
	local id = websocket.connect(url, { ["sec-websocket-protocol"] = "x, chat" })
	websocket.close(id)
	protocol = protocol .. protocol
	test.raises("a subprotocol", websocket.connect, url, { ["sec-websocket-protocol"] = "chat" })
end)

test.case("a handshake that gets no answer names the server, and leaves no connection behind", function()
	local ended = 0
	local port = stream.listen(function(id)
		socket.readall(id)
		socket.close(id)
		ended = ended + 1
	end)
	local url = ("ws://127.0.0.1:%d/"):format(port)
	test.raises(("^websocket: 127.0.0.1:%d: the server did not answer in time$"):format(port), websocket.connect, url, nil,
		20)
	local connecting
	skynet.fork(function()
		connecting = coroutine.running()
		websocket.connect(url, nil, 6000)
	end)
	skynet.sleep(20)
	test.truthy(skynet.killthread(connecting))
	test.eventually("the end of both connections", 10, function()
		return ended == 2
	end)
end)

test.case("an HTTP server becomes one, over TLS as well", function()
	certificates.check()
	local world = certificates.world()
	local server = http.listen("127.0.0.1:0", function(request)
		if request.path == "/chat" then
			request:websocket {
				message = function(id, data)
					websocket.write(id, "got " .. data)
				end,
			}
		end
		return 404, "no"
	end, { tls = { cert_file = world.good.cert, key_file = world.good.key } })
	test.defer(server.close, server)
	test.defer(function()
		httpc.tls = {}
	end)
	local url = ("wss://localhost:%d/chat"):format(server.port)
	test.raises("certificate", websocket.connect, url)
	httpc.tls = { ca_file = world.ca.file }
	local id = websocket.connect(url)
	websocket.write(id, "it")
	test.equal(websocket.read(id), "got it")
	websocket.close(id)
	test.raises("answers 404", websocket.connect, (url:gsub("chat", "x")))
	test.eventually("nothing is left", 5, function()
		return server.count == 0
	end)
end)

test.run()
