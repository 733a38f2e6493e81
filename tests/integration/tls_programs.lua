-- timeout: 300
-- TLS on plain sockets: reef.tls with the `openssl` command on the other side, and with services of this process.
local ends = require "test.tls_ends"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
local tls = require "reef.tls"

local serve, echo, good, connect, refused = ends.serve, ends.echo, ends.good, ends.connect, ends.refused
local case, world = ends.case, ends.world

local function s_server(...)
	local port = process.free_port()
	process.start {
		"openssl", "s_server", "-accept", port, "-cert", world.good.cert, "-key", world.good.key, "-rev", ...,
	}
	test.eventually("the server", 20, process.can_connect, port)
	return port
end

case("we talk to openssl's server in TLS 1.2 and 1.3, and to nothing older", function()
	for _, version in ipairs { "1_2", "1_3" } do
		local port = s_server("-tls" .. version)
		for round = 1, 2 do
			local id = connect(port, { alpn = { "x" } })
			socket.write(id, "stressed\n")
			test.equal(socket.readline(id), "desserts")
			local info = tls.info(id)
			test.equal(info.version, "TLSv" .. version:gsub("_", "."))
			test.equal(info.resumed, round == 2)
			socket.close(id)
		end
	end
	refused("speaks no version of TLS that is allowed here", s_server("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"))
	refused("speaks no version of TLS that is allowed here", s_server "-tls1_2", { min_version = "1.3" })
end)

-- A client that sends what `say` is given.
local function s_client(port, ...)
	local input = process.path "input"
	test.equal(process.run { "mkfifo", input }, 0)
	local pipe = assert(io.open(input, "r+"))
	test.defer(pipe.close, pipe)
	local client = process.start {
		"openssl", "s_client", "-connect", "127.0.0.1:" .. port, "-CAfile", world.ca.file, "-servername", "localhost",
		"-verify_return_error", stdin = input, ...,
	}
	return client, function(words)
		pipe:write(words)
		pipe:flush()
	end
end

case("openssl's client talks to us, resumes its session, and cannot renegotiate", function()
	local port = serve(good { alpn = { "b", "a" } }, echo)
	local session = process.path "session"
	local first, say = s_client(port, "-sess_out", session, "-alpn", "a,b")
	say "hello\n"
	first:expect "\nhello\n"
	first:expect "ALPN protocol: b"
	first:expect "New, TLSv1.3"
	first:kill()
	first, say = s_client(port, "-sess_in", session)
	say "hello\n"
	first:expect "\nhello\n"
	first:expect "Reused, TLSv1.3"
	first:kill()
	first, say = s_client(port, "-tls1_2")
	say "hello\n"
	first:expect "\nhello\n"
	say "R\n"
	first:expect "no renegotiation"
	first:kill()
	first = s_client(port, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
	test.different(first:wait(), 0)
	first:expect "protocol version"
end)

case("keys can be updated on the way", function()
	local port = serve(good(), echo)
	local client, say = s_client(port, "-tls1_3")
	for i, kind in ipairs { "K", "k" } do
		say(kind .. "\n")
		client:expect(("KEYUPDATE.*"):rep(i))
		say(("after %d\n"):format(i))
		client:expect(("\nafter %d\n"):format(i))
	end
end)

case("all services of the process share certificates and sessions", function()
	local port = serve(good(), echo)
	for i = 1, 3 do
		local line, info = skynet.call(test.service "tls_caller", "lua", port, { ca_file = world.ca.file, alpn = { "own" } })
		test.equal(line, "hello")
		test.equal(info.resumed, i > 1)
	end
end)

test.run()
