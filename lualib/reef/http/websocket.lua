-- WebSocket (RFC 6455), both ends. Times are in hundredths of a second. The server's:
--
--     socket.start(listener, function(id, addr)
--         websocket.accept(id, { message = function(id, data, kind) websocket.write(id, data, kind) end }, "ws", addr)
--     end)
--
-- and the client's:
--
--     local id = websocket.connect "ws://127.0.0.1:8080/chat"
--     websocket.write(id, "hello")
--     print(websocket.read(id))
local busy = require "reef.http.busy"
local connect = require "reef.http.connect"
local deadline = require "reef.http.deadline"
local deflate = require "reef.http.deflate"
local frames = require "reef.http.frames"
local handshake = require "reef.http.handshake"
local host = require "reef.http.host"
local reader = require "reef.http.reader"
local shown = require "reef.base.shown"
local skynet = require "skynet"
local socket = require "reef.socket"
local socket_error = require "reef.http.stream".socket_error
local tls = require "reef.tls"
local link = require "reef.http.websocket_link"
local writer = require "reef.http.writer"

local find, finish, note, open, receive, shut = link.find, link.finish, link.note, link.open, link.receive, link.shut
local frames_of, next_message, send = link.frames_of, frames.receive, frames.send

local websocket = link.settings

local LIMITS = { head = 8 * 1024, fields = 100, body = 64 * 1024 }
-- One by one: of several in a line, the compiler takes the last for a constant only.
local TEXT <const> = 1
local BINARY <const> = 2
local CLOSE <const> = 8
local PING <const> = 9
local PONG <const> = 10
local kinds = { text = TEXT, binary = BINARY }

-- ---- servers ----

local function read_upgrade(id)
	local r = reader.new(function()
		return socket.read(id)
	end, false, LIMITS)
	local owner = { id = id }
	deadline.set(owner, websocket.handshake_timeout, shut)
	local ok, method, target, header, minor = pcall(r.head, r)
	if ok and method then
		ok, method = pcall(function()
			r:body()
			return method
		end)
	end
	deadline.clear(owner)
	if not ok then
		local failure = reader.failure(method)
		if failure and failure.status then
			local _, bytes = handshake.refuse(failure.status, failure.reason)
			socket.write(id, bytes)
		end
		return nil, tostring(method)
	elseif not method then
		return nil, tostring(socket_error)
	end
	return { method = method, url = target, header = header, version = minor == 1 and "1.1" or "1.0", rest = r:rest() }
end

local function begin(id, protocol)
	if protocol == "wss" then
		return tls.accept(id, {
			cert_file = skynet.getenv "certfile" or "./server-cert.pem",
			key_file = skynet.getenv "keyfile" or "./server-key.pem",
		})
	end
	return socket.start(id)
end

local function call(ws, name, ...)
	local f = ws.handle[name]
	if f then
		return f(...)
	end
end

local function ended(ws, broken)
	if ws.closing and not broken then
		call(ws, "close", ws.id)
		return true
	end
	call(ws, "error", ws.id)
	if ws.late then
		return false, "the peer is silent"
	end
	return false, broken and "websocket: the peer broke the protocol's rules" or tostring(socket_error)
end

local function serve(ws)
	local id, handle, f = ws.id, ws.handle, ws.frames
	while true do
		local opcode, bytes, code = next_message(f)
		if opcode == TEXT or opcode == BINARY then
			local message = handle.message
			if message then
				message(id, bytes, opcode == TEXT and "text" or "binary")
			end
		elseif not opcode then
			return ended(ws, opcode == false)
		else
			note(ws, opcode)
			if opcode == PING then
				call(ws, "ping", id)
			elseif opcode == PONG then
				call(ws, "pong", id)
			elseif code ~= 0 then
				call(ws, "close", id, code, bytes:sub(3))
				return true
			else
				call(ws, "close", id)
				return true
			end
		end
	end
end

-- To be closed with the coroutine that has the connection, however that ends.
local function with_its_coroutine(ws)
	ws.busy, ws.finish = true, finish
	return setmetatable(ws, busy)
end

local function accepted(id, handle, protocol, addr, options)
	local upgrade, err = options and options.upgrade, nil
	if not upgrade then
		local ok
		ok, err = begin(id, protocol)
		if not ok then
			return false, err
		end
	end
	local ws = open(id, true, options)
	ws.handle, ws.addr, ws.header = handle, addr or "", {}
	local _ <close> = with_its_coroutine(ws)
	local ok, result, why = xpcall(function()
		call(ws, "connect", id)
		if not upgrade then
			upgrade, err = read_upgrade(id)
			if not upgrade then
				return false, err
			end
		end
		local extensions, agreed
		if ws.deflate then
			extensions, agreed = deflate.answer(upgrade.header["sec-websocket-extensions"], ws.deflate)
		end
		local good, bytes, reason = handshake.answer(upgrade.method, upgrade.header, extensions, upgrade.version)
		socket.write(id, bytes)
		if not good then
			return false, reason
		end
		ws.header = upgrade.header
		link.begin_frames(ws, agreed, upgrade.rest)
		link.watch(ws)
		call(ws, "handshake", id, upgrade.header, upgrade.url)
		return serve(ws)
	end, debug.traceback)
	if not ok then
		skynet.error("websocket: " .. tostring(result))
		return false, result
	end
	return result, why
end

---Serves a connection until it ends.
---@param id integer  accepted and not started; with options.upgrade: started
---@param handle table  functions, all optional: connect(id), handshake(id, header, url), message(id, data, kind),
---                     ping(id), pong(id), close(id, code, reason), error(id), warning(connection, kb)
---@param protocol "ws"|"wss"|nil  wss: with the certificate of `certfile` and `keyfile` in the configuration
---@param addr string|nil  for addrinfo
---@param options table|nil  upgrade = {header, method, url}: a request that has been read; max_message,
---                           idle_timeout, deflate
---@return boolean ok  it was closed in order
---@return any err
function websocket.accept(id, handle, protocol, addr, options)
	protocol = protocol or "ws"
	if protocol ~= "ws" and protocol ~= "wss" then
		error(("websocket: not support protocol %s"):format(tostring(protocol)))
	end
	return accepted(id, handle, protocol, addr, options)
end

-- ---- clients ----

local function shake(ws, target, path, header)
	header = handshake.without_own(header)
	local key = handshake.key()
	local more = ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		.. "Sec-WebSocket-Key: %s\r\n"):format(key)
	if ws.deflate then
		more = ("%sSec-WebSocket-Extensions: %s\r\n"):format(more, deflate.offer(ws.deflate))
	end
	if writer.find(header, "host") == nil then
		more = ("Host: %s\r\n%s"):format(target.host, more)
	end
	writer.send(("GET %s HTTP/1.1\r\n"):format(path), header, nil, nil, more, ws.id, true, true)
	local r = reader.new(function()
		return socket.read(ws.id)
	end, true, LIMITS)
	local status, _, fields = r:head()
	if not status then
		error(socket_error)
	end
	local fault = handshake.fault(status, fields, key, writer.find(header, "sec-websocket-protocol"))
	if fault then
		error("websocket: " .. fault, 0)
	end
	local agreed
	agreed, fault = deflate.accepted(fields["sec-websocket-extensions"], ws.deflate)
	if fault then
		error("websocket: " .. fault, 0)
	end
	ws.header = fields
	link.begin_frames(ws, agreed, r:rest())
end

---Connects, or raises. wss verifies the server (httpc.tls says how).
---@param url string  ws://... or wss://...
---@param header table|nil  more fields
---@param timeout number|nil  1/100 s, for connecting and again for the handshake
---@param options table|nil  max_message, idle_timeout, deflate
---@return integer id
function websocket.connect(url, header, timeout, options)
	if type(url) ~= "string" then
		error(("websocket.connect: the address is a %s, not a string"):format(type(url)))
	end
	local scheme, authority, path = url:match "^(%a+)://([^/?#]*)([^#]*)"
	if scheme ~= "ws" and scheme ~= "wss" then
		error(("websocket: %q is no address; they begin with ws:// or wss://"):format(shown(url)))
	elseif path:find "[%s%c]" then
		error(("websocket: the path of %q has spaces or control characters"):format(shown(url)))
	end
	local target = host.parse(scheme .. "://" .. authority)
	local id = connect.open(target, { timeout = timeout, proxy_tls = connect.client.proxy_tls,
		proxy = connect.proxy(connect.proxy_for(connect.client.proxy, connect.client.no_proxy, target)) })
	local ws = open(id, false, options)
	ws.addr = authority
	deadline.set(ws, timeout or websocket.handshake_timeout, shut)
	path = path:sub(1, 1) == "/" and path or "/" .. path
	local opening <close> = with_its_coroutine(ws)
	local ok, err = pcall(shake, ws, target, path, header)
	if not ok then
		error(ws.late and ("websocket: %s: the server did not answer in time"):format(authority) or err, 0)
	end
	opening.busy = false
	deadline.clear(ws)
	link.watch(ws)
	return id
end

---The next message of a client.
---@param id integer
---@return string|false data  false: the connection is over
---@return string|nil payload  of the peer's close: its code in two bytes, and its reason
function websocket.read(id)
	local ws = find(id)
	local _ <close> = ws.no_reader
	while true do
		ws.reading = true
		local opcode, bytes = receive(ws)
		if not opcode then
			finish(ws)
			return false
		elseif opcode == CLOSE then
			finish(ws)
			return false, bytes
		elseif opcode == TEXT or opcode == BINARY then
			return bytes
		end
	end
end

-- ---- both ----

---@param id integer
---@param data string
---@param kind "text"|"binary"|nil  default "text"
---@param mask integer|nil  of a client's frame, in the place of a random one
---@return boolean  false: it is closed or closing
function websocket.write(id, data, kind, mask)
	local f, opcode = frames_of[id], kinds[kind or "text"]
	if f and opcode then
		return send(f, opcode, data, mask)
	elseif not opcode then
		error(("websocket: %q is no kind of message"):format(tostring(kind)))
	end
	find(id)
	return false
end

---@param id integer
---@return boolean
function websocket.ping(id)
	local ws = find(id)
	return ws.frames ~= nil and ws.frames:send(PING, "")
end

---Says goodbye. Whoever reads hears of the end when the peer has answered, or has not in three seconds. A client that
---nobody reads is waited for here.
---@param id integer
---@param code integer|nil
---@param reason string|nil
function websocket.close(id, code, reason)
	local ws = link.all[id]
	if not ws or ws.over then
		return
	end
	if not ws.closing then
		if ws.frames then
			ws.frames:close(code or 0, code and reason or "")
		end
		ws.closing = true
		link.watch(ws)
	end
	if ws.handle or ws.reading then
		return
	end
	local _ <close> = with_its_coroutine(ws)
	repeat
		local opcode = receive(ws)
	until not opcode or opcode == CLOSE
end

---@param id integer
---@return string
function websocket.addrinfo(id)
	return find(id).addr
end

---What a proxy in front says of the client's address (X-Real-IP).
---@param id integer
---@return string|nil
function websocket.real_ip(id)
	return find(id).header["x-real-ip"]
end

---@param id integer
---@return boolean
function websocket.is_close(id)
	local ws = link.all[id]
	return ws == nil or ws.over or ws.closing
end

return websocket
