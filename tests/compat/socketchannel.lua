-- skynet.socketchannel against the API page: order mode, session mode, login, backups, failures, deadlines.
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local test = require "test"

-- A server for this case: serve(id, peer) runs once a connection. Returns its port, and a table of living ids.
local function listen(serve)
	local living = {}
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(newid, peer)
		socket.start(newid)
		living[newid] = true
		serve(newid, peer)
		living[newid] = nil
		socket.close(newid)
	end)
	local function stop()
		socket.close(id)
		for one in pairs(living) do
			socket.shutdown(one)
		end
	end
	test.defer(stop)
	return port, living, stop
end

-- Lines in, lines out: `f(line)` says what to answer; nil: nothing.
local function line_server(f)
	return listen(function(id)
		while true do
			local line = socket.readline(id)
			if not line then
				return
			end
			local reply = f(line, id)
			if reply then
				socket.write(id, reply .. "\n")
			end
		end
	end)
end

local function channel(port, more)
	local desc = { host = "127.0.0.1", port = port }
	for k, v in pairs(more or {}) do
		desc[k] = v
	end
	local ch = socketchannel.channel(desc)
	test.defer(ch.close, ch)
	return ch
end

local function read_line(sock)
	return true, sock:readline()
end

local function echo(line)
	return line
end

test.case("replies come back in order to many coroutines", function()
	local port, living = line_server(echo)
	local ch = channel(port)
	test.together(200, function(i)
		for j = 1, 5 do
			local mine = i .. "/" .. j
			test.equal(ch:request(mine .. "\n", read_line), mine)
		end
	end)
	local n = 0
	for _ in pairs(living) do
		n = n + 1
	end
	test.equal(n, 1)
end)

test.case("a request without a response function only sends", function()
	local seen
	local ch = channel((line_server(function(line)
		seen = line
	end)))
	test.equal(select("#", ch:request "hello\n"), 0)
	test.eventually("the line", 10, function()
		return seen == "hello"
	end)
end)

test.case("parts follow the data", function()
	local ch = channel((line_server(echo)))
	test.equal(ch:request("a", read_line, { "b", "c\n" }), "abc")
	test.equal(ch:request({ "x", 1, "\n" }, read_line), "x1")
end)

test.case("a reply in pieces is an array", function()
	local ch = channel((line_server(function(line)
		return line:gsub(",", "\n")
	end)))
	local function pieces(n)
		return function(sock)
			n = n - 1
			return true, sock:readline(), n > 0
		end
	end
	test.equal(ch:request("a,b,c\n", pieces(3)), { "a", "b", "c" })
	test.equal(ch:request("d\n", pieces(1)), "d")
end)

test.case("a reply that says no raises what it says, and the connection stays", function()
	local port, living = line_server(echo)
	local ch = channel(port)
	local err = test.raises("socketchannel.lua:%d+: sorry$", ch.request, ch, "sorry\n", function(sock)
		return false, sock:readline()
	end)
	test.equal(type(err), "string")
	local object = {}
	local ok, e = pcall(ch.request, ch, "x\n", function(sock)
		sock:readline()
		return false, object
	end)
	test.truthy(not ok and rawequal(e, object))
	test.equal(ch:request("still\n", read_line), "still")
	local n = 0
	for _ in pairs(living) do
		n = n + 1
	end
	test.equal(n, 1)
end)

test.case("a reader that raises fails all who wait with its text; the next request connects again", function()
	local ch = channel((line_server(echo)))
	local errors = {}
	for i = 1, 3 do
		skynet.fork(function()
			errors[i] = select(2, pcall(ch.request, ch, "x\n", function(sock)
				sock:readline()
				if i == 2 then
					error "cannot read this"
				end
				return true, "fine"
			end))
		end)
	end
	test.eventually("three answers", 10, function()
		return errors[1] and errors[2] and errors[3]
	end)
	test.equal(errors[1], "fine")
	test.matches(errors[2], "cannot read this")
	test.equal(errors[3], errors[2])
	test.equal(ch:request("again\n", read_line), "again")
end)

test.case("the end of the connection raises the error object", function()
	test.equal(tostring(socketchannel.error), "[Error: socket]")
	local ch = channel((line_server(function(_, id)
		socket.shutdown(id)
	end)))
	local results = {}
	for i = 1, 3 do
		skynet.fork(function()
			results[i] = table.pack(pcall(ch.request, ch, "x\n", read_line))
		end)
	end
	test.eventually("three answers", 10, function()
		return results[1] and results[2] and results[3]
	end)
	for i = 1, 3 do
		local err = results[i][2]
		test.truthy(err == socketchannel.error)
		test.equal(err.outcome, "maybe applied")
		test.matches(tostring(err), "^%[Error: socket%]")
	end
end)

test.case("an idle connection that the peer closes is noticed, and made again", function()
	local connections, last = 0, nil
	local port = listen(function(id)
		connections = connections + 1
		last = id
		while true do
			local line = socket.readline(id)
			if not line then
				return
			end
			socket.write(id, line .. "\n")
		end
	end)
	local ch = channel(port)
	test.equal(ch:request("a\n", read_line), "a")
	socket.shutdown(last)
	test.eventually("the channel to notice", 10, function()
		return not ch.sock
	end)
	test.equal(ch:request("b\n", read_line), "b")
	test.equal(connections, 2)
end)

test.case("a server that is not there: one attempt a request, for ever with connect", function()
	local port, _, stop = line_server(echo)
	stop()
	local ch = channel(port)
	local ok, err = pcall(ch.request, ch, "x\n", read_line)
	test.equal(ok, false)
	test.truthy(err == socketchannel.error)
	test.equal({ err.code, err.outcome }, { "connect", "not sent" })
	test.equal(pcall(ch.connect, ch, true), false)
	local connected
	skynet.fork(function()
		connected = ch:connect()
	end)
	skynet.sleep(5)
	test.equal(connected, nil)
	local id = socket.listen("127.0.0.1", port)
	test.defer(socket.close, id)
	socket.start(id, function(newid)
		socket.start(newid)
	end)
	test.eventually("the connection", 20, function()
		return connected == true
	end)
end)

test.case("backups are tried in order, and the one that works stays", function()
	local free, _, stop = line_server(echo)
	stop()
	local port, living = line_server(echo)
	local ch = channel(free, { backup = { { host = "127.0.0.1", port = free }, { host = "127.0.0.1", port = port } } })
	test.equal(ch:request("x\n", read_line), "x")
	test.equal(ch.port, port)
	test.truthy(next(living))
	test.equal(ch:request("y\n", read_line), "y")
end)

test.case("login comes before all other requests, on each connection", function()
	local log = {}
	local port = line_server(function(line, id)
		log[#log + 1] = line
		if line == "bye" then
			socket.shutdown(id)
		end
		return line
	end)
	local ch = channel(port, { auth = function(c)
		test.equal(c:request("user\n", read_line), "user")
		skynet.sleep(5)
		test.equal(c:request("password\n", read_line), "password")
	end })
	test.together(5, function(i)
		test.equal(ch:request(i .. "\n", read_line), tostring(i))
	end)
	test.equal({ log[1], log[2] }, { "user", "password" })
	test.equal(#log, 7)
	test.equal(pcall(ch.request, ch, "bye\n", read_line), false)
	test.equal(ch:request("again\n", read_line), "again")
	test.equal({ log[9], log[10], log[11] }, { "user", "password", "again" })
end)

test.case("a login that fails ends the attempt, or goes to a backup", function()
	local asked = {}
	local port = line_server(function(line)
		asked[#asked + 1] = line
		return line
	end)
	local good = line_server(echo)
	local function auth(c)
		if c:request("login\n", read_line) and c.sock and asked[1] and c.port == port and not asked.allow then
			error "not you"
		end
	end
	local ch = channel(port, { auth = auth })
	local err = test.raises("no more backup host", ch.request, ch, "x\n", read_line)
	test.equal({ err.code, err.outcome }, { "auth", "not sent" })
	asked.allow = true
	test.equal(ch:request("x\n", read_line), "x")
	local tries = 0
	local ch2 = channel(port, { backup = { { host = "127.0.0.1", port = good } }, auth = function()
		tries = tries + 1
		if tries == 1 then
			error "not here"
		end
	end })
	test.equal(ch2:request("x\n", read_line), "x")
	test.equal(ch2.port, good)
end)

test.case("a connection that ends within the login is an error, and the next request makes a new one", function()
	local connections = 0
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		connections = connections + 1
		local mine = connections
		socket.start(id)
		while socket.readline(id) do
			socket.write(id, "ok\n")
			if mine == 1 then
				break
			end
		end
		socket.close(id)
	end)
	test.defer(socket.close, listener)
	local ch = socketchannel.channel {
		host = "127.0.0.1", port = port, timeout = 5,
		auth = function(c)
			c:request("AUTH\n", read_line)
			skynet.sleep(5)
			c:request("SELECT\n", read_line)
		end,
	}
	test.defer(ch.close, ch)
	test.within(2, function()
		test.raises("lost", ch.request, ch, "GET\n", read_line)
	end)
	test.equal(ch:request("GET\n", read_line), "ok")
	test.equal(connections, 2)
end)

test.case("a login that takes too long, and connecting, end with the request's deadline", function()
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		socket.start(id)
	end)
	test.defer(socket.close, listener)
	for _, auth in ipairs { function(c) c:response(read_line) end, function() skynet.sleep(100) end } do
		local ch = socketchannel.channel { host = "127.0.0.1", port = port, timeout = 0.2, auth = auth }
		test.defer(ch.close, ch)
		local since, ended = skynet.now(), 0
		for i = 1, 3 do
			skynet.fork(function()
				test.raises("in time", ch.request, ch, i .. "\n", read_line, nil, 0.1)
				ended = ended + 1
			end)
		end
		test.eventually("all three are told", 5, function()
			return ended == 3
		end)
		test.between(skynet.now() - since, 9, 80)
	end
end)

test.case("a server that does not answer any more gets a new connection", function()
	local connections = 0
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		connections = connections + 1
		local mine = connections
		socket.start(id)
		while socket.readline(id) do
			if mine > 1 then
				socket.write(id, "ok\n")
			end
		end
	end)
	test.defer(socket.close, listener)
	local ch = socketchannel.channel { host = "127.0.0.1", port = port, timeout = 0.1 }
	test.defer(ch.close, ch)
	for _ = 1, 3 do
		test.raises("time", ch.request, ch, "GET\n", read_line)
	end
	test.equal(ch:request("GET\n", read_line), "ok")
end)

test.case("where it is connected can be read", function()
	local ch = socketchannel.channel { host = "a.example", port = 1 }
	test.equal({ ch.__host, ch.__port }, { "a.example", 1 })
	ch:changehost("b.example", 2)
	test.equal({ ch.__host, ch.__port }, { "b.example", 2 })
end)

test.case("login may send everybody to another host", function()
	local first, second = line_server(echo), line_server(echo)
	local ch
	ch = channel(first, { auth = function(c)
		if c.port == first then
			c:changehost("127.0.0.1", second)
		end
	end })
	test.equal(ch:request("x\n", read_line), "x")
	test.equal(ch.port, second)
end)

test.case("changehost and close mean what they say", function()
	local where
	local first = line_server(function(line) where = 1 return line end)
	local second = line_server(function(line) where = 2 return line end)
	local ch = channel(first)
	ch:request("x\n", read_line)
	test.equal(where, 1)
	ch:changehost("127.0.0.1", second)
	ch:request("x\n", read_line)
	test.equal(where, 2)
	local silent = channel((line_server(function() end)))
	local err
	skynet.fork(function()
		err = select(2, pcall(silent.request, silent, "x\n", read_line))
	end)
	test.eventually("the request", 10, function()
		return silent.ready
	end)
	skynet.sleep(2)
	silent:close()
	test.eventually("its end", 10, function()
		return err
	end)
	test.truthy(err == socketchannel.error)
	test.raises("assertion failed!", silent.request, silent, "x\n", read_line)
	test.equal(silent:connect(true), true)
end)

test.case("response waits for what comes unasked", function()
	local port = line_server(function()
		return "one\ntwo\nthree"
	end)
	local ch = channel(port)
	test.equal(ch:request("go\n", read_line), "one")
	test.equal(ch:response(read_line), "two")
	skynet.sleep(2)
	test.equal(ch:response(read_line), "three")
end)

test.case("changehost counts for an attempt that is under way, and for one to a backup", function()
	local first = line_server(function(line) return "first " .. line end)
	local second = line_server(function(line) return "second " .. line end)
	for case = 0, 19 do
		local by_backup = case % 2 == 1
		local backup = by_backup and { { host = "127.0.0.1", port = first } } or nil
		local ch = channel(by_backup and 1 or first, { backup = backup })
		local ended
		skynet.fork(function()
			pcall(ch.request, ch, "x\n", read_line)
			ended = true
		end)
		for _ = 1, case // 2 do
			skynet.yield()
		end
		ch:changehost("127.0.0.1", second)
		test.eventually("its end", 10, function()
			return ended
		end)
		test.equal({ ch:request("y\n", read_line), ch.__port }, { "second y", second }, case)
	end
	-- From the login at a backup.
	local ch
	ch = channel(1, { backup = { { host = "127.0.0.1", port = first } }, auth = function()
		if ch:request("login\n", read_line) == "first login" then
			ch:changehost("127.0.0.1", second)
		end
	end })
	test.equal({ ch:request("z\n", read_line), ch.__port }, { "second z", second })
end)

test.case("what comes when a response has ended is for the next one, however it was ended", { timeout = 60 }, function()
	local MOST <const> = test.count(300)
	local port = line_server(function(_, id)
		for i = 1, MOST do
			if math.random(4) == 1 then
				skynet.sleep(math.random(5))
			end
			local line = i .. "\n"
			if math.random(5) == 1 then
				-- The time may be over when half of it is there.
				local cut = math.random(#line) - 1
				socket.write(id, line:sub(1, cut))
				skynet.sleep(math.random(3))
				line = line:sub(cut + 1)
			end
			socket.write(id, line)
		end
	end)
	local ch = channel(port)
	ch:request "go\n"
	local got, connection = {}, ch.sock
	while #got < MOST do
		local co, over
		skynet.fork(function()
			co = coroutine.running()
			local ok, line = pcall(ch.response, ch, read_line, math.random(3) / 100)
			if ok then
				got[#got + 1] = tonumber(line)
			end
			over = true
		end)
		if math.random(3) == 1 then
			for _ = 1, math.random(0, 4) do
				skynet.yield()
			end
			if co and not over then
				skynet.killthread(co)
				over = true
			end
		end
		test.eventually("the end of the wait", 10, function()
			return over
		end)
	end
	for i = 1, MOST do
		test.equal(got[i], i)
	end
	test.equal(#got, MOST)
	test.truthy(rawequal(ch.sock, connection))
	-- A request after that has its own reply.
	test.equal(pcall(ch.response, ch, read_line, 0.01), false)
	local echoes = channel((line_server(echo)))
	for i = 1, 10 do
		test.equal(pcall(echoes.response, echoes, read_line, 0.01), false)
		test.equal(echoes:request(i .. "\n", read_line), tostring(i))
	end
	test.equal({ echoes.tombstones, echoes.missed }, { 0, 0 })
end)

test.case("a request whose parts cannot be sent spoils no other", function()
	local ch = channel((line_server(echo)), { timeout = 2 })
	test.equal(ch:request("a\n", read_line), "a")
	test.raises("string expected", ch.request, ch, "half ", read_line, { "of it", true })
	for i = 1, 5 do
		test.equal(ch:request(i .. "\n", read_line), tostring(i))
	end
end)

-- Session mode: "session text".
local function read_session(sock)
	local session, text = sock:readline():match "^(%d+) (.*)$"
	if text == "no" then
		return tonumber(session), false, "refused"
	end
	return tonumber(session), true, text, text:match "%+$" ~= nil
end

test.case("in session mode replies may come in any order", function()
	local held = {}
	local port = line_server(function(line, id)
		table.insert(held, 1, line)
		if #held == 50 then
			local all = table.concat(held, "\n")
			held = {}
			socket.write(id, all .. "\n")
		end
	end)
	local ch = channel(port, { response = read_session })
	test.together(50, function(i)
		test.equal(ch:request(i .. " text" .. i .. "\n", i), "text" .. i)
	end)
end)

test.case("in session mode pieces are collected, refusals raised, strangers ignored", function()
	local port = line_server(function(line)
		local session = line:match "%d+"
		if session == "1" then
			return "1 a+\n999 stranger\n1 b+\n1 c"
		end
		return session .. " no"
	end)
	local ch = channel(port, { response = read_session })
	test.equal(ch:request("1\n", 1), { "a+", "b+", "c" })
	test.raises("refused$", ch.request, ch, "2\n", 2)
	test.equal(ch:request("1\n", 1), { "a+", "b+", "c" })
end)

test.case("a request has a deadline, and its late reply reaches nobody", function()
	local held, link
	local port = line_server(function(line, id)
		link = id
		if line == "slow" then
			held = { "late" }
		elseif held then
			table.insert(held, line)
		else
			return line
		end
	end)
	local ch = channel(port, { timeout = 0.1 })
	local err = test.raises("no reply in time", ch.request, ch, "slow\n", read_line)
	test.equal({ err.code, err.outcome }, { "timeout", "maybe applied" })
	test.truthy(err == socketchannel.error)
	local answers = {}
	for i = 1, 3 do
		skynet.fork(function()
			answers[i] = ch:request(i .. "\n", read_line, nil, 10)
		end)
	end
	test.eventually("the requests", 10, function()
		return #held == 4
	end)
	socket.write(link, table.concat(held, "\n") .. "\n")
	test.eventually("the answers", 10, function()
		return #answers == 3
	end)
	test.equal(answers, { "1", "2", "3" })
	test.equal(ch.tombstones, 0)
end)

test.case("in session mode too", function()
	local late
	local port = line_server(function(line, id)
		if line:match "slow" then
			late = function()
				socket.write(id, line .. "\n")
			end
			return
		end
		return line
	end)
	local ch = channel(port, { response = read_session, timeout = 0.1 })
	test.raises("no reply in time", ch.request, ch, "1 slow\n", 1)
	late()
	test.equal(ch:request("2 b\n", 2), "b")
	test.eventually("the late one", 10, function()
		return ch.tombstones == 0
	end)
end)

test.case("requests with the same session get their replies in their order, and each has its deadline", function()
	local late = {}
	local port = line_server(function(line, id)
		if line:find "never" then
			return nil
		elseif line:find "late" then
			late[#late + 1] = { id, line }
			return nil
		end
		for _, one in ipairs(late) do
			socket.write(one[1], one[2] .. "\n")
		end
		late = {}
		return line
	end)
	local ch = channel(port, { response = read_session, timeout = 1 })
	local results = {}
	for i, text in ipairs { "late a", "late b", "c", "never d" } do
		skynet.fork(function()
			local ok, value = pcall(ch.request, ch, "7 " .. text .. "\n", 7)
			results[i] = ok and value or value.code
		end)
	end
	test.eventually("all of them", 10, function()
		return results[1] and results[2] and results[3] and results[4]
	end)
	test.equal(results, { "late a", "late b", "c", "timeout" })
	-- Whose time was over: its late reply is not taken for the next one's.
	test.equal(select(2, pcall(ch.request, ch, "8 late e\n", 8, nil, 0.05)).code, "timeout")
	test.equal(ch:request("8 f\n", 8), "f")
	-- Nobody owes a reply to a response.
	for _ = 1, 5 do
		test.equal(select(2, pcall(ch.response, ch, 9, 0.01)).code, "timeout")
	end
	test.equal(ch:request("9 g\n", 9), "g")
end)

test.case("too many late replies end the connection", function()
	local port = line_server(function() end)
	local ch = channel(port, { timeout = 0.05, tombstones = 5 })
	test.together(10, function(i)
		local err = test.raises("", ch.request, ch, i .. "\n", read_line)
		test.equal(err.outcome, "maybe applied")
	end)
	test.equal(ch.sock, false)
end)

test.case("overload is told when output piles up and when it has left", { timeout = 60 }, function()
	local reading
	local port = listen(function(id)
		socket.pause(id)
		reading = id
		skynet.sleep(50)
		while socket.read(id) do
			skynet.yield()
		end
	end)
	local told = {}
	local ch = channel(port, { overload = function(on)
		told[#told + 1] = on
	end })
	local block = ("x"):rep(1 << 20)
	for _ = 1, 16 do
		ch:request(block)
		skynet.sleep(1)
	end
	test.truthy(reading)
	test.eventually("both calls", 20, function()
		return #told == 2
	end)
	test.equal(told, { true, false })
end)

test.case("readers of one's own take the place of read and readline", function()
	local port = line_server(echo)
	local ch = channel(port, {
		socket_readline = function(sock)
			return "<" .. socket.readline(sock[1]) .. ">"
		end,
	})
	test.equal(ch:request("x\n", read_line), "<x>")
end)

test.run()
