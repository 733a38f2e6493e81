-- timeout: 300
-- TLS on plain sockets: reef.tls with itself.
local ends = require "test.tls_ends"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local test = require "test"
local tls = require "reef.tls"

local serve, echo, good, connect, refused = ends.serve, ends.echo, ends.good, ends.connect, ends.refused
local case, world = ends.case, ends.world

-- Numbered lines in pieces of any size, so that nothing lost, doubled or mixed up goes unnoticed.
local function numbered(bytes)
	local lines, size, n = {}, 0, 0
	while size < bytes do
		n = n + 1
		lines[n] = ("%d %s\n"):format(n, ("x"):rep(n * 7 % 301))
		size = size + #lines[n]
	end
	return table.concat(lines)
end

-- ---- data ----

case("10 MB go both ways at the same time, in pieces of all sizes", function()
	local data = numbered(10 * 1024 * 1024)
	local port = serve(good(), echo)
	local id = connect(port)
	socket.warning(id, function() end)
	skynet.fork(function()
		local at = 1
		while at <= #data do
			local n = math.random(1, math.random(1, 3) == 1 and 200000 or 400)
			socket.write(id, data:sub(at, at + n - 1))
			at = at + n
			if math.random(1, 50) == 1 then
				skynet.yield()
			end
		end
	end)
	local parts, size = {}, 0
	while size < #data do
		local part = assert(socket.read(id))
		parts[#parts + 1] = part
		size = size + #part
	end
	test.truthy(table.concat(parts) == data, "every byte in its place")
	local info = tls.info(id)
	test.equal(info.version, "TLSv1.3")
	test.equal(info.server_name, "localhost")
	test.equal(info.peer.names, "localhost, 127.0.0.1, ::1")
end)

case("all ways to read work, and what comes with the goodbye is read first", function()
	local port = serve(good(), function(id)
		socket.write(id, "a line\r\nsix by")
		socket.write(id, { "tes", " and ", 7, " more" })
		socket.lwrite(id, " low")
	end)
	local id = connect(port)
	test.equal(socket.readline(id, "\r\n"), "a line")
	test.equal(socket.read(id, 9), "six bytes")
	test.equal(socket.readall(id), " and 7 more low")
	test.equal({ socket.read(id, 1) }, { false, "" })
	test.equal(socket.disconnected(id), true)
	test.equal(socket.write(id, "still"), true, "the peer's end is not ours")
end)

case("what was written before the close arrives, whoever closes", function()
	local data = numbered(3 * 1024 * 1024)
	for _ = 1, 3 do
		local done
		local listening = serve(good(), function(id)
			done = socket.readall(id) == data
		end)
		local id = connect(listening)
		socket.warning(id, function() end)
		socket.write(id, data)
		socket.close(id)
		test.eventually("all of it", 20, function()
			return done
		end)
	end
	local port = serve(good(), function(id)
		socket.write(id, data)
	end)
	test.truthy(socket.readall(connect(port)) == data)
end)

case("a close comes back and leaves nothing, however soon it comes", function()
	local port = serve(good(), echo)
	local sockets = #socket.netstat()
	for i = 1, test.count(400) do
		local id = assert(tls.connect("localhost", port, { ca_file = world.ca.file }))
		if i % 3 == 0 then
			socket.write(id, "x")
		end
		test.within(20, socket.close, id)
	end
	test.eventually("all sockets gone", 20, function()
		return #socket.netstat() <= sockets
	end)
end)

case("a write before the handshake is over is sent after it", function()
	local listener, _, port = tls.listen("127.0.0.1", 0, good())
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.write(id, "welcome\n")
		socket.start(id)
		socket.write(id, "and bye\n")
		socket.close(id)
	end)
	local id = connect(port)
	test.equal(socket.readall(id), "welcome\nand bye\n")
end)

case("an end without a goodbye is an error for who reads, after all that came", function()
	for _, paused in ipairs { false, true } do
		local port = process.free_port()
		local program = process.start {
			"openssl", "s_server", "-accept", port, "-cert", world.good.cert, "-key", world.good.key, "-quiet",
			stdin = "/dev/zero",
		}
		local id = test.eventually("the server", 20, function()
			return (tls.connect("localhost", port, { ca_file = world.ca.file }))
		end)
		test.defer(socket.close, id)
		test.truthy(socket.read(id, 1000))
		local told
		socket.onclose(id, function()
			told = true
		end)
		if paused then
			socket.pause(id)
		end
		program:kill()
		test.equal(socket.readall(id):find "[^\0]", nil)
		test.truthy(told)
		test.truthy(socket.disconnected(id))
		test.equal(socket.write(id, "x"), false, "it is broken, not half closed")
	end
end)

case("sockets that services hand over stay encrypted", function()
	local port = serve(good(), echo)
	local id = connect(port)
	socket.write(id, "one\n")
	test.equal(socket.readline(id), "one")
	socket.abandon(id)
	test.equal(socket.start(id), id)
	socket.write(id, "two\n")
	test.equal(socket.readline(id), "two")
end)

case("a slow reader holds up the writer: nothing is buffered beyond the marks", function()
	local port = serve(good(), function(id)
		local total = 0
		while true do
			local bytes = socket.read(id, 65536)
			if not bytes then
				break
			end
			total = total + #bytes
			skynet.sleep(1)
			if total >= 4 * 1024 * 1024 then
				break
			end
		end
		socket.write(id, "enough\n")
	end)
	local id = connect(port)
	local marks = {}
	socket.warning(id, function(_, kb)
		marks[#marks + 1] = kb
	end)
	socket.write(id, ("x"):rep(12 * 1024 * 1024))
	socket.pause(id)
	test.eventually("a warning", 20, function()
		return marks[1]
	end)
	test.between(marks[1], 1024, 12 * 1024)
	test.equal(socket.readline(id), "enough")
end)

-- ---- who is who ----

case("certificates of servers are verified: time, name, authority", function()
	local function with(which)
		return serve({ cert_file = world[which].cert, key_file = world[which].key }, echo)
	end
	refused("^tls: certificate of localhost:%d+ has expired %(2024%-01%-01%)$", with "expired")
	refused("^tls: certificate of localhost:%d+ is for 'other.example', not 'localhost'$", with "other")
	refused("^tls: certificate of localhost:%d+ is signed by an unknown authority, 'Somebody'", with "stranger")
	refused("unknown authority", with "stranger", { verify_host = false })
	connect(with "expired", { verify = false })
	connect(with "other", { verify_host = false })
	connect(with "other", { server_name = "other.example" })
	-- To OpenSSL, no name is any name, and one that begins with a dot is any below it.
	test.raises("who should the server be", connect, with "other", { server_name = "" })
	test.raises("who should the server be", connect, with "other", { server_name = ".example" })
	refused("is for 'localhost, 127.0.0.1, ::1', not 'db.example'", with "good", { server_name = "db.example" })
	refused("unknown authority", with "good", { ca_file = world.unknown.file })
	local wild = world.ca:issue { dns = { "*.example.org" } }
	local port = serve({ cert_file = wild.cert, key_file = wild.key }, echo)
	connect(port, { server_name = "a.example.org" })
	refused("is for '%*.example.org'", port, { server_name = "example.org" })
	refused("is for '%*.example.org'", port, { server_name = "a.b.example.org" })
end)

case("a dot at the end of a name is not part of it", function()
	local port = serve(good(), function(id)
		socket.write(id, tostring(tls.info(id).server_name) .. "\n")
	end)
	local id = assert(tls.connect("localhost.", port, { ca_file = world.ca.file }))
	test.equal(socket.readline(id), "localhost")
	socket.close(id)
	id = connect(port, { server_name = "localhost." })
	test.equal(socket.readline(id), "localhost")
	refused("is for 'localhost, 127.0.0.1, ::1', not 'db.example'", port, { server_name = "db.example." })
	for _, name in ipairs { ".", "..", ".example." } do
		test.raises("who should the server be", connect, port, { server_name = name })
	end
end)

case("a name is not what is in front of a zero byte", function()
	local port = serve(good(), echo)
	test.raises("zero byte", tls.connect, "localhost\0.evil.example", port, { ca_file = world.ca.file })
	test.raises("zero byte", socket.open, "localhost\0.evil.example", port)
end)

case("an intermediate authority, or a single certificate, is trusted when that is asked for", function()
	local between = world.ca:intermediate "Between"
	local below = between:issue { dns = { "localhost" } }
	local port = serve({ cert_file = below.cert, key_file = below.key }, echo)
	refused("unknown authority", port, { ca_file = between.file })
	connect(port, { ca_file = between.file, partial_chain = true })
	connect(port, { ca_file = below.cert, partial_chain = true })
	refused("unknown authority", port, { ca_file = world.unknown.file, partial_chain = true })
	refused("is for 'localhost', not 'db.example'", port,
		{ ca_file = between.file, partial_chain = true, server_name = "db.example" })
	test.raises("partial_chain has to be", connect, port, { partial_chain = 1 })
end)

case("without options the system's authorities decide", function()
	local port = serve(good(), echo)
	local id, err = tls.connect("localhost", port)
	test.equal(id, nil)
	test.matches(err, "unknown authority")
	id, err = socket.open("localhost", port, { tls = true })
	test.equal(id, nil)
	test.matches(err, "unknown authority")
	local one = assert(socket.open("localhost:" .. port, nil, { tls = { ca_file = world.ca.file } }))
	socket.close(one)
end)

case("the system's authorities are those that OpenSSL is told of", function()
	local port = serve(good(), echo)
	local dir = process.path "client"
	process.mkdir(dir)
	assert(io.open(dir .. "/client.lua", "w")):write(([[
		local skynet = require "skynet"
		skynet.start(function()
			print(require "reef.tls".connect("localhost", %d) and "connected")
			require "skynet.manager".abort()
		end)
	]]):format(port)):close()
	local _, output = process.run {
		test.reef, "run", "client.lua", cwd = dir, stderr = dir .. "/log", env = { SSL_CERT_FILE = world.ca.file },
	}
	test.equal(output, "connected\n")
end)

case("a directory of authorities is as good as a file", function()
	local dir = process.path "authorities"
	process.mkdir(dir)
	local code = process.run { "sh", "-c", ("cp %s %s/ca.pem && openssl rehash %s"):format(world.ca.file, dir, dir) }
	test.equal(code, 0)
	local port = serve(good(), echo)
	local id = assert(tls.connect("localhost", port, { ca_dir = dir }))
	socket.close(id)
end)

case("a server asks for certificates, and says who the client is", function()
	local seen
	local port = serve(good { client_certificates = "required", ca_file = world.ca.file }, function(id)
		local line = socket.readline(id)
		seen = line and tls.info(id).peer.subject
		socket.write(id, "hello\n")
	end)
	local id = connect(port, { cert_file = world.client.cert, key_file = world.client.key })
	socket.write(id, "me\n")
	test.equal(socket.readline(id), "hello")
	test.equal(seen, "/CN=client")
	for _, more in ipairs { {}, { cert_file = world.stranger_client.both } } do
		test.equal(socket.readline(connect(port, more)), false, "none, or one that nobody knows")
	end
	local optional = serve(good { client_certificates = "optional", ca_file = world.ca.file }, function(one)
		socket.write(one, tls.info(one).peer and "known\n" or "unknown\n")
	end)
	test.equal(socket.readline(connect(optional)), "unknown")
	test.equal(socket.readline(connect(optional, { cert_file = world.client.both })), "known")
end)

case("options that are wrong are refused by name", function()
	local port = serve(good(), echo)
	test.raises("unknown option ca", tls.connect, "localhost", port, { ca = "x" })
	test.raises("ca_file has to be a string, not number", tls.connect, "localhost", port, { ca_file = 1 })
	test.raises("min_version cannot be '1.1'", tls.connect, "localhost", port, { min_version = "1.1" })
	test.raises("client_certificates is for servers", tls.connect, "localhost", port, { client_certificates = "required" })
	test.raises("a server verifies clients by client_certificates", tls.listen, "127.0.0.1", 0, good { verify = false })
	test.raises("a server needs a certificate", tls.listen, "127.0.0.1", 0, {})
	refused("ca_file /no/such/file: No such file", port, { ca_file = "/no/such/file" })
	refused("ca_file .* holds no certificate", port, { ca_file = world.good.key })
	refused("does not belong to the certificate", port, { cert_file = world.client.cert, key_file = world.good.key })
	refused("holds no private key", port, { cert_file = world.client.cert })
	refused("nothing that is known", port, { ciphers = "NONSENSE" })
	local locked = world.ca:issue { name = "locked", password = "open sesame" }
	refused("is encrypted and needs a password", port, { cert_file = locked.cert, key_file = locked.key })
	refused("is the password right", port, { cert_file = locked.cert, key_file = locked.key, password = "wrong" })
	connect(port, { cert_file = locked.cert, key_file = locked.key, password = "open sesame" })
end)

case("who does not speak TLS is told from who does not answer", function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	local answer = "HTTP/1.1 400 Bad Request\r\n"
	socket.start(listener, function(id)
		socket.start(id)
		socket.read(id)
		if answer then
			socket.write(id, answer)
			socket.close(id)
		end
	end)
	refused("localhost:%d+ does not speak TLS: it says 'HTTP/1.1 400 Bad Request'", port)
	answer = ""
	refused("ended the connection at the handshake", port)
	answer = nil
	refused("did not answer the handshake in time", port, { timeout = 30 })
	local id = assert(socket.open("127.0.0.1", serve(good(), echo)))
	socket.write(id, "GET / HTTP/1.1\r\n\r\n")
	test.truthy(socket.readall(id), "a client without TLS is shown the door")
	socket.close(id)
end)

-- ---- upgrade ----

case("a plain connection becomes a TLS one, both ways", function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.start(id)
		assert(socket.readline(id) == "STARTTLS")
		socket.write(id, "ready\n")
		assert(tls.accept(id, good()))
		echo(id)
		socket.close(id)
	end)
	local id = assert(socket.open("127.0.0.1", port))
	socket.write(id, "STARTTLS\n")
	test.equal(socket.readline(id), "ready")
	test.equal(tls.info(id), nil)
	test.equal(tls.upgrade(id, "localhost", { ca_file = world.ca.file }), id)
	socket.write(id, "secret\n")
	test.equal(socket.readline(id), "secret")
	test.equal(tls.info(id).established, true)
	socket.close(id)
	local bad = assert(socket.open("127.0.0.1", port))
	socket.write(bad, "STARTTLS\n")
	test.equal(socket.readline(bad), "ready")
	local none, err = tls.upgrade(bad, "other.example", { ca_file = world.ca.file })
	test.equal(none, nil)
	test.matches(err, "is for 'localhost, 127.0.0.1, ::1', not 'other.example'")
	test.equal(socket.invalid(bad), true)
end)

case("a TLS connection carries another one within, and no third", function()
	local heard
	local listener, _, port = tls.listen("127.0.0.1", 0, good())
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		assert(tls.start(id))
		assert(tls.accept(id, good()))
		echo(id)
		heard = true -- a proper end, as nothing was cut
		socket.close(id)
	end)
	local id = assert(tls.connect("localhost", port, { ca_file = world.ca.file }))
	test.equal(tls.upgrade(id, "localhost", { ca_file = world.ca.file }), id)
	test.equal({ tls.upgrade(id, "localhost") }, { nil, "tls: a connection that cannot go over to TLS" })
	local text = ("0123456789abcdef"):rep(1 << 15) .. "\n"
	for at = 1, #text, 7777 do
		socket.write(id, text:sub(at, at + 7776))
	end
	test.equal(socket.read(id, #text) == text, true)
	socket.close(id)
	test.eventually("the other side ends", 10, function()
		return heard
	end)
	local bad = assert(tls.connect("localhost", port, { ca_file = world.ca.file }))
	local none, err = tls.upgrade(bad, "other.example", { ca_file = world.ca.file })
	test.equal(none, nil)
	test.matches(err, "is for 'localhost, 127.0.0.1, ::1', not 'other.example'")
end)

case("what a peer sends before the handshake never counts as encrypted", function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.start(id)
		socket.write(id, "ready\ninjected\n")
		socket.readline(id)
	end)
	local id = assert(socket.open("127.0.0.1", port))
	test.equal(socket.readline(id), "ready")
	local none, err = tls.upgrade(id, "localhost", { ca_file = world.ca.file })
	test.equal(none, nil)
	test.matches(err, "does not speak TLS")
end)

-- ---- reload ----

case("certificates are read again by tls.reload and SIGHUP; what is connected stays", function()
	local cert, key = process.path "cert", process.path "key"
	local function install(from)
		for path, source in pairs { [cert] = from.cert, [key] = from.key } do
			assert(io.open(path, "w")):write(assert(io.open(source)):read "a"):close()
		end
	end
	install(world.expired)
	local port = serve({ cert_file = cert, key_file = key }, echo)
	local before = connect(port, { verify = false })
	refused("has expired", port)
	install(world.good)
	refused("has expired", port)
	test.between(tls.reload(), 1, 1000)
	connect(port)
	-- What nobody uses any more is not looked for.
	local gone = process.path "gone"
	assert(io.open(gone, "w")):write(assert(io.open(world.ca.file)):read "a"):close()
	local last = assert(tls.connect("localhost", port, { ca_file = gone }))
	os.remove(gone)
	test.matches(select(2, tls.reload()), "gone: No such file")
	socket.close(last)
	test.eventually("a reload without it", 20, function()
		collectgarbage()
		return tls.reload()
	end)
	install(world.other)
	process.run { "kill", "-HUP", tostring(process.self()) }
	test.eventually("the other certificate", 20, function()
		local id, err = tls.connect("localhost", port, { ca_file = world.ca.file })
		if id then
			socket.close(id)
		end
		return not id and err:find("other.example", 1, true)
	end)
	assert(io.open(cert, "w")):write("nonsense"):close()
	local n, err = tls.reload()
	test.equal(n, nil)
	test.matches(err, "holds no certificate")
	refused("other.example", port)
	socket.write(before, "still\n")
	test.equal(socket.readline(before), "still")
end)

case("a channel asks over TLS", function()
	local port = serve(good(), function(id)
		while true do
			local line = socket.readline(id)
			if not line then
				break
			end
			socket.write(id, line:upper() .. "\n")
		end
	end)
	local channel = socketchannel.channel { host = "localhost", port = port, tls = { ca_file = world.ca.file } }
	test.defer(channel.close, channel)
	test.equal(channel:request("hello\n", function(sock)
		return true, sock:readline()
	end), "HELLO")
	local strict = socketchannel.channel { host = "localhost", port = port, tls = true }
	test.raises("unknown authority", strict.request, strict, "hello\n", function(sock)
		return true, sock:readline()
	end)
end)

test.run()
