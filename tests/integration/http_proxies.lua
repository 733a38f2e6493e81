-- timeout: 180
-- reef.http.client by way of proxies: in absolute form and as tunnels, with TLS to the proxy and through it, no_proxy,
-- and proxies that refuse or lie.
if require "test".without("reef.http.core", "reef.http.frames") then
	return
end

local certificates = require "test.tls"
local client = require "reef.http.client"
local ends = require "test.http_ends"
local http = require "reef.http.server"
local httpc = require "http.httpc"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"
local tls = require "reef.tls"
local websocket = require "http.websocket"

local serve, new = ends.serve, ends.client

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
	-- What the caller says to the proxy is said instead, not beside it.
	for _, name in ipairs { "Proxy-Authorization", "proxy-authorization" } do
		test.matches(c:request({ url = server.url .. "/c", header = { [name] = "Basic eDp5" } }):body(), "/c Basic eDp5$")
	end
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
	test.within(5, test.raises, "127.0.0.1:" .. silent .. ": the proxy did not answer in time", c.request, c,
		{ url = "https://localhost:1/", timeout = 30 })
	test.raises("is no proxy", client.new, { proxy = "ftp://a:1" })
	test.raises("is no proxy", client.new, { proxy = "socks5://a:1" })
	test.raises("did you mean proxy", client.new, { prxy = "" })
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
