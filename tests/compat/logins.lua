-- Login and message servers, against a client that is written from their protocol alone.
local skynet = require "skynet"
local crypt = require "skynet.crypt"
local manager = require "skynet.manager"
local process = require "test.process"
local socket = require "skynet.socket"
local test = require "test"

local login_port, few_port = process.free_port(), process.free_port()
skynet.setenv("login_port", login_port)
skynet.setenv("few_port", few_port)

-- ---- a client of the login service ----

local function read_value(id)
	return crypt.base64decode(assert(socket.readline(id)))
end

local function write_value(id, value)
	socket.write(id, crypt.base64encode(value) .. "\n")
end

---Logs in with a token. `spoil` may change what is sent: { key = f, proof = f, token = f }.
---@return string? line
---@return string? secret
local function log_in(token, spoil)
	spoil = spoil or {}
	local function sent(what, value)
		return spoil[what] and spoil[what](value) or value
	end
	local id = assert(socket.open("127.0.0.1", login_port))
	local _ <close> = setmetatable({}, { __close = function()
		socket.close(id)
	end })
	local challenge = read_value(id)
	test.equal(#challenge, 8)
	local key = crypt.randomkey()
	write_value(id, sent("key", crypt.dhexchange(key)))
	local server_key = socket.readline(id)
	if not server_key or server_key:find "^%d%d%d " then
		return server_key
	end
	local secret = crypt.dhsecret(crypt.base64decode(server_key), key)
	write_value(id, sent("proof", crypt.hmac64(challenge, secret)))
	write_value(id, sent("token", crypt.desencode(secret, token)))
	return socket.readline(id) or nil, secret
end

-- How many services of this name there are, without this one.
local function others(name, address)
	local n = 0
	for other, what in pairs(skynet.call(".launcher", "lua", "LIST")) do
		if what:match "%S+$" == name and other ~= skynet.address(address) then
			n = n + 1
		end
	end
	return n
end

local function start_login()
	local login = skynet.newservice "logs_in"
	test.defer(function()
		manager.kill(login)
		skynet.sleep(5)
	end)
	return login
end

test.case("who has the right token is let in, and both sides know the secret", function()
	local login = start_login()
	local line, secret = log_in "ada:right"
	test.equal(line, "200 " .. crypt.base64encode "42")
	test.equal({ skynet.call(login, "lua", "taken", "ada") }, { "server", secret })
end)

test.case("others are told why not", function()
	start_login()
	test.equal(log_in "ada:wrong", "401 Unauthorized")
	test.equal(log_in "outlaw:right", "403 Forbidden")
	test.equal(log_in("ada:right", { proof = function() return "12345678" end }), "400 Bad Request")
	test.equal(log_in("ada:right", { key = function() return "short" end }), "400 Bad Request")
	test.equal(log_in("ada:right", { key = function() return ("\0"):rep(8) end }), "400 Bad Request")
	test.equal(log_in("ada:right", { token = function() return "not of eight" end }), "400 Bad Request")
	local lines = {}
	for i = 1, 2 do
		skynet.fork(function()
			lines[i] = log_in "slow:right"
		end)
	end
	test.eventually("both are answered", 10, function()
		return lines[1] and lines[2]
	end)
	table.sort(lines)
	test.equal(lines, { "200 " .. crypt.base64encode "42", "406 Not Acceptable" })
end)

test.case("who is logged in by a coroutine that is ended may try again", function()
	local login = start_login()
	local line
	skynet.fork(function()
		line = { pcall(log_in, "stuck:right") }
	end)
	test.eventually("it waits, and is ended", 10, skynet.call, login, "lua", "free")
	test.eventually("the client hears of it", 10, function()
		return line
	end)
	test.equal(line[2] or false, false)
	test.equal(log_in "stuck:right", "200 " .. crypt.base64encode "42")
end)

test.case("a slave that was killed is replaced", function()
	local login = start_login()
	local killed = 0
	for address, what in pairs(skynet.call(".launcher", "lua", "LIST")) do
		if what:find "logs_in" and address ~= skynet.address(login) then
			manager.kill(address)
			killed = killed + 1
		end
	end
	test.between(killed, 2, 100)
	local good = "200 " .. crypt.base64encode "42"
	local in_a_row = 0
	test.eventually("all log in again", 20, function()
		local ok, line = pcall(log_in, "ada:right")
		in_a_row = ok and line == good and in_a_row + 1 or 0
		return in_a_row == 6
	end)
end)

test.case("a client that says nothing, or too much, is cut off, and others come in meanwhile", function()
	start_login()
	local silent, loud = {}, {}
	for i = 1, 10 do
		silent[i] = assert(socket.open("127.0.0.1", login_port))
		loud[i] = assert(socket.open("127.0.0.1", login_port))
		socket.write(loud[i], ("x"):rep(20000))
	end
	test.matches(log_in "ada:right", "^200 ")
	for i = 1, 10 do
		test.within(10, socket.readall, silent[i])
		socket.close(silent[i])
		test.within(10, socket.readall, loud[i])
		socket.close(loud[i])
	end
end)

test.case("slaves end with their master", function()
	local login = start_login()
	test.between(others("logs_in", login), 2, 100)
	-- One of them is with a client.
	local id = assert(socket.open("127.0.0.1", login_port))
	test.truthy(socket.readline(id))
	manager.kill(login)
	test.eventually("all have ended", 30, function()
		return others("logs_in", login) == 0
	end)
	test.equal(test.within(30, socket.readall, id) or "", "")
	socket.close(id)
	test.eventually("nobody listens any more", 30, function()
		local ok, why = pcall(log_in, "ada:right")
		return not ok and why:find "refused"
	end)
end)

test.case("more clients than maxclient are closed at once, and come in when others have left", function()
	local login = skynet.newservice "logs_in_few"
	test.defer(manager.kill, login)
	local inside = {}
	for i = 1, 3 do
		inside[i] = assert(socket.open("127.0.0.1", few_port))
		test.truthy(socket.readline(inside[i]))
	end
	for _ = 1, 20 do
		local id = assert(socket.open("127.0.0.1", few_port))
		test.equal(test.within(30, socket.readline, id), false)
		socket.close(id)
	end
	socket.close(inside[1])
	test.eventually("there is room again", 30, function()
		local id = assert(socket.open("127.0.0.1", few_port))
		local line = socket.readline(id)
		socket.close(id)
		return line
	end)
	socket.close(inside[2])
	socket.close(inside[3])
	for _, wrong in ipairs { 0, -1, 1.5, "many" } do
		test.raises("maxclient", require "snax.loginserver", { maxclient = wrong })
	end
end)

test.case("one address may be in the middle of so many logins, and others log in", function()
	local port = process.free_port()
	local login = skynet.newservice("logs_in_few", port, 1)
	test.defer(manager.kill, login)
	local inside = assert(socket.open("127.0.0.1", port))
	test.truthy(socket.readline(inside))
	local second = assert(socket.open("127.0.0.1", port))
	test.equal(test.within(30, socket.readline, second), false)
	local id, proxied = process.run { "python3", "-c", [[
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30, source_address=("127.0.0.2", 0))
print(len(s.makefile().readline()))]], tostring(port) }
	test.equal({ id, proxied }, { 0, "13\n" })
	socket.close(second)
	socket.close(inside)
	test.eventually("there is room again", 30, function()
		local again = assert(socket.open("127.0.0.1", port))
		local line = socket.readline(again)
		socket.close(again)
		return line
	end)
	test.raises("peraddress", require "snax.loginserver", { peraddress = 0 })
end)

-- ---- a client of the message server ----

local client = {}
client.__index = client

local function connect(port, username, secret, index)
	local self = setmetatable({ id = assert(socket.open("127.0.0.1", port)) }, client)
	local who = ("%s:%d"):format(username, index)
	self:send(who .. ":" .. crypt.base64encode(crypt.hmac_hash(secret, who)))
	return self, self:read()
end

function client:send(text)
	socket.write(self.id, string.pack(">s2", text))
end

function client:read()
	local size = socket.read(self.id, 2)
	return size and socket.read(self.id, (string.unpack(">I2", size)))
end

function client:ask(number, text)
	self:send(text .. string.pack(">I4", number))
end

---@return integer? number
---@return string? text
---@return integer? ok
function client:reply()
	local packet = self:read()
	if packet then
		local ok, number = string.unpack(">BI4", packet, #packet - 4)
		return number, packet:sub(1, -6), ok
	end
end

function client:close()
	socket.close(self.id)
end

local SECRET = "8 bytes!"

local function start_messages(uid, more, ...)
	local server = skynet.newservice("talks", ...)
	local conf = { address = "127.0.0.1", port = 0, servername = "here" }
	for name, value in pairs(more or {}) do
		conf[name] = value
	end
	test.equal({ skynet.call(server, "lua", "open", conf) }, { "here", 7 })
	local port
	for _, info in ipairs(socket.netstat()) do
		if info.address == server and info.type == "LISTEN" then
			port = tonumber(info.sock:match ":(%d+)$")
		end
	end
	local username = skynet.call(server, "lua", "login", uid, SECRET)
	test.defer(manager.kill, server)
	return server, port, username
end

test.case("requests are answered by number, out of order if need be, and failures say so", function()
	local server, port, username = start_messages "ada"
	local c, status = connect(port, username, SECRET, 1)
	test.equal(status, "200 OK")
	test.matches(skynet.call(server, "lua", "kick", "ada"), "^127%.0%.0%.1:")
	c:ask(1, "slow one")
	c:ask(2, "quick")
	c:ask(3, "fails")
	test.equal({ c:reply() }, { 2, "quick was asked 1 times", 1 })
	test.equal({ c:reply() }, { 3, "", 0 })
	test.equal({ c:reply() }, { 1, "slow one was asked 1 times", 1 })
	c:ask(2, "quick")
	test.equal({ c:reply() }, { 2, "quick was asked 2 times", 1 })
	c:close()
end)

test.case("a request whose coroutine is ended has failed, and makes room for others", function()
	local _, port, username = start_messages("ada", nil, 4)
	local c = connect(port, username, SECRET, 1)
	for round = 1, 3 do
		local first = round * 10
		for i = 1, 3 do
			c:ask(first + i, "never " .. i)
		end
		c:ask(first + 4, "end those")
		local got = {}
		for _ = 1, 4 do
			local number, _, ok = test.within(10, c.reply, c)
			got[number] = ok
		end
		test.equal(got, { [first + 1] = 0, [first + 2] = 0, [first + 3] = 0, [first + 4] = 1 })
	end
	c:close()
end)

test.case("a request handler passes requests on to an agent, as messages of type client", function()
	local _, port, username = start_messages "ada"
	local c = connect(port, username, SECRET, 1)
	c:ask(1, "agent, hello")
	test.equal({ c:reply() }, { 1, "AGENT, HELLO", 1 })
	c:close()
end)

test.case("who does not say who he is in time has to go, others stay", function()
	local _, port, username = start_messages "ada"
	local slow = {}
	for i = 1, 5 do
		slow[i] = assert(socket.open("127.0.0.1", port))
		socket.write(slow[i], ("\0\40begins"):sub(1, 2 * i - 2))
	end
	local c, status = connect(port, username, SECRET, 1)
	test.equal(status, "200 OK")
	for i = 1, 5 do
		test.equal(test.within(30, socket.readall, slow[i]) or "", "")
		socket.close(slow[i])
	end
	c:ask(1, "quick")
	test.equal({ c:reply() }, { 1, "quick was asked 1 times", 1 })
	c:close()
	for _, wrong in ipairs { -1, "soon", 0 / 0, math.huge } do
		test.raises("greeting_time", require "snax.msgserver".start, { greeting_time = wrong })
	end
end)

test.case("only who is logged in and proves it may talk, each time with a higher index", function()
	local server, port, username = start_messages "ada"
	test.equal(select(2, connect(port, "nobody", SECRET, 1)), "404 User Not Found")
	test.equal(select(2, connect(port, username, "another!", 1)), "401 Unauthorized")
	local c = connect(port, username, SECRET, 5)
	test.equal(select(2, connect(port, username, SECRET, 5)), "403 Index Expired")
	test.equal(select(2, connect(port, username, SECRET, 4)), "403 Index Expired")
	local bad = setmetatable({ id = assert(socket.open("127.0.0.1", port)) }, client)
	bad:send "nonsense"
	test.equal(bad:read(), "400 Bad Request")
	test.equal(bad:read(), false)
	c:ask(1, "still here")
	test.equal({ c:reply() }, { 1, "still here was asked 1 times", 1 })
	skynet.call(server, "lua", "logout", "ada")
	test.equal(c:reply(), nil)
	test.equal(select(2, connect(port, username, SECRET, 6)), "404 User Not Found")
end)

test.case("what was asked on a lost connection is done once and answered on the next", function()
	local _, port, username = start_messages "ada"
	local c = connect(port, username, SECRET, 1)
	c:ask(1, "quick")
	test.equal({ c:reply() }, { 1, "quick was asked 1 times", 1 })
	c:ask(2, "slow")
	c:close()
	c = connect(port, username, SECRET, 2)
	c:ask(1, "quick")
	test.equal({ c:reply() }, { 1, "quick was asked 1 times", 1 })
	c:ask(2, "slow")
	test.equal({ c:reply() }, { 2, "slow was asked 1 times", 1 })
	c:ask(3, "events")
	test.equal({ c:reply() }, { 3, "ada", 1 })
	-- Four more replies, and the first is forgotten.
	for number = 10, 13 do
		c:ask(number, "other")
		test.equal(c:reply(), number)
	end
	c:close()
	c = connect(port, username, SECRET, 3)
	c:ask(1, "quick")
	test.equal({ c:reply() }, { 1, "quick was asked 2 times", 1 })
	c:close()
end)

test.case("the same number twice at a time ends the connection", function()
	local _, port, username = start_messages "ada"
	local c = connect(port, username, SECRET, 1)
	c:ask(1, "slow")
	c:ask(1, "slow")
	test.equal(c:reply(), nil)
	c = connect(port, username, SECRET, 2)
	c:ask(1, "slow")
	test.equal({ c:reply() }, { 1, "slow was asked 1 times", 1 })
	c:close()
end)

-- ---- clients that mean no good ----

-- Somebody else, who is served meanwhile.
local function start_good(server, port)
	local username = skynet.call(server, "lua", "login", "good", SECRET)
	local c, said = connect(port, username, SECRET, 1)
	test.equal(said, "200 OK")
	local number = 0
	return function()
		number = number + 1
		c:ask(number, "hello" .. number)
		test.equal({ c:reply() }, { number, ("hello%d was asked 1 times"):format(number), 1 })
	end
end

test.case("more requests at a time than are allowed end the connection, and stay counted over the next", function()
	local server, port, username = start_messages("ada", {}, 10, 64)
	local good = start_good(server, port)
	local c = connect(port, username, SECRET, 1)
	for number = 1, 10 do
		c:ask(number, "never")
	end
	c:ask(11, "quick")
	test.equal(test.within(30, c.reply, c), nil)
	good()
	c:close()
	c = connect(port, username, SECRET, 2)
	c:ask(3, "never") -- asked again: it is none that is new
	c:ask(12, "quick")
	test.equal(test.within(30, c.reply, c), nil)
	good()
	c:close()
	local other = skynet.call(server, "lua", "login", "bob", SECRET)
	c = connect(port, other, SECRET, 1)
	c:ask(1, "never" .. ("x"):rep(65000))
	c:ask(2, "never" .. ("x"):rep(5000))
	test.equal(test.within(30, c.reply, c), nil)
	good()
	c:close()
	for _ = 1, 100 do -- one after the other there may be any number
		good()
	end
end)

test.case("a client that asks and does not read is closed when too much waits for it", function()
	for _, unsent in ipairs(test.sanitizer and { 2000 } or { 2000, false }) do
		local server, port, username = start_messages("ada", { unsent = unsent or nil })
		local good = start_good(server, port)
		local c = connect(port, username, SECRET, 1)
		socket.pause(c.id)
		local asked = 0
		test.eventually("it is closed", 60, function()
			for _ = 1, 50 do
				asked = asked + 1
				c:ask(asked, "large")
			end
			good()
			return not skynet.call(server, "lua", "kick", "ada")
		end)
		-- 128 MiB are the first look after the 64 that are allowed; the kernel's buffers hold some.
		test.between(asked * 60000, 1, (unsent and 64 or 256) << 20)
		good()
		c:close()
	end
end)

test.case("an index that was used is refused, and who is connected stays", function()
	local server, port, username = start_messages "ada"
	local good = start_good(server, port)
	local c = connect(port, username, SECRET, 7)
	for _, index in ipairs { 7, 6, 0, -1, 7 } do
		local again, said = connect(port, username, SECRET, index)
		test.equal(said, "403 Index Expired")
		test.equal(again:read() or nil, nil)
		again:close()
		good()
	end
	c:ask(1, "quick")
	test.equal({ c:reply() }, { 1, "quick was asked 1 times", 1 })
	c:close()
end)

test.case("clients that lie about lengths, or never finish, are let go, whoever they are", function()
	local server, port, username = start_messages("ada", { packet_time = 50 })
	local good = start_good(server, port)
	for index, bytes in ipairs { "\255\255short", "\255", "\0\0", "\0\3abc" } do
		local stranger = assert(socket.open("127.0.0.1", port))
		socket.write(stranger, bytes)
		local c = connect(port, username, SECRET, index)
		socket.write(c.id, bytes)
		good()
		test.within(30, socket.readall, stranger)
		test.equal(test.within(30, socket.readall, c.id) or "", "")
		socket.close(stranger)
		c:close()
		good()
	end
end)

test.case("a stranger cannot send a large block", function()
	local _, port, username = start_messages("ada", { blocks = true }, 4096, 16384, 16384, 100 * 3600)
	local first = string.pack(">s2", ("x"):rep(60000) .. string.pack(">I4I4B", 1, 1 << 20, 1))
	local stranger = assert(socket.open("127.0.0.1", port))
	socket.write(stranger, first)
	test.equal(test.within(30, socket.readall, stranger) or "", "") -- long before its time is up
	socket.close(stranger)
	local who = username .. ":1"
	local id = assert(socket.open("127.0.0.1", port))
	socket.write(id, string.pack(">s2", who .. ":" .. crypt.base64encode(crypt.hmac_hash(SECRET, who)) .. "\0"))
	test.equal(socket.read(id, 9), string.pack(">s2", "200 OK\0"))
	socket.write(id, first .. string.pack(">s2", "hello\0\0\0\1\0"))
	local text = "hello was asked 1 times"
	test.equal(socket.read(id, 2 + #text + 6), string.pack(">s2", text .. "\1\0\0\0\1\0"))
	socket.close(id)
end)

test.case("replies that are kept have a size, and the last one stays", function()
	local _, port, username = start_messages("ada", {}, 4096, 16384, 100)
	local c = connect(port, username, SECRET, 1)
	for number = 1, 2 do
		c:ask(number, "large" .. number)
		test.equal(c:reply(), number)
	end
	c:close()
	c = connect(port, username, SECRET, 2)
	for number = 2, 1, -1 do
		c:ask(number, "large" .. number)
		local _, text = c:reply()
		test.equal(text:match "^%d", number == 2 and "1" or "2")
	end
	c:close()
end)

test.run()
