-- timeout: 240
-- Peers that mean no good, against our server and our client of HTTP: what two readers could take for different
-- messages, requests for another protocol, expectations, and bytes that nobody asked for. What the RFC demands stands
-- beside each.
if require "test".without "reef.http.core" then
	return
end

local client = require "reef.http.client"
local http = require "reef.http.server"
local httpc = require "http.httpc"
local skynet = require "skynet"
local socket = require "skynet.socket"
local stream = require "test.stream"
local test = require "test"
local tricks = require "test.http_tricks"

local function write_cut(id, bytes)
	stream.write_cut(id, bytes, 2, 30)
end

-- A server that answers each connection's first request with these bytes, and then listens until the client ends it;
-- its address, and how many connections there were.
local function answers(text)
	local seen = { count = 0 }
	local port = stream.listen(function(id)
		seen.count = seen.count + 1
		socket.readline(id, "\r\n\r\n")
		write_cut(id, text)
		socket.readall(id)
		socket.close(id)
	end)
	return "127.0.0.1:" .. port, seen
end

-- ---- clients ----

local POISON = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

test.case("a response that others could read in another way is refused, and its connection not kept", { timeout = 200 },
	function()
		local c = client.new { timeout = 6000 }
		test.defer(c.close, c)
		local count = 0
		for name, text in pairs(tricks.responses) do
			for _, ask in ipairs {
				function(where)
					return c:request({ url = "http://" .. where .. "/" }):body()
				end,
				function(where)
					return select(2, httpc.get(where, "/"))
				end,
			} do
				local where, seen = answers(text .. POISON)
				local ok, body = pcall(ask, where)
				test.equal({ ok, ok and body or nil, seen.count, c.idle.count }, { false, nil, 1, 0 }, name)
				count = count + 1
			end
		end
		test.note(count .. " responses")
		test.truthy(count >= 100)
	end)

test.case("what is no status line is refused, what comes behind a response is nobody's", { timeout = 100 }, function()
	local c = client.new { timeout = 6000 }
	test.defer(c.close, c)
	local function ask(text, method)
		local where, seen = answers(text)
		local ok, response = pcall(c.request, c, { url = "http://" .. where .. "/", method = method })
		local body
		if ok then
			ok, body = pcall(response.body, response)
		end
		return ok, ok and response.status, body, seen
	end
	for name, line in pairs { -- RFC 9112, section 4
		["another version"] = "HTTP/2.0 200 OK", ["HTTP/0.9"] = "HTTP/0.9 200 OK", ["no version"] = "200 OK",
		["another protocol"] = "ICY 200 OK", ["small letters"] = "http/1.1 200 OK", ["two digits"] = "HTTP/1.1 20 OK",
		["four digits"] = "HTTP/1.1 2000 OK", ["a sign"] = "HTTP/1.1 +20 OK", ["no digits"] = "HTTP/1.1 abc OK",
		["a tab"] = "HTTP/1.1\t200 OK", ["a NUL"] = "HTTP/1.1 200 O\0K", ["a bare CR"] = "HTTP/1.1 200 O\rK",
		["a request"] = "GET / HTTP/1.1",
	} do
		test.equal(ask(line .. "\r\nContent-Length: 0\r\n\r\n"), false, name)
	end
	for name, case in pairs { -- RFC 9112, section 6.3: these have no body, whatever they say
		["204"] = { "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n" },
		["304"] = { "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n" },
		["HEAD"] = { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD" },
		["HEAD, in chunks"] = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD" },
	} do
		local ok, _, body = ask(case[1] .. POISON, case[2])
		test.equal({ ok, body }, { true, "" }, name)
		test.eventually(name .. ": what is behind it goes with the connection", 30, function()
			return c.idle.count == 0
		end)
	end
	-- RFC 9110, section 15.2: interim responses end with their head; nobody has asked for another protocol.
	local ok, status, body = ask("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n\r\n"
		.. "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	test.equal({ ok, status, body, c.idle.count }, { true, 200, "ok", 1 })
	local seen
	ok, status, body, seen = ask("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" .. POISON)
	test.truthy(not ok or status == 101 and body == "")
	test.equal({ seen.count, c.idle.count }, { 1, 1 })
end)

-- ---- servers ----

-- What the server says to the bytes of a connection, until it ends; the paths and bodies that its handler saw.
local function against_server(text)
	local seen = {}
	local server = http.listen("127.0.0.1:0", function(request)
		seen[#seen + 1] = ("%s %s %s"):format(request.method, request.path, request:body())
		return 200, "here"
	end)
	test.defer(server.close, server)
	local id = assert(socket.open("127.0.0.1", server.port))
	skynet.fork(write_cut, id, text)
	local said = test.within(60, socket.readall, id) or ""
	socket.close(id)
	return said, seen
end

local LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

local function answer_count(said)
	return select(2, said:gsub("HTTP/1%.1 200 OK", ""))
end

test.case("a server that goes over to no other protocol reads on as HTTP (RFC 9110, 7.8)", { timeout = 60 }, function()
	local hidden = tricks.hidden
	for _ = 1, test.count(20) do
		for _, upgrade in ipairs { "websocket", "h2c", "TLS/1.0", "x/1, y" } do
			local fields = ("Host: a\r\nUpgrade: %s\r\nConnection: Upgrade, HTTP2-Settings\r\n"
				.. "HTTP2-Settings: AAMAAABk\r\n"):format(upgrade)
			local said, seen = against_server("GET /1 HTTP/1.1\r\n" .. fields .. "\r\n" .. LAST)
			test.equal({ answer_count(said), seen }, { 2, { "GET /1 ", "GET /last " } }, upgrade)
			said, seen = against_server(("POST /1 HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s%s"):format(fields, #hidden, hidden,
				LAST))
			test.equal({ answer_count(said), seen }, { 2, { "POST /1 " .. hidden, "GET /last " } }, upgrade)
			said, seen = against_server(("POST /1 HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n%s")
				:format(fields, #hidden, hidden, LAST))
			test.equal({ answer_count(said), seen }, { 2, { "POST /1 " .. hidden, "GET /last " } }, upgrade)
		end
		-- RFC 9110, 9.3.6: what follows CONNECT is not HTTP, and here is no tunnel.
		local said, seen = against_server("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" .. hidden)
		test.equal(#seen, 1)
		test.matches(said, "\r\nconnection: close\r\n")
		-- RFC 9113, 3.4: the beginning of HTTP/2.
		said, seen = against_server("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" .. hidden)
		test.matches(said, "^HTTP/1%.1 50[15] ")
		test.equal(seen, {})
	end
end)

test.case("expectations are met where they may be, and nothing else is (RFC 9110, 10.1.1)", function()
	local expect = "Host: a\r\nExpect: %s\r\nContent-Length: 3\r\n"
	local function ask(line, what, wait)
		local server = http.listen("127.0.0.1:0", function(request)
			return 200, request:body()
		end)
		test.defer(server.close, server)
		local id = assert(socket.open("127.0.0.1", server.port))
		test.defer(socket.close, id)
		socket.write(id, line .. "\r\n" .. expect:format(what) .. "Connection: close\r\n\r\n")
		local first = wait and test.within(30, socket.readline, id, "\r\n\r\n")
		socket.write(id, "abc" .. LAST)
		return first, test.within(30, socket.readall, id)
	end
	local first, rest = ask("POST / HTTP/1.1", "100-continue", true)
	test.equal(first, "HTTP/1.1 100 Continue")
	test.matches(rest, "^HTTP/1%.1 200 OK\r\n.*\r\n\r\nabc$")
	first, rest = ask("POST / HTTP/1.1", "100-Continue", true)
	test.equal(first, "HTTP/1.1 100 Continue")
	test.matches(rest, "\r\n\r\nabc$")
	rest = select(2, ask("POST / HTTP/1.0", "100-continue"))
	test.matches(rest, "^HTTP/1%.1 200 OK\r\n.*\r\n\r\nabc$") -- to HTTP/1.0 nothing interim is sent
	for _, what in ipairs { "200-ok", "100-continue, x", "" } do
		rest = select(2, ask("POST / HTTP/1.1", what))
		test.matches(rest, "^HTTP/1%.1 417 ", what)
		test.equal(answer_count(rest), 0)
	end
	-- Without a body there is nothing to wait for.
	local said, seen = against_server("GET /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n" .. LAST)
	test.equal({ said:find("100 Continue", 1, true), answer_count(said), #seen }, { nil, 2, 2 })
end)

-- ---- bytes of all kinds ----

-- The body in chunks that begins there -> body, where it ends, whether it is plain; nil: it is none, or not whole.
local function chunks(text, at)
	local body, plain = "", true
	while true do
		local size, extension, from = text:match("^(%x+)([ \t]*;?[^%c]*)\r\n()", at)
		if not size or #size > 6 or extension ~= "" and not extension:find ";" then
			return nil
		end
		plain = plain and extension == ""
		local n = tonumber(size, 16)
		if n == 0 then
			while text:sub(from, from + 1) ~= "\r\n" do -- fields
				plain = false
				from = text:match("^[^%c:]+:[^%z\1-\8\10-\31\127]*\r\n()", from)
				if not from then
					return nil
				end
			end
			return body, from + 2, plain
		elseif text:sub(from + n, from + n + 1) ~= "\r\n" then
			return nil
		end
		body = body .. text:sub(from, from + n - 1)
		at = from + n + 2
	end
end

-- What a strict reader sees in a stream of requests: those that are whole and right, up to the first that is not; and
-- whether there is none of these, nor anything that a server may refuse as well as read.
local function judge(text)
	local seen, at, sure = {}, 1, true
	while at <= #text do
		local empty = text:match("^[\r\n]+()", at)
		if empty then
			at, sure = empty, false
		end
		local line, behind = text:match("^([^\r\n]*)\r\n()", at)
		local method, target, minor = (line or ""):match "^(%u+) +(/[!-~\128-\255]*) +HTTP/1%.([01])$"
		if not method or method ~= "GET" and method ~= "POST" then
			return seen, false
		end
		local length, hosts, close, chunked = nil, 0, minor == "0", false
		sure = sure and minor == "1" and not target:find "[^%w/]" and not line:find "  " -- which may be read, section 3
		while text:sub(behind, behind + 1) ~= "\r\n" do
			local name, value, next_line = text:match("^([%w!#$%%&'*+.^_`|~-]+):[ \t]*([^%z\1-\8\10-\31\127]*)\r\n()", behind)
			local tab = value and value:find "\t$" -- llhttp refuses it behind `chunked`
			name, value = name and name:lower(), value and value:gsub("[ \t]+$", "")
			if not name or name == "content-length" and (length or not value:find "^%d+$" or #value > 6)
				or name == "transfer-encoding" and (chunked or value:lower() ~= "chunked")
				or name == "host" and (hosts > 0 or value:find '[%c "#/<>?@\\^`{|}]') then
				return seen, false
			end
			length = name == "content-length" and math.tointeger(tonumber(value)) or length
			chunked = chunked or name == "transfer-encoding"
			sure = sure and not (name == "host" and value ~= "a") and not (tab and name == "transfer-encoding")
			hosts = hosts + (name == "host" and 1 or 0)
			close = close or name == "connection" and value:lower():find "close" ~= nil
			behind = next_line
		end
		if hosts ~= 1 and minor == "1" or chunked and (length or minor == "0") then
			return seen, false
		end
		at = behind + 2
		local body = text:sub(at, at + (length or 0) - 1)
		if chunked then
			local plain
			body, at, plain = chunks(text, at)
			sure = sure and plain
		else
			at = at + (length or 0)
		end
		if not body or length and #body < length then
			return seen, false
		end
		seen[#seen + 1] = ("%s %s %s"):format(method, target, body)
		if close then
			return seen, sure
		end
	end
	return seen, sure
end

local function random_requests()
	local parts = {}
	for i = 1, math.random(1, 4) do
		local body = ("x"):rep(math.random(0, 30))
		local kind = math.random(3)
		if kind == 1 then
			parts[i] = ("GET /%d HTTP/1.1\r\nHost: a\r\nX-Y: %s\r\n\r\n"):format(i, body)
		elseif kind == 2 then
			parts[i] = ("POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(i, #body, body)
		else
			parts[i] = ("POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n"):format(i,
				body == "" and "" or ("%x\r\n%s\r\n"):format(#body, body))
		end
	end
	return table.concat(parts) .. LAST
end

-- A byte, or a piece, is taken out, put in, changed or doubled.
local function spoil(text)
	local at = math.random(1, #text)
	local byte = ({ "\r", "\n", "\0", " ", "\t", ":", ",", ";", "0", "1", "f", "-", "\r\n", "\r\n\r\n", "\255",
		"Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n" })[math.random(18)]
	local kind = math.random(4)
	if kind == 1 then
		return text:sub(1, at - 1) .. text:sub(at + math.random(1, 3))
	elseif kind == 2 then
		return text:sub(1, at - 1) .. byte .. text:sub(at)
	elseif kind == 3 then
		return text:sub(1, at - 1) .. byte .. text:sub(at + 1)
	end
	local n = math.random(1, 40)
	return text:sub(1, at + n) .. text:sub(at)
end

test.case("whatever comes, a server sees no request that a strict reader does not see", { timeout = 200 }, function()
	local whole, refused = 0, 0
	for _ = 1, test.count(500) do
		local text = random_requests()
		for _ = 1, math.random(0, 2) do
			text = spoil(text)
		end
		local want, right = judge(text)
		local id
		local seen = {}
		local server = http.listen("127.0.0.1:0", function(request)
			seen[#seen + 1] = ("%s %s %s"):format(request.method, request.url, request:body())
			return 200, "here"
		end)
		id = assert(socket.open("127.0.0.1", server.port))
		write_cut(id, text)
		local said
		if right and text:sub(-#LAST) == LAST and want[#want] == "GET /last " then
			said = test.within(60, socket.readall, id)
			test.equal(seen, want, text)
			test.equal(answer_count(said), #want)
			whole = whole + 1
		else
			-- It may wait for more; then there is none.
			test.eventually("it has read what it reads", 60, function()
				return socket.disconnected(id) or #seen >= #want
			end)
			skynet.sleep(1)
			refused = refused + 1
			test.equal(seen, table.move(want, 1, #seen, 1, {}), text)
		end
		socket.close(id)
		server:close()
	end
	test.note(("%d streams were right, %d were not"):format(whole, refused))
	test.truthy(whole > 0 and refused > 0)
end)

test.run()
