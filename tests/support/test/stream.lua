-- Connections that a test of sockets opens: a listener, and both ends of a connection. Closed with the case.
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

---@class test.stream
local stream = {}

---A listener on a free port that is closed with the case; `serve(id, peer)` runs for each started connection.
function stream.listen(serve, host)
	local id, ip, port = socket.listen(host or "127.0.0.1", 0)
	socket.start(id, function(newid, peer)
		test.equal(socket.start(newid), newid)
		serve(newid, peer)
	end)
	test.defer(socket.close, id)
	return port, ip, id
end

---Both ends of a fresh connection: what connected, what accepted.
function stream.pair()
	local accepted, token = nil, {}
	local port = stream.listen(function(id)
		accepted = id
		skynet.wakeup(token)
	end)
	local id = assert(socket.open("127.0.0.1", port))
	if not accepted then
		skynet.wait(token)
	end
	test.defer(function()
		socket.close(id)
		socket.close(accepted)
	end)
	return id, accepted
end

---Writes bytes in pieces, as long as somebody takes them.
---@param id integer of a socket
---@param bytes string
---@param whole integer one piece of so many is all that is left
---@param most integer bytes of the others
function stream.write_cut(id, bytes, whole, most)
	local at = 1
	while at <= #bytes and not socket.invalid(id) do
		local n = math.random(whole) == 1 and #bytes or math.random(1, most)
		if not socket.write(id, bytes:sub(at, at + n - 1)) then
			break
		end
		at = at + n
		skynet.sleep(0)
	end
end

return stream
