-- timeout: 120
-- http.tlshelper and ltls.c: TLS on connected sockets, with httpd on top, with curl and the `openssl` command.
local certificates = require "test.tls"
local httpd = require "http.httpd"
local process = require "test.process"
local socket = require "skynet.socket"
local sockethelper = require "http.sockethelper"
local stream = require "test.stream"
local test = require "test"
local tlshelper = require "http.tlshelper"

local world

local function case(name, f)
	test.case(name, function()
		certificates.check()
		world = certificates.world()
		f()
	end)
end

-- An HTTPS server made of tlshelper and httpd.
local function serve(certificate)
	local ctx = tlshelper.newctx()
	ctx:set_cert(certificate.cert, certificate.key)
	ctx:set_ciphers "ECDHE+AESGCM"
	return stream.listen(function(id)
		local tls = tlshelper.newtls("server", ctx)
		if pcall(tlshelper.init_responsefunc(id, tls)) then
			local code, _, _, _, body = httpd.read_request(tlshelper.readfunc(id, tls), 10000)
			if code then
				httpd.write_response(tlshelper.writefunc(id, tls), code, "got " .. (body or ""))
			end
			tlshelper.closefunc(tls)()
		end
		socket.close(id)
	end)
end

local function request(port, name, options)
	local id = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, id)
	local ctx = tlshelper.newctx()
	ctx:set_options(options or { ca_file = world.ca.file })
	local tls = tlshelper.newtls("client", ctx, name)
	tlshelper.init_requestfunc(id, tls)()
	tlshelper.writefunc(id, tls)("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nme")
	return tlshelper.readallfunc(id, tls)()
end

case("curl is served", function()
	local port = serve(world.good)
	local code, output = process.run { "curl", "-sS", "--max-time", "10", "--cacert", world.ca.file, "-d", "it",
		("https://localhost:%d/"):format(port) }
	test.equal({ code, output }, { 0, "got it" })
end)

case("a client verifies whom it speaks to, unless told otherwise", function()
	local port = serve(world.good)
	test.matches(request(port, "localhost"), "got me$")
	test.raises("", request, port, "elsewhere.example")
	test.raises("certificate", request, port, "localhost", {})
	test.raises("hostname", request, port)
	test.matches(request(port, nil, { verify = false }), "got me$")
	test.matches(request(port, nil, { verify_host = false, ca_file = world.ca.file }), "got me$")
	test.raises("certificate", request, serve(world.expired), "localhost")
end)

case("who speaks no TLS fails, and reads raise at the end", function()
	local port = serve(world.good)
	local id = assert(socket.open("127.0.0.1", port))
	socket.write(id, "GET / HTTP/1.1\r\n\r\n")
	socket.readall(id)
	socket.close(id)
	local plain = stream.listen(function(s)
		socket.write(s, "hello\r\n\r\n")
		socket.close(s)
	end)
	test.raises("", request, plain, "localhost")
	local closes = stream.listen(socket.close)
	id = assert(socket.open("127.0.0.1", closes))
	local err = select(2, pcall(tlshelper.readfunc(id), 1))
	test.equal(err, sockethelper.socket_error)
	socket.close(id)
	test.raises("neither", tlshelper.newtls, "peer", tlshelper.newctx())
end)

test.run()
