-- timeout: 180
-- config: cluster_heartbeat = 40
-- config: cluster_limit = 4194304
-- The bytes that a node of a cluster sends, and what it makes of the answers: the other side is a scripted peer that is
-- called.
local cluster = require "skynet.cluster"
local frames = require "test.frames"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
require "skynet.manager"

local pack, unpack = string.pack, string.unpack
local hex, framed, receive = frames.hex, frames.framed, frames.receive

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

test.case("three megabytes there and back, by number and by name, in the bytes of the protocol", function()
	local size, kinds = 3000000, {}
	local name = node(function(id)
		local total, parts = nil, {}
		for payload in receive, id do
			local kind = payload:byte()
			if kind == 1 or kind == 0x81 then
				kinds[#kinds + 1] = kind
				total = unpack("<I4", payload, #payload - 3)
			else
				parts[#parts + 1] = payload:sub(6)
			end
			if kind == 3 then
				local message, session = table.concat(parts), unpack("<I4", payload, 2)
				test.equal(#message, total)
				parts = {}
				respond(id, session, 2, pack("<I4", #message))
				for at = 1, #message, 32768 do
					respond(id, session, at + 32768 > #message and 4 or 3, message:sub(at, at + 32767))
				end
			end
		end
	end)
	for _, to in ipairs { 7, "@big" } do
		local bytes = {}
		for i = 1, size // 1000 do
			bytes[i] = string.char(math.random(0, 255)):rep(1000)
		end
		local text = table.concat(bytes)
		test.truthy(test.within(30, cluster.call, name, to, text) == text)
	end
	test.equal(kinds, { 1, 0x81 })
end)

test.case("the trace tag of who is traced goes before his request, small or large", function()
	local seen = {}
	local name = node(function(id)
		for payload in receive, id do
			seen[#seen + 1] = payload
			local kind = payload:byte()
			if kind == 0 then
				respond(id, unpack("<I4", payload, 6), 1, skynet.packstring(true))
			elseif kind == 3 then
				respond(id, unpack("<I4", payload, 2), 1, skynet.packstring(true))
			end
		end
	end)
	local done
	skynet.fork(function()
		skynet.trace "tagged"
		cluster.call(name, 5, "small")
		cluster.call(name, 5, ("l"):rep(40000))
		done = true
	end)
	test.eventually("both calls", 20, function()
		return done
	end)
	cluster.call(name, 5, "not traced")
	local kinds = {}
	for i, payload in ipairs(seen) do
		kinds[i] = payload:byte()
	end
	test.equal(kinds, { 4, 0, 4, 1, 2, 3, 0 })
	test.equal(seen[1], seen[3])
	test.between(#seen[1], 2, 256)
	test.equal(#seen, 7)
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

test.case("responses that nobody has asked for are left out, whatever their kind, in pieces of any size", function()
	local large = ("x"):rep(100000)
	local name = node(function(id)
		while true do
			local payload = receive(id)
			if not payload then
				return
			end
			local session = unpack("<I4", payload, 6)
			local text = {}
			for _, other in ipairs { 0, session + 7, 0x7fffffff, 0xffffffff } do
				text[#text + 1] = framed(pack("<I4B", other, 0) .. "nobody has that name")
				text[#text + 1] = framed(pack("<I4B", other, 1) .. "x")
				text[#text + 1] = framed(pack("<I4BI4", other, 2, #large))
				text[#text + 1] = framed(pack("<I4B", other, 3) .. large:sub(1, 32768))
				text[#text + 1] = framed(pack("<I4B", other, 4) .. large:sub(32769, 65536))
			end
			text[#text + 1] = framed(pack("<I4B", session, 1) .. skynet.packstring(session))
			local bytes, at = table.concat(text), 1
			while at <= #bytes do
				local n = math.random(1, 30000)
				socket.write(id, bytes:sub(at, at + n - 1))
				skynet.yield()
				at = at + n
			end
		end
	end)
	for i = 1, test.count(20) do
		test.equal(test.within(20, cluster.call, name, 1, "x"), i)
	end
end)

test.case("an error of any bytes is whole", function()
	local text
	local name = node(function(id)
		for payload in receive, id do
			respond(id, unpack("<I4", payload, 6), 0, text)
		end
	end)
	for i = 1, test.count(100) do
		local bytes = { "\0" }
		for k = 2, math.random(1, 200) do
			bytes[k] = string.char(math.random(0, 255))
		end
		text = table.concat(bytes) .. i
		local _, err = pcall(cluster.call, name, 1, "x")
		test.equal(hex(err:match "call failed: (.*)$"), hex(text))
	end
end)

test.case("a node that takes nothing: what waits for it is bounded, calls say that they were not sent", function()
	local go, started = {}, false
	local name = node(function(id)
		for payload in receive, id do
			local kind = payload:byte()
			local session = kind == 0 and unpack("<I4", payload, 6)
			if session and session > 0 then
				respond(id, session, 1, skynet.packstring "here")
				if not started then
					started = true
					skynet.wait(go)
				end
			end
		end
	end)
	test.equal(cluster.call(name, 1, "x"), "here")
	local text = ("x"):rep(100000)
	for _ = 1, 400 do
		cluster.send(name, 1, text)
	end
	local err = test.raises("bytes wait to be sent", test.within, 20, cluster.call, name, 1, "x")
	test.equal(require("reef.cluster").error(err).outcome, "not sent")
	skynet.wakeup(go)
	test.eventually("it is called again", 20, function()
		local ok, answer = pcall(cluster.call, name, 1, "x")
		return ok and answer == "here"
	end)
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
	cluster.register("taken", skynet.localname ".launcher")
	test.raises("is :%x+ already", cluster.register, "taken", skynet.self())
	test.raises("is no address", cluster.register, "other", ".echo")
	test.raises("no address", cluster.open, "nowhere")
	test.raises("neither", cluster.proxy, "name")
end)

test.run()
