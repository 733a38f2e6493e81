-- skynet.socket: reading, as the API says.
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"

test.case("read(id, n) gives exactly n bytes, whatever the packets", function()
	local c, s = stream.pair()
	for byte in ("abcdefgh"):gmatch "." do
		socket.write(s, byte)
		skynet.sleep(0)
	end
	test.equal(socket.read(c, 3), "abc")
	test.equal(socket.read(c, 5), "defgh")
end)

test.case("read(id) gives what there is", function()
	local c, s = stream.pair()
	socket.write(s, "some")
	test.equal(socket.read(c), "some")
end)

test.case("readline finds separators of any length across packets", function()
	local c, s = stream.pair()
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
	local c, s = stream.pair()
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
	local c, s = stream.pair()
	socket.write(s, "abc")
	socket.close(s)
	test.equal({ socket.read(c, 10) }, { false, "abc" })
	test.equal({ socket.read(c) }, { false, "" })
	test.equal({ socket.read(c, 1) }, { false, "" })
end)

test.case("what came before the end is still read piece by piece", function()
	local c, s = stream.pair()
	socket.write(s, "abc\ndef")
	socket.close(s)
	test.eventually("disconnected", 5, socket.disconnected, c)
	test.equal(socket.read(c, 2), "ab")
	test.equal(socket.readline(c), "c")
	test.equal(socket.read(c), "def")
	test.equal({ socket.read(c) }, { false, "" })
end)

test.case("block waits for news, not for what is there already", function()
	local c, s = stream.pair()
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
	local c = stream.pair()
	skynet.fork(socket.read, c)
	skynet.sleep(1)
	for _, f in ipairs { socket.read, socket.readline, socket.readall } do
		test.raises("assertion failed!$", f, c)
		test.raises("assertion failed!$", f, 987654321)
	end
end)

test.run()
