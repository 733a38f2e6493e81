-- HTTP to the process itself: who is let in at the metrics page, and at the debug console when it has a token.
-- config: console_http_token = "0123456789abcdef-token"
-- config: http_hosts = "reef.example, Other.example"
local metrics = require "reef.metrics"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local TOKEN = "0123456789abcdef-token"

local page, console

local function exchange(port, text)
	local id = assert(socket.open("127.0.0.1", port))
	socket.write(id, text)
	local answer = test.within(20, socket.readall, id)
	socket.close(id)
	local status = answer:match "^HTTP/1%.1 (%d+) "
	return tonumber(status), answer
end

local function request(port, line, headers, body)
	local lines = { line .. " HTTP/1.1" }
	for _, header in ipairs(headers) do
		lines[#lines + 1] = header
	end
	return exchange(port, table.concat(lines, "\r\n") .. "\r\n\r\n" .. (body or ""))
end

local function host()
	return "Host: 127.0.0.1:" .. page
end

test.case("the page and the console listen", function()
	page = math.tointeger(metrics.serve("127.0.0.1:0"):match ":(%d+)$")
	console = skynet.call(skynet.newservice("debug_console", 0), "debug", "INFO").port
end)

test.case("the page answers who asks for it by an address, as localhost, or by a configured name", function()
	for _, name in ipairs {
		"127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.8.8.8", "reef.example", "other.example",
		"reef.example:8443", "localhost:" .. page,
	} do
		test.equal((request(page, "GET /metrics", { "Host: " .. name })), 200, name)
	end
	for _, name in ipairs {
		"evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "reef.example.evil", "xreef.example",
		"2130706433", "999.0.0.1", "[::2]", "0.0.0.0", "localhost.",
	} do
		test.equal((request(page, "GET /metrics", { "Host: " .. name })), 421, name)
	end
	for _, name in ipairs {
		"", "a b", "localhost@evil", "localhost/x", "localhost:x", "[::1", "localhost\tx", "localhost,",
	} do
		local status = request(page, "GET /metrics", { "Host: " .. name })
		test.truthy(status == 400 or status == 421, name)
	end
	test.equal((request(page, "GET /metrics", {})), 400)
	test.equal((request(page, "GET /metrics", { host(), "Host: evil.example" })), 400)
end)

test.case("another page is not answered", function()
	for _, headers in ipairs {
		{ "Origin: http://evil.example" }, { "Origin: null" }, { "Origin: http://127.0.0.1:1" },
		{ "Origin: http://localhost" }, { "Origin: https://evil.example:443" },
		{ "Sec-Fetch-Site: cross-site" }, { "Sec-Fetch-Site: same-site" }, { "sec-fetch-site: Cross-Site" },
		{ "Sec-Fetch-Site: nonsense" }, { "Sec-Fetch-Site: none", "Origin: http://x" },
	} do
		local status, answer = request(page, "GET /metrics", { host(), table.unpack(headers) })
		test.equal(status, 403, headers[1])
		test.equal(answer:find "process_cpu", nil)
	end
	for _, headers in ipairs {
		{ "Sec-Fetch-Site: same-origin", "Origin: http://127.0.0.1:" .. page }, { "Sec-Fetch-Site: none" }, {},
	} do
		test.equal((request(page, "GET /metrics", { host(), table.unpack(headers) })), 200, headers[1])
	end
end)

test.case("only GET and HEAD, and only what is strictly formed", function()
	for _, method in ipairs { "GET", "HEAD", "PUT" } do
		local status, answer = request(page, method .. " /api/kill?address=1", { host() })
		test.equal({ method, status }, { method, 405 })
		test.matches(answer, "\r\nAllow: POST\r\n")
	end
	for _, method in ipairs { "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE" } do
		local status, answer = request(page, method .. " /metrics", { host() })
		test.equal(status, 405, method)
		test.matches(answer, "\r\nAllow: GET, HEAD\r\n")
	end
	for _, text in ipairs {
		"get /metrics HTTP/1.1\r\n", "GET  /metrics HTTP/1.1\r\n", "GET http://127.0.0.1/metrics HTTP/1.1\r\n",
		"GET /metrics HTTP/2.0\r\n", "GET /metrics\r\n", "GET /met\27rics HTTP/1.1\r\n", "CONNECT x:1 HTTP/1.1\r\n",
		"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "GET /metrics HTTP/1.1\r\nX : y\r\n",
		"GET /metrics HTTP/1.1\r\nX: y\r\n folded\r\n", "GET /metrics HTTP/1.1\r\nX: a\nHost: evil\r\n",
		"GET /metrics HTTP/1.1\r\nX: a\0b\r\n",
		"\22\3\1\2\0\1\0\1\252\3\3\r\n",
	} do
		test.equal((exchange(page, text .. host() .. "\r\n\r\n")), 400, text)
	end
	local many = "GET /metrics HTTP/1.1\r\n" .. ("X: y\r\n"):rep(200)
	test.equal((exchange(page, many .. host() .. "\r\n\r\n")), 413)
end)

test.case("every answer forbids to be used by other pages", function()
	for _, line in ipairs { "GET /", "GET /metrics", "GET /none", "POST /" } do
		local _, answer = request(page, line, { host() })
		for _, header in ipairs {
			"X%-Content%-Type%-Options: nosniff", "X%-Frame%-Options: DENY", "Cross%-Origin%-Resource%-Policy: same%-origin",
			"Content%-Security%-Policy: default%-src 'none'; frame%-ancestors 'none'",
		} do
			test.matches(answer, "\r\n" .. header)
		end
		test.equal(answer:find "Access%-Control", nil)
	end
	local _, answer = request(page, "GET /", { host() })
	test.matches(answer, "script%-src 'self'; style%-src 'self'; img%-src 'self'; connect%-src 'self'")
end)

local function post(headers, body)
	return request(console, "POST /", headers, body)
end

test.case("the console answers a POST with its token, and nothing else", function()
	local good = { "Host: localhost:" .. console, "Authorization: Bearer " .. TOKEN, "Content-Length: 13" }
	local status, answer = post(good, "getenv harbor")
	test.equal(status, 200, answer)
	test.matches(answer, "\r\n\r\nharbor\t0\n<CMD OK>\n$")
	local hit = "setenv console_front_door x"
	local length = "Content-Length: " .. #hit
	for want, list in pairs {
		[401] = {
			{ good[1], length }, { good[1], length, "Authorization: Bearer x" },
			{ good[1], length, "Authorization: " .. TOKEN },
			{ good[1], length, "Authorization: Basic " .. TOKEN }, { good[1], length, "Authorization: Bearer " .. TOKEN .. "x" },
			{ good[1], length, "Cookie: token=" .. TOKEN },
		},
		[421] = { { "Host: evil.example", good[2], length } },
		[403] = {
			{ good[1], good[2], length, "Origin: http://evil.example" },
			{ good[1], good[2], length, "Sec-Fetch-Site: cross-site" },
		},
		[400] = { { good[2], length }, { good[1], good[2], good[2], length }, { good[1], good[2], length, length },
			{ good[1], good[2], "Content-Length: -1" } },
		[411] = { { good[1], good[2] } },
		[413] = { { good[1], good[2], "Content-Length: 99999999" } },
	} do
		for _, headers in ipairs(list) do
			test.equal((post(headers, hit)), want, table.concat(headers, " | "))
		end
	end
	for _, method in ipairs { "GET", "PUT", "OPTIONS", "HEAD" } do
		test.equal((request(console, method .. " /setenv/console_front_door/x", { good[1], good[2] })), 405, method)
	end
	test.equal(skynet.getenv "console_front_door", nil)
end)

test.case("a console with a token has lines, too, and HTTP after the first one ends the connection", function()
	local id = assert(socket.open("127.0.0.1", console))
	test.equal(socket.readline(id, "\n"), "Welcome to skynet console")
	socket.write(id, "getenv harbor\n")
	test.equal(socket.readline(id, "\n"), "harbor\t0")
	test.equal(socket.readline(id, "\n"), "<CMD OK>")
	socket.write(id, "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " .. TOKEN
		.. "\r\nContent-Length: 4\r\n\r\nhelp")
	test.equal(socket.readall(id), "")
	socket.close(id)
end)

test.case("labels of metrics show neither passwords nor control characters", function()
	metrics.gauge("test_labelled", "For this test.", "target"):set(1, "redis://:s3cr3t/x@h\27[31m")
	local text = metrics.text()
	test.equal(text:find "s3cr3t", nil)
	test.equal(text:find "\27", nil)
	test.matches(text, 'test_labelled{target="redis://%*%*%*@h')
end)

test.run()
