-- timeout: 180
-- reef.http.client: kept connections and what is sent again, redirects, bodies in pieces both ways.
if require "test".without "reef.http.core" then
	return
end

local certificates = require "test.tls"
local ends = require "test.http_ends"
local http = require "reef.http.server"
local httpc = require "http.httpc"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"

local serve, new = ends.serve, ends.client

-- A server that does as told with each connection, one after the other; how many there were, and what came.
local function script(...)
	local acts, seen = { ... }, { count = 0 }
	local port = stream.listen(function(id)
		seen.count = seen.count + 1
		local act = acts[seen.count] or acts[#acts]
		act(id, function()
			local head = socket.readline(id, "\r\n\r\n")
			seen[#seen + 1] = head
			return head
		end)
		socket.close(id)
	end)
	return ("http://127.0.0.1:%d"):format(port), seen
end

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

---------------------------------------------------------------------------------------------------------------------

test.case("connections are kept for the same server, and for no longer than they are good", function()
	local peers = {}
	local server = serve(function(request)
		peers[#peers + 1] = request.peer
		return 200, request.path == "/pieces" and coroutine.wrap(function()
			for i = 1, 10 do
				coroutine.yield(("%d,"):format(i))
			end
		end) or "x", request.path == "/close" and { connection = "close" } or nil
	end)
	local c = new { keep = 30 }
	local function get(path)
		local response = c:request { url = server.url .. path }
		response:body()
		return peers[#peers]
	end
	local first = get "/"
	test.equal({ get "/", get "/pieces", get "/", get "/close" }, { first, first, first, first })
	local second = get "/"
	test.different(second, first)
	test.equal(c.idle.count, 1)
	skynet.sleep(60)
	test.equal(c.idle.count, 0)
	test.different(get "/", second)
	-- A body that is left alone takes its connection with it.
	local response = c:request { url = server.url .. "/pieces" }
	response:close()
	test.equal(response:read(), nil)
	test.equal(c.idle.count, 0)
	-- Many at once have one each, of which some stay.
	local few = new { keep_each = 3 }
	local done = 0
	for _ = 1, 20 do
		skynet.fork(function()
			few:request({ url = server.url .. "/" }):body()
			done = done + 1
		end)
	end
	test.eventually("all are done", 10, function()
		return done == 20
	end)
	test.between(few.idle.count, 1, 3)
	few:close()
	test.eventually("none is left", 5, function()
		return few.idle.count == 0
	end)
end)

test.case("what failed on a kept connection is sent again only if twice is the same as once", function()
	local function dying(id, read)
		read()
		socket.write(id, OK)
		read()
	end
	local function good(id, read)
		while read() do
			socket.write(id, OK)
		end
	end
	for _, method in ipairs { "GET", "HEAD", "PUT", "DELETE", "OPTIONS" } do
		local url, seen = script(dying, good)
		local c = new()
		c:request({ url = url }):body()
		test.equal(c.idle.count, 1)
		test.equal(c:request({ url = url, method = method }).status, 200, method)
		test.equal(seen.count, 2)
	end
	for _, method in ipairs { "POST", "PATCH" } do
		local url, seen = script(good, function(_, read)
			read()
		end)
		local c = new()
		c:request({ url = url }):body()
		-- It does not take the kept connection, and is sent once.
		test.raises("", c.request, c, { url = url, method = method, body = "x" })
		test.equal(#seen, 2, method)
	end
	-- Once something of an answer has come, nothing is sent again.
	local url, seen = script(function(id, read)
		read()
		socket.write(id, OK)
		read()
		socket.write(id, "HTTP/1.1 2")
	end)
	local c = new()
	c:request({ url = url }):body()
	test.raises("", c.request, c, { url = url })
	test.equal(#seen, 2)
	-- And on a connection of its own nothing is, either.
	url, seen = script(function(_, read)
		read()
	end)
	test.raises("Socket Error", c.request, c, { url = url })
	test.equal(#seen, 1)
end)

test.case("an answer that nobody asked for is not taken for the next one", function()
	local url, seen = script(function(id, read)
		read()
		socket.write(id, OK)
		skynet.sleep(20)
		socket.write(id, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		skynet.sleep(100)
	end, function(id, read)
		read()
		socket.write(id, OK)
	end)
	local c = new()
	test.equal(c:request({ url = url }):body(), "ok")
	test.eventually("it is dropped", 5, function()
		return c.idle.count == 0
	end)
	test.equal(c:request({ url = url }):body(), "ok")
	test.equal(seen.count, 2)
	-- Two answers to one request: the second goes with the connection.
	url, seen = script(function(id, read)
		read()
		socket.write(id, OK .. OK)
		skynet.sleep(50)
	end)
	test.equal(c:request({ url = url }):body(), "ok")
	test.equal(c.idle.count, 0)
	test.equal(c:request({ url = url }):body(), "ok")
	test.equal(seen.count, 2)
end)

test.case("nor is one that came while the service was busy", function()
	local port = process.free_port()
	local server = process.start { "python3", "-c", [[
import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
for n in range(2):
    c, _ = s.accept()
    c.recv(65536)
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    if n == 0:
        time.sleep(0.1)
        c.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.5)
    c.close()
]], tostring(port) }
	local c = new()
	local url = ("http://127.0.0.1:%d/"):format(port)
	test.eventually("the server", 10, function()
		return server:output():find "ready"
	end)
	test.equal(c:request({ url = url }):body(), "ok")
	local since = skynet.hpc()
	while skynet.hpc() - since < 3e8 do end
	local response = c:request { url = url }
	test.equal({ response.status, response:body() }, { 200, "ok" })
end)

---------------------------------------------------------------------------------------------------------------------

test.case("redirects are followed as often as told, by the rules of their status", function()
	local log = {}
	local server = serve(function(request)
		local status, to = request.path:match "^/(%d+)(.*)$"
		log[#log + 1] = ("%s %s %s %s"):format(request.method, request.url, request:body(),
			request.header["content-type"] or "-")
		if status then
			return math.tointeger(tonumber(status)), "gone", { location = to == "" and "/end?x=1" or to }
		end
		return 200, "here"
	end)
	local c = new { redirects = 3 }
	local function ask(method, path, body)
		log = {}
		local response = c:request { url = server.url .. path, method = method, body = body,
			header = body and { ["Content-Type"] = "a/b" } or nil }
		response:body()
		return response.status, log[2]
	end
	for _, case in ipairs {
		{ "POST", "/301", "GET /end?x=1  -" }, { "POST", "/302", "GET /end?x=1  -" }, { "POST", "/303", "GET /end?x=1  -" },
		{ "POST", "/307", "POST /end?x=1 b a/b" }, { "POST", "/308", "POST /end?x=1 b a/b" },
		{ "PUT", "/301", "PUT /end?x=1 b a/b" }, { "PUT", "/303", "GET /end?x=1  -" },
		{ "GET", "/302", "GET /end?x=1  -" }, { "HEAD", "/303", "HEAD /end?x=1  -" },
	} do
		local status, line = ask(case[1], case[2], case[1]:find "P" and "b" or nil)
		test.equal({ status, line }, { 200, case[3] }, case[1] .. case[2])
	end
	test.equal({ ask("GET", "/304") }, { 304 })
	test.equal({ ask("GET", "/300") }, { 300 })
	test.raises("more than 3 redirects", ask, "GET", "/302/302/302/302/302")
	-- As many as the request says, whatever the client would follow.
	for _, most in ipairs { 0, 1, 5 } do
		local other = new { redirects = most }
		test.raises("127.0.0.1:" .. server.port .. ": more than 2 redirects", other.request, other,
			{ url = server.url .. "/302/302/302/302/302", redirects = 2 })
	end
	local response = c:request { url = server.url .. "/302", redirects = 0 }
	test.equal({ response.status, response.header.location, response:body() }, { 302, "/end?x=1", "gone" })
	-- A body that was a function cannot be sent twice.
	test.equal(c:request({ url = server.url .. "/307", method = "POST", body = coroutine.wrap(function()
		coroutine.yield "x"
	end) }).status, 307)
	test.defer(function()
		httpc.redirects = 0
	end)
	httpc.redirects = 2
	test.equal({ httpc.get("127.0.0.1:" .. server.port, "/301") }, { 200, "here" })
end)

test.case("addresses of redirects are put together as RFC 3986 says", function()
	local target = require "reef.http.target"
	local base = target.parse "http://a/b/c/d?q"
	for location, want in pairs {
		["g"] = "http://a/b/c/g", ["./g"] = "http://a/b/c/g", ["g/"] = "http://a/b/c/g/", ["/g"] = "http://a/g",
		["//g"] = "http://g", ["?y"] = "http://a/b/c/d?y", ["g?y"] = "http://a/b/c/g?y", ["#s"] = "http://a/b/c/d?q",
		["g#s"] = "http://a/b/c/g", [""] = "http://a/b/c/d?q", ["."] = "http://a/b/c/", [".."] = "http://a/b/",
		["../g"] = "http://a/b/g", ["../.."] = "http://a/", ["../../../g"] = "http://a/g", ["/../g"] = "http://a/g",
		["g;x=1/../y"] = "http://a/b/c/y", ["g?y/../x"] = "http://a/b/c/g?y/../x", ["https://x/"] = "https://x/",
	} do
		test.equal(target.join(base, location), want, location)
	end
end)

test.case("nobody else gets what was meant for one server", function()
	local function teller()
		return serve(function(request)
			local h = request.header
			if request.path == "/to" then
				return 302, nil, { location = request.query }
			end
			return 200, ("%s %s %s %s"):format(h.authorization or "-", h.cookie or "-", h["x-own"] or "-", h.host)
		end)
	end
	local a, b = teller(), teller()
	local c = new { redirects = 2 }
	local function ask(to)
		local header = { Authorization = "secret", COOKIE = "crumb", ["X-Own"] = "1" }
		return c:request({ url = a.url .. "/to?" .. to, header = header }):body()
	end
	test.equal(ask "/", "secret crumb 1 127.0.0.1:" .. a.port)
	test.equal(ask(b.url .. "/"), "- - 1 127.0.0.1:" .. b.port)
	test.equal(ask(("http://localhost:%d/"):format(a.port)), "- - 1 localhost:" .. a.port)
	for _, to in ipairs { "ftp://x/", "file:///etc/passwd", "http://u:p@x/", "http://x/a\tb", "javascript:x" } do
		test.raises("", ask, to)
	end
	certificates.check()
	local world = certificates.world()
	local secure = http.listen("127.0.0.1:0", function()
		return 302, nil, { location = b.url .. "/" }
	end, { tls = { cert_file = world.good.cert, key_file = world.good.key } })
	test.defer(secure.close, secure)
	local trusting = new { redirects = 1, tls = { ca_file = world.ca.file } }
	test.raises("from https to http:", trusting.request, trusting, { url = ("https://localhost:%d/"):format(secure.port) })
end)

test.case("interim responses have an end", { timeout = 60 }, function()
	local many = 100
	local port = stream.listen(function(id)
		socket.readline(id, "\r\n\r\n")
		for _ = 1, many do
			if not socket.write(id, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n") then
				break
			end
		end
		socket.write(id, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
		socket.close(id)
	end)
	local c = new {}
	local url = ("http://127.0.0.1:%d/"):format(port)
	test.equal(c:request({ url = url }):body(), "ok")
	many = 101
	test.raises("more than 100 responses that are not the last", c.request, c, { url = url })
	many = 100000
	test.raises("more than 100", c.request, c, { url = url })
end)

---------------------------------------------------------------------------------------------------------------------

test.case("bodies go in pieces both ways, fields behind them, no faster than taken", { timeout = 60 }, function()
	local received, hold = 0, true
	local server = serve(function(request)
		if request.path == "/slow" then
			while hold do
				skynet.sleep(5)
			end
		end
		for piece in request.read, request do
			received = received + #piece
		end
		local sum = request:trailers() or {}
		local left = 5
		return 200, function()
			left = left - 1
			if left >= 0 then
				return ("%d "):format(left)
			end
			return nil, { ["X-Count"] = received, ["X-Sum"] = sum["x-sum"] }
		end
	end, { body_limit = 1 << 30 })
	local c = new()
	local sent = 0
	local function body(pieces)
		return function()
			if pieces == 0 then
				return nil, { ["X-Sum"] = "abc" }
			end
			pieces = pieces - 1
			sent = sent + 100000
			return ("x"):rep(100000)
		end
	end
	local response = c:request { url = server.url .. "/", method = "POST", body = body(30) }
	test.equal({ response:body(), response.trailers, received },
		{ "4 3 2 1 0 ", { ["x-count"] = "3000000", ["x-sum"] = "abc" }, 3000000 })
	test.equal(c.idle.count, 1)
	-- A server that does not read holds up who sends.
	sent, received = 0, 0
	local over
	skynet.fork(function()
		over = c:request { url = server.url .. "/slow", method = "POST", body = body(1000) }
	end)
	test.eventually("it begins", 10, function()
		return sent > 1000000
	end)
	local before
	repeat
		before = sent
		skynet.sleep(30)
	until sent == before
	test.between(sent, 1000000, 40000000)
	hold = false
	test.eventually("it ends", 40, function()
		return over ~= nil
	end)
	test.equal({ received, over:body() }, { 100000000, "4 3 2 1 0 " })
	-- What a body's function raises is what the request raises.
	test.raises("on purpose", c.request, c, { url = server.url .. "/", method = "POST", body = function()
		error "on purpose"
	end })
	test.raises("where it ends", c.request, c, { url = server.url .. "/", method = "POST", body = function()
		return nil, { ["Content-Length"] = 1 }
	end })
end)

test.case("what a request says of its body is so, or its connection is not used again", { timeout = 60 }, function()
	local url, seen = script(function(id, head)
		while head() do
			socket.write(id, OK)
		end
	end)
	local c = new()
	local function ask(header, body)
		return c:request { url = url, method = "POST", header = header, body = body }:body()
	end
	test.raises("says content%-length: 5 for a body of 3 bytes", ask, { ["Content-Length"] = "5" }, "abc")
	test.raises("says content%-length: 1 for a body of 0 bytes", ask, { ["content-length"] = 1 })
	test.raises("says content%-length: three", ask, { ["content-length"] = "three" }, "abc")
	test.raises("says content%-length: ", ask, { ["content-length"] = { "3", "3" } }, "abc")
	test.raises("content%-length: 3.0$", ask, { ["content-length"] = 3.0 }, function() end)
	test.raises("a length or an encoding", ask, { ["content-length"] = 3, ["Transfer-Encoding"] = "chunked" }, "abc")
	test.equal({ seen.count, c.idle.count }, { 0, 0 })
	test.equal(ask({ ["Content-Length"] = "0" }), "ok")
	test.equal({ seen.count, c.idle.count }, { 1, 1 })
	local once = { "abc" }
	test.equal(ask({ ["Content-Length"] = 5 }, function()
		return table.remove(once)
	end), "ok")
	test.equal(ask({ ["Transfer-Encoding"] = "chunked" }, "5\r\nabc"), "ok")
	test.equal({ seen.count, c.idle.count }, { 3, 1 })
end)

test.case("a server that does not want a body is not sent it", { timeout = 60 }, function()
	local server = serve(function(request)
		if request.path == "/no" then
			return 403, "no"
		end
		return 200, tostring(#request:body())
	end)
	local c = new()
	local asked = 0
	local function body()
		asked = asked + 1
		return asked <= 3 and ("x"):rep(1000) or nil
	end
	local response = c:request { url = server.url .. "/no", method = "POST", body = body, expect = 500 }
	test.equal({ response.status, response:body(), asked }, { 403, "no", 0 })
	response = c:request { url = server.url .. "/", method = "POST", body = body, expect = 500 }
	test.equal({ response.status, response:body() }, { 200, "3000" })
	response = c:request { url = server.url .. "/", method = "POST", body = ("y"):rep(5000), expect = 500 }
	test.equal(response:body(), "5000")
	-- Who says so in a field does not say it twice.
	local head
	local listening = script(function(id)
		head = socket.readline(id, "\r\n\r\n")
		socket.write(id, "HTTP/1.1 100 Continue\r\n\r\n")
		test.equal(socket.read(id, 3), "abc")
		socket.write(id, OK)
	end)
	local ways = { {}, { Expect = "100-continue" }, { expect = "100-Continue" }, { EXPECT = { "100-continue" } } }
	for _, header in ipairs(ways) do
		local answer = c:request { url = listening, method = "POST", header = header, body = "abc", expect = 6000 }
		test.equal(answer:body(), "ok")
		test.equal(select(2, head:lower():gsub("\nexpect: 100%-continue", "")), 1, head)
	end
	-- A server that has never heard of it gets the body after a while.
	local url = script(function(id)
		socket.readline(id, "\r\n\r\n")
		test.equal(socket.read(id, 3), "abc")
		socket.write(id, OK)
	end)
	test.equal(c:request({ url = url, method = "POST", body = "abc", expect = 20 }):body(), "ok")
end)

test.case("every wait of a request has an end", { timeout = 60 }, function()
	local c = new { idle_timeout = 50 }
	local function silent(after)
		return (script(function(id, read)
			read()
			socket.write(id, after)
			skynet.sleep(2000)
		end))
	end
	for _, text in ipairs { "", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc" } do
		local url = silent(text)
		test.within(5, test.raises, "^http: " .. url:match "//(.*)" .. ": the server is silent$", function()
			return c:request({ url = url }):body()
		end)
	end
	local url = script(function(id, read)
		read()
		socket.write(id, "HTTP/1.1 200 OK\r\n\r\n")
		while socket.disconnected(id) == false do
			socket.write(id, "x")
			skynet.sleep(10)
		end
	end)
	test.within(5, test.raises, "^http: " .. url:match "//(.*)" .. ": the time for the request is over$", function()
		return c:request({ url = url, timeout = 60 }):body()
	end)
end)

test.case("a body that ends with its connection is whole only if that ends in order", function()
	for _, case in ipairs { { "fin", true }, { "rst", false } } do
		local url = script(function(id, read)
			read()
			socket.write(id, "HTTP/1.1 200 OK\r\n\r\nall of it")
		end)
		local proxy = require("test.proxy").start(math.tointeger(tonumber(url:match ":(%d+)$")))
		proxy:next("down", 23, case[1])
		local ok, body = pcall(function()
			return new {}:request({ url = "http://127.0.0.1:" .. proxy.port }):body()
		end)
		test.equal({ ok, ok and body }, { case[2], case[2] and "all " }, case[1])
	end
end)

-- Connections of this process to a server.
local function connections(url)
	local count, port = 0, url:match ":%d+$" .. "$"
	for _, info in ipairs(socket.netstat()) do
		if info.peer and info.peer:find(port) then
			count = count + 1
		end
	end
	return count
end

test.case("who is ended in the middle of a request leaves no connection behind", { timeout = 60 }, function()
	local function silent(after)
		return script(function(id, read)
			read()
			socket.write(id, after)
			socket.readall(id)
		end)
	end
	local c = new { keep = 1000 }
	for _, case in ipairs { { "" }, { "HTTP/1.1 200 OK\r\n\r\nabc" }, { OK, true }, { "HTTP/1.1 200", false, true } } do
		local text, twice, by_proxy = table.unpack(case)
		local url, seen = silent(text)
		local asks = by_proxy and new { proxy = url } or c
		local asking, failed
		skynet.fork(function()
			asking = coroutine.running()
			for _ = 1, twice and 2 or 1 do
				failed = { pcall(function()
					return asks:request({ url = by_proxy and "https://localhost:1/" or url }):body()
				end) }
			end
		end)
		test.eventually("a request", 10, function()
			return #seen == 1
		end)
		skynet.sleep(10)
		test.equal(connections(url), 1, text)
		test.truthy(skynet.killthread(asking))
		test.eventually("the end of its connection", 10, function()
			return connections(url) == 0
		end)
		test.equal(failed, twice and { true, "ok" } or nil)
	end
end)

test.run()
