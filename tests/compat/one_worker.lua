-- config: thread = 1
-- timeout: 240
-- Everything works with a single worker thread, too.
local skynet = require "skynet"
local manager = require "skynet.manager"
local socket = require "skynet.socket"
local test = require "test"

test.case("there is one worker", function()
	test.equal(skynet.getenv "thread", "1")
end)

test.case("calls, timers and sockets take turns", { timeout = 60 }, function()
	local echo = test.service "actor"
	local port = skynet.call(echo, "lua", [[
		local socket = require "skynet.socket"
		local id, _, port = socket.listen("127.0.0.1", 0)
		socket.start(id, function(peer)
			socket.start(peer)
			socket.write(peer, socket.readline(peer, "\n") .. "\n")
			socket.close(peer)
		end)
		return port
	]])
	local done = 0
	for i = 1, 50 do
		skynet.fork(function()
			skynet.sleep(i % 3)
			local id = assert(socket.open("127.0.0.1", port))
			socket.write(id, i .. "\n")
			test.equal(socket.readline(id, "\n"), tostring(i))
			socket.close(id)
			test.equal(skynet.call(echo, "lua", "return ...", i), i)
			done = done + 1
		end)
	end
	test.eventually("all have had their turn", 40, function()
		return done == 50
	end)
end)

test.case("two services that talk all the time starve nobody", { timeout = 60 }, function()
	local talkers = {}
	for i = 1, 4 do
		talkers[i] = test.service "actor"
		skynet.call(talkers[i], "lua", [[
			local skynet = require "skynet"
			skynet.dispatch("lua", function(_, source, n)
				skynet.send(source, "lua", n + 1)
			end)
		]])
	end
	for i = 1, 4, 2 do
		skynet.redirect(talkers[i], talkers[i + 1], "lua", 0, skynet.pack(1))
	end
	local address = test.service "actor"
	for i = 1, 200 do
		test.equal(test.within(20, skynet.call, address, "lua", "return ...", i), i)
	end
	test.within(20, skynet.sleep, 2)
end)

test.case("timers go on while a service works for long, as soon as it lets go", { timeout = 60 }, function()
	local address = test.service "actor"
	skynet.send(address, "lua",
		"local skynet = require 'skynet' local e = skynet.hpc() + ... while skynet.hpc() < e do end", 200000000)
	test.within(20, skynet.sleep, 1)
end)

test.case("services start and end", { timeout = 60 }, function()
	for i = 1, test.count(500) do
		local address = skynet.newservice "actor"
		test.equal(skynet.call(address, "lua", "return ...", i), i)
		manager.kill(address)
	end
end)

test.run()
