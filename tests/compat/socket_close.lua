-- skynet.socket: how connections end, and who owns them, as the API says.
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"

test.case("after the peer's FIN writes still arrive", function()
	-- A peer that ends only its own direction: a shell tool does, our sockets do not.
	local process = require "test.process"
	local got
	local port = stream.listen(function(id)
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
	local c, s = stream.pair()
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
	local c = stream.pair()
	socket.close(c)
	socket.close(c)
end)

test.case("two closes while somebody reads are an error", function()
	local c = stream.pair()
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
	local c, s = stream.pair()
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
	local c, s = stream.pair()
	socket.pause(s)
	socket.write(c, ("x"):rep(16 * 1024 * 1024))
	socket.shutdown(c)
	test.eventually("disconnected", 5, socket.disconnected, c)
	test.equal(socket.invalid(c), false)
	socket.close(c)
	test.truthy(#(socket.readall(s) or "") < 16 * 1024 * 1024)
end)

test.case("an abandoned socket wakes its reader with false and can be started elsewhere", function()
	local c, s = stream.pair()
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
	local c, s = stream.pair()
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
	local c, s = stream.pair()
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

test.run()
