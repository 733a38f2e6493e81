-- skynet.socket: flow control, and the events it gives, as the API says.
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"

test.case("a paused socket does not receive until somebody reads", function()
	local c, s = stream.pair()
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
	local c, s = stream.pair()
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
	local c, s = stream.pair()
	socket.limit(c, 1000)
	socket.write(s, ("x"):rep(5000))
	test.equal(#socket.read(c, 5000), 5000)
	socket.write(s, ("x"):rep(5000))
	test.eventually("closed", 5, socket.disconnected, c)
	test.equal(socket.write(c, "x"), false)
end)

test.case("warnings come at 1 MiB and each doubling, and 0 when all is sent", function()
	local c, s = stream.pair()
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
	local c, s = stream.pair()
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
	local c, s = stream.pair()
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
	local c, s = stream.pair()
	test.equal({ socket.invalid(c), socket.disconnected(c) }, { false, false })
	socket.close(s)
	test.eventually("disconnected", 5, socket.disconnected, c)
	test.equal(socket.invalid(c), false)
	socket.close(c)
	test.equal(socket.invalid(c), true)
	test.equal(select("#", socket.disconnected(c)) == 0 or socket.disconnected(c), true)
end)

test.run()
