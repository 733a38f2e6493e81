-- Peers that lie, never end, never read or vanish; and many of them at once.
-- timeout: 300
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

---Both ends of a fresh connection.
local function pair()
	local accepted, token = nil, {}
	local l, ip, port = socket.listen("127.0.0.1", 0)
	socket.start(l, function(id)
		socket.start(id)
		accepted = id
		skynet.wakeup(token)
	end)
	local id = assert(socket.open(ip, port))
	if not accepted then
		skynet.wait(token)
	end
	socket.close(l)
	test.defer(function()
		socket.close(id)
		socket.close(accepted)
	end)
	return id, accepted
end

local function info(id)
	for _, i in ipairs(socket.netstat()) do
		if i.id == id then
			return i
		end
	end
end

test.case("a line that never ends meets the line limit", function()
	local c, s = pair()
	local got
	skynet.fork(function()
		got = table.pack(socket.readline(s))
	end)
	local chunk = ("x"):rep(1024 * 1024)
	for _ = 1, 64 do
		if not socket.write(c, chunk) then
			break
		end
		skynet.sleep(1)
	end
	test.eventually("closed", 20, function()
		return got
	end)
	test.equal(got[1], false)
	test.equal(socket.disconnected(s), true)
end)

test.case("a length that lies costs what was sent, not what was announced", function()
	local c, s = pair()
	local got
	skynet.fork(function()
		got = table.pack(socket.read(s, 1 << 60))
	end)
	socket.write(c, ("x"):rep(3 * 1024 * 1024))
	test.eventually("received", 20, function()
		return info(s).read == 3 * 1024 * 1024
	end)
	collectgarbage()
	test.truthy(collectgarbage "count" < 64 * 1024)
	socket.close(c)
	test.eventually("ended", 20, function()
		return got
	end)
	test.equal({ got[1], #got[2] }, { false, 3 * 1024 * 1024 })
end)

test.case("a peer that never reads holds a closed socket no longer than its linger time", function()
	local c, s = pair()
	socket.pause(s)
	socket.linger(c, 50)
	socket.write(c, ("x"):rep(32 * 1024 * 1024))
	socket.close(c)
	test.equal(info(c).type, "CLOSING")
	local before = skynet.now()
	test.eventually("given up", 20, function()
		return info(c) == nil
	end)
	test.truthy(skynet.now() - before >= 40)
end)

test.case("a connection that is reset in the middle of a write is an error, once, for its owner", function()
	local c, s = pair()
	local ends = 0
	socket.onclose(c, function()
		ends = ends + 1
	end)
	socket.pause(s)
	socket.write(c, ("x"):rep(32 * 1024 * 1024))
	-- Closing with unread bytes sends a reset.
	socket.shutdown(s)
	test.eventually("disconnected", 20, socket.disconnected, c)
	test.equal(socket.write(c, "x"), false)
	skynet.sleep(5)
	test.equal(ends, 1)
end)

test.case("what the peer said before it vanished is still read", function()
	local c, s = pair()
	socket.write(s, "last words\n")
	socket.pause(s)
	socket.write(c, ("x"):rep(8 * 1024 * 1024))
	skynet.sleep(5)
	socket.shutdown(s)
	test.equal(socket.readline(c), "last words")
	test.equal((socket.readline(c)), false)
end)

test.case("writing to a peer that has gone ends in false, not in a signal", function()
	local c, s = pair()
	socket.close(s)
	test.eventually("disconnected", 20, socket.disconnected, c)
	test.eventually("refused", 20, function()
		return not socket.write(c, "x")
	end)
	test.equal(socket.disconnected(c), true)
end)

test.case("a byte at a time in both directions is as good as all at once", function()
	local c, s = pair()
	local lines = {}
	for i = 1, 200 do
		lines[i] = ("line %d %s\r\n"):format(i, ("y"):rep(i % 7))
	end
	local text = table.concat(lines)
	skynet.fork(function()
		for i = 1, #text do
			socket.write(c, text:sub(i, i))
			skynet.yield()
		end
	end)
	for i = 1, 200 do
		local line = socket.readline(s, "\r\n")
		test.equal(line .. "\r\n", lines[i])
		for byte in line:gmatch "." do
			socket.write(s, byte)
		end
		test.equal(socket.read(c, #line), line)
	end
end)

test.case("a stream through slow and chopping links arrives as it was sent", { timeout = 60 }, function()
	local seed = test.seed
	local l, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, l)
	socket.start(l, function(id)
		socket.start(id)
		while true do
			local n = socket.read(id, 4)
			if not n then
				break
			end
			socket.write(id, { n, (socket.read(id, (string.unpack("<I4", n)))) })
		end
		socket.close(id)
	end)
	local proxy = require("test.proxy").start(port)
	proxy:set { split = 100 }
	local c = assert(socket.open("127.0.0.1", proxy.port))
	math.randomseed(seed)
	local sent = {}
	for i = 1, test.count(300) do
		local body = string.char(math.random(0, 255)):rep(math.random(0, 3000))
		sent[i] = body
		socket.write(c, string.pack("<s4", body))
	end
	for i, body in ipairs(sent) do
		local n = string.unpack("<I4", (socket.read(c, 4)))
		test.equal(n, #body)
		test.truthy(n == 0 or socket.read(c, n) == body, "message " .. i)
	end
	socket.close(c)
end)

test.case("100 MB pass without gaps, and the sender's queue never holds the receiver up", { timeout = 120 }, function()
	local c, s = pair()
	local block = ("0123456789abcdef"):rep(64 * 1024)
	local n = test.count(100)
	skynet.fork(function()
		for _ = 1, n do
			socket.write(c, block)
			while info(c).wbuffer > 4 * #block do
				skynet.sleep(0)
			end
		end
		socket.close(c)
	end)
	for i = 1, n do
		test.truthy(socket.read(s, #block) == block, "block " .. i)
	end
	test.equal({ socket.read(s, 1) }, { false, "" })
end)

test.case("a reader that is busy elsewhere is not sent more than its pause allows", function()
	local c, s = pair()
	for _ = 1, 100 do
		socket.write(c, ("z"):rep(100 * 1024))
		skynet.yield()
	end
	test.eventually("paused", 20, function()
		return not info(s).reading
	end)
	test.truthy(info(s).read < 2 * 1024 * 1024)
	test.equal(#socket.read(s, 100 * 100 * 1024), 100 * 100 * 1024)
end)

test.case("thousands of connections at once are all served", { timeout = 120 }, function()
	local wanted = test.sanitizer and 1000 or 10000
	local limit = tonumber((io.popen "ulimit -n":read "l"))
	if limit and limit < 2 * wanted + 200 then
		wanted = (limit - 200) // 2
	end
	local served, before = 0, #socket.netstat()
	local l, ip, port = socket.listen("127.0.0.1", 0, 1024)
	test.defer(socket.close, l)
	socket.start(l, function(id)
		socket.start(id)
		socket.write(id, (socket.readline(id):reverse() .. "\n"))
		socket.readall(id)
		socket.close(id)
		served = served + 1
	end)
	local ids = {}
	for i = 1, wanted do
		ids[i] = assert(socket.open(ip, port))
	end
	for i, id in ipairs(ids) do
		socket.write(id, ("client %d\n"):format(i))
	end
	for i, id in ipairs(ids) do
		test.equal(socket.readline(id), ("client %d"):format(i):reverse())
	end
	for _, id in ipairs(ids) do
		socket.close(id)
	end
	test.eventually("all closed", 60, function()
		return served == wanted
	end)
	test.eventually("no socket left", 20, function()
		return #socket.netstat() <= before + 1
	end)
end)

test.case("connections come and go for a while without leaving anything", { timeout = 120 }, function()
	local before = #socket.netstat()
	local l, ip, port = socket.listen("127.0.0.1", 0, 256)
	test.defer(socket.close, l)
	socket.start(l, function(id, peer)
		socket.start(id)
		if #peer % 2 == 0 then
			socket.write(id, "bye")
		end
		socket.close(id)
	end)
	local rounds, running = test.count(1000), 8
	for i = 1, 8 do
		skynet.fork(function()
			for k = 1, rounds do
				local id = assert(socket.open(ip, port))
				if (i + k) % 3 == 0 then
					socket.shutdown(id)
				elseif (i + k) % 3 == 1 then
					socket.write(id, "hello")
					socket.readall(id)
				end
				socket.close(id)
			end
			running = running - 1
		end)
	end
	test.eventually("done", 100, function()
		return running == 0
	end)
	test.eventually("no socket left", 20, function()
		return #socket.netstat() <= before + 1
	end)
end)

test.case("a service that is stuck in a loop delays neither its queued output nor others' sockets", function()
	local c, s = pair()
	local stop = process.path "stop"
	local other = test.service "actor"
	socket.abandon(s)
	local stuck = true
	skynet.fork(function()
		skynet.call(other, "lua", [[
			local id, path = ...
			local socket = require "skynet.socket"
			assert(socket.start(id))
			socket.write(id, ("x"):rep(20 * 1024 * 1024))
			while true do
				local f = io.open(path)
				if f then
					f:close()
					return
				end
			end
		]], s, stop)
		stuck = false
	end)
	test.equal(#socket.read(c, 20 * 1024 * 1024), 20 * 1024 * 1024)
	local a, b = pair()
	for _ = 1, 100 do
		socket.write(a, "ping")
		test.equal(socket.read(b, 4), "ping")
	end
	test.equal(stuck, true)
	assert(io.open(stop, "w")):close()
	test.eventually("loop over", 20, function()
		return not stuck
	end)
end)

test.case("services are killed in the middle of their conversations, and everybody hears of the end", { timeout = 120 },
	function()
		local before = #socket.netstat()
		local l, ip, port = socket.listen("127.0.0.1", 0, 256)
		test.defer(socket.close, l)
		local waiting = {}
		socket.start(l, function(id)
			local server = skynet.newservice "actor"
			waiting[#waiting + 1] = server
			skynet.send(server, "lua", [[
				local socket = require "skynet.socket"
				local id = assert(socket.start(...))
				while true do
					local n = socket.read(id, 2)
					if not n then
						break
					end
					socket.write(id, { n, (socket.read(id, (string.unpack("<I2", n)))) })
				end
				socket.close(id)
			]], id)
		end)
		local rounds, ended = test.count(20), 0
		for i = 1, 10 do
			skynet.fork(function()
				for _ = 1, rounds do
					local id = assert(socket.open(ip, port))
					local k = 0
					repeat
						k = k + 1
						local body = ("%d %d "):format(i, k):rep(1 + k % 50)
						socket.write(id, string.pack("<s2", body))
						local n = socket.read(id, 2)
						local echo = n and socket.read(id, (string.unpack("<I2", n)))
						test.truthy(not echo or echo == body)
					until not echo
					socket.close(id)
					ended = ended + 1
				end
			end)
		end
		test.eventually("all ended", 100, function()
			local victim = table.remove(waiting, 1)
			if victim then
				require("skynet.manager").kill(victim)
			end
			return ended == 10 * rounds
		end)
		test.eventually("no socket left", 20, function()
			return #socket.netstat() <= before + 1
		end)
	end)

test.case("a connection wanders through services while its peer keeps talking", { timeout = 120 }, function()
	local c, s = pair()
	socket.abandon(s)
	local hops, per_hop = test.count(200), 10
	local services = {}
	for i = 1, 4 do
		services[i] = test.service "actor"
	end
	skynet.fork(function()
		for i = 1, hops do
			skynet.call(services[i % 4 + 1], "lua", [[
				local socket = require "skynet.socket"
				local id, n = ...
				assert(socket.start(id))
				for _ = 1, n do
					socket.write(id, (socket.read(id, 8)):upper())
				end
				socket.abandon(id)
			]], s, per_hop)
		end
		socket.close_fd(s)
	end)
	for i = 1, hops * per_hop do
		local text = ("w%07d"):format(i)
		socket.write(c, text)
		test.equal(socket.read(c, 8), text:upper())
	end
	test.equal({ socket.read(c, 8) }, { false, "" })
end)

test.case("more than a service's memory holds is an error of the read, and the service lives on", function()
	local limited = test.service "shortofmemory"
	for _, n in ipairs { 64 * 1024 * 1024, 1000 } do
		local c, s = pair()
		socket.abandon(s)
		socket.write(c, ("x"):rep(n))
		local ok, result = skynet.call(limited, "lua", s, n)
		if n == 1000 then
			test.equal({ ok, result }, { true, 1000 })
		else
			test.equal({ ok, result }, { false, "not enough memory" })
		end
	end
end)

test.case("a killed coroutine lets go of its socket", function()
	local c, s = pair()
	local reader = skynet.fork(function()
		socket.read(c)
	end)
	skynet.sleep(1)
	skynet.killthread(reader)
	socket.write(s, "still works")
	test.equal(socket.read(c, 11), "still works")
	local l, ip, port = socket.listen("127.0.0.1", 0)
	local opener = skynet.fork(socket.open, "localhost", port)
	skynet.sleep(0)
	skynet.killthread(opener)
	test.eventually("nothing left of it", 20, function()
		for _, i in ipairs(socket.netstat()) do
			if i.peer == ip .. ":" .. port then
				return false
			end
		end
		return true
	end)
	socket.close(l)
end)

test.case("without descriptors a connection is turned away at once, and later ones are served", function()
	local script = process.path "emfile.lua"
	local f = assert(io.open(script, "w"))
	f:write [[
		local skynet = require "skynet"
		local socket = require "skynet.socket"
		skynet.start(function()
			local l, _, port = socket.listen("127.0.0.1", 0, 100)
			socket.start(l, function(id)
				socket.start(id)
				socket.write(id, "hello\n")
				socket.readall(id)
				socket.close(id)
			end)
			io.stderr:write("port ", port, "\n")
		end)
	]]
	f:close()
	local server = process.start { "sh", "-c", ("ulimit -n 64; exec %s run %s"):format(test.reef, script) }
	local port = tonumber((server:expect "port (%d+)"))
	local greeted, refused, ids = 0, 0, {}
	for i = 1, 80 do
		ids[i] = assert(socket.open("127.0.0.1", port))
	end
	for _, id in ipairs(ids) do
		if socket.readline(id) then
			greeted = greeted + 1
		else
			refused = refused + 1
		end
	end
	test.truthy(greeted > 10 and refused > 10, ("greeted %d, refused %d"):format(greeted, refused))
	server:expect "socket: accept error: Too many open files"
	for _, id in ipairs(ids) do
		socket.close(id)
	end
	test.eventually("served again", 20, function()
		local id = assert(socket.open("127.0.0.1", port))
		local line = socket.readline(id)
		socket.close(id)
		return line == "hello"
	end)
end)

test.case("a peer that does not read is given up at socket_write_limit, and the log says so", function()
	local script, config = process.path "writer.lua", process.path "config"
	local dir, name = script:match "^(.*)/([^/]*)%.lua$"
	local f = assert(io.open(script, "w"))
	f:write [[
		local skynet = require "skynet"
		local socket = require "skynet.socket"
		skynet.start(function()
			local l, _, port = socket.listen("127.0.0.1", 0, 100)
			socket.start(l, function() end)
			local id = assert(socket.open("127.0.0.1", port))
			local written = 0
			while written < 200 and socket.write(id, ("x"):rep(1 << 20)) do
				written = written + 1
				skynet.sleep(0)
			end
			io.stderr:write(written < 200 and "given up\n" or "all taken\n", tostring(socket.read(id)), "\n")
			require("skynet.manager").abort()
		end)
	]]
	f:close()
	f = assert(io.open(config, "w"))
	f:write(('thread = 2\nharbor = 0\nsocket_write_limit = 5000000\nluaservice = "%s/?.lua"\nstart = "%s"\n')
		:format(dir, name))
	f:close()
	local code, output = process.run { test.reef, config }
	test.equal(code, 0)
	test.matches(output, "given up\nfalse")
	test.matches(output, "closed %d+: %d+ bytes wait to be sent, more than socket_write_limit allows %(5000000%)")
end)

test.case("with all descriptors in use before the first accept, clients are turned away and timers go on", function()
	local script = process.path "allinuse.lua"
	local f = assert(io.open(script, "w"))
	f:write [[
		local skynet = require "skynet"
		local socket = require "skynet.socket"
		skynet.start(function()
			local l, _, port = socket.listen("127.0.0.1", 0, 100)
			socket.start(l, function(id) socket.start(id) end)
			local files = {}
			repeat
				local file = io.open "/dev/null"
				files[#files + 1] = file
			until not file
			io.stderr:write("port ", port, "\n")
			skynet.sleep(100)
			for _, file in ipairs(files) do file:close() end
			local id = socket.open("127.0.0.1", port, 1)
			io.stderr:write(id and "connected\n" or "not\n")
			files = skynet.sleep(1000)
		end)
	]]
	f:close()
	local server = process.start { "sh", "-c", ("ulimit -n 64; exec %s run %s"):format(test.reef, script) }
	local port = tonumber((server:expect "port (%d+)"))
	test.within(1, function()
		local id = assert(socket.open("127.0.0.1", port))
		test.equal(socket.readline(id), false)
		socket.close(id)
	end)
	server:expect "socket: accept error: Too many open files"
	server:expect "connected"
end)

test.case("what was written before an orderly end of the process still arrives", function()
	local script = process.path "ending.lua"
	local f = assert(io.open(script, "w"))
	f:write [[
		local skynet = require "skynet"
		local socket = require "skynet.socket"
		local port = ...
		skynet.start(function()
			local id = assert(socket.open("127.0.0.1", tonumber(port)))
			socket.write(id, ("e"):rep(20 * 1024 * 1024))
			require("skynet.manager").abort()
		end)
	]]
	f:close()
	local l, _, port = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, l)
	local size
	socket.start(l, function(id)
		socket.start(id)
		socket.pause(id)
		skynet.sleep(20)
		size = #socket.readall(id)
		socket.close(id)
	end)
	local code = process.run { test.reef, "run", script, tostring(port) }
	test.equal(code, 0)
	test.eventually("received", 20, function()
		return size
	end)
	test.equal(size, 20 * 1024 * 1024)
end)

test.run()
