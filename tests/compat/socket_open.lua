-- skynet.socket: opening and listening, as the API says.
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"

test.case("open answers with an id, and the listener's callback gets id and peer address", function()
	local peer
	local port = stream.listen(function(id, address)
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
	local port = stream.listen(socket.close)
	for _, host in ipairs { "127.0.0.1", "localhost" } do
		local id = assert(socket.open(("%s:%d"):format(host, port)))
		socket.close(id)
	end
	local port6, ip6 = stream.listen(socket.close, "::1")
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
	test.raises("bad argument #1 to 'open'", socket.open)
	test.raises("Invalid port$", socket.open, "127.0.0.1", 0)
	test.raises("Invalid port$", socket.open, "127.0.0.1", 65536)
	test.raises("Invalid port$", socket.open, "127.0.0.1:0")
	test.raises("Invalid address localhost%.$", socket.listen, "localhost")
	test.raises("Invalid port in address 127.0.0.1:http%.$", socket.listen, "127.0.0.1:http")
	test.raises("Invalid port in address 127.0.0.1:65536%.$", socket.listen, "127.0.0.1:65536")
	test.raises("Invalid address %[::1%.$", socket.listen, "[::1")
end)

test.case("listening twice on a port is a Listen error", function()
	local port = stream.listen(socket.close)
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
	local c = stream.pair()
	test.raises("socket is not closed$", socket.start, c)
end)

test.case("a host with a zero byte, behind which C would not look, is refused by everything that connects", function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	local accepted = false
	socket.start(listener, function(id)
		accepted = true
		socket.abandon(id)
	end)
	local host = "127.0.0.1\0.evil.example"
	local redis, mongo = require "skynet.db.redis", require "skynet.db.mongo"
	for _, conf in ipairs { { host = host, port = port }, { host = host, port = port, tls = true } } do
		test.equal((pcall(redis.connect, conf)), false)
	end
	test.equal((pcall(redis.connect, "redis://127.0.0.1%00.evil.example:" .. port)), false)
	test.equal((pcall(mongo.client, { host = host, port = port, connectTimeoutMS = 300, serverSelectionTimeoutMS = 300 })),
		false)
	test.equal((pcall(socket.open, host, port)), false)
	test.equal(accepted, false)
end)

test.run()
