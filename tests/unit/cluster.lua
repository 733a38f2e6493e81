-- timeout: 180
-- config: cluster_heartbeat = 40
-- config: cluster_limit = 4194304
-- config: cluster_unfinished = 60
-- config: cluster_requests = 50
-- The bytes between nodes of a cluster, both ways: the other side is a scripted peer that knows nothing but sockets.
local cluster = require "skynet.cluster"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
require "skynet.manager"

local pack, unpack = string.pack, string.unpack

local port, echo

local function hex(s)
	return (s:gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end))
end

local function framed(payload)
	return pack(">s2", payload)
end

-- ---- a peer that calls ----

local function connect()
	local id = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, id)
	return id
end

local function receive(id)
	local length = socket.read(id, 2)
	return length and assert(socket.read(id, (unpack(">I2", length)))) or nil
end

local function answer_of(id)
	local payload = assert(test.within(20, receive, id))
	local session, kind = unpack("<I4B", payload)
	return session, kind, payload:sub(6)
end

local function ask(id, payload)
	socket.write(id, framed(payload))
	return answer_of(id)
end

local function is_ended(id)
	return test.within(20, socket.read, id) == false
end

test.case("the node listens, and services have names", function()
	echo = skynet.newservice "cluster_echo"
	skynet.name(".echo", echo)
	cluster.register("echo", echo)
	cluster.reload { here = "127.0.0.1:0" }
	local ip
	ip, port = cluster.open "here"
	test.equal(ip, "127.0.0.1")
	test.truthy(port > 0)
end)

test.case("a request by number is answered with the bytes of the reply", function()
	local id = connect()
	local message = skynet.packstring("hello", 1, 2.5, { a = true })
	local session, kind, reply = ask(id, pack("<BI4I4", 0, echo, 7) .. message)
	test.equal({ session, kind, hex(reply) }, { 7, 1, hex(message) })
end)

test.case("a request by name: registered, local, by its number in hex", function()
	local id = connect()
	for i, name in ipairs { "@echo", ".echo", (":%x"):format(echo), (":%08x"):format(echo) } do
		local session, kind, reply = ask(id, pack("<Bs1I4", 0x80, name, i) .. skynet.packstring(name))
		test.equal({ session, kind, skynet.unpack(reply) }, { i, 1, name })
	end
	for i, name in ipairs { "@none", ".none", ":7fffffff", "none", "", "@", ".", ":", ":x", "a\0b", ("n"):rep(255) } do
		local session, kind, text = ask(id, pack("<Bs1I4", 0x80, name, i))
		test.equal({ session, kind }, { i, 0 }, name)
		test.different(text, "")
	end
end)

test.case("a query is a request to 0 with the packed name", function()
	local id = connect()
	local _, kind, reply = ask(id, pack("<BI4I4", 0, 0, 1) .. skynet.packstring "echo")
	test.equal({ kind, (skynet.unpack(reply)) }, { 1, echo })
	_, kind = ask(id, pack("<BI4I4", 0, 0, 2) .. skynet.packstring "none")
	test.equal(kind, 0)
	_, kind = ask(id, pack("<BI4I4", 0, 0, 3) .. "\255\255")
	test.equal(kind, 0)
	cluster.unregister "echo"
	_, kind = ask(id, pack("<BI4I4", 0, 0, 4) .. skynet.packstring "echo")
	test.equal(kind, 0)
	cluster.register("echo", echo)
	_, kind = ask(id, pack("<Bs1I4", 0x80, "@echo", 5))
	test.equal(kind, 1)
end)

test.case("an error's text comes back, cut at 32768 bytes; the connection goes on", function()
	local id = connect()
	local _, kind, text = ask(id, pack("<BI4I4", 0, echo, 1) .. skynet.packstring("fail", "no such account"))
	test.equal({ kind, text }, { 0, "no such account" })
	_, kind, text = ask(id, pack("<BI4I4", 0, 0x7ffffff, 2) .. skynet.packstring "x")
	test.equal(kind, 0)
	test.matches(text, "invalid address")
	_, kind, text = ask(id, pack("<BI4I4", 0, echo, 3) .. skynet.packstring("fail", ("e"):rep(40000)))
	test.equal({ kind, #text }, { 0, 32768 })
	_, kind = ask(id, pack("<BI4I4", 0, echo, 4) .. skynet.packstring(1))
	test.equal(kind, 1)
end)

test.case("pushes have no response, and arrive in their order", function()
	local id = connect()
	local all = {}
	for i = 1, 200 do
		local head = i % 2 == 0 and pack("<BI4I4", 0, echo, 0) or pack("<Bs1I4", 0x80, "@echo", 0)
		all[i] = framed(head .. skynet.packstring("note", i))
	end
	socket.write(id, table.concat(all))
	local _, kind, reply = ask(id, pack("<BI4I4", 0, echo, 9) .. skynet.packstring "noted")
	test.equal(kind, 1)
	local noted = skynet.unpack(reply)
	test.equal(#noted, 200)
	for i = 1, 200 do
		test.equal(noted[i], i)
	end
end)

-- A large request in parts of those sizes.
local function in_parts(kind, to, session, message, sizes)
	local head = type(to) == "number" and pack("<BI4", kind, to) or pack("<Bs1", kind | 0x80, to)
	local frames = { framed(head .. pack("<I4I4", session, #message)) }
	local at = 1
	while at <= #message do
		local size = sizes()
		local last = at + size > #message
		frames[#frames + 1] = framed(pack("<BI4", last and 3 or 2, session) .. message:sub(at, at + size - 1))
		at = at + size
	end
	return frames
end

local function parts_of_32k()
	return 32768
end

-- Collects a large response; others that come between are in the second result.
local function large_answer(id, wanted)
	local total, pieces, others = nil, {}, {}
	while true do
		local session, kind, rest = answer_of(id)
		if session ~= wanted then
			others[#others + 1] = { session, kind, rest }
		elseif kind == 2 then
			total = unpack("<I4", rest)
		else
			test.truthy(kind == 3 or kind == 4)
			test.truthy(#rest <= 32768)
			pieces[#pieces + 1] = rest
			if kind == 4 then
				local message = table.concat(pieces)
				test.equal(#message, total)
				return message, others
			end
		end
	end
end

test.case("large requests and responses travel in parts, by number and by name", function()
	local id = connect()
	for i, to in ipairs { echo, "@echo", ".echo" } do
		local message = skynet.packstring(("%d"):format(i):rep(3000000))
		for _, f in ipairs(in_parts(0x01, to, i, message, parts_of_32k)) do
			socket.write(id, f)
		end
		test.truthy(large_answer(id, i) == message)
	end
end)

test.case("sizes around the limit of a frame", function()
	local id = connect()
	for i, size in ipairs { 32760, 32764, 32765, 32766, 32767, 32768, 65530, 65536, 65537 } do
		local message = skynet.packstring(("x"):rep(size - 4))
		local frames = #message < 32768 and { framed(pack("<BI4I4", 0, echo, i) .. message) }
			or in_parts(0x01, echo, i, message, parts_of_32k)
		for _, f in ipairs(frames) do
			socket.write(id, f)
		end
		if #message <= 32768 then
			local session, kind, rest = answer_of(id)
			test.equal({ session, kind }, { i, 1 })
			test.truthy(rest == message)
		else
			test.truthy(large_answer(id, i) == message)
		end
	end
end)

test.case("parts of several messages may be mixed, with other requests between, in pieces of any size", function()
	local id = connect()
	math.randomseed(test.seed)
	local queues, messages = {}, {}
	for session = 1, 8 do
		messages[session] = skynet.packstring(("%d"):format(session):rep(math.random(20000, 200000)))
		queues[session] = in_parts(session % 2 == 0 and 0x01 or 0x01, session % 2 == 0 and echo or "@echo", session,
			messages[session], function() return math.random(1, 32768) end)
	end
	local bytes, small = {}, 100
	while next(queues) do
		local session = math.random(1, 8)
		local queue = queues[session]
		if queue then
			bytes[#bytes + 1] = table.remove(queue, 1)
			queues[session] = queue[1] and queue
		end
		if math.random(20) == 1 then
			small = small + 1
			bytes[#bytes + 1] = framed(pack("<BI4I4", 0, echo, small) .. skynet.packstring(small))
		end
	end
	local stream, at = table.concat(bytes), 1
	skynet.fork(function()
		while at <= #stream do
			local size = math.random(1, 30000)
			socket.write(id, stream:sub(at, at + size - 1))
			at = at + size
			skynet.sleep(0)
		end
	end)
	local got, left, total = {}, 8 + small - 100, {}
	while left > 0 do
		local session, kind, rest = answer_of(id)
		if kind == 2 then
			got[session], total[session] = "", unpack("<I4", rest)
		elseif kind == 3 or kind == 4 then
			got[session] = got[session] .. rest
			if kind == 4 then
				test.equal(#got[session], total[session])
				test.truthy(got[session] == messages[session])
				left = left - 1
			end
		else
			test.equal({ kind, (skynet.unpack(rest)) }, { 1, session > 100 and session or (skynet.unpack(messages[session])) })
			left = left - 1
		end
	end
end)

test.case("a large push, and a call behind it", function()
	local id = connect()
	local message = skynet.packstring("note", ("p"):rep(1000000))
	for _, to in ipairs { echo, "@echo" } do
		for _, f in ipairs(in_parts(0x41, to, 77, message, parts_of_32k)) do
			socket.write(id, f)
		end
	end
	local reply
	repeat
		socket.write(id, framed(pack("<BI4I4", 0, echo, 78) .. skynet.packstring("size", "x")))
		test.equal({ answer_of(id) }, { 78, 1, skynet.packstring(1) })
		socket.write(id, framed(pack("<BI4I4", 0, echo, 79) .. skynet.packstring "counted"))
		reply = select(3, answer_of(id))
	until skynet.unpack(reply) == 2
	socket.write(id, framed(pack("<BI4I4", 0, echo, 78) .. skynet.packstring "noted"))
	local noted = skynet.unpack((large_answer(id, 78)))
	test.equal({ #noted, #noted[1], #noted[2] }, { 2, 1000000, 1000000 })
end)

test.case("a trace tag belongs to the next request", function()
	local id = connect()
	for _, payload in ipairs {
		pack("<BI4I4", 0, echo, 1) .. skynet.packstring "traced",
		pack("<Bs1I4", 0x80, "@echo", 1) .. skynet.packstring "traced",
	} do
		socket.write(id, framed "\4:0000beef-7")
		local _, kind, reply = ask(id, payload)
		test.equal({ kind, (skynet.unpack(reply)) }, { 1, "traced" })
	end
	socket.write(id, framed "\4:0000beef-8" .. framed(pack("<BI4I4", 0, echo, 0) .. skynet.packstring("note", 1)))
	test.equal(select(2, ask(id, pack("<BI4I4", 0, echo, 2) .. skynet.packstring "noted")), 1)
end)

-- ---- what is no frame ----

test.case("what is no frame ends that connection, and nothing else", function()
	local good = connect()
	local big = pack("<BI4I4I4", 0x01, echo, 5, 100000)
	for what, bytes in pairs {
		["an empty frame"] = "\0\0",
		["an unknown kind"] = framed "\9abcdefghij",
		["a kind with a name that has none"] = framed "\130abcdefghij",
		["text"] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n" .. (" "):rep(20000),
		["a short request"] = framed "\0abcdefg",
		["a short named request"] = framed "\128\10abc",
		["a named request without its session"] = framed "\128\3abcxyz",
		["one byte with a name"] = framed "\128",
		["a short beginning"] = framed "\1abcdefghijk",
		["a long beginning"] = framed(big .. "x"),
		["a short part"] = framed "\2abc",
		["a part of nothing"] = framed(pack("<BI4", 2, 99) .. "x"),
		["a last part of nothing"] = framed(pack("<BI4", 3, 99) .. "x"),
		["a beginning twice"] = framed(big) .. framed(big),
		["more than announced"] = framed(pack("<BI4I4I4", 0x01, echo, 5, 10)) .. framed(pack("<BI4", 2, 5) .. "12345678901"),
		["less than announced"] = framed(pack("<BI4I4I4", 0x01, echo, 5, 10)) .. framed(pack("<BI4", 3, 5) .. "123"),
		["an empty part"] = framed(big) .. framed(pack("<BI4", 2, 5)),
		["more than the limit"] = framed(pack("<BI4I4I4", 0x01, echo, 5, 4194305)),
		["four GiB"] = framed(pack("<BI4I4I4", 0x41, echo, 5, 0xffffffff)),
		["no tag"] = framed "\4",
		["a long tag"] = framed("\4" .. ("t"):rep(256)),
	} do
		local id = connect()
		socket.write(id, bytes)
		test.truthy(is_ended(id), what)
	end
	test.equal(select(2, ask(good, pack("<BI4I4", 0, echo, 1) .. skynet.packstring(1))), 1)
end)

test.case("unfinished messages are bounded together, and in number", function()
	local id = connect()
	for session = 1, 5 do
		socket.write(id, framed(pack("<BI4I4I4", 0x01, echo, session, 1000000)))
		for _ = 1, 30 do
			socket.write(id, framed(pack("<BI4", 2, session) .. ("x"):rep(32768)))
		end
	end
	test.truthy(is_ended(id))
	id = connect()
	local begins = {}
	for session = 1, 5000 do
		begins[session] = framed(pack("<BI4I4I4", 0x01, echo, session, 1000))
	end
	socket.write(id, table.concat(begins))
	test.truthy(is_ended(id))
end)

test.case("an unfinished message, or frame, of which nothing comes ends the connection", function()
	local idle, id, part = connect(), connect(), connect()
	socket.write(id, framed(pack("<BI4I4I4", 0x01, echo, 1, 1000)))
	socket.write(part, "\1")
	test.truthy(is_ended(id))
	test.truthy(is_ended(part))
	test.equal(select(2, ask(idle, pack("<BI4I4", 0, echo, 1) .. skynet.packstring(1))), 1)
end)

test.case("random bytes and mutilated frames never harm the node", function()
	math.randomseed(test.seed)
	for _ = 1, test.count(200) do
		local id = assert(socket.open("127.0.0.1", port))
		local pieces = {}
		for i = 1, math.random(1, 10) do
			local body = ({
				function() return pack("<BI4I4", 0, echo, i) .. skynet.packstring("x", i) end,
				function() return pack("<Bs1I4", 0x80, "@echo", i) .. skynet.packstring("x", i) end,
				function() return pack("<BI4I4I4", 0x01, echo, i, math.random(0, 100)) end,
				function() return pack("<BI4", math.random(2, 3), i) .. ("x"):rep(math.random(0, 50)) end,
				function() return "\4tag" end,
			})[math.random(5)]()
			local at = math.random(#body)
			if math.random(3) == 1 then
				body = body:sub(1, at - 1) .. string.char(math.random(0, 255)) .. body:sub(at + 1)
			elseif math.random(3) == 1 then
				body = body:sub(1, at)
			end
			-- A request that would stop the test's own services is none that is tried.
			if not (body:byte() == 0 and #body >= 9 and unpack("<I4", body, 2) ~= echo) then
				pieces[#pieces + 1] = framed(body)
			end
		end
		socket.write(id, table.concat(pieces))
		socket.close(id)
	end
	local id = connect()
	test.equal(select(2, ask(id, pack("<BI4I4", 0, echo, 1) .. skynet.packstring(1))), 1)
end)

test.case("requests beyond the limit are refused, and answered later ones are not", function()
	local id = connect()
	local frames = {}
	for session = 1, 80 do
		frames[session] = framed(pack("<BI4I4", 0, echo, session) .. skynet.packstring("sleep", 30))
	end
	socket.write(id, table.concat(frames))
	local kinds = { [0] = 0, 0 }
	for _ = 1, 80 do
		local _, kind = answer_of(id)
		kinds[kind] = kinds[kind] + 1
	end
	test.equal(kinds, { [0] = 30, 50 })
	test.equal(select(2, ask(id, pack("<BI4I4", 0, echo, 1) .. skynet.packstring(1))), 1)
end)

-- ---- a peer that is called ----

local count = 0

-- A node whose connections run f(id) with the socket.
local function node(f)
	local listener, _, at = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		socket.start(id)
		pcall(f, id)
		socket.close(id)
	end)
	test.defer(socket.close, listener)
	count = count + 1
	local name = "peer" .. count
	cluster.reload { [name] = "127.0.0.1:" .. at }
	return name, listener, at
end

local function respond(id, session, kind, rest)
	socket.write(id, framed(pack("<I4B", session, kind) .. rest))
end

test.case("the bytes of requests: by number, by name, query, push", function()
	local seen = {}
	local name = node(function(id)
		while true do
			local payload = receive(id)
			if not payload then
				return
			end
			seen[#seen + 1] = payload
			local session
			if payload:byte() == 0 then
				session = unpack("<I4", payload, 6)
			else
				session = unpack("<I4", payload, 3 + payload:byte(2))
			end
			if session ~= 0 then
				respond(id, session, 1, skynet.packstring("ok", session))
			end
		end
	end)
	test.equal({ cluster.call(name, 0x01020304, "a") }, { "ok", 1 })
	test.equal({ cluster.call(name, "@svc", "b") }, { "ok", 2 })
	test.equal({ cluster.call(name, ".svc", "c", 1) }, { "ok", 3 })
	test.equal(cluster.query(name, "svc"), "ok")
	cluster.send(name, "@svc", "d")
	cluster.send(name, 9, "e")
	test.equal(cluster.call(name, 1), "ok")
	test.equal(hex(seen[1]), hex(pack("<BI4I4", 0, 0x01020304, 1) .. skynet.packstring "a"))
	test.equal(hex(seen[2]), hex(pack("<Bs1I4", 0x80, "@svc", 2) .. skynet.packstring "b"))
	test.equal(hex(seen[3]), hex(pack("<Bs1I4", 0x80, ".svc", 3) .. skynet.packstring("c", 1)))
	test.equal(hex(seen[4]), hex(pack("<BI4I4", 0, 0, 4) .. skynet.packstring "svc"))
	test.equal(hex(seen[5]), hex(pack("<Bs1I4", 0x80, "@svc", 0) .. skynet.packstring "d"))
	test.equal(hex(seen[6]), hex(pack("<BI4I4", 0, 9, 0) .. skynet.packstring "e"))
end)

test.case("large requests and pushes: the beginning, parts of 32768, the last part", function()
	local seen = {}
	local name = node(function(id)
		for payload in receive, id do
			seen[#seen + 1] = payload
			if payload:byte() == 3 and seen[1]:byte() & 0x40 == 0 then
				respond(id, unpack("<I4", payload, 2), 1, skynet.packstring "ok")
			end
		end
	end)
	for _, to in ipairs { 5, "@big" } do
		local text = ("z"):rep(100000)
		local message = skynet.packstring(text)
		for _, size in ipairs { #message, 32768, 65536 } do
			seen = {}
			text = ("z"):rep(size - (size > 65538 and 5 or 3))
			message = skynet.packstring(text)
			test.equal(#message, size)
			test.equal(cluster.call(name, to, text), "ok")
			local head = seen[1]
			local session
			if type(to) == "number" then
				test.equal(head:byte(), 1)
				session = unpack("<I4", head, 6)
				test.equal(hex(head), hex(pack("<BI4I4I4", 1, to, session, size)))
			else
				session = unpack("<I4", head, 3 + #to)
				test.equal(hex(head), hex(pack("<Bs1I4I4", 0x81, to, session, size)))
			end
			local got = {}
			for i = 2, #seen do
				test.equal({ seen[i]:byte(), (unpack("<I4", seen[i], 2)) }, { i < #seen and 2 or 3, session })
				got[#got + 1] = seen[i]:sub(6)
				test.truthy(#got[#got] <= 32768 and #got[#got] > 0)
			end
			test.truthy(table.concat(got) == message)
		end
	end
	seen = {}
	cluster.send(name, 5, ("z"):rep(40000))
	cluster.send(name, "@big", ("z"):rep(40000))
	test.eventually("both pushes", 10, function()
		return #seen == 6
	end)
	test.equal({ seen[1]:byte(), seen[4]:byte() }, { 0x41, 0xc1 })
	test.different((unpack("<I4", seen[1], 6)), 0)
end)

test.case("large responses: mixed with others", function()
	local big = ("r"):rep(200000)
	local name = node(function(id)
		local first = receive(id)
		local session = unpack("<I4", first, 6)
		local message = skynet.packstring(big)
		respond(id, session, 2, pack("<I4", #message))
		for at = 1, #message, 32768 do
			local second = at == 1 and receive(id)
			respond(id, session, at + 32768 > #message and 4 or 3, message:sub(at, at + 32767))
			if second then
				respond(id, unpack("<I4", second, 6), 1, skynet.packstring "small")
			end
		end
		receive(id)
	end)
	local large
	skynet.fork(function()
		large = cluster.call(name, 1, "large")
	end)
	skynet.sleep(5)
	test.equal(cluster.call(name, 1, "small"), "small")
	test.eventually("the large one", 10, function()
		return large
	end)
	test.truthy(large == big)
end)

test.case("an error of the other side carries its reason, and is never taken for one of the connection", function()
	local outcome = require("reef.cluster").error
	local text
	local name = node(function(id)
		for payload in receive, id do
			respond(id, unpack("<I4", payload, 6), 0, text)
		end
	end)
	for _, t in ipairs {
		"b.lua:12: no such account", "", "cluster node x: refused (not sent)",
		"call failed: cluster node x: y (maybe applied)",
		"b.lua:1: call failed: cluster node x: refused (not sent)", "call failed",
	} do
		text = t
		local err = test.raises("call failed", cluster.call, name, 1, "x")
		test.truthy(tostring(err):find(t, 1, true))
		test.equal(outcome(err).outcome, "rejected", t)
	end
end)

test.case("responses that cannot be end the connection with errors for all, the next call connects anew", function()
	local bytes
	local name = node(function(id)
		local payload = receive(id)
		local session = unpack("<I4", payload, 6)
		local sent = bytes(session)
		if sent then
			socket.write(id, sent)
			socket.read(id)
		end
	end)
	for what, f in pairs {
		short = function() return framed "abcd" end,
		empty = function() return "\0\0" end,
		kind = function(s) return framed(pack("<I4B", s, 5)) end,
		session = function(s) return framed(pack("<I4B", s + 1, 1)) end,
		zero = function() return framed(pack("<I4B", 0, 1)) end,
		["a part of nothing"] = function(s) return framed(pack("<I4B", s, 3) .. "x") end,
		["no total"] = function(s) return framed(pack("<I4B", s, 2) .. "x") end,
		["too large"] = function(s) return framed(pack("<I4BI4", s, 2, 0xffffffff)) end,
		["less than announced"] = function(s)
			return framed(pack("<I4BI4", s, 2, 100)) .. framed(pack("<I4B", s, 4) .. "x")
		end,
		["more than announced"] = function(s)
			return framed(pack("<I4BI4", s, 2, 1)) .. framed(pack("<I4B", s, 3) .. "xy")
		end,
		http = function() return "HTTP/1.1 400 Bad Request\r\n" .. (" "):rep(30000) end,
		closed = function() end,
	} do
		bytes = f
		local err = test.raises("call failed: cluster node " .. name .. " .*%(maybe applied%)$", test.within, 20,
			cluster.call, name, 1, "x")
		test.equal(require("reef.cluster").error(err).outcome, "maybe applied", what)
	end
	bytes = function(s) return framed(pack("<I4B", s, 1) .. skynet.packstring "good") end
	test.equal(cluster.call(name, 1, "x"), "good")
end)

test.case("a reply that is no message is an error of that call alone", function()
	local name = node(function(id)
		for payload in receive, id do
			local session = unpack("<I4", payload, 6)
			respond(id, session, 1, session % 2 == 1 and "\255\255\255" or skynet.packstring "fine")
		end
	end)
	test.raises("", cluster.call, name, 1, "x")
	test.equal(cluster.call(name, 1, "x"), "fine")
	test.raises("", cluster.call, name, 1, "x")
	test.equal(cluster.call(name, 1, "x"), "fine")
end)

test.case("a deadline ends a call; its late reply reaches nobody", function()
	local soon = require("reef.cluster").with { timeout = 0.2 }
	local name = node(function(id)
		local first = unpack("<I4", receive(id), 6)
		local second = unpack("<I4", receive(id), 6)
		respond(id, first, 1, skynet.packstring "late")
		respond(id, second, 1, skynet.packstring "second")
		receive(id)
	end)
	local err = test.raises("no reply in time %(maybe applied%)$", soon.call, name, 1, "x")
	test.equal(require("reef.cluster").error(err).code, "timeout")
	test.equal(cluster.call(name, 1, "y"), "second")
end)

test.case("a node that is silent is asked for a sign of life; without one its calls end", function()
	local asked
	local name = node(function(id)
		receive(id)
		asked = receive(id)
		receive(id)
	end)
	test.raises("no sign of life .*%(maybe applied%)$", test.within, 20, cluster.call, name, 1, "x")
	test.equal(hex(asked):sub(1, 10), "0000000000")
	name = node(function(id)
		local first = unpack("<I4", receive(id), 6)
		for _ = 1, 3 do
			respond(id, unpack("<I4", receive(id), 6), 0, "no such name")
		end
		respond(id, first, 1, skynet.packstring "at last")
		receive(id)
	end)
	test.equal(test.within(20, cluster.call, name, 1, "x"), "at last")
end)

test.case("new requests do not hide that a node is silent", function()
	local name = node(function(id)
		receive(id)
		socket.pause(id)
		skynet.sleep(2000)
	end)
	local ended, stop
	skynet.fork(function()
		ended = select(2, pcall(cluster.call, name, 1, "x"))
	end)
	skynet.fork(function()
		while not stop do
			cluster.send(name, 1, "more")
			skynet.sleep(1)
		end
	end)
	test.eventually("the end of the call", 10, function()
		return ended
	end)
	stop = true
	test.matches(tostring(ended), "no sign of life")
end)

test.case("nobody there: not sent, and the next call tries again", function()
	local name, listener, at = node(function() end)
	socket.close(listener)
	for _ = 1, 3 do
		local err = test.raises("cannot connect: .*%(not sent%)$", cluster.call, name, 1, "x")
		test.equal(require("reef.cluster").error(err).outcome, "not sent")
	end
	local again = socket.listen("127.0.0.1", at)
	test.defer(socket.close, again)
	socket.start(again, function(id)
		socket.start(id)
		respond(id, unpack("<I4", receive(id), 6), 1, skynet.packstring "back")
		receive(id)
	end)
	test.equal(cluster.call(name, 1, "x"), "back")
end)

test.case("an unknown node is waited for, and what waited keeps its order; a deadline ends it", function()
	local soon = require("reef.cluster").with { timeout = 0.2 }
	test.raises("%(not sent%)$", soon.call, "unborn", 1, "x")
	local waiting = 0
	for _ = 1, 20 do
		skynet.fork(function()
			pcall(soon.call, "unborn", 1, ("x"):rep(500000))
			waiting = waiting + 1
		end)
	end
	test.eventually("all are refused, those too many at once", 20, function()
		return waiting == 20
	end)
	test.equal(skynet.call(cluster.get_sender "unborn", "debug", "INFO").queued, 0)
	local seen = {}
	local results = {}
	cluster.send("unborn", 1, 1)
	for i = 2, 6 do
		skynet.fork(function()
			local ok = cluster.call("unborn", 1, i)
			results[#results + 1] = ok
		end)
	end
	skynet.sleep(5)
	cluster.send("unborn", 1, 7)
	local listener, _, at = socket.listen("127.0.0.1", 0)
	test.defer(socket.close, listener)
	socket.start(listener, function(id)
		socket.start(id)
		for payload in receive, id do
			local session = unpack("<I4", payload, 6)
			seen[#seen + 1] = (skynet.unpack(payload:sub(10)))
			if session ~= 0 then
				respond(id, session, 1, skynet.packstring(true))
			end
		end
	end)
	cluster.reload { unborn = "127.0.0.1:" .. at }
	test.eventually("all of it", 10, function()
		return #seen == 7 and #results == 5
	end)
	test.equal(seen, { 1, 2, 3, 4, 5, 6, 7 })
end)

test.case("a node set to false fails at once, also what waits; an address brings it back", function()
	local name, _, at = node(function(id)
		for _ in receive, id do end
	end)
	local err
	skynet.fork(function()
		err = select(2, pcall(cluster.call, name, 1, "x"))
	end)
	skynet.sleep(5)
	cluster.reload { [name] = false }
	test.eventually("the error", 10, function()
		return err
	end)
	test.matches(tostring(err), "%(maybe applied%)$")
	test.raises("it is down %(not sent%)$", cluster.call, name, 1, "x")
	cluster.send(name, 1, "x")
	local other = node(function(id)
		for payload in receive, id do
			respond(id, unpack("<I4", payload, 6), 1, skynet.packstring "there")
		end
	end)
	test.equal(cluster.call(other, 1), "there")
	cluster.reload { [name] = "127.0.0.1:" .. at }
	test.raises("no sign of life", cluster.call, name, 1, "x")
	cluster.reload { __nowaiting = true }
	test.raises("it is absent %(not sent%)$", cluster.call, "nowhere", 1, "x")
	test.raises("it is absent %(not sent%)$", cluster.get_sender, "nowhere")
	cluster.reload { __nowaiting = false }
end)

test.case("what cannot be sent is refused with a reason", function()
	local name = node(function(id) receive(id) end)
	for _, to in ipairs { -1, 1 << 32, 1.5, "", ("n"):rep(256), true, {} } do
		test.raises("%(not sent%)$", cluster.call, name, to, "x")
	end
	test.raises("is a string", cluster.call, nil, 1)
	test.raises("is a string", cluster.send, 5, 1)
	for _, bad in ipairs { { a = true }, { a = 5 }, { a = "" }, { "x" }, { __other = true }, { __nowaiting = 1 } } do
		test.raises("cluster: ", cluster.reload, bad)
	end
	test.raises("is :%x+ already", cluster.register, "echo", skynet.self())
	test.raises("is no address", cluster.register, "other", ".echo")
	test.raises("no address", cluster.open, "nowhere")
	test.raises("neither", cluster.proxy, "name")
end)

test.run()
