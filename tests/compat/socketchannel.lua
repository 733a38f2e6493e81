-- skynet.socketchannel against the API page: order mode, failures, deadlines.
local peer = require "test.line_server"
local skynet = require "skynet"
local socket = require "skynet.socket"
local socketchannel = require "skynet.socketchannel"
local test = require "test"

local listen, line_server, channel = peer.listen, peer.line_server, peer.channel
local read_line, echo = peer.read_line, peer.echo

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
