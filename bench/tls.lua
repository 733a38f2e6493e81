-- Echo within one process, with TLS and without: both ends are ours.
local bench = require "bench"
local skynet = require "skynet"
local socket = require "skynet.socket"
local tls = require "reef.tls"

local CONNECTIONS = 100

local function echo(id)
	socket.start(id)
	while true do
		local data = socket.read(id)
		if not data then
			break
		end
		socket.write(id, data)
	end
	socket.close(id)
end

local function run(name, listener, port, size, each, options)
	socket.start(listener, echo)
	local ids, data = {}, ("x"):rep(size)
	for i = 1, CONNECTIONS do
		ids[i] = assert(socket.open("localhost", port, { tls = options }))
	end
	local function work(n)
		bench.together(CONNECTIONS, function(i)
			for _ = 1, n do
				socket.write(ids[i], data)
				socket.read(ids[i], size)
			end
		end)
	end
	work(each // 10)
	bench.measure(("%s_%d"):format(name, size), each * CONNECTIONS, function()
		work(each)
	end)
	for i = 1, CONNECTIONS do
		socket.close(ids[i])
	end
	socket.close(listener)
end

bench.main(function()
	local ca, cert = os.getenv "TLS_CA", os.getenv "TLS_CERT"
	local options = { ca_file = ca }
	for size, each in pairs { [64] = 1000, [65536] = 50 } do
		local listener, _, port = socket.listen("127.0.0.1", 0)
		run("echo_plain", listener, port, size, each)
		listener, _, port = tls.listen("127.0.0.1", 0, { cert_file = cert, key_file = os.getenv "TLS_KEY" })
		run("echo_tls", listener, port, size, each, options)
	end
	local listener, _, port = tls.listen("127.0.0.1", 0, { cert_file = cert, key_file = os.getenv "TLS_KEY" })
	socket.start(listener, function(id)
		tls.start(id)
		socket.close(id)
	end)
	local function handshakes(name, more)
		bench.measure(name, 300, function()
			for _ = 1, 300 do
				local id = assert(tls.connect("localhost", port, more))
				socket.readall(id)
				socket.close(id)
			end
		end)
	end
	handshakes("handshake_resumed", options)
	skynet.sleep(1)
	bench.measure("handshake_full", 300, function()
		for _ = 1, 300 do
			tls.reload() -- forgets sessions
			local id = assert(tls.connect("localhost", port, options))
			socket.readall(id)
			socket.close(id)
		end
	end)
end)
