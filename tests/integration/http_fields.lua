-- timeout: 240
-- The fields that a handler gives a response, together with those that come by themselves: one of a kind, whatever case
-- its name is written in, or an error that names it. Of reef.http.server and of http.httpd.
if require "test".without "reef.http.core" then
	return
end

local http = require "reef.http.server"
local httpd = require "http.httpd"
local socket = require "skynet.socket"
local test = require "test"

local ONCE = { "date", "content-length", "transfer-encoding", "connection", "content-type", "location", "etag",
	"last-modified", "content-range" }
local GOOD = { ["content-length"] = "5", ["transfer-encoding"] = "chunked", connection = "keep-alive" }

-- Takes a response off the text, as a strict client does: what is said of it, and the rest. `short`: the body may end
-- early.
local function take(text, short)
	local head, rest = text:match "^(.-\r\n)\r\n(.*)$"
	test.truthy(head, "no head: " .. text)
	local response, lines = { status = tonumber(head:match "^HTTP/1%.1 (%d%d%d) ") }, {}
	for line in head:gsub("^[^\n]*\n", "", 1):gmatch "(.-)\r\n" do
		local name, value = test.matches(line, "^([%w%-]+): (.*)$", head)
		name = name:lower()
		lines[name] = lines[name] or {}
		table.insert(lines[name], value)
	end
	response.lines, response.head = lines, head
	for _, name in ipairs(ONCE) do
		test.truthy(#(lines[name] or {}) <= 1, ("several fields %s in\n%s"):format(name, head))
	end
	local length, encoding = lines["content-length"], lines["transfer-encoding"]
	test.truthy(not (length and encoding), "a length and an encoding in\n" .. head)
	response.body = ""
	if response.status == 204 or response.status == 304 then
		return response, rest
	elseif length then
		local n = test.truthy(math.tointeger(tonumber(length[1])), head)
		response.body, rest = rest:sub(1, n), rest:sub(n + 1)
		test.truthy(#response.body == n or short, text)
	elseif encoding then
		repeat
			local size
			size, rest = test.matches(rest, "^(%x+)\r\n(.*)$", text)
			size = tonumber(size, 16)
			response.body = response.body .. rest:sub(1, size)
			test.equal(rest:sub(size + 1, size + 2), "\r\n", text)
			rest = rest:sub(size + 3)
		until size == 0
	else
		response.body, rest = rest, ""
	end
	return response, rest
end

-- What the server says to some bytes, until it closes.
local function ask(server, text)
	local id = assert(socket.open("127.0.0.1", server.port))
	test.defer(socket.close, id)
	socket.write(id, text)
	local answer = socket.readall(id) or ""
	socket.close(id)
	return answer
end

local function serve(handler)
	local server = http.listen("127.0.0.1:0", handler)
	test.defer(server.close, server)
	return server
end

local LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

-- The response of reef.http.server to a plain request, and whether the next one on the connection is answered.
local function answered(server, version)
	local text = ask(server, ("GET / HTTP/%s\r\nHost: a\r\n\r\n"):format(version or "1.1") .. LAST)
	local response, rest = take(text, true)
	if rest == "" then
		return response, false
	end
	local last, none = take(rest)
	test.equal({ last.body, none }, { "the last", "" }, text)
	return response, true
end

local function last_or(handler)
	return function(request)
		if request.path == "/last" then
			return 200, "the last"
		end
		return handler()
	end
end

-- What http.httpd writes: whether that went well, and the text.
local function written(...)
	local out = {}
	local ok, err = httpd.write_response(function(bytes)
		out[#out + 1] = bytes
	end, ...)
	return ok, table.concat(out), err
end

local function random_case(name)
	return (name:gsub("%a", function(letter)
		return math.random(2) == 1 and letter:upper() or letter
	end))
end

local function in_pieces(text)
	local at = 1
	return function()
		if at <= #text then
			local piece = text:sub(at, at + math.random(0, 3))
			at = at + #piece
			return piece
		end
	end
end

test.case("a date of the handler takes the place of the server's", function()
	for _, name in ipairs { "date", "Date", "DATE", "dAtE" } do
		local header = { [name] = "Tue, 15 Nov 1994 08:12:31 GMT" }
		for _, body in ipairs { "hello", function() return in_pieces "hello" end } do
			local server = serve(last_or(function()
				return 200, type(body) == "function" and body() or body, header
			end))
			for _, version in ipairs { "1.1", "1.0" } do
				local response = answered(server, version)
				test.equal({ response.body, response.lines.date }, { "hello", { header[name] } })
			end
		end
		local ok, text = written(200, "hello", header)
		test.equal({ ok, take(text).lines.date }, { true, { header[name] } })
	end
	local response = answered(serve(last_or(function()
		return 200, "hello"
	end)))
	test.equal(#response.lines.date, 1)
end)

test.case("two fields of a kind, or one that is none, are an error that names it", function()
	local header
	local server = serve(last_or(function()
		return 200, "hello", header
	end))
	for pattern, bad in pairs {
		["several fields [Cc]ontent%-[Tt]ype"] = { ["content-type"] = "a/b", ["Content-Type"] = "a/c" },
		["several fields date"] = { date = { "x", "y" } },
		["several fields [Cc]ontent%-[Ll]ength"] = { ["content-length"] = 5, ["Content-Length"] = 5 },
		["several fields [Ll]ocation"] = { Location = "/", location = "/a" },
		["content%-length: 6 for a body of 5 bytes"] = { ["CONTENT-length"] = 6 },
		["content%-length: %+5 is no length"] = { ["content-length"] = "+5" },
		["a length or an encoding, not both"] = { ["content-length"] = "5", ["Transfer-encoding"] = "chunked" },
	} do
		header = bad
		local response, again = answered(server)
		test.equal({ response.status, again }, { 500, true })
		local ok, text, err = written(200, "hello", bad)
		test.equal({ ok, text }, { false, "" })
		test.matches(err, pattern)
	end
	header = { ["transfer-encoding"] = "chunked" }
	test.equal(answered(server).status, 500)
	header = { ["Content-Type"] = { "text/plain" }, ["Content-Length"] = { 5 } }
	local response = answered(server)
	test.equal({ response.body, response.lines["content-type"] }, { "hello", { "text/plain" } })
end)

test.case("Connection is one field: the handler's words, and close if one side wants that", function()
	local value
	local server = serve(last_or(function()
		return 200, "hello", { cOnnection = value }
	end))
	for _, case in ipairs {
		{ nil, "1.1", nil, true }, { "close", "1.1", "close", false }, { "Close", "1.0", "close", false },
		{ "keep-alive", "1.1", "keep-alive", true }, { "keep-alive", "1.0", "close", false },
		{ "x-a, close , x-b", "1.1", "x-a, x-b, close", false }, { { "x-a", "Keep-Alive" }, "1.1", "x-a, keep-alive", true },
		{ "x-closer", "1.1", "x-closer", true }, { "x-a", "1.0", "x-a, close", false },
	} do
		value = case[1]
		local response, again = answered(server, case[2])
		test.equal({ response.lines.connection and response.lines.connection[1], again }, { case[3], case[4] }, case)
	end
end)

test.case("httpd writes a body in pieces as long as the fields say, and none where there is none", function()
	local ok, text = written(200, in_pieces "hello", { ["Content-Length"] = 5 })
	local response, rest = take(text)
	test.equal({ ok, response.body, rest }, { true, "hello", "" })
	ok, text = written(200, in_pieces "hello", { ["Transfer-Encoding"] = "chunked" })
	response, rest = take(text)
	test.equal({ ok, response.body, rest }, { true, "hello", "" })
	local _, err
	ok, text, err = written(200, in_pieces "hello", { ["transfer-encoding"] = "gzip" })
	test.equal({ ok, text }, { false, "" })
	test.matches(err, "no transfer%-encoding: gzip")
	ok, _, err = written(200, in_pieces "hello", { ["content-length"] = 4 })
	test.equal(ok, false)
	test.matches(err, "longer than content%-length: 4")
	ok, _, err = written(200, in_pieces "hello", { ["content-length"] = 6 })
	test.equal(ok, false)
	test.matches(err, "5 bytes of content%-length: 6")
	for _, status in ipairs { 204, 304 } do
		for _, body in ipairs { "hello", in_pieces "hello" } do
			ok, text = written(status, body)
			test.equal(ok, true)
			test.matches(text, "^HTTP/1.1 " .. status .. " [^\r]+\r\n\r\n$")
		end
	end
	ok, text = written(200, nil, { ["content-length"] = 1234 }) -- to HEAD
	test.equal(ok, true)
	test.matches(text, "content%-length: 1234\r\n\r\n$")
end)

test.case("a body in pieces is not longer than the handler says, and a shorter one ends the connection", function()
	local length
	local server = serve(last_or(function()
		return 200, in_pieces "hello", { ["Content-Length"] = length }
	end))
	for said, sent in pairs { [5] = "hello", [6] = "hello", [3] = "hel", [0] = "" } do
		length = said
		local text = ask(server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n" .. LAST)
		local body = test.matches(text, "\r\n\r\n(.*)$")
		test.equal(sent:sub(1, #body), body, text)
		test.truthy(said < 5 or body == sent, text)
	end
end)

local function encoded(header)
	for name in pairs(header) do
		if name:lower() == "transfer-encoding" then
			return true
		end
	end
	return false
end

test.case("whatever fields a handler gives, no client sees two of a kind, and the connection stays in step", function()
	local names = { "x-a", "set-cookie", "vary", table.unpack(ONCE) }
	local status, body, header
	local server = serve(last_or(function()
		return status, body, header
	end))
	local good, bad = 0, 0
	for _ = 1, test.count(400) do
		header = {}
		for _ = 1, math.random(0, 5) do
			local name = names[math.random(#names)]
			local value = math.random(8) == 1 and math.random(0, 5) or GOOD[name] or "v"
			if name == "connection" then
				value = ({ "close", "keep-alive", "x-y", "close, keep-alive" })[math.random(4)]
			end
			header[random_case(name)] = math.random(5) == 1 and { value, math.random(3) == 1 and value or nil } or value
		end
		status = ({ 200, 200, 200, 404, 204, 304 })[math.random(6)]
		local in_one = math.random(2) == 1
		local function make()
			if in_one then
				body = encoded(header) and "5\r\nhello\r\n0\r\n\r\n" or "hello"
			else
				body = in_pieces "hello"
			end
		end
		make()
		local response = answered(server, math.random(3) == 1 and "1.0" or "1.1")
		if response.status == 500 then
			bad = bad + 1
			test.equal(response.body, "Internal Server Error\n")
		else
			good = good + 1
			test.equal(response.status, status)
			test.equal(#response.lines.date, 1, response.head)
			local want = (status == 204 or status == 304) and "" or "hello"
			if in_one or not response.lines["content-length"] then
				test.equal(response.body, want, response.head)
			end
		end
		make()
		local ok, text, err = written(status, body, header)
		if ok then
			local got, rest = take(text)
			test.equal(rest, "", text)
			test.equal(got.status, status)
		else
			test.matches(err, "^http: ")
		end
	end
	test.note(("%d answers, %d refused"):format(good, bad))
end)

test.run()
