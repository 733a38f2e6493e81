-- timeout: 120
-- http.httpc, with Python's server and with servers that mean no good.
if require "test".without "reef.http.core" then
	return
end

local certificates = require "test.tls"
local http = require "reef.http.server"
local httpc = require "http.httpc"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local socket_error = require "http.sockethelper".socket_error
local stream = require "test.stream"
local test = require "test"

-- A server that answers every request with these bytes and closes; its name.
local function answers(text)
	local port = stream.listen(function(id)
		socket.readline(id, "\r\n\r\n")
		socket.write(id, text)
		socket.close(id)
	end)
	return "127.0.0.1:" .. port
end

test.case("Python's server is asked: sizes, HEAD, what is not there", function()
	local dir = process.path "files"
	process.mkdir(dir)
	local f <close> = assert(io.open(dir .. "/a.bin", "wb"))
	local body = ("0123456789abcdef"):rep(200000)
	f:write(body)
	f:flush()
	local server = process.start { "/usr/bin/python3", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1",
		"--directory", dir }
	local where = "http://127.0.0.1:" .. server:expect "port (%d+)"
	local header = {}
	local status, got = httpc.get(where, "/a.bin", header)
	test.equal(status, 200)
	test.truthy(got == body)
	test.equal(header["content-length"], tostring(#body))
	test.equal(httpc.head(where, "/a.bin"), 200)
	test.equal((httpc.get(where, "/none")), 404)
	local parts = {}
	local s = httpc.request_stream("GET", where, "/a.bin")
	test.equal({ s.status, s.connected }, { 200, true })
	for part in s do
		parts[#parts + 1] = part
	end
	test.truthy(table.concat(parts) == body)
	test.equal(s.connected, false)
end)

test.case("what is sent is what the server gets", function()
	local server = http.listen("127.0.0.1:0", function(request)
		local h = request.header
		return 200, table.concat({ request.method, request.url, h.host, tostring(h["content-length"]),
			tostring(h["content-type"]), request:body() }, "|")
	end)
	test.defer(server.close, server)
	local where = "127.0.0.1:" .. server.port
	local _, got = httpc.get(where, "/x?y")
	test.equal(got, ("GET|/x?y|%s|0|nil|"):format(where))
	_, got = httpc.post("http://localhost:" .. server.port, "/f", { a = "1 &=" })
	test.equal(got, ("POST|/f|localhost:%d|12|application/x-www-form-urlencoded|a=1%%20%%26%%3D"):format(server.port))
	local header = { ["transfer-encoding"] = "chunked" }
	_, got = httpc.request("PUT", where, "/", nil, header, "3\r\nabc\r\n0\r\n\r\n")
	test.equal(got, ("PUT|/|%s|nil|nil|abc"):format(where))
	test.equal(header.Host, where)
	_, got = httpc.request("GET", where, "/", nil, { Host = "other" })
	test.matches(got, "^GET|/|other|0|")
	test.raises("spaces or control", httpc.get, where, "/ HTTP/1.1\r\nX: 1\r\n\r\n")
	test.raises("line break", httpc.get, where, "/", nil, { x = "1\r\ny: 2" })
	test.raises("no method", httpc.request, "GET /", where, "/")
end)

test.case("bodies end by length, chunks, status or the end of the connection", function()
	local _, body = httpc.get(answers "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", "/")
	test.equal(body, "abc")
	_, body = httpc.get(answers "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "/")
	test.equal(body, "abc")
	_, body = httpc.get(answers "HTTP/1.0 200 OK\r\n\r\nall of it", "/")
	test.equal(body, "all of it")
	_, body = httpc.get(answers "HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n", "/")
	test.equal(body, "")
	_, body = httpc.get(answers "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "/")
	test.equal(body, "x")
	local parts = {}
	for part in httpc.request_stream("GET", answers
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "/") do
		parts[#parts + 1] = part
	end
	test.equal(parts, { "ab", "" })
	local s = httpc.request_stream("GET", answers "HTTP/1.1 200 OK\r\n\r\nabc", "/")
	test.equal(s(), "abc")
	test.equal({ pcall(s) }, { false, socket_error })
end)

test.case("an answer that is cut, wrong, too large or does not come raises", { timeout = 60 }, function()
	for _, text in ipairs { "", "HTTP/1.1 200 OK\r\nConte", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "rubbish\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc", "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" .. ("X: 1\r\n"):rep(501) .. "\r\n", "HTTP/1.1 200 OK\r\nX: " .. ("x"):rep(70000) } do
		test.equal((pcall(httpc.get, answers(text), "/")), false, text:sub(1, 60))
	end
	local port = stream.listen(function(id)
		socket.write(id, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
		for _ = 1, 100 do
			if socket.disconnected(id) ~= false then
				break
			end
			skynet.sleep(5)
		end
		socket.close(id)
	end)
	test.defer(function()
		httpc.timeout, httpc.idle_timeout = nil, 6000
	end)
	httpc.timeout = 30
	test.within(3, test.raises, "", httpc.get, "127.0.0.1:" .. port, "/")
	httpc.timeout, httpc.idle_timeout = nil, 30
	test.within(3, test.raises, "", httpc.get, "127.0.0.1:" .. port, "/")
	test.raises("cannot connect to 127.0.0.1:%d+: ", httpc.get, "127.0.0.1:" .. process.free_port(), "/")
end)

test.case("hosts: names, ports, IPv6; what is none raises", function()
	local server = http.listen("[::1]:0", function(request)
		return 200, request.header.host
	end)
	test.defer(server.close, server)
	local _, body = httpc.get(("http://[::1]:%d"):format(server.port), "/")
	test.equal(body, ("[::1]:%d"):format(server.port))
	test.raises("Invalid protocol: ftp", httpc.get, "ftp://a", "/")
	for _, text in ipairs { "::1", "http://::1", "a:b", "a:99999", "", "http://", "a b", "a/b", "u@a", "[::1" } do
		test.raises("is no host", httpc.get, text, "/")
	end
end)

test.case("https verifies who answers, unless told otherwise", function()
	certificates.check()
	local world = certificates.world()
	local function serve(certificate)
		local server = http.listen("127.0.0.1:0", function()
			return 200, "secret"
		end, { tls = { cert_file = certificate.cert, key_file = certificate.key } })
		test.defer(server.close, server)
		return ("https://localhost:%d"):format(server.port)
	end
	test.defer(function()
		httpc.tls = {}
	end)
	local good, other, expired = serve(world.good), serve(world.other), serve(world.expired)
	test.raises("certificate", httpc.get, good, "/")
	httpc.tls = { ca_file = world.ca.file }
	test.equal({ httpc.get(good, "/") }, { 200, "secret" })
	test.equal({ httpc.get((good:gsub("localhost", "127.0.0.1")), "/") }, { 200, "secret" })
	test.raises("certificate", httpc.get, expired, "/")
	test.raises("", httpc.get, other, "/")
	httpc.tls = { verify = false, verify_host = false }
	test.equal({ httpc.get(expired, "/") }, { 200, "secret" })
end)

test.run()
