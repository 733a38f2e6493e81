-- timeout: 180
-- Compressed messages of http.websocket: with Python's `websockets` and Node's `ws` on the other side, between two of
-- our own, and from peers that lie.
if require "test".without("reef.http.core", "reef.http.frames") then
	return
end

local deflate = require "reef.http.deflate"
local frames = require "reef.http.frames"
local process = require "test.process"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
local websocket = require "http.websocket"

local function echo(options)
	local over = {}
	local id, _, port = socket.listen("127.0.0.1", 0)
	socket.start(id, function(newid, addr)
		over[#over + 1] = table.pack(websocket.accept(newid, {
			message = function(ws, data, kind)
				websocket.write(ws, data, kind)
			end,
		}, "ws", addr, options))
	end)
	test.defer(socket.close, id)
	return port, over
end

local UPGRADE = "GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	.. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	.. "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

local function raw(port)
	local id = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, id)
	socket.write(id, UPGRADE)
	test.matches(socket.readline(id, "\r\n\r\n"), "Sec%-WebSocket%-Extensions: permessage%-deflate")
	return id
end

-- A frame as a client sends it.
local function frame(first, data)
	if #data < 126 then
		return string.char(first, 128 | #data, 0, 0, 0, 0) .. data
	end
	local size = #data < 65536 and "\xfe" .. (">I2"):pack(#data) or "\xff" .. (">I8"):pack(#data)
	return string.char(first) .. size .. "\0\0\0\0" .. data
end

-- Two ends of a connection.
local function pair()
	local other
	local listener, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listener, function(id)
		socket.start(id)
		other = id
	end)
	local id = assert(socket.open("127.0.0.1", port))
	test.eventually("the other end is there", 30, function()
		return other
	end)
	socket.close(listener)
	return id, other
end

-- What `text` is between two ends: the payload of a compressed frame that stands for itself.
local function packed(text)
	local from, to = pair()
	local f = frames.new(from, true, 0, { send_bits = 15, receive_bits = 15, level = 9, send_fresh = true, smallest = 0 })
	test.equal(f:send(2, text), true)
	test.equal(socket.read(to, 1), "\xc2")
	local size = socket.read(to, 1):byte()
	if size > 125 then
		local wide = size == 126 and 2 or 8
		size = (">I" .. wide):unpack(socket.read(to, wide))
	end
	local payload = socket.read(to, size)
	socket.close(from)
	socket.close(to)
	return payload
end

local function random_text(n)
	local words = {}
	while #words * 3 < n do
		words[#words + 1] = math.random(4) == 1 and ("%06x"):format(math.random(0, 0xffffff)) or "abc"
	end
	return table.concat(words):sub(1, n)
end

test.case("two of our own understand each other, whatever they have agreed on", { timeout = 120 }, function()
	for _ = 1, test.count(40) do
		local function some()
			return { level = math.random(1, 9), window_bits = math.random(9, 15), smallest = math.random(0, 200),
				context_takeover = math.random(2) == 1 }
		end
		local server, client = deflate.options(some()), deflate.options(some())
		local answer, theirs = deflate.answer(deflate.offer(client), server)
		local ours, fault = deflate.accepted(answer, client)
		test.equal(fault, nil)
		local one, other = pair()
		local a, b = frames.new(one, true, 1 << 20, theirs), frames.new(other, false, 1 << 20, ours)
		for i = 1, 20 do
			local from, to = a, b
			if i % 2 == 0 then
				from, to = b, a
			end
			local text = random_text(math.random(0, 1) * math.random(0, 60000) + math.random(0, 300))
			test.equal(from:send(1, text), true)
			local opcode, data = to:receive()
			test.truthy(opcode == 1 and data == text, answer)
		end
		socket.close(one)
		socket.close(other)
	end
end)

test.case("of what is offered, what is right is answered", function()
	local own = deflate.options { window_bits = 12 }
	local function answer(field)
		return (deflate.answer(field, own))
	end
	test.equal(answer "permessage-deflate", "permessage-deflate")
	test.equal(answer "permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=12")
	test.equal(answer "permessage-deflate; client_max_window_bits=\"10\"; server_max_window_bits=15",
		"permessage-deflate; server_max_window_bits=12; client_max_window_bits=10")
	test.equal(answer "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		"permessage-deflate; server_no_context_takeover; client_no_context_takeover")
	test.equal(answer { "x-other; a=b", "permessage-deflate; server_max_window_bits=8, Permessage-Deflate" },
		"permessage-deflate")
	for _, wrong in ipairs { "server_max_window_bits", "server_max_window_bits=16", "server_max_window_bits=08",
		"server_max_window_bits=7", "client_max_window_bits=x", "server_no_context_takeover=1", "unknown",
		"server_max_window_bits=10; server_max_window_bits=10", "client_max_window_bits=" } do
		test.equal(answer("permessage-deflate; " .. wrong), nil, wrong)
	end
	for _, wrong in ipairs { "x-other", "permessage-deflate; client_max_window_bits",
		"permessage-deflate, permessage-deflate", "permessage-deflate; server_max_window_bits=13",
		"permessage-deflate; what=1" } do
		test.truthy(select(2, deflate.accepted(wrong, own)), wrong)
	end
	test.truthy(select(2, deflate.accepted("permessage-deflate", nil)))
	test.raises("did you mean level", deflate.options, { levle = 1 })
	test.raises("window_bits has to be 9 to 15", deflate.options, { window_bits = 8 })
end)

local PYTHON_CLIENT = [[
import asyncio, random, sys, websockets
from websockets.extensions import permessage_deflate as p
async def main():
    random.seed(%d)
    url = "ws://127.0.0.1:%d/"
    offers = [p.ClientPerMessageDeflateFactory(), p.ClientPerMessageDeflateFactory(True, True, 10, 11),
              p.ClientPerMessageDeflateFactory(False, True, 15, None),
              p.ClientPerMessageDeflateFactory(client_max_window_bits=True)]
    for offer in offers:
        async with websockets.connect(url, compression=None, extensions=[offer], max_size=None) as ws:
            assert [e.name for e in ws.extensions] == ["permessage-deflate"]
            for n in (0, 1, 125, 126, 65535, 65536, 150000):
                text = "".join(random.choice(["ab", "c", "\u00e4", "\u20ac"]) for _ in range(n))
                await ws.send(text)
                assert await ws.recv() == text
                data = random.randbytes(n)
                await ws.send(data)
                assert await ws.recv() == data
            await ws.send(["a" * 500, "bc" * 300, "", "d"])
            assert await ws.recv() == "a" * 500 + "bc" * 300 + "d"
    async with websockets.connect(url, compression=None) as ws:
        assert not ws.extensions
        await ws.send("x" * 1000)
        assert await ws.recv() == "x" * 1000
asyncio.run(main())]]

test.case("Python's client is served", { timeout = 60 }, function()
	for _, options in ipairs { true, { context_takeover = false, window_bits = 9, smallest = 0 } } do
		local port, over = echo { deflate = options, max_message = 1 << 20 }
		local code, output = process.run { "/usr/bin/python3", "-c", PYTHON_CLIENT:format(test.seed % 2 ^ 31 // 1 | 0, port) }
		test.equal(code, 0, output)
		test.eventually("all are over", 10, function()
			return #over == 5
		end)
	end
end)

test.case("Python's server is a peer", { timeout = 60 }, function()
	local server = process.start { "/usr/bin/python3", "-u", "-c", [[
import asyncio, websockets
async def serve(ws):
    async for m in ws:
        assert [e.name for e in ws.extensions] == ["permessage-deflate"]
        await ws.send(m)
async def main():
    async with websockets.serve(serve, "127.0.0.1", 0, max_size=None) as s:
        print("port", s.sockets[0].getsockname()[1])
        await asyncio.Future()
asyncio.run(main())]] }
	local url = ("ws://127.0.0.1:%s"):format(server:expect "port (%d+)")
	for _, options in ipairs { true, { context_takeover = false, window_bits = 10, level = 1 } } do
		local id = websocket.connect(url, nil, nil, { deflate = options })
		for _, n in ipairs { 0, 1, 130, 5000, 70000, 200000 } do
			local text = random_text(n)
			websocket.write(id, text)
			test.truthy(websocket.read(id) == text, n)
		end
		websocket.close(id)
	end
end)

test.case("Node's client is served", { timeout = 60 }, function()
	local code, where = process.run { "node", "-e", "console.log(require.resolve('ws'))",
		env = { NODE_PATH = "/usr/share/nodejs" } }
	if code ~= 0 then
		test.skip "Node or its module ws is missing (Debian: node-ws)"
	end
	local port = echo { deflate = true }
	local output
	code, output = process.run { "node", "-e", ([[
const WebSocket = require(%q)
const ws = new WebSocket("ws://127.0.0.1:%d/", { perMessageDeflate: { threshold: 0 } })
const texts = ["", "a", "ä€".repeat(20000), "x".repeat(1000), "x".repeat(1000)]
ws.on("open", () => {
  if (!ws.extensions.includes("permessage-deflate")) throw new Error(ws.extensions)
  ws.send(texts[0])
})
ws.on("message", (data) => {
  if (String(data) != texts.shift()) throw new Error("another message")
  if (texts.length) ws.send(texts[0]); else ws.close(1000)
})
ws.on("close", (code) => console.log("closed", code))]]):format(where:match "%S+", port) }
	test.equal({ code, output }, { 0, "closed 1000\n" })
end)

test.case("bombs, rubbish and bits that are out of place end the connection", { timeout = 60 }, function()
	local port, over = echo { deflate = true, max_message = 100000 }
	local function broken(code, bytes)
		local before = #over
		local id = raw(port)
		socket.write(id, bytes)
		local answer = socket.readall(id) or ""
		socket.close(id)
		test.eventually("it is over", 5, function()
			return #over > before
		end)
		test.equal(over[#over][1], false)
		test.equal(answer:byte(1), 0x88)
		if code then
			test.equal((">I2"):unpack(answer, 3), code)
		end
	end
	broken(1009, frame(0xc2, packed(("\0"):rep(100001))))
	broken(1009, frame(0xc2, packed(("\0"):rep(50000000))))
	broken(1009, frame(0x42, packed(("\0"):rep(100001)):sub(1, 20)) .. frame(0x80, packed(("\0"):rep(100001)):sub(21)))
	broken(1007, frame(0xc2, ("\xff"):rep(100)))
	broken(1007, frame(0xc1, packed "\xff\xfe and so on"))
	broken(nil, frame(0xc9, "ping"))
	broken(nil, frame(0x41, "a") .. frame(0xc0, "b"))
	broken(1002, frame(0xa1, "a"))
	-- What fits goes through.
	local id = raw(port)
	local text = ("\0"):rep(100000)
	socket.write(id, frame(0xc2, packed(text)))
	test.equal(socket.read(id, 1), "\xc2")
end)

test.case("with nothing agreed on, nothing is compressed", function()
	local port = echo()
	local id = assert(socket.open("127.0.0.1", port))
	test.defer(socket.close, id)
	socket.write(id, UPGRADE)
	test.truthy(not socket.readline(id, "\r\n\r\n"):find "Extensions")
	socket.write(id, frame(0xc1, "a"))
	test.equal(#(socket.readall(id) or "") > 2, true)
	local both = echo { deflate = true }
	local plain = websocket.connect("ws://127.0.0.1:" .. both)
	websocket.write(plain, ("x"):rep(1000))
	test.equal(websocket.read(plain), ("x"):rep(1000))
	websocket.close(plain)
	test.raises("unknown option deflat", websocket.connect, "ws://127.0.0.1:" .. both, nil, nil, { deflat = true })
	skynet.sleep(0)
end)

test.run()
