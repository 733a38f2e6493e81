-- timeout: 400
-- TLS over links that cut, stall, split and falsify: every wait ends, nothing wrong is ever read.
local certificates = require "test.tls"
local proxy = require "test.proxy"
local redis = require "skynet.db.redis"
local server = require "test.redis"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
local tls = require "reef.tls"

local world

local function case(name, f)
	test.case(name, { timeout = 100 }, function()
		certificates.check()
		world = certificates.world()
		f()
	end)
end

local function echo(id)
	while true do
		local bytes = socket.read(id)
		if not bytes then
			return
		end
		socket.write(id, bytes)
	end
end

-- An echo server with TLS.
local function serve(more)
	local options = { cert_file = world.good.cert, key_file = world.good.key }
	for k, v in pairs(more or {}) do
		options[k] = v
	end
	local listener, _, port = tls.listen("127.0.0.1", 0, options)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		if tls.start(id) then
			echo(id)
			socket.close(id)
		end
	end)
	return port
end

local function connect(port, timeout, version)
	return tls.connect("localhost", port, { ca_file = world.ca.file, timeout = timeout or 3000, min_version = version })
end

-- Each attempt has a session of its own, or none: sessions of what was cut before change the handshake.
local function fresh(port)
	return tls.connect("localhost", port, { ca_file = world.ca.file, timeout = 3000, ciphers = "DEFAULT" })
end

case("a handshake that is cut anywhere is an error at once, on both sides", function()
	local through = proxy.start(serve())
	for n = 0, 900, test.sanitizer and 97 or 13 do
		for _, direction in ipairs { "down", "up" } do
			if direction == "down" or n < 300 then
				through:next(direction, n, n % 2 == 0 and "fin" or "rst")
				tls.reload() -- no session is resumed
				local id, err = test.within(20, fresh, through.port)
				if id then
					-- Everything that we need was there: the end comes with what we read.
					test.equal(test.within(20, socket.read, id, 1), false)
					socket.close(id)
				else
					test.truthy(err:find "^tls: " or err:find "[Rr]eset" or err:find "Broken", err)
				end
			end
		end
	end
	local id = assert(fresh(through.port))
	socket.write(id, "alive\n")
	test.equal(socket.readline(id), "alive")
	socket.close(id)
end)

case("a handshake that stands still ends at its deadline, on both sides", function()
	local through = proxy.start(serve { timeout = 50 })
	through:next("down", 100, "hold")
	local id, err = test.within(20, connect, through.port, 50)
	test.equal(id, nil)
	test.matches(err, "did not finish the handshake in time")
	through:hold()
	id, err = test.within(20, connect, through.port, 50)
	test.equal(id, nil)
	test.matches(err, "did not answer the handshake in time")
	through:heal()
	local silent = assert(socket.open("127.0.0.1", serve { timeout = 50 }))
	test.equal(test.within(20, socket.readall, silent), "", "the server gives up a client that says nothing")
	socket.close(silent)
end)

case("bytes may come one at a time", function()
	local through = proxy.start(serve())
	through:set { split = { 1, 10 } }
	local data = {}
	for i = 1, 1500 do
		data[i] = ("%d\n"):format(i)
	end
	data = table.concat(data)
	for _ = 1, 2 do
		local id = assert(connect(through.port))
		socket.write(id, data)
		test.truthy(socket.read(id, #data) == data)
		socket.close(id)
	end
end)

case("a record that is cut gives nothing of itself, and an error", function()
	local through = proxy.start(serve())
	local line = ("x"):rep(4000) .. "\n"
	for n = 3000, 12000, 611 do
		through:next("down", n, "fin")
		local id = assert(connect(through.port))
		for _ = 1, 3 do
			socket.write(id, line)
			skynet.yield()
		end
		local got = test.within(20, socket.readall, id) or ""
		test.truthy(line:rep(3):sub(1, #got) == got, "a part of what was sent")
		test.truthy(#got < #line * 3 or n > 3 * #line)
		test.truthy(socket.disconnected(id))
		socket.close(id)
	end
end)

case("what is falsified on the way is never read", function()
	local port = serve()
	local flips = 0
	-- Passes bytes on, and changes one of those that go down, at `at`.
	local at
	local listener, _, middle = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.start(id)
		local to = assert(socket.open("127.0.0.1", port))
		skynet.fork(function()
			local seen = 0
			while true do
				local bytes = socket.read(to)
				if not bytes then
					break
				end
				local i = at - seen
				if i >= 1 and i <= #bytes then
					flips = flips + 1
					bytes = bytes:sub(1, i - 1) .. string.char(bytes:byte(i) ~ (1 << math.random(0, 7))) .. bytes:sub(i + 1)
				end
				seen = seen + #bytes
				socket.write(id, bytes)
			end
			socket.close(id)
		end)
		while true do
			local bytes = socket.read(id)
			if not bytes then
				break
			end
			socket.write(to, bytes)
		end
		socket.close(to)
	end)
	local line, rounds = ("0123456789"):rep(300) .. "\n", test.count(300)
	for round = 1, rounds do
		at = math.random(1, round % 3 == 0 and 4000 or 1000)
		local id = test.within(20, connect, middle, 300, round % 2 == 0 and "1.3" or nil)
		if id then
			socket.write(id, line)
			skynet.fork(function()
				skynet.sleep(30)
				socket.shutdown(id)
			end)
			local got = test.within(20, socket.read, id, #line)
			test.truthy(not got or got == line)
			socket.close(id)
		end
	end
	test.truthy(flips > rounds / 2)
end)

case("no reply is ever another's, whatever the link does", function()
	local s = server.start_tls(world.good, world.ca.file)
	local through = proxy.start(s.port)
	local db = redis.connect { host = "localhost", port = through.port, tls = { ca_file = world.ca.file } }
	test.defer(pcall, db.disconnect, db)
	through:set { split = 700, delay = { 20000, 3 }, cut = test.sanitizer and 60000 or 150000 }
	local right, wrong, failed, left = 0, 0, 0, 64
	for i = 1, 64 do
		skynet.fork(function()
			for n = 1, test.count(400) do
				local mine = ("%d.%d %s"):format(i, n, ("y"):rep((i * n) % 300))
				local ok, reply = pcall(db.echo, db, mine)
				if not ok then
					failed = failed + 1
					test.truthy(reply.outcome == "not sent" or reply.outcome == "maybe applied", reply)
				elseif reply == mine then
					right = right + 1
				else
					wrong = wrong + 1
				end
			end
			left = left - 1
		end)
	end
	test.eventually("the end of all requests", 90, function()
		return left == 0
	end)
	test.equal(wrong, 0)
	test.truthy(right > 1000 or test.sanitizer)
	test.truthy(through:stats().cuts > 0, "some were cut")
	through:pass()
	test.eventually("the connection again", 20, function()
		return (pcall(db.ping, db))
	end)
end)

test.run()
