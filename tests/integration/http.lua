-- timeout: 240
-- HTTP servers: http.httpd and reef.http.server, with curl and Python as clients, and with clients that mean no good.
if require "test".without "reef.http.core" then
	return
end

local certificates = require "test.tls"
local http = require "reef.http.server"
local httpd = require "http.httpd"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local sockethelper = require "http.sockethelper"
local stream = require "test.stream"
local test = require "test"
local tricks = require "test.http_tricks"
local url = require "http.url"

local G = "GET / HTTP/1.1\r\nHost: a\r\n"

-- A read function that gives the text in pieces of any size.
local function pieces(text, most)
	local at = 1
	return function()
		if at > #text then
			error(sockethelper.socket_error)
		end
		local n = math.random(1, most or #text)
		local piece = text:sub(at, at + n - 1)
		at = at + n
		return piece
	end
end

local function read(text, limit)
	return table.pack(httpd.read_request(pieces(text, math.random(1, 20)), limit))
end

local function serve(handler, options)
	local server = http.listen("127.0.0.1:0", handler, options)
	test.defer(server.close, server)
	return server
end

local function echo(request)
	return 200, request:body()
end

local function connect(server)
	local id = assert(socket.open("127.0.0.1", server.port))
	test.defer(socket.close, id)
	return id
end

-- What a server says to some bytes, until it closes.
local function ask(server, text)
	local id = connect(server)
	socket.write(id, text)
	local answer = socket.readall(id) or ""
	socket.close(id)
	return answer
end

local function curl(...)
	local code, output = process.run { "curl", "-sS", "--max-time", "20", ... }
	test.equal(code, 0, output)
	return output
end

---------------------------------------------------------------------------------------------------------------------

test.case("a request is read however it is cut", function()
	for _ = 1, test.count(300) do
		local got = read "POST /a%20b?x=1 HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nx-one:  2 \r\nContent-Length: 5\r\n\r\nhello"
		test.equal(got, { 200, "/a%20b?x=1", "POST", { host = "h", ["x-one"] = { "1", "2" }, ["content-length"] = "5" },
			"hello", n = 5 })
		got = read("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
			.. "3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: v\r\n\r\n")
		test.equal({ got[1], got[5], got[4].t }, { 200, "abc0123456789abcdef" })
	end
end)

test.case("requests behind each other are read one by one", function()
	local text = {}
	for i = 1, 50 do
		text[i] = ("POST /%d HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s"):format(i, i, ("x"):rep(i))
	end
	local f = pieces(table.concat(text), 400)
	for i = 1, 50 do
		local code, target, _, _, body = httpd.read_request(f)
		test.equal({ code, target, #body }, { 200, "/" .. i, i })
	end
	test.equal({ httpd.read_request(f) }, { nil, sockethelper.socket_error })
end)

test.case("a function that gives something else after a failure is read anew", function()
	local text
	local function f()
		local bytes = text
		text = nil
		return bytes or error(sockethelper.socket_error)
	end
	for _ = 1, 3 do
		for bytes, want in pairs {
			["rubbish\r\n\r\n"] = 501, [G .. "Content-Length: 3\r\n\r\nab"] = false, [G .. "\r\n"] = 200,
		} do
			text = bytes
			test.equal(httpd.read_request(f) or false, want)
		end
	end
end)

test.case("what is wrong has its code", function()
	test.equal(read "GET / HTTP/2.0\r\n\r\n"[1], 505)
	test.equal(read "GET / HTTP/0.9\r\n\r\n"[1], 505)
	test.equal(read "GET /\r\n\r\n"[1], 505)
	test.equal(read "FETCH / HTTP/1.1\r\n\r\n"[1], 501)
	test.equal(read "rubbish\r\n\r\n"[1], 501)
	test.equal(read(G .. "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")[1], 501)
	test.equal(read(G .. "X: " .. ("x"):rep(9000) .. "\r\n\r\n")[1], 413)
	test.equal(read(("\r\n"):rep(9000) .. G .. "\r\n")[1], 413)
	test.equal(read(G .. ("X: 1\r\n"):rep(101) .. "\r\n")[1], 413)
	test.equal(read(G .. "Content-Length: 11\r\n\r\n01234567890", 10)[1], 413)
	test.equal(read(G .. "Transfer-Encoding: chunked\r\n\r\n" .. ("2\r\nab\r\n"):rep(6) .. "0\r\n\r\n", 10)[1], 413)
	test.equal(read(G .. "Transfer-Encoding: chunked\r\n\r\n" .. ("1;" .. ("x"):rep(99) .. "\r\na\r\n"):rep(100))[1], 413)
	local got = read(G .. "Content-Length: 10\r\n\r\nabc")
	test.equal({ got[1], got[2] }, { nil, sockethelper.socket_error })
	test.equal({ read(G)[2] }, { sockethelper.socket_error })
end)

test.case("a response is written as a string, in pieces, or without a body, and nothing can be put into it", function()
	local out
	local function write(...)
		out = {}
		return httpd.write_response(function(bytes)
			out[#out + 1] = bytes
		end, ...)
	end
	test.equal(write(200, "hello", { a = { 1, 2 } }), true)
	test.equal(table.concat(out), "HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\ncontent-length: 5\r\n\r\nhello")
	local left = { "abc", "", "0123456789" }
	test.equal(write(404, function()
		return table.remove(left, 1)
	end), true)
	test.equal(table.concat(out), "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n"
		.. "3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n")
	test.equal(write(204), true)
	test.equal(table.concat(out), "HTTP/1.1 204 No Content\r\n\r\n")
	for _, header in ipairs { { a = "x\r\nb: 1" }, { ["a: 1\r\nb"] = "x" }, { a = { "x\ny" } }, { [""] = "x" } } do
		test.equal(write(200, "", header), false)
		test.equal(out, {})
	end
end)

test.case("targets come apart into path and query", function()
	test.equal({ url.parse "/a%20b/c?x=%31&y" }, { "/a b/c", "x=%31&y" })
	test.equal({ url.parse "/" }, { "/" })
	test.equal(url.parse_query "a=1&b=x+y%26z&a=2&c&=d&a=3", { a = { "1", "2", "3" }, b = "x y&z", c = "", [""] = "d" })
end)

---------------------------------------------------------------------------------------------------------------------

test.case("what two parsers could take for different messages is refused, and the connection ends", function()
	local seen = {}
	local server = serve(function(request)
		seen[#seen + 1] = request.path
		return 200, request:body()
	end)
	local count = 0
	for name, text in pairs(tricks.requests) do
		seen = {}
		local answer = ask(server, text .. tricks.hidden .. tricks.hidden)
		test.matches(answer, "^HTTP/1%.1 [45]%d%d ", name)
		test.matches(answer, "\r\nconnection: close\r\n", name)
		test.equal(select(2, answer:gsub("HTTP/1%.1 ", "")), 1, name)
		for _, path in ipairs(seen) do
			test.different(path, "/hidden", name)
		end
		local code = httpd.read_request(pieces(text .. tricks.hidden, 30))
		test.truthy(code ~= 200 or name:find "^no host", name)
		count = count + 1
	end
	test.note(count .. " messages")
end)

---------------------------------------------------------------------------------------------------------------------

-- Requests of any kind, and what is not to be one.
local function random_stream()
	local parts = {}
	for n = 1, math.random(1, 6) do
		local body = ("x"):rep(math.random(0, 3) * math.random(0, 40))
		local head = ("POST /%d HTTP/1.1\r\nHost: a\r\n"):format(n)
		local kind = math.random(6)
		if kind == 1 then
			parts[n] = ("GET /%d HTTP/1.1\r\nHost: a\r\nX-%d: %s\r\n\r\n"):format(n, n, body)
		elseif kind == 2 then
			parts[n] = head .. "Transfer-Encoding: chunked\r\n\r\n" .. (body == "" and "" or "%x;e=f\r\n%s\r\n"):format(#body,
				body) .. "0\r\nX: trailer\r\n\r\n"
		elseif kind == 3 then
			head = ("POST /%d1 HTTP/1.1\r\nHost: a\r\n"):format(n) -- its body is wanted
			parts[n] = head .. ("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
		elseif kind == 4 then
			parts[n] = "\r\n" .. head .. ("x-a: 1\r\nX-A: 2\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
		else
			parts[n] = head .. ("Content-Length: %d\r\n\r\n%s"):format(#body, body)
		end
	end
	if math.random(3) == 1 then
		local names = {}
		for name in pairs(tricks.requests) do
			names[#names + 1] = name
		end
		table.sort(names)
		parts[#parts + 1] = tricks.requests[names[math.random(#names)]]
	end
	parts[#parts + 1] = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	return table.concat(parts)
end

test.case("however the bytes of requests arrive, the answers are the same", { timeout = 120 }, function()
	local server = serve(function(request)
		if request.path:find "[02468]$" then
			return 200, request.path -- which leaves the body where it is
		end
		local a = request.header["x-a"]
		return 200, ("%s %s %s"):format(request.path, request:body(), type(a) == "table" and table.concat(a, "+") or "")
	end)
	local function answers(text, most)
		local id = connect(server)
		local at = 1
		while at <= #text do
			local n = most and math.random(1, most) or #text
			socket.write(id, text:sub(at, at + n - 1))
			at = at + n
			skynet.sleep(most and math.random(4) == 1 and 1 or 0)
		end
		local got = test.within(60, socket.readall, id) or ""
		socket.close(id)
		-- Whether it asks for a body depends on whether that has come.
		return (got:gsub("HTTP/1.1 100 Continue\r\n\r\n", ""):gsub("date: [^\r]*\r\n", ""))
	end
	for _ = 1, test.count(30) do
		local text = random_stream()
		local whole = answers(text)
		if not whole:find "^HTTP/1%.1 " then
			error((("%s is answered %s"):format(text, whole):gsub("%c", "~")))
		end
		local cut = answers(text, math.random(1, 60))
		if whole ~= cut then
			error((("%s is answered %s in one piece, else %s"):format(text, whole, cut):gsub("%c", "~")))
		end
	end
end)

test.case("a target may be a whole address", function()
	local server = serve(function(request)
		return 200, request.path .. " " .. tostring(request.query)
	end)
	for target, want in pairs {
		["http://b/"] = "/ nil", ["http://b"] = "/ nil", ["http://b?c=d"] = "/ c=d", ["HTTP://b:1/x%20y?z"] = "/x y z",
		["/http://b/"] = "/http://b/ nil", ["//b/c"] = "//b/c nil",
	} do
		local answer = ask(server, ("GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"):format(target))
		test.equal(answer:match "\r\n\r\n(.*)$", want)
	end
end)

test.case("curl and Python are served: bodies both ways, kept connections, HEAD, HTTP/1.0, Expect", function()
	local server = serve(function(request)
		if request.path == "/pieces" then
			local n = 0
			return 200, function()
				n = n + 1
				return n <= 50 and ("%d\n"):format(n):rep(1000) or nil
			end
		end
		return 200, request:body(), { ["x-method"] = request.method, ["x-path"] = request.path }
	end)
	local base = ("http://127.0.0.1:%d"):format(server.port)
	local file = process.path "body"
	local f <close> = assert(io.open(file, "wb"))
	local body = ("0123456789abcdef"):rep(100000)
	f:write(body)
	f:flush()
	test.truthy(curl("--data-binary", "@" .. file, base) == body)
	test.truthy(curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@" .. file, base) == body)
	test.truthy(curl("-H", "Expect: 100-continue", "--expect100-timeout", "15", "-w", "%{time_total}", "--data-binary",
		"@" .. file, base):match "(%d+)%.%d+$" + 0 < 10)
	test.matches(curl("-I", base .. "/x%20y"), "\r\nx%-path: /x y\r\n")
	test.equal(curl("-0", "-d", "abc", base), "abc")
	test.equal(#curl(base .. "/pieces"), 50 * 2000 + 41 * 1000)
	test.equal(#curl("-0", base .. "/pieces"), 50 * 2000 + 41 * 1000)
	test.equal(curl("-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects} %{http_code},", base, base),
		"1 200,0 200,")
	local code, output = process.run { "/usr/bin/python3", "-c", ([[
import http.client
c = http.client.HTTPConnection("127.0.0.1", %d, timeout=10)
for i in range(200):
    c.request("POST", "/p", body=b"x" * i)
    r = c.getresponse()
    assert r.status == 200 and r.read() == b"x" * i and r.getheader("x-method") == "POST"
c.request("POST", "/p", body=iter([b"a" * 70000, b"b"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
assert len(c.getresponse().read()) == 70001
c.request("GET", "/pieces")
r = c.getresponse()
assert len(r.read()) == 141000 and r.getheader("transfer-encoding") == "chunked"
print("good")]]):format(server.port) }
	test.equal({ code, output }, { 0, "good\n" })
end)

test.case("a client that has said all it wants is answered in full", function()
	local server = serve(function()
		local n = 0
		return 200, function()
			n = n + 1
			return n <= 100 and ("x"):rep(100000) or nil
		end
	end)
	local code, output = process.run { "/usr/bin/python3", "-c", ([[
import socket
s = socket.create_connection(("127.0.0.1", %d), timeout=20)
s.sendall(b"GET / HTTP/1.0\r\n\r\n" )
s.shutdown(socket.SHUT_WR)
n = 0
while True:
    b = s.recv(65536)
    if not b:
        break
    n += b.count(b"x")
print(n)]]):format(server.port) }
	test.equal({ code, output }, { 0, "10000000\n" })
	test.eventually("nothing is left", 5, function()
		return server.count == 0
	end)
end)

test.case("pipelined requests are answered in their order", function()
	local server = serve(function(request)
		skynet.sleep(math.random(0, 2))
		return 200, request.path .. ":" .. request:body()
	end)
	local text, want = {}, {}
	for i = 1, 60 do
		text[i] = ("POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n%s\r\n%s"):format(i, i % 7,
			i == 60 and "Connection: close\r\n" or "", ("b"):rep(i % 7))
		want[i] = ("/%d:%s"):format(i, ("b"):rep(i % 7))
	end
	local answer, got = ask(server, table.concat(text)), {}
	for path in answer:gmatch "\r\n\r\n(/%d+:b*)" do
		got[#got + 1] = path
	end
	test.equal(got, want)
end)

test.case("HTTPS and IPv6 are the same", function()
	certificates.check()
	local world = certificates.world()
	local server = serve(echo, { tls = { cert_file = world.good.cert, key_file = world.good.key } })
	test.equal(curl("--cacert", world.ca.file, "-d", "secret", ("https://localhost:%d/"):format(server.port)), "secret")
	local six = http.listen("[::1]:0", echo)
	test.defer(six.close, six)
	test.equal(curl("-g", "-d", "six", ("http://[::1]:%d/"):format(six.port)), "six")
end)

test.case("a handler that fails is a 500, and the connection lives on", function()
	local server = serve(function(request)
		if request.path == "/raise" then
			error "on purpose"
		elseif request.path == "/nothing" then
			return nil
		elseif request.path == "/inject" then
			return 200, "", { x = "a\r\nb: c" }
		elseif request.path == "/type" then
			return 200, {}
		elseif request.path == "/interim" then
			return 100
		end
		return 200, "fine"
	end)
	local text = ""
	for _, path in ipairs { "/raise", "/nothing", "/inject", "/type", "/interim", "/" } do
		text = text .. ("GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n"):format(path, path == "/" and "Connection: close\r\n" or "")
	end
	local answer = ask(server, text)
	test.equal(select(2, answer:gsub("HTTP/1%.1 500 ", "")), 5)
	test.matches(answer, "fine$")
	test.raises("a server needs a handler", http.listen, "127.0.0.1:0")
end)

test.case("clients that are slow or silent, or take nothing, are let go", { timeout = 60 }, function()
	local server = serve(function(request)
		if request.path == "/much" then
			return 200, function()
				return ("x"):rep(100000)
			end
		end
		return 200, request:body()
	end, { head_timeout = 30, body_timeout = 30, request_timeout = 60, idle_timeout = 30, write_timeout = 50 })
	local ended = 0
	local function client(f)
		local id = connect(server)
		skynet.fork(function()
			f(id)
			ended = ended + 1
		end)
	end
	local function drip(id, text)
		for byte in text:gmatch "." do
			if not socket.write(id, byte) or socket.disconnected(id) then
				break
			end
			skynet.sleep(5)
		end
		socket.readall(id)
	end
	client(socket.readall)
	client(function(id)
		drip(id, "GET / HTTP/1.1\r\nHost: a\r\nX: " .. ("x"):rep(400))
	end)
	client(function(id)
		socket.write(id, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n")
		drip(id, ("x"):rep(400))
	end)
	client(function(id)
		socket.write(id, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\nx")
		socket.readall(id)
	end)
	client(function(id)
		socket.write(id, G .. "\r\n")
		test.matches(socket.readall(id), "^HTTP/1.1 200")
	end)
	client(function(id)
		socket.write(id, "GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
		socket.pause(id)
		test.eventually("the server gave up", 20, function()
			return server.count == 0
		end)
		socket.shutdown(id)
	end)
	test.eventually("all have ended", 30, function()
		return ended == 6
	end)
	test.eventually("nothing is left", 10, function()
		return server.count == 0 and next(server.connections) == nil
	end)
end)

test.case("a handler may take longer than a client", function()
	local server = serve(function(request)
		local first = request:read()
		skynet.sleep(60)
		local all = (first or "") .. request:body()
		skynet.sleep(60)
		return 200, all
	end, { head_timeout = 30, body_timeout = 30, idle_timeout = 30, request_timeout = 200, write_timeout = 30 })
	test.matches(ask(server, G .. "Content-Length: 3\r\nConnection: close\r\n\r\nabc"), "\r\n\r\nabc$")
	test.matches(ask(server, G .. "Connection: close\r\n\r\n"), "^HTTP/1.1 200")
end)

test.case("a flood of connections and of requests ends where the limits are", function()
	local server = serve(echo, { max_connections = 20, requests = 5, body_limit = 100 })
	local ids = {}
	for i = 1, 40 do
		ids[i] = connect(server)
	end
	test.eventually("the others are refused", 10, function()
		return server.refused == 20
	end)
	for _, id in ipairs(ids) do
		socket.close(id)
	end
	test.eventually("they are gone", 10, function()
		return server.count == 0
	end)
	local answer = ask(server, (G .. "\r\n"):rep(30))
	test.equal(select(2, answer:gsub("HTTP/1%.1 200 ", "")), 5)
	test.matches(ask(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n"), "^HTTP/1.1 413 ")
	test.matches(ask(server, G .. "Expect: money\r\nContent-Length: 1\r\n\r\n"), "^HTTP/1.1 417 ")
end)

test.case("httpd reads from a socket, asks for what is expected, and does not wait for ever", function()
	local codes = {}
	local port = stream.listen(function(id)
		local code, _, _, _, body = httpd.read_request(sockethelper.readfunc(id), 100000)
		codes[#codes + 1] = code or false
		if code then
			httpd.write_response(sockethelper.writefunc(id), code, body)
		end
		socket.close(id)
	end)
	local base = ("http://127.0.0.1:%d/"):format(port)
	local body = ("x"):rep(5000)
	test.equal(curl("-H", "Expect: 100-continue", "--expect100-timeout", "15", "-d", body, base), body)
	local before = httpd.timeout
	httpd.timeout = 20
	local id = assert(socket.open("127.0.0.1", port))
	socket.write(id, "GET /")
	test.equal(socket.readall(id), "")
	httpd.timeout = before
	socket.close(id)
	test.equal(codes, { 200, false })
end)

test.run()
