-- `reef test` runs all test/*_test.lua, each in a process of its own.
local greeting = require "greeting"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "reef.test"

test.case("visits are counted for each name", function()
	local visitors = test.service "visitors" -- ends with the case
	test.equal(skynet.call(visitors, "lua", "visit", "Ada"), 1)
	test.equal(skynet.call(visitors, "lua", "visit", "Ada"), 2)
	test.equal(skynet.call(visitors, "lua", "visit", "Grace"), 1)
end)

test.case("who comes again is told so", function()
	test.equal(greeting.of("Ada", 1), "Welcome, Ada!")
	test.matches(greeting.of("Ada", 3), "visit 3")
end)

test.case("a client gets an answer to each line", function()
	local door = test.service("door", 0) -- any free port
	local port = skynet.call(door, "lua", "port")
	local id = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, id)
	socket.write(id, "Ada\nAda\n")
	test.equal(test.within(10, socket.readline, id), "Welcome, Ada!")
	test.equal(test.within(10, socket.readline, id), "Welcome back, Ada! This is visit 2.")
end)

test.run()
