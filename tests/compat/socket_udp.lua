-- UDP in skynet.socket.
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

-- ---- UDP ----

test.case("a datagram arrives whole with an address to answer to", function()
	local process = require "test.process"
	for host, size in pairs { ["127.0.0.1"] = 7, ["::1"] = 19 } do
		local port = process.free_port()
		local server
		server = socket.udp_listen(host, port, function(data, from)
			test.equal(#from, size)
			local ip, from_port = socket.udp_address(from)
			test.equal(ip, host)
			test.equal(socket.sendto(server, from, ("%s from %d"):format(data, from_port)), true)
		end)
		local answers = {}
		local client = socket.udp_dial(host, port, function(data)
			answers[#answers + 1] = data
		end)
		test.equal(socket.write(client, "question"), true)
		socket.write(client, "")
		test.eventually("two answers", 5, function()
			return #answers == 2
		end)
		test.matches(answers[1], "^question from %d+$")
		test.matches(answers[2], "^ from %d+$")
		socket.close(client)
		socket.close(server)
	end
end)

test.case("udp_connect makes write work, without it a write is dropped with a log", function()
	local port = require("test.process").free_port()
	local got
	local server = socket.udp(function(data)
		got = data
	end, "127.0.0.1", port)
	local client = socket.udp(function() end)
	test.equal(socket.write(client, "lost"), true)
	socket.udp_connect(client, "127.0.0.1", port)
	test.equal(socket.write(client, "found"), true)
	test.eventually("received", 5, function()
		return got
	end)
	test.equal(got, "found")
	test.raises("udp connect failed$", socket.udp_connect, client, "::1", port)
	socket.close(client)
	socket.close(server)
end)

test.case("the largest datagram passes and a larger one does not", function()
	local port = require("test.process").free_port()
	local sizes = {}
	local server = socket.udp(function(data)
		sizes[#sizes + 1] = #data
	end, "127.0.0.1", port)
	local client = socket.udp_dial("127.0.0.1", port, function() end)
	socket.write(client, ("x"):rep(65507))
	socket.write(client, ("x"):rep(65508))
	socket.write(client, "y")
	test.eventually("two arrive", 5, function()
		return #sizes == 2
	end)
	test.equal(sizes, { 65507, 1 })
	socket.close(client)
	socket.close(server)
end)

test.case("listening on port 0 is refused, as is an address of another family", function()
	test.raises("udp listen host failed$", socket.udp_listen, "127.0.0.1", 0, print)
	local id = socket.udp(function() end, "127.0.0.1", 0)
	test.equal(socket.sendto(id, "\2\0\1" .. ("\0"):rep(16), "x"), false)
	test.equal(socket.sendto(id, "nonsense", "x"), false)
	test.raises("Invalid udp address", socket.udp_address, "nonsense")
	socket.close(id)
end)

test.case("a thousand datagrams arrive in the order they were sent", function()
	local port = require("test.process").free_port()
	local last, disorder = 0, 0
	local server = socket.udp(function(data)
		local n = tonumber(data)
		disorder = disorder + (n > last and 0 or 1)
		last = n
	end, "127.0.0.1", port)
	local client = socket.udp_dial("127.0.0.1", port, function() end)
	for i = 1, 1000 do
		socket.write(client, tostring(i))
		if i % 100 == 0 then
			skynet.sleep(1)
		end
	end
	test.eventually("the last one", 5, function()
		return last == 1000
	end)
	test.equal(disorder, 0)
	socket.close(client)
	socket.close(server)
end)

test.run()
