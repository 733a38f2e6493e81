-- skynet.socketchannel against the API page: attempts, backups, login, changes of the host.
local peer = require "test.line_server"
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local test = require "test"

local line_server, channel = peer.line_server, peer.channel
local read_line, echo = peer.read_line, peer.echo

test.case("a server that is not there: one attempt a request, for ever with connect", function()
	local port, _, stop = line_server(echo)
	stop()
	local ch = channel(port)
	local ok, err = pcall(ch.request, ch, "x\n", read_line)
	test.equal(ok, false)
	test.truthy(err == socketchannel.error)
	test.equal({ err.code, err.outcome }, { "connect", "not sent" })
	test.equal(pcall(ch.connect, ch, true), false)
	local connected
	skynet.fork(function()
		connected = ch:connect()
	end)
	skynet.sleep(5)
	test.equal(connected, nil)
	local id = socket.listen("127.0.0.1", port)
	test.defer(socket.close, id)
	socket.start(id, function(newid)
		socket.start(newid)
	end)
	test.eventually("the connection", 20, function()
		return connected == true
	end)
end)

test.case("backups are tried in order, and the one that works stays", function()
	local free, _, stop = line_server(echo)
	stop()
	local port, living = line_server(echo)
	local ch = channel(free, { backup = { { host = "127.0.0.1", port = free }, { host = "127.0.0.1", port = port } } })
	test.equal(ch:request("x\n", read_line), "x")
	test.equal(ch.port, port)
	test.truthy(next(living))
	test.equal(ch:request("y\n", read_line), "y")
end)

test.case("login comes before all other requests, on each connection", function()
	local log = {}
	local port = line_server(function(line, id)
		log[#log + 1] = line
		if line == "bye" then
			socket.shutdown(id)
		end
		return line
	end)
	local ch = channel(port, { auth = function(c)
		test.equal(c:request("user\n", read_line), "user")
		skynet.sleep(5)
		test.equal(c:request("password\n", read_line), "password")
	end })
	test.together(5, function(i)
		test.equal(ch:request(i .. "\n", read_line), tostring(i))
	end)
	test.equal({ log[1], log[2] }, { "user", "password" })
	test.equal(#log, 7)
	test.equal(pcall(ch.request, ch, "bye\n", read_line), false)
	test.equal(ch:request("again\n", read_line), "again")
	test.equal({ log[9], log[10], log[11] }, { "user", "password", "again" })
end)

test.case("a login that fails ends the attempt, or goes to a backup", function()
	local asked = {}
	local port = line_server(function(line)
		asked[#asked + 1] = line
		return line
	end)
	local good = line_server(echo)
	local function auth(c)
		if c:request("login\n", read_line) and c.sock and asked[1] and c.port == port and not asked.allow then
			error "not you"
		end
	end
	local ch = channel(port, { auth = auth })
	local err = test.raises("no more backup host", ch.request, ch, "x\n", read_line)
	test.equal({ err.code, err.outcome }, { "auth", "not sent" })
	asked.allow = true
	test.equal(ch:request("x\n", read_line), "x")
	local tries = 0
	local ch2 = channel(port, { backup = { { host = "127.0.0.1", port = good } }, auth = function()
		tries = tries + 1
		if tries == 1 then
			error "not here"
		end
	end })
	test.equal(ch2:request("x\n", read_line), "x")
	test.equal(ch2.port, good)
end)

test.case("a connection that ends within the login is an error, and the next request makes a new one", function()
	local connections = 0
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		connections = connections + 1
		local mine = connections
		socket.start(id)
		while socket.readline(id) do
			socket.write(id, "ok\n")
			if mine == 1 then
				break
			end
		end
		socket.close(id)
	end)
	test.defer(socket.close, listener)
	local ch = socketchannel.channel {
		host = "127.0.0.1", port = port, timeout = 5,
		auth = function(c)
			c:request("AUTH\n", read_line)
			skynet.sleep(5)
			c:request("SELECT\n", read_line)
		end,
	}
	test.defer(ch.close, ch)
	test.within(2, function()
		test.raises("lost", ch.request, ch, "GET\n", read_line)
	end)
	test.equal(ch:request("GET\n", read_line), "ok")
	test.equal(connections, 2)
end)

test.case("a login that takes too long, and connecting, end with the request's deadline", function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		socket.start(id)
	end)
	test.defer(socket.close, listener)
	for _, auth in ipairs { function(c) c:response(read_line) end, function() skynet.sleep(100) end } do
		local ch = socketchannel.channel { host = "127.0.0.1", port = port, timeout = 0.2, auth = auth }
		test.defer(ch.close, ch)
		local since, ended = skynet.now(), 0
		for i = 1, 3 do
			skynet.fork(function()
				test.raises("in time", ch.request, ch, i .. "\n", read_line, nil, 0.1)
				ended = ended + 1
			end)
		end
		test.eventually("all three are told", 5, function()
			return ended == 3
		end)
		test.between(skynet.now() - since, 9, 80)
	end
end)

test.case("where it is connected can be read", function()
	local ch = socketchannel.channel { host = "a.example", port = 1 }
	test.equal({ ch.__host, ch.__port }, { "a.example", 1 })
	ch:changehost("b.example", 2)
	test.equal({ ch.__host, ch.__port }, { "b.example", 2 })
end)

test.case("login may send everybody to another host", function()
	local first, second = line_server(echo), line_server(echo)
	local ch
	ch = channel(first, { auth = function(c)
		if c.port == first then
			c:changehost("127.0.0.1", second)
		end
	end })
	test.equal(ch:request("x\n", read_line), "x")
	test.equal(ch.port, second)
end)

test.case("changehost and close mean what they say", function()
	local where
	local first = line_server(function(line) where = 1 return line end)
	local second = line_server(function(line) where = 2 return line end)
	local ch = channel(first)
	ch:request("x\n", read_line)
	test.equal(where, 1)
	ch:changehost("127.0.0.1", second)
	ch:request("x\n", read_line)
	test.equal(where, 2)
	local silent = channel((line_server(function() end)))
	local err
	skynet.fork(function()
		err = select(2, pcall(silent.request, silent, "x\n", read_line))
	end)
	test.eventually("the request", 10, function()
		return silent.ready
	end)
	skynet.sleep(2)
	silent:close()
	test.eventually("its end", 10, function()
		return err
	end)
	test.truthy(err == socketchannel.error)
	test.raises("assertion failed!", silent.request, silent, "x\n", read_line)
	test.equal(silent:connect(true), true)
end)

test.case("changehost counts for an attempt that is under way, and for one to a backup", function()
	local first = line_server(function(line) return "first " .. line end)
	local second = line_server(function(line) return "second " .. line end)
	for case = 0, 19 do
		local by_backup = case % 2 == 1
		local backup = by_backup and { { host = "127.0.0.1", port = first } } or nil
		local ch = channel(by_backup and 1 or first, { backup = backup })
		local ended
		skynet.fork(function()
			pcall(ch.request, ch, "x\n", read_line)
			ended = true
		end)
		for _ = 1, case // 2 do
			skynet.yield()
		end
		ch:changehost("127.0.0.1", second)
		test.eventually("its end", 10, function()
			return ended
		end)
		test.equal({ ch:request("y\n", read_line), ch.__port }, { "second y", second }, case)
	end
	-- From the login at a backup.
	local ch
	ch = channel(1, { backup = { { host = "127.0.0.1", port = first } }, auth = function()
		if ch:request("login\n", read_line) == "first login" then
			ch:changehost("127.0.0.1", second)
		end
	end })
	test.equal({ ch:request("z\n", read_line), ch.__port }, { "second z", second })
end)

test.run()
