-- Sockets of a service: TCP, UDP and Unix, read by coroutines. Times are in hundredths of a second.
--
--     local id = assert(socket.open("127.0.0.1:7"))
--     socket.write(id, "hello\n")
--     print(socket.readline(id))
--     socket.close(id)
--
-- What is called for every packet is C (reef.socketcore). The rest is here: callbacks, errors as the API words them.
local checks = require "reef.options"
local skynet = require "skynet"
local core = require "reef.socketcore"

local OPEN <const> = { timeout = true, tls = true }

---@class skynet.socket
local socket = {
	read = core.read,
	readline = core.readline,
	readall = core.readall,
	block = core.block,
	write = core.write,
	lwrite = core.lwrite,
	header = core.header,
	pause = core.pause,
	limit = core.limit,
	invalid = core.invalid,
	disconnected = core.disconnected,
	shutdown = core.shutdown,
	close_fd = core.close_fd,
	resolve = core.resolve,
	netstat = core.netstat,
	sendto = core.udp_send,
	udp_address = core.udp_address,
}

-- Callbacks by socket id; they go when it is closed.
local accepted = {}
local closed = {}
local warned = {}
local received = {}

local function forget(id)
	accepted[id], closed[id], warned[id], received[id] = nil, nil, nil, nil
end

-- ---- what the C half reports; none of this may yield ----

local notice = {}

function notice.accept(id, newid, peer)
	local f = accepted[id]
	if f then
		skynet.fork(f, newid, peer)
	else
		core.close_fd(newid)
	end
end

function notice.udp(id, _, data, from)
	local f = received[id]
	if f then
		skynet.fork(f, data, from)
	else
		skynet.error(("socket: drop udp package from %d"):format(id))
	end
end

function notice.warning(id, kb)
	local f = warned[id]
	if f then
		skynet.fork(f, id, kb)
	elseif kb > 0 then
		skynet.error(("WARNING: %d K bytes need to send out (fd = %d)"):format(kb, id))
	end
end

-- The callback begins before readers hear of the end.
function notice.close(id)
	local f = closed[id]
	closed[id] = nil
	if f then
		skynet.fork(f, id)
	end
	skynet.fork(core.finish, id)
end

core.set_notify(function(what, id, ...)
	return notice[what](id, ...)
end)

-- ---- names ----

---Calls f(host, port) with the address, or, if it has a name, with what that resolves to, one by one until f succeeds.
---@return any result of f
---@return any more
local function each_address(f, host, port)
	local name, real_port = core.name(host, port)
	if name == nil then
		return f(host, port)
	end
	local ok, ips = pcall(core.resolve, name)
	if not ok then
		return nil, ips
	end
	local result
	for _, ip in ipairs(ips) do
		result = table.pack(f(ip, real_port))
		if result[1] then
			break
		end
	end
	return table.unpack(result, 1, result.n)
end

-- ---- connections ----

local function check_id(what, id)
	if not math.tointeger(id) then
		error(("bad argument #1 to '%s' (number expected, got %s)"):format(what, type(id)))
	end
end

local function check_address(what, addr, argument)
	if type(addr) ~= "string" then
		error(("bad argument #%d to '%s' (string expected, got %s)"):format(argument or 1, what, type(addr)))
	end
end

local function check_port(port, least, wrong)
	local number = math.tointeger(tonumber(port))
	if port ~= nil and not (number and number >= least and number <= 65535) then
		error(wrong)
	end
	return number
end

---Connects. `addr` is a host, or "host:port", "[v6]:port", "unix:PATH" or "/PATH" without a port.
---@param addr string
---@param port integer|nil
---@param options table|number|nil `timeout` in 1/100 s, for resolving, connecting and TLS together (default 3000);
---                              `tls`: true, or the options of reef.tls
---@return integer|nil id
---@return string|nil err
function socket.open(addr, port, options)
	local timeout, tls = options, nil
	check_address("open", addr)
	if type(options) == "table" then
		checks.check("socket.open", options, OPEN)
		timeout, tls = options.timeout, options.tls
	end
	port = check_port(port, 1, "Invalid port")
	if port == nil and type(addr) == "string" and addr:match ":0+$" then
		error("Invalid port")
	end
	if not tls then
		return core.open(addr, port, timeout)
	end
	local target, err = require "reef.tls".target(tls, addr, port)
	if not target then
		return nil, err
	end
	return core.open(addr, port, timeout, target)
end

---Binds and listens; connections come after socket.start.
---@param addr string
---@param port integer|nil
---@param backlog integer|nil
---@param target userdata|nil  of reef.tls.listen
---@return integer id
---@return string ip the real one; a Unix socket's path
---@return integer port the real one; 0 of a Unix socket
function socket.listen(addr, port, backlog, target)
	check_address("listen", addr)
	port = check_port(port, 0, "Invalid port " .. tostring(port))
	local id, ip, real_port = each_address(function(host, number)
		return core.listen(host, number, backlog, target)
	end, addr, port)
	if id == nil then
		if ip:match "^Invalid" then
			error(ip)
		end
		error(("%s%s: %s: Listen error"):format(addr, port and ":" .. port or "", ip))
	end
	return id, ip, real_port
end

---Begins to accept (`callback(id, peer)` in a coroutine for each), or takes a connection over and begins to read.
---@param id integer
---@param callback function|nil
---@return integer|nil id
---@return string|nil err
function socket.start(id, callback)
	check_id("start", id)
	if closed[id] ~= nil then
		error("onclose is still set")
	end
	accepted[id] = callback
	local ok, err = core.start(id)
	if not ok then
		forget(id)
	end
	return ok, err
end

---@param fd integer descriptor of the process, never closed here
---@return integer|nil id
---@return string|nil err
function socket.bind(fd)
	return core.bind(fd)
end

---@return integer|nil id
---@return string|nil err
function socket.stdin()
	return core.bind(0)
end

---Lets go of a socket without closing it, for another service to start.
---@param id integer
function socket.abandon(id)
	check_id("abandon", id)
	forget(id)
	core.abandon(id)
end

---Closes: unsent output is flushed in the background; comes back when whoever reads has got what was left.
---@param id integer
function socket.close(id)
	check_id("close", id)
	core.close(id)
	core.forget(id)
	forget(id)
end

---How long a closed socket may take to flush.
---@param id integer
---@param cs number 1/100 s; default 6000 (config socket_linger)
function socket.linger(id, cs)
	check_id("linger", id)
	core.linger(id, cs)
end

---@param id integer
---@param callback function|nil called once with the id when the connection ends, before readers go on
function socket.onclose(id, callback)
	check_id("onclose", id)
	closed[id] = not core.invalid(id) and callback or nil
	core.notify_close(id, callback ~= nil)
end

---@param id integer
---@param callback function|nil callback(id, kb) when 1 MiB, 2 MiB ... are unsent, and with 0 when all is sent
function socket.warning(id, callback)
	check_id("warning", id)
	warned[id] = not core.invalid(id) and callback or nil
end

-- ---- UDP ----

local function check_udp(id, err, what)
	if id == nil then
		error(("%s: %s"):format(err, what))
	end
	return id
end

---A socket bound to host and port, or an unbound IPv4 one.
---@param callback function callback(data, from)
---@param host string|nil
---@param port integer|nil
---@return integer id
function socket.udp(callback, host, port)
	local id, err
	if host then
		check_address("udp", host, 2)
		id, err = each_address(core.udp_open, host, port)
	else
		id, err = core.udp_open()
	end
	check_udp(id, err, "udp init failed")
	received[id] = callback
	return id
end

---@param host string
---@param port integer
---@param callback function callback(data, from)
---@return integer id
function socket.udp_listen(host, port, callback)
	check_address("udp_listen", host)
	if port == 0 then
		error("udp listen host failed")
	end
	local id, err = each_address(core.udp_open, host, port)
	check_udp(id, err, "udp listen host failed")
	received[id] = callback
	return id
end

---@param host string
---@param port integer
---@param callback function callback(data, from)
---@return integer id unbound, with that default destination
function socket.udp_dial(host, port, callback)
	check_address("udp_dial", host)
	local id, err = each_address(core.udp_dial, host, port)
	check_udp(id, err, "udp dial host failed")
	received[id] = callback
	return id
end

---Sets the default destination, so that socket.write works.
---@param id integer
---@param host string
---@param port integer
---@param callback function|nil
function socket.udp_connect(id, host, port, callback)
	check_id("udp_connect", id)
	check_address("udp_connect", host, 2)
	local ok, err = each_address(function(ip, number)
		return core.udp_connect(id, ip, number)
	end, host, port)
	if not ok then
		error(("%s: udp connect failed"):format(err))
	end
	if callback then
		received[id] = callback
	end
end

return socket
