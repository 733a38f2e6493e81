-- timeout: 180
-- reef.http.client: kept connections and what is sent again, redirects, proxies, bodies in pieces both ways.
if require "test".without("reef.http.core", "reef.http.frames") then
	return
end

local certificates = require "test.tls"
local client = require "reef.http.client"
local http = require "reef.http.server"
local httpc = require "http.httpc"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"
local tls = require "reef.tls"
local websocket = require "http.websocket"

local function serve(handler, options)
	local server = http.listen("127.0.0.1:0", handler, options)
	test.defer(server.close, server)
	server.url = ("http://127.0.0.1:%d"):format(server.port)
	return server
end

local function new(options)
	local c = client.new(options)
	test.defer(c.close, c)
	return c
end

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

---------------------------------------------------------------------------------------------------------------------

local function secure_listener(attend, certificate)
	local id, ip, port = tls.listen("127.0.0.1", 0, { cert_file = certificate.cert, key_file = certificate.key })
	socket.start(id, function(fd)
		if tls.start(fd) then
			attend(fd)
		end
	end)
	test.defer(socket.close, id)
	return id, ip, port
end

-- A proxy of the simplest kind, behind TLS if there is a certificate; what it was asked.
local function proxy(answer, certificate)
	local asked = {}
	local function attend(id)
		local head = socket.readline(id, "\r\n\r\n")
		asked[#asked + 1] = head
		if not head then
			return socket.close(id)
		end
		local host, number = head:match "^CONNECT ([^ ]+):(%d+) "
		if answer then
			socket.write(id, answer)
			return socket.close(id)
		elseif not host then
			host, number = head:match "^%u+ http://([^:/]+):(%d+)/"
		end
		local to = assert(socket.open(host, math.tointeger(tonumber(number))))
		if head:find "^CONNECT" then
			socket.write(id, "HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
		else
			socket.write(to, head:gsub("http://[^/]+", "", 1) .. "\r\n\r\n")
		end
		skynet.fork(function()
			repeat
				local bytes = socket.read(to)
				socket.write(id, bytes or "")
			until not bytes
			socket.close(id)
		end)
		repeat
			local bytes = socket.read(id)
			socket.write(to, bytes or "")
		until not bytes
		socket.close(to)
		socket.close(id)
	end
	local port
	if certificate then
		port = select(3, secure_listener(attend, certificate))
	else
		port = stream.listen(attend)
	end
	return port, asked
end

test.case("a proxy is asked if told so: in absolute form, and for tunnels", { timeout = 60 }, function()
	local port, asked = proxy()
	local server = serve(function(request)
		if request.path == "/chat" then
			return request:websocket {
				message = function(id, data)
					websocket.write(id, "got " .. data)
				end,
			}
		end
		return 200, request.url .. " " .. tostring(request.header["proxy-authorization"])
	end)
	local c = new { proxy = "http://user:p%40ss@127.0.0.1:" .. port }
	test.equal(c:request({ url = server.url .. "/a?b" }):body(), "/a?b Basic dXNlcjpwQHNz")
	test.matches(asked[1], ("^GET http://127.0.0.1:%d/a%%?b HTTP/1.1\r\n"):format(server.port))
	certificates.check()
	local world = certificates.world()
	local function secure(certificate)
		local s = http.listen("127.0.0.1:0", function(request)
			return 200, tostring(request.header["proxy-authorization"])
		end, { tls = { cert_file = certificate.cert, key_file = certificate.key } })
		test.defer(s.close, s)
		return ("https://localhost:%d/"):format(s.port)
	end
	c.tls = { ca_file = world.ca.file }
	test.equal(c:request({ url = secure(world.good) }):body(), "nil")
	test.matches(asked[#asked], "^CONNECT localhost:%d+ HTTP/1.1\r\n")
	test.matches(asked[#asked], "Proxy%-Authorization: Basic dXNlcjpwQHNz")
	test.raises("certificate", c.request, c, { url = secure(world.expired) })
	test.defer(function()
		httpc.proxy = nil
	end)
	httpc.proxy = "http://127.0.0.1:" .. port
	test.matches(select(2, httpc.get("127.0.0.1:" .. server.port, "/x")), "^/x ")
	local id = websocket.connect(("ws://127.0.0.1:%d/chat"):format(server.port))
	websocket.write(id, "it")
	test.equal(websocket.read(id), "got it")
	websocket.close(id)
	test.matches(asked[#asked], "^CONNECT 127.0.0.1:")
end)

test.case("a proxy may speak TLS, and is verified", { timeout = 60 }, function()
	certificates.check()
	local world = certificates.world()
	local port, asked = proxy(nil, world.good)
	local server = serve(function(request)
		return 200, request.url
	end)
	local c = new { proxy = "https://localhost:" .. port, proxy_tls = { ca_file = world.ca.file } }
	for i = 1, 3 do
		test.matches(c:request({ url = server.url .. "/" .. i }):body(), ("/%d$"):format(i))
	end
	test.matches(asked[1], ("^GET http://127.0.0.1:%d/1 HTTP/1.1\r\n"):format(server.port))
	local distrusts = new { proxy = "https://localhost:" .. port }
	test.raises("certificate", distrusts.request, distrusts, { url = server.url })
	local bad = proxy(nil, world.expired)
	local late = new { proxy = "https://localhost:" .. bad, proxy_tls = { ca_file = world.ca.file } }
	test.raises("certificate", late.request, late, { url = server.url })
end)

test.case("https and wss go through a proxy that speaks TLS, each verified for itself", { timeout = 60 }, function()
	certificates.check()
	local world, others = certificates.world(), certificates.authority "the proxy's"
	local port, asked = proxy(nil, others:issue { dns = { "localhost" } })
	local function secure(certificate)
		local s = http.listen("127.0.0.1:0", function(request)
			if request.path == "/chat" then
				return request:websocket {
					message = function(id, data)
						websocket.write(id, "got " .. data)
					end,
				}
			end
			local left = request:body()
			return 200, function()
				local piece = left:sub(1, math.random(1, 70000))
				left = left:sub(#piece + 1)
				return piece ~= "" and piece or nil
			end, { ["x-proxy"] = tostring(request.header["proxy-authorization"]) }
		end, { tls = { cert_file = certificate.cert, key_file = certificate.key } })
		test.defer(s.close, s)
		return ("https://localhost:%d/"):format(s.port)
	end
	local url = secure(world.good)
	local c = new { proxy = "https://u:p@localhost:" .. port, proxy_tls = { ca_file = others.file },
		tls = { ca_file = world.ca.file }, timeout = 3000 }
	local block = require("skynet.crypt").randomkey():rep(1 << 17)
	for i = 1, 30 do -- bodies of all sizes around those of records, of batches of records, and of the kernel's buffers
		local n = i % 10 == 0 and math.random(1 << 18, #block) or math.random(0, 1 << (i % 18))
		local sent = block:sub(1, n)
		local response = c:request { url = url .. i, method = "PUT", body = sent }
		test.equal(response:body() == sent, true, ("body %d of %d bytes"):format(i, n))
		test.equal(response.header["x-proxy"], "nil")
	end
	test.matches(asked[1], "^CONNECT localhost:%d+ HTTP/1.1\r\n")
	test.matches(asked[1], "Proxy%-Authorization: Basic ")
	test.equal(#asked, 1) -- tunnels are kept as connections are

	test.defer(function()
		httpc.proxy, httpc.proxy_tls, httpc.tls = nil, nil, {}
	end)
	httpc.proxy, httpc.proxy_tls, httpc.tls = c.proxy, c.proxy_tls, c.tls
	local id = websocket.connect(url:gsub("^https", "wss") .. "chat")
	websocket.write(id, ("x"):rep(100000), "binary")
	test.equal(#websocket.read(id), 100004)
	websocket.close(id)

	test.raises("certificate of localhost has expired", c.request, c, { url = secure(world.expired) })
	c.tls = { ca_file = others.file }
	test.raises("localhost.*unknown authority", c.request, c, { url = url })
	local distrusts = new { proxy = c.proxy, proxy_tls = { ca_file = world.ca.file }, tls = { ca_file = world.ca.file } }
	test.raises("unknown authority", distrusts.request, distrusts, { url = url })
	test.equal(#asked, 4) -- the last one trusted the proxy with nothing
	local ending = proxy("HTTP/1.1 200 OK\r\n\r\n", others:issue { dns = { "localhost" } })
	local cuts = new { proxy = "https://localhost:" .. ending, proxy_tls = { ca_file = others.file } }
	test.raises("ended the connection", cuts.request, cuts, { url = url })
end)

test.case("who is in no_proxy is asked without it", { timeout = 60 }, function()
	local no_proxy = require "reef.http.no_proxy"
	local host = require "reef.http.host"
	local function direct(list, where)
		return no_proxy.parse(list)(host.parse(where))
	end
	for _, row in ipairs {
		{ "", "a.example", false }, { "*", "a.example", true }, { "example", "example", true },
		{ "example", "a.example", true }, { ".example", "example", true }, { "example", "anexample", false },
		{ "EXAMPLE.", "a.Example.", true }, { "a.example", "example", false }, { "x, b  c", "c", true },
		{ "a:80", "http://a", true }, { "a:80", "https://a", false }, { "a:8080", "a:8080", true },
		{ "10.0.0.1", "10.0.0.1", true }, { "10.0.0.1", "10.0.0.10", false }, { "10.0.0.0/8", "10.9.8.7", true },
		{ "10.0.0.0/8", "11.0.0.0", false }, { "10.0.0.0/9", "10.128.0.1", false }, { "0.0.0.0/0", "9.9.9.9", true },
		{ "0.0.0.0/0", "name", false }, { "0.0.0.0/0", "[::1]", false }, { "::1", "[::1]", true },
		{ "[::1]:80", "http://[0:0:0:0:0:0:0:1]", true }, { "[::1]:80", "https://[::1]", false },
		{ "fe80::/10", "[febf::1]", true }, { "fe80::/10", "[fec0::1]", false },
		{ "::ffff:10.0.0.1", "[::ffff:a00:1]", true }, { "0.1", "10.0.0.1", false }, { "1", "10.0.0.1", false },
	} do
		test.equal(direct(row[1], row[2]), row[3], row[1] .. " and " .. row[2])
	end
	for _, wrong in ipairs { "10.0.0.0/33", "::1/129", "http://a", "a/8", "[::1", 7, true } do
		test.raises("no_proxy", no_proxy.parse, wrong)
		test.raises("no_proxy", client.new, { no_proxy = wrong })
	end
	local port, asked = proxy()
	local server = serve(function()
		return 200, "here"
	end)
	local c = new { proxy = "http://127.0.0.1:" .. port, no_proxy = { "10.0.0.0/8", "127.0.0.1:" .. server.port } }
	test.equal(c:request({ url = server.url }):body(), "here")
	test.equal(#asked, 0)
	c.no_proxy = "localhost"
	test.equal(c:request({ url = server.url }):body(), "here")
	test.equal(#asked, 1)
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

test.case("a proxy that refuses, lies or is silent is an error", { timeout = 60 }, function()
	local function ask(answer, options)
		local c = new { proxy = "http://127.0.0.1:" .. proxy(answer), tls = { verify = false, verify_host = false } }
		return test.raises("", c.request, c, { url = "https://localhost:1/", timeout = options })
	end
	test.matches(ask "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "the proxy answers 407")
	test.matches(ask "HTTP/1.1 302 No\r\nLocation: /\r\n\r\n", "the proxy answers 302")
	ask "rubbish\r\n\r\n"
	ask ""
	test.matches(ask "HTTP/1.1 200 OK\r\n\r\nmore", "more than it was asked")
	local silent = stream.listen(function(id)
		socket.readall(id)
		socket.close(id)
	end)
	local c = new { proxy = "http://127.0.0.1:" .. silent }
	test.within(5, test.raises, "in time", c.request, c, { url = "https://localhost:1/", timeout = 30 })
	test.raises("is no proxy", client.new, { proxy = "ftp://a:1" })
	test.raises("is no proxy", client.new, { proxy = "socks5://a:1" })
	test.raises("did you mean proxy", client.new, { prxy = "" })
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
		test.within(5, test.raises, "the server is silent", function()
			return c:request({ url = silent(text) }):body()
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
	test.within(5, test.raises, "the time for the request is over", function()
		return c:request({ url = url, timeout = 60 }):body()
	end)
end)

test.case("a response that two could read in two ways is refused", function()
	local c = new()
	for name, text in pairs {
		["two lengths"] = "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
		["one length twice"] = "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
		["a list of lengths"] = "Content-Length: 2, 2\r\n\r\nab",
		["length and chunks"] = "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		["chunks and length"] = "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
		["an unknown coding"] = "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		["a folded field"] = "X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
		["a space before the colon"] = "Content-Length : 2\r\n\r\nab",
		["a line that ends in LF"] = "X: a\nContent-Length: 2\r\n\r\nab",
		["a line that ends in CR"] = "X: a\rContent-Length: 2\r\n\r\nab",
		["a zero byte"] = "X: a\0b\r\nContent-Length: 0\r\n\r\n",
		["a length with a sign"] = "Content-Length: +2\r\n\r\nab",
		["a length that overflows"] = "Content-Length: 18446744073709551618\r\n\r\nab",
		["a chunk size that overflows"] = "Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n0\r\n\r\n",
		["a chunk size with a space"] = "Transfer-Encoding: chunked\r\n\r\n2 \r\nab\r\n0\r\n\r\n",
		["a chunk that does not end"] = "Transfer-Encoding: chunked\r\n\r\n2\r\nab0\r\n\r\n",
	} do
		local url, seen = script(function(id, read)
			read()
			socket.write(id, "HTTP/1.1 200 OK\r\n" .. text)
			skynet.sleep(30)
		end)
		test.raises("", function()
			return c:request({ url = url }):body()
		end)
		test.equal({ c.idle.count, #seen }, { 0, 1 }, name)
	end
end)

test.case("Python's client and server of proxies agree", function()
	local code = process.run { "/usr/bin/python3", "-c", "import urllib.request" }
	test.equal(code, 0)
	local server = serve(function(request)
		return 200, request.url
	end)
	local port = proxy()
	local output
	code, output = process.run { "/usr/bin/python3", "-c", ([[
import urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": "http://127.0.0.1:%d"}))
print(opener.open("http://127.0.0.1:%d/by").read().decode())]]):format(port, server.port) }
	test.equal({ code, output }, { 0, "/by\n" })
end)

test.run()
