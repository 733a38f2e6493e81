-- skynet.socket: connections, reading, writing, events and ends, as the API says.
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

---A listener on a free port that is closed with the case; `serve(id, peer)` runs for each started connection.
local function listen(serve, host)
	local id, ip, port = socket.listen(host or "127.0.0.1", 0)
	socket.start(id, function(newid, peer)
		test.equal(socket.start(newid), newid)
		serve(newid, peer)
	end)
	test.defer(socket.close, id)
	return port, ip, id
end

---Both ends of a fresh connection: what connected, what accepted.
local function pair()
	local accepted, token = nil, {}
	local port = listen(function(id)
		accepted = id
		skynet.wakeup(token)
	end)
	local id = assert(socket.open("127.0.0.1", port))
	if not accepted then
		skynet.wait(token)
	end
	test.defer(function()
		socket.close(id)
		socket.close(accepted)
	end)
	return id, accepted
end

-- ---- opening and listening ----

test.case("open answers with an id, and the listener's callback gets id and peer address", function()
	local peer
	local port = listen(function(id, address)
		peer = address
		socket.close(id)
	end)
	local id = socket.open("127.0.0.1", port)
	test.truthy(math.type(id) == "integer" and id > 0)
	test.equal(socket.invalid(id), false)
	test.eventually("accepted", 5, function()
		return peer
	end)
	test.matches(peer, "^127%.0%.0%.1:%d+$")
	socket.close(id)
	test.equal(socket.invalid(id), true)
end)

test.case("an address may be one string, with a name, IPv4 or bracketed IPv6", function()
	local port = listen(socket.close)
	for _, host in ipairs { "127.0.0.1", "localhost" } do
		local id = assert(socket.open(("%s:%d"):format(host, port)))
		socket.close(id)
	end
	local port6, ip6 = listen(socket.close, "::1")
	test.equal(ip6, "::1")
	for _, address in ipairs { { "::1", port6 }, { "[::1]:" .. port6 }, { "[::1]", port6 } } do
		socket.close(assert(socket.open(table.unpack(address))))
	end
	local id, ip, real_port = socket.listen "[::1]:0"
	test.equal(ip, "::1")
	test.truthy(real_port > 0)
	socket.close(id)
end)

test.case("a refused connection is nil and the system's text", function()
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.close(id)
	test.equal({ socket.open("127.0.0.1", port) }, { nil, "Connection refused" })
	test.equal({ socket.open("127.0.0.1:" .. port) }, { nil, "Connection refused" })
end)

test.case("a name that does not resolve is nil and the resolver's text", { timeout = 60 }, function()
	local id, err = socket.open("does-not-exist.invalid", 80)
	test.equal(id, nil)
	test.truthy(type(err) == "string" and #err > 5)
end)

test.case("bad ports and addresses are argument errors", function()
	test.raises("Invalid port$", socket.open, "127.0.0.1", 0)
	test.raises("Invalid port$", socket.open, "127.0.0.1", 65536)
	test.raises("Invalid port$", socket.open, "127.0.0.1:0")
	test.raises("Invalid address localhost%.$", socket.listen, "localhost")
	test.raises("Invalid port in address 127.0.0.1:http%.$", socket.listen, "127.0.0.1:http")
	test.raises("Invalid port in address 127.0.0.1:65536%.$", socket.listen, "127.0.0.1:65536")
	test.raises("Invalid address %[::1%.$", socket.listen, "[::1")
end)

test.case("listening twice on a port is a Listen error", function()
	local port = listen(socket.close)
	test.raises("Listen error$", socket.listen, "127.0.0.1", port)
end)

test.case("a Unix socket is an address, also an abstract one", function()
	for i, address in ipairs { test.dir .. "/s", "unix:" .. test.dir .. "/t", "unix:@reef-test-" .. test.seed } do
		local id, path, port = socket.listen(address)
		test.equal(port, 0)
		test.truthy(#path > 0)
		socket.start(id, function(newid)
			socket.start(newid)
			socket.write(newid, socket.readline(newid) .. "!")
			socket.close(newid)
		end)
		local c = assert(socket.open(address))
		socket.write(c, "hello\n")
		test.equal(socket.readall(c), "hello!", "address " .. i)
		socket.close(c)
		socket.close(id)
	end
end)

test.case("the file of a Unix socket that nobody listens on is no obstacle, but a living one is", function()
	local path = test.dir .. "/again"
	socket.close((socket.listen(path)))
	local id = socket.listen(path)
	test.raises("Listen error$", socket.listen, path)
	socket.close(id)
end)

test.case("a Unix socket whose backlog is full is tried again until the deadline", function()
	local path = test.dir .. "/busy"
	local id = socket.listen(path, nil, 0)
	test.defer(socket.close, id)
	local opened, late, ids = 0, nil, {}
	for i = 1, 10 do
		skynet.fork(function()
			ids[i] = assert(socket.open(path, nil, { timeout = 3000 }))
			opened = opened + 1
		end)
	end
	test.eventually("backlog full", 5, function()
		late = { socket.open(path, nil, { timeout = 10 }) }
		return late[1] == nil
	end)
	test.equal(late, { nil, "Connection timed out" })
	test.truthy(opened < 10)
	socket.start(id, function(newid)
		socket.start(newid)
		socket.close(newid)
	end)
	test.eventually("all are in", 10, function()
		return opened == 10
	end)
	for _, c in ipairs(ids) do
		socket.close(c)
	end
end)

test.case("a connect has a deadline", function()
	-- A listener with a full backlog answers no more connects.
	local id, ip, port = socket.listen("127.0.0.1", 0, 0)
	local opened = {}
	test.defer(function()
		for _, c in ipairs(opened) do
			socket.close(c)
		end
		socket.close(id)
	end)
	local err
	for _ = 1, 20 do
		local c
		c, err = socket.open(ip, port, { timeout = 20 })
		if not c then
			break
		end
		opened[#opened + 1] = c
	end
	test.equal(err, "Connection timed out")
	local before = skynet.now()
	test.equal({ socket.open(ip, port, 30) }, { nil, "Connection timed out" })
	test.truthy(skynet.now() - before >= 30)
end)

test.case("start of an id that is nobody's, or already ours, says so", function()
	test.equal({ socket.start(123456789) }, { nil, "invalid socket" })
	local c = pair()
	test.raises("socket is not closed$", socket.start, c)
end)

-- ---- reading ----

test.case("read(id, n) gives exactly n bytes, whatever the packets", function()
	local c, s = pair()
	for byte in ("abcdefgh"):gmatch "." do
		socket.write(s, byte)
		skynet.sleep(0)
	end
	test.equal(socket.read(c, 3), "abc")
	test.equal(socket.read(c, 5), "defgh")
end)

test.case("read(id) gives what there is", function()
	local c, s = pair()
	socket.write(s, "some")
	test.equal(socket.read(c), "some")
end)

test.case("readline finds separators of any length across packets", function()
	local c, s = pair()
	skynet.fork(function()
		for _, part in ipairs { "one", "\r", "\n", "two\r\nth", "ree\r\n\n", "tail" } do
			socket.write(s, part)
			skynet.sleep(1)
		end
		socket.close(s)
	end)
	test.equal(socket.readline(c, "\r\n"), "one")
	test.equal(socket.readline(c, "\r\n"), "two")
	test.equal(socket.readline(c, "\r\n"), "three")
	test.equal(socket.readline(c), "")
	test.equal({ socket.readline(c) }, { false, "tail" })
	test.equal({ socket.readline(c) }, { false, "" })
end)

test.case("readall gives everything up to the end, then false", function()
	local c, s = pair()
	skynet.fork(function()
		socket.write(s, ("x"):rep(300000))
		socket.write(s, "y")
		socket.close(s)
	end)
	test.equal(#socket.readall(c), 300001)
	test.equal(socket.disconnected(c), true)
	test.equal(socket.readall(c), false)
end)

test.case("at the end of the stream reads are false with what is left", function()
	local c, s = pair()
	socket.write(s, "abc")
	socket.close(s)
	test.equal({ socket.read(c, 10) }, { false, "abc" })
	test.equal({ socket.read(c) }, { false, "" })
	test.equal({ socket.read(c, 1) }, { false, "" })
end)

test.case("what came before the end is still read piece by piece", function()
	local c, s = pair()
	socket.write(s, "abc\ndef")
	socket.close(s)
	test.eventually("disconnected", 5, socket.disconnected, c)
	test.equal(socket.read(c, 2), "ab")
	test.equal(socket.readline(c), "c")
	test.equal(socket.read(c), "def")
	test.equal({ socket.read(c) }, { false, "" })
end)

test.case("block waits for news, not for what is there already", function()
	local c, s = pair()
	socket.write(s, "one")
	test.equal(socket.block(c), true)
	local again
	skynet.fork(function()
		again = socket.block(c)
	end)
	skynet.sleep(2)
	test.equal(again, nil)
	socket.write(s, "two")
	test.eventually("news", 5, function()
		return again == true
	end)
	test.equal(socket.read(c, 6), "onetwo")
	socket.close(s)
	test.equal(socket.block(c), false)
	test.equal(socket.block(987654321), false)
end)

test.case("only one coroutine may wait on a socket, and only on one that the service knows", function()
	local c = pair()
	skynet.fork(socket.read, c)
	skynet.sleep(1)
	for _, f in ipairs { socket.read, socket.readline, socket.readall } do
		test.raises("assertion failed!$", f, c)
		test.raises("assertion failed!$", f, 987654321)
	end
end)

-- ---- writing ----

test.case("write takes strings, numbers, arrays and blocks of memory", function()
	local c, s = pair()
	test.equal(socket.write(c, "text "), true)
	test.equal(socket.write(c, { "a", 1, "b", 2.5, "\n" }), true)
	test.equal(socket.write(c, skynet.pack "packed"), true)
	test.equal(socket.readline(s), "text a1b2.5")
	test.equal(skynet.unpack((socket.read(s))), "packed")
	test.raises("cannot write a boolean", socket.write, c, { "a", true })
end)

test.case("write to an id that nobody has, or that is closing, is false", function()
	local c = pair()
	socket.close(c)
	test.equal(socket.write(c, "x"), false)
	test.equal(socket.lwrite(c, "x"), false)
	test.equal(socket.write(987654321, "x"), false)
end)

test.case("any service may write", function()
	local c, s = pair()
	local other = test.service "actor"
	test.equal(skynet.call(other, "lua", [[
		return require("skynet.socket").write(..., "from another service\n")
	]], c), true)
	test.equal(socket.readline(s), "from another service")
end)

test.case("what several services write is not torn, and each one's order is kept", function()
	local c, s = pair()
	local n = test.count(2000)
	for i = 1, 4 do
		local other = test.service "actor"
		skynet.send(other, "lua", [[
			local id, who, n = ...
			local socket, skynet = require "skynet.socket", require "skynet"
			for i = 1, n do
				socket.write(id, ("%d %d %s\n"):format(who, i, ("x"):rep(i % 300)))
				if i % 50 == 0 then skynet.yield() end
			end
		]], c, i, n)
	end
	local last = { 0, 0, 0, 0 }
	for _ = 1, 4 * n do
		local who, i, x = socket.readline(s):match "^(%d) (%d+) (x*)$"
		who, i = tonumber(who), tonumber(i)
		test.equal(i, last[who] + 1)
		test.equal(#x, i % 300)
		last[who] = i
	end
end)

test.case("normal output overtakes low, and low keeps its order", function()
	local c, s = pair()
	-- More than the kernel takes while the peer does not read.
	socket.pause(s)
	socket.write(c, ("-"):rep(16 * 1024 * 1024))
	for i = 1, 3 do
		socket.lwrite(c, "low" .. i .. " ")
	end
	socket.write(c, "normal ")
	socket.close(c)
	test.equal(socket.readall(s):match "^%-*(.*)$", "normal low1 low2 low3 ")
end)

-- ---- flow control and events ----

test.case("a paused socket does not receive until somebody reads", function()
	local c, s = pair()
	socket.pause(c)
	socket.write(s, "waits")
	skynet.sleep(5)
	local info
	for _, i in ipairs(socket.netstat()) do
		info = i.id == c and i or info
	end
	test.equal(info.read, 0)
	test.equal(info.reading, false)
	test.equal(socket.read(c), "waits")
end)

test.case("nobody reading 128 KiB pauses the socket, and reading goes on where it was", function()
	local c, s = pair()
	local total = 8 * 1024 * 1024
	socket.write(s, ("0123456789abcdef"):rep(total // 16))
	socket.close(s)
	test.eventually("paused", 10, function()
		for _, i in ipairs(socket.netstat()) do
			if i.id == c then
				return not i.reading and i.read > 128 * 1024
			end
		end
	end)
	for _, i in ipairs(socket.netstat()) do
		if i.id == c then
			test.truthy(i.read < total / 2)
		end
	end
	local text = socket.readall(c)
	test.equal(#text, total)
	test.truthy(text == ("0123456789abcdef"):rep(total // 16))
end)

test.case("a buffer over its limit closes the socket, unless a read asks for that much", function()
	local c, s = pair()
	socket.limit(c, 1000)
	socket.write(s, ("x"):rep(5000))
	test.equal(#socket.read(c, 5000), 5000)
	socket.write(s, ("x"):rep(5000))
	test.eventually("closed", 5, socket.disconnected, c)
	test.equal(socket.write(c, "x"), false)
end)

test.case("warnings come at 1 MiB and each doubling, and 0 when all is sent", function()
	local c, s = pair()
	local seen = {}
	socket.warning(c, function(id, kb)
		test.equal(id, c)
		seen[#seen + 1] = kb
	end)
	socket.pause(s)
	local megabyte = ("m"):rep(1024 * 1024)
	-- The kernel's own buffers take some of it first.
	for _ = 1, 40 do
		socket.write(c, megabyte)
		skynet.yield()
	end
	test.eventually("several warnings", 5, function()
		return #seen >= 4
	end)
	for i, kb in ipairs(seen) do
		test.truthy(kb >= 1024 << (i - 1), "warning " .. i)
		test.truthy(kb < 1024 << (i + 1), "warning " .. i)
	end
	for _ = 1, 40 do
		test.equal(#socket.read(s, #megabyte), #megabyte)
	end
	test.eventually("drained", 5, function()
		return seen[#seen] == 0
	end)
end)

test.case("onclose is called once, before readers go on", function()
	local c, s = pair()
	local order = {}
	socket.onclose(c, function(id)
		test.equal(id, c)
		order[#order + 1] = "onclose"
	end)
	skynet.fork(function()
		socket.read(c)
		order[#order + 1] = "read"
		socket.close(c)
		order[#order + 1] = "closed"
	end)
	skynet.sleep(1)
	socket.close(s)
	test.eventually("all three", 5, function()
		return #order == 3
	end)
	test.equal(order, { "onclose", "read", "closed" })
end)

test.case("onclose hears of an own close, and can be taken back", function()
	local c, s = pair()
	local heard = {}
	socket.onclose(c, function()
		heard.c = true
	end)
	socket.onclose(s, function()
		heard.s = true
	end)
	socket.onclose(s, nil)
	socket.close(c)
	test.equal(heard.c, true)
	test.eventually("disconnected", 5, socket.disconnected, s)
	test.equal(heard.s, nil)
end)

test.case("invalid and disconnected tell the states apart", function()
	local c, s = pair()
	test.equal({ socket.invalid(c), socket.disconnected(c) }, { false, false })
	socket.close(s)
	test.eventually("disconnected", 5, socket.disconnected, c)
	test.equal(socket.invalid(c), false)
	socket.close(c)
	test.equal(socket.invalid(c), true)
	test.equal(select("#", socket.disconnected(c)) == 0 or socket.disconnected(c), true)
end)

-- ---- ends ----

test.case("after the peer's FIN writes still arrive", function()
	-- A peer that ends only its own direction: a shell tool does, our sockets do not.
	local process = require "test.process"
	local got
	local port = listen(function(id)
		test.equal(socket.readall(id), "question")
		test.equal(socket.disconnected(id), true)
		test.equal(socket.write(id, "answer"), true)
		got = true
		socket.close(id)
	end)
	local code, output = process.run { "python3", "-c", ([[
import socket
s = socket.create_connection(("127.0.0.1", %d))
s.sendall(b"question")
s.shutdown(socket.SHUT_WR)
data = b""
while True:
    part = s.recv(100)
    if not part:
        break
    data += part
print(data.decode())
]]):format(port) }
	test.equal(code, 0)
	test.matches(output, "answer")
	test.equal(got, true)
end)

test.case("close waits until a reader has got what was left", function()
	local c, s = pair()
	local got
	skynet.fork(function()
		got = { socket.read(c, 100) }
	end)
	socket.write(s, "left")
	test.eventually("received", 5, function()
		for _, i in ipairs(socket.netstat()) do
			if i.id == c then
				return i.read == 4
			end
		end
	end)
	socket.close(c)
	test.equal(got, { false, "left" })
end)

test.case("close of an unknown id does nothing", function()
	socket.close(987654321)
	local c = pair()
	socket.close(c)
	socket.close(c)
end)

test.case("two closes while somebody reads are an error", function()
	local c = pair()
	local closed = 0
	skynet.fork(socket.read, c)
	skynet.fork(function()
		socket.close(c)
		closed = closed + 1
	end)
	skynet.fork(function()
		test.raises("assertion failed!$", socket.close, c)
		closed = closed + 1
	end)
	test.eventually("both", 5, function()
		return closed == 2
	end)
end)

test.case("a close sends what was written before, as a CLOSING socket", function()
	local c, s = pair()
	socket.pause(s)
	local text = ("0123456789"):rep(1024 * 1024)
	socket.write(c, text)
	socket.close(c)
	local state
	for _, i in ipairs(socket.netstat()) do
		state = i.id == c and i.type or state
	end
	test.equal(state, "CLOSING")
	test.truthy(socket.readall(s) == text)
	test.eventually("gone", 5, function()
		for _, i in ipairs(socket.netstat()) do
			if i.id == c then
				return false
			end
		end
		return true
	end)
end)

test.case("shutdown drops what is unsent, and close is still to be called", function()
	local c, s = pair()
	socket.pause(s)
	socket.write(c, ("x"):rep(16 * 1024 * 1024))
	socket.shutdown(c)
	test.eventually("disconnected", 5, socket.disconnected, c)
	test.equal(socket.invalid(c), false)
	socket.close(c)
	test.truthy(#(socket.readall(s) or "") < 16 * 1024 * 1024)
end)

test.case("an abandoned socket wakes its reader with false and can be started elsewhere", function()
	local c, s = pair()
	local other = test.service "actor"
	local woken
	skynet.fork(function()
		woken = { socket.read(s) }
	end)
	skynet.sleep(1)
	socket.abandon(s)
	test.equal(socket.invalid(s), true)
	test.eventually("woken", 5, function()
		return woken
	end)
	test.equal(woken, { false })
	socket.write(c, "before\n")
	skynet.sleep(2)
	skynet.send(other, "lua", [[
		local socket = require "skynet.socket"
		local id = ...
		assert(socket.start(id) == id)
		for _ = 1, 2 do
			socket.write(id, "other " .. socket.readline(id) .. "\n")
		end
		socket.close(id)
	]], s)
	test.equal(socket.readline(c), "other before")
	socket.write(c, "after\n")
	test.equal(socket.readline(c), "other after")
	test.equal({ socket.readline(c) }, { false, "" })
end)

test.case("a socket that nobody has started is passed on by its id", function()
	local other = test.service "actor"
	local id, ip, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, id)
	socket.start(id, function(newid)
		skynet.send(other, "lua", [[
			local socket = require "skynet.socket"
			local id = assert(socket.start(...))
			socket.write(id, (socket.read(id, 3)):upper())
			socket.close(id)
		]], newid)
	end)
	local c = assert(socket.open(ip, port))
	socket.write(c, "abc")
	test.equal(socket.readall(c), "ABC")
	socket.close(c)
end)

test.case("a socket that another service has taken without asking is not waited for", function()
	local c, s = pair()
	local other = test.service "actor"
	skynet.call(other, "lua", [[
		local socket, skynet = require "skynet.socket", require "skynet"
		local id = assert(socket.start(...))
		skynet.fork(function()
			while true do
				local line = socket.readline(id)
				if not line then break end
				socket.write(id, line .. "!\n")
			end
		end)
	]], s)
	socket.write(c, "one\n")
	test.equal(socket.readline(c), "one!")
	test.within(5, socket.close, s)
	socket.write(c, "two\n")
	test.equal(socket.readline(c), "two!")
end)

test.case("a generator may read too", function()
	local coroutine = require "skynet.coroutine"
	local c, s = pair()
	local lines = coroutine.wrap(function()
		for line in function()
			return socket.readline(c) or nil
		end do
			coroutine.yield(line)
		end
	end)
	skynet.fork(function()
		for i = 1, 3 do
			socket.write(s, i .. "\n")
			skynet.sleep(1)
		end
		socket.close(s)
	end)
	test.equal({ lines(), lines(), lines(), (lines()) }, { "1", "2", "3" })
end)

test.case("names are resolved for listeners and UDP as well", function()
	local id, ip, port = socket.listen("localhost", 0)
	test.truthy(ip == "127.0.0.1" or ip == "::1")
	socket.close(id)
	local u = socket.udp_dial("localhost", port, function() end)
	socket.udp_connect(u, "localhost", port)
	socket.close(u)
	test.raises("Listen error$", socket.listen, "does-not-exist.invalid", 80)
end)

test.case("close_fd closes what is nobody's, and refuses what is ours", function()
	local id, ip, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, id)
	socket.start(id, function(newid)
		socket.close_fd(newid)
	end)
	local c = assert(socket.open(ip, port))
	test.equal(socket.readall(c) or "", "")
	test.raises("assertion failed!$", socket.close_fd, c)
	socket.close(c)
end)

test.case("the sockets of a service that ends are closed, and what it wrote arrives", function()
	for _, how in ipairs { "exit", "kill" } do
		local other = test.service "actor"
		local id, ip, port = socket.listen("127.0.0.1", 0)
		test.defer(socket.close, id)
		local done
		socket.start(id, function(newid)
			skynet.call(other, "lua", [[
				local socket = require "skynet.socket"
				local id = assert(socket.start(...))
				socket.write(id, ("x"):rep(8 * 1024 * 1024))
			]], newid)
			if how == "kill" then
				require("skynet.manager").kill(other)
			else
				skynet.send(other, "debug", "EXIT")
			end
			done = true
		end)
		local c = assert(socket.open(ip, port))
		socket.pause(c)
		test.eventually("ended", 5, function()
			return done
		end)
		skynet.sleep(5)
		test.equal(#socket.readall(c), 8 * 1024 * 1024, how)
		socket.close(c)
	end
end)

-- ---- other descriptors, and the rest ----

test.case("header reads big-endian numbers of up to four bytes", function()
	test.equal(socket.header "\1", 1)
	test.equal(socket.header "\1\2", 258)
	test.equal(socket.header "\1\2\3", 66051)
	test.equal(socket.header "\255\255\255\255", 4294967295)
	test.raises("header", socket.header, "")
	test.raises("header", socket.header, "12345")
end)

test.case("resolve gives addresses or raises", { timeout = 60 }, function()
	local found
	for _, ip in ipairs(socket.resolve "localhost") do
		found = found or ip == "127.0.0.1" or ip == "::1"
	end
	test.equal(found, true)
	test.raises(".", socket.resolve, "does-not-exist.invalid")
end)

test.case("netstat shows owner, kind, counters and addresses", function()
	local port, _, l = listen(function() end)
	local c = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, c)
	socket.write(c, "12345")
	local function info(id)
		for _, i in ipairs(socket.netstat()) do
			if i.id == id then
				return i
			end
		end
	end
	test.eventually("written", 5, function()
		return info(c).write == 5
	end)
	local i = info(c)
	test.equal({ i.type, i.address, i.peer, i.read, i.wbuffer, i.reading, i.writing },
		{ "TCP", skynet.self(), "127.0.0.1:" .. port, 0, 0, true, false })
	test.between(i.wtime, skynet.now() - 500, skynet.now() + 1)
	i = info(l)
	test.equal({ i.type, i.address, i.sock, i.accept }, { "LISTEN", skynet.self(), "127.0.0.1:" .. port, 1 })
end)

test.case("a process reads its standard input and writes to a bound descriptor", function()
	local process = require "test.process"
	local script = process.path "stdin.lua"
	local f = assert(io.open(script, "w"))
	f:write [[
		local skynet = require "skynet"
		local socket = require "skynet.socket"
		skynet.start(function()
			local id, out = assert(socket.stdin()), assert(socket.bind(1))
			while true do
				local line, rest = socket.readline(id)
				if not line then
					socket.write(out, "END" .. rest .. "\n")
					break
				end
				socket.write(out, "GOT" .. line .. "\n")
			end
			skynet.exit()
		end)
	]]
	f:close()
	local input = process.path "input"
	f = assert(io.open(input, "w"))
	f:write "one\ntwo\nrest"
	f:close()
	for _, command in ipairs { "%s run %s < %s", "cat %3$s | %1$s run %2$s" } do
		command = command:gsub("%%(%d)%$s", function(n)
			return ({ test.reef, script, input })[tonumber(n)]
		end)
		local code, output = process.run { "sh", "-c", command:format(test.reef, script, input) }
		test.equal(code, 0)
		test.matches(output, "GOTone\n.*GOTtwo\n.*ENDrest\n")
	end
end)

test.run()
