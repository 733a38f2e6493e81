-- reef.test.peer: a TCP server that does what a script says.
local peer = require "reef.test.peer"
local socket = require "skynet.socket"
local test = require "test"

local function open(p)
	local id = assert(socket.open("127.0.0.1", p.port))
	test.defer(socket.close, id)
	return id
end

test.case("it reads, writes and trickles", function()
	local p = peer.start(function(c)
		c:write(("%d %s %s"):format(c.number, c:line(), c:read(3)))
		c:trickle("slow", 1, 1)
	end)
	for number = 1, 2 do
		local id = open(p)
		socket.write(id, "hello\nabc")
		test.equal(test.within(20, socket.readall, id), number .. " hello abcslow")
	end
	test.equal(p.connections, 2)
end)

test.case("it stalls, is cut, refuses and accepts again", function()
	local p = peer.start(function(c)
		c:write "x"
		c:stall()
	end)
	local id = open(p)
	test.equal(test.within(20, socket.read, id, 1), "x")
	p:refuse()
	test.equal(socket.open("127.0.0.1", p.port), nil)
	p:cut()
	test.truthy(not test.within(20, socket.read, id, 1))
	p:accept()
	test.equal(test.within(20, socket.read, open(p), 1), "x")
end)

test.case("a client that leaves ends the script, and what a script raises fails the case", function()
	local left
	local p = peer.start(function(c)
		left = c
		c:read(10)
		left = "not reached"
	end)
	socket.close(open(p))
	test.eventually("the script is over", 20, function()
		return left and next(p.open) == nil
	end)
	test.different(left, "not reached")
	local q = peer.start(function(c)
		test.equal(c:read(1), "y")
	end)
	local id = open(q)
	socket.write(id, "x")
	test.equal(test.within(20, socket.readall, id), "")
	test.matches(q.problem, 'got "x", want "y"')
	q.problem = nil -- else the case would fail
end)

test.run()
