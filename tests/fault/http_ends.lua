-- Coroutines that are ended while they have a connection of HTTP or WebSocket: nothing of it is left, and nobody waits.
local http = require "reef.http.server"
local httpc = require "http.httpc"
local link = require "reef.http.websocket_link"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"
local websocket = require "http.websocket"

local function serve(handle, options)
	local listening, _, port = socket.listen("127.0.0.1", 0)
	local running = {}
	socket.start(listening, function(id, addr)
		running[#running + 1] = coroutine.running()
		websocket.accept(id, handle or {}, "ws", addr, options)
	end)
	test.defer(socket.close, listening)
	return "ws://127.0.0.1:" .. port, running
end

local function nobody()
	return next(link.all) == nil and next(link.frames_of) == nil
end

test.case("who closes a WebSocket whose reader was ended waits for its end", { timeout = 60 }, function()
	local id = websocket.connect((serve()))
	local reader = skynet.fork(websocket.read, id)
	skynet.sleep(5)
	skynet.killthread(reader)
	test.within(10, websocket.close, id)
	test.eventually("nothing is left", 10, nobody)
end)

test.case("a reader may follow one that was ended", { timeout = 60 }, function()
	local where = serve { message = function(id, data)
		websocket.write(id, data)
	end }
	local id = websocket.connect(where)
	local reader = skynet.fork(websocket.read, id)
	skynet.sleep(5)
	skynet.killthread(reader)
	websocket.write(id, "hello")
	test.equal(websocket.read(id), "hello")
	websocket.close(id)
	test.eventually("nothing is left", 10, nobody)
end)

test.case("a WebSocket that is closed by a coroutine that is ended is gone", { timeout = 60 }, function()
	-- A peer that shakes hands and answers nothing after that.
	local listening, _, port = socket.listen("127.0.0.1", 0)
	socket.start(listening, function(id)
		socket.start(id)
		local key = socket.readline(id, "\r\n\r\n"):match "[Kk]ey: ([^\r\n]+)"
		socket.write(id, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			.. "Sec-WebSocket-Accept: " .. require("skynet.crypt").base64encode(require("skynet.crypt").sha1(
				key .. "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) .. "\r\n\r\n")
		repeat until not socket.read(id)
		socket.close(id)
	end)
	test.defer(socket.close, listening)
	local id = websocket.connect("ws://127.0.0.1:" .. port)
	local closing = skynet.fork(websocket.close, id)
	skynet.sleep(5)
	test.equal(skynet.killthread(closing) ~= nil, true)
	test.equal(nobody(), true)
end)

test.case("a WebSocket of a server ends with its coroutine", { timeout = 60 }, function()
	local where, running = serve()
	local id = websocket.connect(where)
	test.equal(#running, 1)
	skynet.killthread(running[1])
	test.equal(test.within(10, websocket.read, id), false)
	test.eventually("nothing is left", 10, nobody)
end)

test.case("a request whose handler's coroutine is ended leaves its server nothing", { timeout = 60 }, function()
	local running = {}
	local server = http.listen("127.0.0.1:0", function(request)
		if request.path == "/stay" then
			running[#running + 1] = coroutine.running()
			skynet.sleep(100000)
		end
		return 200, "ok"
	end, { max_connections = 4 })
	test.defer(server.close, server)
	local where = "127.0.0.1:" .. server.port
	for _ = 1, 8 do
		local n = #running
		local failed
		skynet.fork(function()
			failed = { pcall(httpc.get, where, "/stay") }
		end)
		test.eventually("the handler", 10, function()
			return #running > n
		end)
		skynet.killthread(running[n + 1])
		test.eventually("the client's error", 10, function()
			return failed
		end)
		test.equal(failed[1], false)
	end
	test.equal({ server.count, next(server.connections) }, { 0, nil })
	test.equal({ httpc.get(where, "/") }, { 200, "ok" })
end)

test.run()
