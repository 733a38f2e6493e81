-- timeout: 180
-- config: cluster_heartbeat = 40
-- config: cluster_limit = 4194304
-- config: cluster_unfinished = 60
-- config: cluster_requests = 50
-- The bytes that a node of a cluster gets, and what it answers: the other side is a scripted peer that calls.
local cluster = require "skynet.cluster"
local peer = require "test.frames"
local proxy = require "test.proxy"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
require "skynet.manager"

local pack, unpack = string.pack, string.unpack

local port, echo

local hex, framed, receive = peer.hex, peer.framed, peer.receive

-- ---- a peer that calls ----

local function connect()
	local id = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, id)
	return id
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

test.case("an error of any bytes comes back whole", function()
	local id = connect()
	for i = 1, test.count(100) do
		local bytes = { "\0" }
		for k = 2, math.random(1, 200) do
			bytes[k] = string.char(math.random(0, 255))
		end
		local text = table.concat(bytes)
		local session, kind, reply = ask(id, pack("<BI4I4", 0, echo, i) .. skynet.packstring("fail", text))
		test.equal({ session, kind, hex(reply) }, { i, 0, hex(text) })
	end
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

test.case("who ends its writing side after its requests gets all answers, and then the end", function()
	local large = skynet.packstring(("h"):rep(3000000))
	local bytes = { framed(pack("<BI4I4", 0, echo, 1) .. skynet.packstring("sleep", 20, "late")),
		framed(pack("<Bs1I4", 0x80, "@echo", 2) .. skynet.packstring "soon") }
	for _, f in ipairs(in_parts(0x01, "@echo", 3, large, parts_of_32k)) do
		bytes[#bytes + 1] = f
	end
	bytes[#bytes + 1] = framed(pack("<BI4I4", 0, 0x7ffffff, 4) .. skynet.packstring "x")
	bytes = table.concat(bytes)
	local through = proxy.start(port)
	through:next("up", #bytes, "half")
	local id = assert(socket.open("127.0.0.1", through.port))
	test.defer(socket.close, id)
	socket.write(id, bytes)
	local kinds, total, got = {}, nil, {}
	for payload in receive, id do
		local session, kind = unpack("<I4B", payload)
		kinds[session] = kind
		if session == 3 and kind == 2 then
			total = unpack("<I4", payload, 6)
		elseif session == 3 then
			got[#got + 1] = payload:sub(6)
		end
	end
	test.equal(kinds, { 1, 1, 4, 0 })
	test.equal(total, #large)
	test.truthy(table.concat(got) == large)
end)

test.case("who asks no more gives way when all places are taken", function()
	cluster.reload { narrow = "127.0.0.1:0" }
	local _, at = cluster.open("narrow", 2)
	local waiting = {}
	for i = 1, 2 do
		local through = proxy.start(at)
		local bytes = framed(pack("<BI4I4", 0, echo, i) .. skynet.packstring("sleep", 100000))
		through:next("up", #bytes, "half")
		waiting[i] = assert(socket.open("127.0.0.1", through.port))
		socket.write(waiting[i], bytes)
	end
	test.eventually("both have asked", 20, function()
		local n = 0
		for _, line in pairs(skynet.call(".launcher", "lua", "LIST")) do
			n = n + (line:find "clusteragent" and 1 or 0)
		end
		return n >= 2
	end)
	local answered
	test.eventually("an answer", 20, function()
		local id = socket.open("127.0.0.1", at)
		socket.write(id, framed(pack("<BI4I4", 0, echo, 7) .. skynet.packstring "in"))
		answered = receive(id)
		socket.close(id)
		return answered
	end)
	test.equal(answered:sub(6), skynet.packstring "in")
	for _, id in ipairs(waiting) do
		socket.close(id)
	end
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

test.case("a peer that asks and does not take its answers is put out before they fill the memory", function()
	local id = connect()
	local sent = 0
	test.eventually("the end of the connection", 20, function()
		for _ = 1, 50 do
			sent = sent + 1
			socket.write(id, framed(pack("<BI4I4", 0, echo, sent) .. skynet.packstring(("x"):rep(30000))))
		end
		return socket.disconnected(id)
	end)
	test.equal(ask(connect(), pack("<BI4I4", 0, echo, 7) .. skynet.packstring "goes on"), 7)
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

test.run()
