-- timeout: 240
-- Order and fairness among services on several workers.
local skynet = require "skynet"
local socket = require "skynet.socket"
local endless = require "endless"
local test = require "test"

test.case("messages of one sender arrive in order, from many senders on all workers", { timeout = 120 }, function()
	local n = test.count(20000)
	local receiver = test.service "actor"
	skynet.call(receiver, "lua", [[
		local skynet = require "skynet"
		local next_of, total = {}, 0
		skynet.dispatch("lua", function(session, source, n)
			if n == "total" then
				return skynet.retpack(total)
			end
			local want = (next_of[source] or 0) + 1
			assert(n == want, "out of order")
			next_of[source] = want
			total = total + 1
			if session ~= 0 then
				skynet.retpack(n)
			end
		end)
	]])
	local senders = {}
	for i = 1, 16 do
		senders[i] = test.service "actor"
		-- Sends, and now and then a call, in one stream.
		skynet.send(senders[i], "lua", [[
			local skynet = require "skynet"
			local receiver, n = ...
			skynet.fork(function()
				for i = 1, n do
					if i % 1000 == 0 then
						assert(skynet.call(receiver, "lua", i) == i)
					else
						skynet.send(receiver, "lua", i)
					end
				end
			end)
		]], receiver, n)
	end
	test.eventually("all have arrived, in order", 100, function()
		return skynet.call(receiver, "lua", "total") == 16 * n
	end)
end)

test.case("replies reach the coroutine that asked, in whatever order they come", function()
	local address = test.service "actor"
	local right = 0
	for i = 1, 500 do
		skynet.fork(function()
			local reply = skynet.call(address, "lua", "require'skynet'.sleep((...) * 7919 % 11) return ...", i)
			right = right + (reply == i and 1 or 0)
		end)
	end
	test.eventually("all replies are right", 30, function()
		return right == 500
	end)
end)

test.case("a service in an endless loop does not delay timers and messages of others", { timeout = 60 }, function()
	local core = require "skynet.core"
	local busy = {}
	-- One worker stays free (thread = 4).
	for i = 1, 3 do
		busy[i] = test.service "actor"
		skynet.send(busy[i], "lua", endless)
		test.defer(core.command, "SIGNAL", skynet.address(busy[i]))
	end
	skynet.sleep(10)
	local address = test.service "actor"
	for i = 1, 50 do
		test.equal(skynet.call(address, "lua", "require'skynet'.sleep(1) return ...", i), i)
	end
end)

test.case("a service in an endless loop does not delay sockets of others", { timeout = 60 }, function()
	local core = require "skynet.core"
	for _ = 1, 3 do
		local busy = test.service "actor"
		skynet.send(busy, "lua", endless)
		test.defer(core.command, "SIGNAL", skynet.address(busy))
	end
	local server = test.service "actor"
	local port = skynet.call(server, "lua", [[
		local skynet, socket = require "skynet", require "skynet.socket"
		local id, _, port = socket.listen("127.0.0.1", 0)
		socket.start(id, function(peer)
			socket.start(peer)
			while true do
				local line = socket.readline(peer, "\n")
				if not line then
					return socket.close(peer)
				end
				socket.write(peer, line .. "\n")
			end
		end)
		return port
	]])
	local id = test.within(20, socket.open, "127.0.0.1", port)
	test.defer(socket.close, id)
	for i = 1, 100 do
		socket.write(id, i .. "\n")
		test.equal(test.within(20, socket.readline, id, "\n"), tostring(i))
	end
end)

test.case("with every worker in an endless loop, timers go on as soon as one is free", { timeout = 60 }, function()
	local loops = {}
	for i = 1, 4 do
		loops[i] = test.service "actor"
	end
	local start = skynet.hpc()
	for i = 1, 4 do
		skynet.send(loops[i], "lua",
			"local skynet = require 'skynet' local e = skynet.hpc() + ... while skynet.hpc() < e do end", 300000000)
	end
	test.within(30, skynet.sleep, 5)
	test.truthy(skynet.hpc() - start >= 50000000)
end)

test.case("two services that talk all the time starve nobody", { timeout = 60 }, function()
	local pairs_of = {}
	for i = 1, 12 do
		pairs_of[i] = test.service "actor"
		skynet.call(pairs_of[i], "lua", [[
			local skynet = require "skynet"
			skynet.dispatch("lua", function(session, source, n)
				skynet.send(source, "lua", n + 1)
			end)
		]])
	end
	for i = 1, 12, 2 do
		skynet.redirect(pairs_of[i], pairs_of[i + 1], "lua", 0, skynet.pack(1))
	end
	local address = test.service "actor"
	for i = 1, 200 do
		test.equal(test.within(20, skynet.call, address, "lua", "return ...", i), i)
	end
	test.within(20, skynet.sleep, 1)
end)

test.case("a flooded service lets others run, and handles its flood", { timeout = 60 }, function()
	local n = test.count(200000)
	local flooded = test.service "actor"
	skynet.call(flooded, "lua", [[
		local skynet = require "skynet"
		local count = 0
		skynet.dispatch("lua", function(session)
			if session ~= 0 then
				return skynet.retpack(count)
			end
			count = count + 1
		end)
	]])
	for _ = 1, n do
		skynet.send(flooded, "lua")
	end
	local address = test.service "actor"
	test.equal(test.within(20, skynet.call, address, "lua", "return 1"), 1)
	test.equal(test.within(40, skynet.call, flooded, "lua"), n)
end)

test.run()
