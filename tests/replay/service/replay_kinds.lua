-- A service that is recorded while it talks to itself in one way: `kind ...`. What it prints it also counts.
local skynet = require "skynet"
local socket = require "skynet.socket"

local kind, argument, second = ...
local kinds = {}

local function rounds(f)
	for i = 1, 5 do
		f(i, ("%d %s"):format(math.random(1 << 30), ("x"):rep(math.random(0, 3000))))
	end
end

local function echo(id)
	local line = socket.readline(id)
	while line do
		socket.write(id, line .. "!\n")
		line = socket.readline(id)
	end
	socket.close(id)
end

function kinds.tls(certificates, ca)
	local tls = require "reef.tls"
	local listener, _, port = tls.listen("127.0.0.1", 0,
		{ cert_file = certificates .. ".pem", key_file = certificates .. ".key" })
	socket.start(listener, function(id)
		print("accepted", tls.start(id))
		echo(id)
	end)
	print("refused", tls.connect("localhost", port))
	local id = assert(tls.connect("localhost", port, { ca_file = ca }))
	print("tls", tls.info(id).version, tls.info(id).cipher)
	rounds(function(i, text)
		socket.write(id, text .. "\n")
		print(i, socket.readline(id))
	end)
	socket.close(id)
	socket.close(listener)
end

function kinds.udp(port)
	local answers = {}
	local server
	server = socket.udp_listen("127.0.0.1", port, function(data, from)
		print("from", socket.udp_address(from))
		socket.sendto(server, from, data .. "!")
	end)
	local waiting
	local client = socket.udp_dial("127.0.0.1", port, function(data)
		answers[#answers + 1] = data
		skynet.wakeup(waiting)
	end)
	rounds(function(i, text)
		waiting = coroutine.running()
		socket.write(client, text)
		skynet.sleep(3000, waiting)
		print(i, answers[i])
	end)
	print("refused", pcall(socket.udp_connect, client, "::1", port))
	socket.close(client)
	socket.close(server)
end

function kinds.unix(path)
	local listener = socket.listen("unix:" .. path, 0)
	socket.start(listener, function(id)
		socket.start(id)
		echo(id)
	end)
	local id = assert(socket.open("unix:" .. path))
	rounds(function(i, text)
		socket.write(id, text .. "\n")
		print(i, socket.readline(id))
	end)
	for _, one in ipairs(socket.netstat()) do
		print(one.type, one.id, one.read, one.write)
	end
	socket.close(id)
	socket.close(listener)
end

function kinds.http()
	local http = require "reef.http.server"
	local httpc = require "http.httpc"
	local client = require("reef.http.client").new {}
	local server = http.listen("127.0.0.1:0", function(request)
		return 200, ("%s %s %s"):format(request.method, request.path, request:body()), { ["x-at"] = tostring(skynet.now()) }
	end)
	local host = "127.0.0.1:" .. server.port
	rounds(function(i, text)
		local header = {}
		local status, body = httpc.request("POST", host, "/" .. i, header, {}, text)
		print(status, body, header["x-at"], header.date)
		local response = client:request { url = ("http://%s/client/%d"):format(host, i) }
		print(response.status, response:body())
	end)
	client:close()
	server:close()
end

function kinds.websocket()
	local http = require "reef.http.server"
	local websocket = require "http.websocket"
	local server = http.listen("127.0.0.1:0", function(request)
		return request:websocket {
			message = function(id, data)
				websocket.write(id, "you said " .. data)
			end,
			close = function(_, code, reason)
				print("closed", code, reason)
			end,
		}
	end)
	local id = websocket.connect(("ws://127.0.0.1:%d/chat"):format(server.port))
	rounds(function(i, text)
		websocket.write(id, text)
		print(i, websocket.read(id))
	end)
	websocket.close(id, 4000, "enough")
	server:close()
end

-- Tables of others, as copies.
function kinds.sharetable()
	local sharetable = require "skynet.sharetable"
	sharetable.loadtable("own", { list = { 3, 1, 2 }, deep = { deeper = { "x", 1.5, true } } })
	local found = sharetable.query "own"
	print(found.list[1], #found.list, found.deep.deeper[1], found.deep.deeper[2], found.deep.deeper[3])
	print(sharetable.query "of another".random)
	print(sharetable.query "nobody's")
end

-- Names that are looked up by themselves.
function kinds.names(port)
	local dns = require "skynet.dns"
	local more = require "reef.dns"
	dns.server("127.0.0.1", tonumber(port))
	local _, all = dns.resolve "a.test"
	print("a", table.concat(all, " "), dns.resolve "a.test" == all[1])
	print("none", pcall(dns.resolve, "none.test"))
	print("localhost", (dns.resolve "localhost"))
	print("socket", socket.resolve("localhost")[1], pcall(socket.resolve, "nobody.invalid"))
	for _, found in ipairs(assert(more.srv("_x._tcp.a.test", "127.0.0.1:" .. port))) do
		print("srv", found.target, found.port)
	end
	local found, ttl = more.srv("_x._tcp.none.test", "127.0.0.1:" .. port)
	print("none", #found, ttl)
	local given_up = skynet.fork(function()
		dns.resolve "silent.test"
	end)
	skynet.sleep(1)
	skynet.killthread(given_up)
	print("b", (dns.resolve "b.test"))
end

-- Socket messages that the service dispatches by itself.
function kinds.raw()
	local driver = require "skynet.socketdriver"
	local queue, woken, events = {}, nil, {}
	local DATA <const> = 1
	skynet.register_protocol {
		name = "socket",
		id = skynet.PTYPE_SOCKET,
		unpack = driver.unpack,
		dispatch = function(_, _, what, id, ud, text)
			if what == DATA then
				queue[id] = queue[id] or driver.buffer()
				driver.push(queue[id], {}, text, ud)
			else
				events[#events + 1] = { what, id, ud, text }
				print("event", what, id, ud, type(text) == "string" and text or "")
			end
			if woken then
				skynet.wakeup(woken)
			end
		end,
	}
	local function wait_for(f)
		woken = coroutine.running()
		for _ = 1, 1000 do
			local found = f()
			if found then
				woken = nil
				return found
			end
			skynet.sleep(100, woken)
		end
		error "it has not come"
	end
	local function event(what, id)
		return wait_for(function()
			for _, e in ipairs(events) do
				if e[1] == what and e[2] == id then
					return e
				end
			end
		end)
	end
	local listener = driver.listen("127.0.0.1", 0)
	local port = event(2, listener)[3]
	driver.start(listener)
	local client = driver.connect("127.0.0.1", port)
	event(2, client)
	local other = event(4, listener)[3]
	driver.start(other)
	event(2, other)
	rounds(function(i, text)
		driver.send(client, text .. "\n")
		print(i, wait_for(function()
			return queue[other] and driver.readline(queue[other], {}, "\n")
		end))
	end)
	driver.close(client)
	event(3, other)
	driver.close(listener)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, what)
		if what == "quit" then
			skynet.retpack(true)
			skynet.exit()
		end
		skynet.retpack(pcall(kinds[kind], argument, second))
	end)
end)
