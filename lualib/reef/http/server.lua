-- An HTTP/1.1 server: connections that are kept, requests that are pipelined, bodies of any size, limits and deadlines
-- on all of it.
--
--     local http = require "reef.http.server"
--     http.listen("0.0.0.0:8080", function(request)
--         return 200, "hello " .. request.path .. "\n", { ["content-type"] = "text/plain" }
--     end)
--
-- A handler answers status, body and fields. A body is a string, or a function that gives pieces until nil, which
-- fields to send behind the body may follow. Each
-- connection has a coroutine; its requests are handled one after the other.
local deadline = require "reef.http.deadline"
local options_check = require "reef.options".check
local reader = require "reef.http.reader"
local request_meta = require "reef.http.request".meta
local respond = require "reef.http.respond"
local skynet = require "skynet"
local socket = require "reef.socket"
local tls = require "reef.tls"
local writer = require "reef.http.writer"

local server = {}

---Defaults; times in 1/100 s.
---@class reef.http.server.options
server.defaults = {
	head_limit = 16 * 1024,        -- bytes of the request line and the fields
	fields_limit = 100,
	body_limit = 8 * 1024 * 1024,  -- bytes
	head_timeout = 1000,           -- for the head, from its first byte, or from the connect
	body_timeout = 3000,           -- for each piece of the body
	request_timeout = 30000,       -- for the whole request to arrive
	idle_timeout = 6000,           -- between two requests
	write_timeout = 6000,          -- for a client to take what fills its buffer
	max_connections = 10000,
	requests = 100000,             -- on one connection
	backlog = 512,
}

local known_options = { tls = true, refuse = true }
for name in pairs(server.defaults) do
	known_options[name] = true
end

local DRAINED = 64 * 1024  -- bytes of a body that nobody read and that are worth less than a new connection
local LINGER = 200         -- 1/100 s that a refused client may go on sending, so that it sees the answer,
local QUIET = 10           -- and after which one that sends nothing has seen it

---------------------------------------------------------------------------------------------------------------------
-- a connection

---@class reef.http.connection
local connection = {}
connection.__index = connection

-- Nothing came, or nothing was taken, in time. If it is the handler that takes its time, that is its own affair.
local function late(self)
	self.idle_since = nil
	if not self.waits then
		return
	end
	self.over = "timeout"
	local status, body, fields
	if self.phase == "head" and self.reader.begun then
		status, body, fields = self.server.refuse(408, "the request does not come to its end")
	end
	if status then
		socket.write(self.id, writer.message(writer.status_line(status), fields, body, #body, "connection: close\r\n"))
		socket.linger(self.id, LINGER)
		skynet.fork(socket.close, self.id)
		return
	end
	socket.shutdown(self.id)
end

-- A deadline other than the one between two requests, which stays if the next one comes in the same instant.
local function set(self, cs)
	self.idle_since, self.now = nil, nil
	deadline.set(self, cs, late)
end

local function unset(self)
	self.idle_since, self.now = nil, nil
	deadline.clear(self)
end

function connection:read()
	local phase = self.phase
	if phase == "first" then
		-- Most heads come in one piece: only others need a deadline.
		self.phase = "head"
		set(self, self.server.head_timeout)
	elseif phase == "body" then
		local left = self.ends - skynet.now()
		local timeout = self.server.body_timeout
		set(self, left < timeout and left or timeout)
	end
	self.waits = true
	local bytes = socket.read(self.id)
	self.waits = false
	if bytes and self.phase == "idle" then
		self.phase = "first"
	end
	return bytes
end

---Waits while the client takes nothing.
function connection:wait_for_room()
	while self.congested do
		set(self, self.server.write_timeout)
		self.waiting, self.waits = coroutine.running(), true
		skynet.wait(self.waiting)
		self.waits = false
		unset(self)
	end
	if self.over then
		reader.fail(nil, "the client has gone")
	end
end

local function has_room(self)
	self.congested = false
	local waiting = self.waiting
	if waiting then
		self.waiting = nil
		skynet.wakeup(waiting)
	end
end

local NOBODY = { method = "GET", version = "1.1" } -- the request that could not be read

local function plain_refusal(status, reason)
	return status, reason .. "\n", { ["content-type"] = "text/plain; charset=utf-8" }
end

-- Answers what cannot be served, and lets the client see that before the connection ends.
local function refuse(self, status, reason)
	if self.answered then
		return
	end
	local body, fields
	status, body, fields = self.server.refuse(status, reason)
	if not status then
		return
	end
	respond(self, NOBODY, status, body, fields, false)
	self.phase, self.waits = "end", true
	local ends = skynet.now() + LINGER
	repeat
		set(self, QUIET)
	until not socket.read(self.id) or skynet.now() >= ends
end

-- The rest of a body that the handler did not want. False: it is too much.
local function drain(self, req)
	local r = self.reader
	if r.done then
		return true
	elseif req.expected then
		return false
	end
	local bytes = 0
	while bytes <= DRAINED do
		local piece = r:piece()
		if not piece then
			return true
		end
		bytes = bytes + #piece
	end
	return false
end

local function traced(err)
	return reader.failure(err) or debug.traceback(tostring(err))
end

local function handle(self, req)
	local ok, status, body, header = xpcall(self.server.handler, traced, req)
	if ok then
		return status, body, header
	elseif reader.failure(status) then
		error(status)
	end
	skynet.error(("http: %s %s: %s"):format(req.method, req.path, status))
	return 500, "Internal Server Error\n", { ["content-type"] = "text/plain; charset=utf-8" }
end

-- One request. True: another may follow.
local function exchange(self, left)
	local r, options = self.reader, self.server
	local has_body = false
	local method, target, header, body_there, minor, keep = r:whole()
	if not method then
		method, target, header, minor, keep, has_body = r:head()
	end
	if not method then
		return false
	elseif minor == 1 and not header.host then
		reader.fail(400, "the field Host is missing")
	end
	local req = setmetatable({
		method = method, url = target, header = header, version = minor == 1 and "1.1" or "1.0", connection = self,
	}, request_meta)
	local expect = minor == 1 and header.expect
	if expect then
		if type(expect) ~= "string" or expect:lower() ~= "100-continue" then
			reader.fail(417, "this expectation cannot be met")
		end
		req.expected = has_body
	end
	if body_there then
		if body_there ~= "" then
			r.left = body_there
		end
		self.phase = "handler"
	elseif has_body then
		unset(self)
		self.phase, self.ends = "body", skynet.now() + options.request_timeout
	else
		if not r.done then
			r:body()
		end
		self.phase = "handler"
	end
	self.answered = false
	local status, body, fields = handle(self, req)
	if self.taken then
		return false
	elseif (math.tointeger(status) or 0) < 200 then -- nothing would follow an interim one
		skynet.error(("http: %s %s: the handler answered no status but %s"):format(method, req.path, tostring(status)))
		status, body, fields = 500, "Internal Server Error\n", nil
	end
	keep = keep and left > 0 and not self.server.closed and method ~= "CONNECT"
		and (r.done or not req.expected)
	local ok, result = pcall(respond, self, req, status, body, fields, keep)
	if not ok then
		if self.answered or reader.failure(result) then
			error(result)
		end
		skynet.error(("http: %s %s: %s"):format(method, req.path, tostring(result)))
		keep = respond(self, req, 500, "Internal Server Error\n", nil, keep)
	else
		keep = result
	end
	if not keep or (not r.done and not drain(self, req)) then
		return false
	end
	if self.congested then
		self:wait_for_room()
	end
	return true
end

local function serve(self)
	local left = self.server.requests
	set(self, self.server.head_timeout)
	self.phase = self.reader.bytes == "" and "idle" or "head"
	while true do
		left = left - 1
		if not exchange(self, left) then
			return
		end
		local r = self.reader
		r:next()
		if r.begun then
			self.phase = "head"
			set(self, self.server.head_timeout)
		else
			self.phase = "idle"
			local now = self.now
			if not now or self.idle_since ~= now then
				deadline.set(self, self.server.idle_timeout, late, now)
				self.idle_since = now
			end
		end
	end
end

local function run(self)
	local ok, err = xpcall(serve, traced, self)
	if not ok and not self.over then
		local failure = reader.failure(err)
		if not failure then
			skynet.error("http: " .. tostring(err))
		elseif failure.status then
			pcall(refuse, self, failure.status, failure.reason)
		end
	end
	unset(self)
end

---------------------------------------------------------------------------------------------------------------------
-- listening

---@class reef.http.server
local methods = {}
methods.__index = methods

-- A connection that has been started, until it ends.
local function attend(self, id, peer, first)
	local conn = setmetatable({ id = id, peer = peer, server = self, tls = self.tls, congested = false }, connection)
	self.connections[conn] = true
	conn.reader = reader.new(function()
		return conn:read()
	end, false, self.limits)
	conn.reader.bytes = first or ""
	socket.warning(id, function(_, kb)
		if kb > 0 then
			conn.congested = true
		else
			has_room(conn)
		end
	end)
	socket.onclose(id, function()
		has_room(conn)
	end)
	run(conn)
	self.connections[conn] = nil
	socket.close(id)
end

local function accept(self, id, peer)
	if self.count >= self.max_connections then
		self.refused = self.refused + 1
		socket.close_fd(id)
		return
	end
	self.count = self.count + 1
	if self.tls and tls.start(id) or not self.tls and socket.start(id) then
		attend(self, id, peer)
	end
	self.count = self.count - 1
end

---A server that does not listen; see serve.
---@param handler fun(request: reef.http.request): integer, string|function|nil, table|nil
---@param options reef.http.server.options|nil  and `refuse(status, reason)`: how a request is answered that is none
---                                             (status, body, fields; nil: by the end of the connection alone)
---@return reef.http.server
function server.new(handler, options)
	if handler == nil then
		error("http: a server needs a handler", 3)
	end
	local self = setmetatable({ handler = handler, connections = {}, count = 0, refused = 0 }, methods)
	for name, default in pairs(server.defaults) do
		self[name] = default
	end
	self.refuse = plain_refusal
	options_check("http: server", options, known_options, 3)
	for name, value in pairs(options or {}) do
		if server.defaults[name] and (type(value) ~= "number" or value < 0) then
			error(("http: the option %s has to be a number"):format(name), 3)
		end
		self[name] = value
	end
	self.limits = { head = self.head_limit, fields = self.fields_limit, body = self.body_limit }
	return self
end

---Serves a connection that has been started, until it ends; then it is closed.
---@param id integer
---@param peer string
---@param first string|nil  what has been read of it
function methods:serve(id, peer, first)
	self.count = self.count + 1
	attend(self, id, peer, first)
	self.count = self.count - 1
end

---Listens and serves, in the service that calls it.
---@param address string  "host:port"
---@param handler fun(request: reef.http.request): integer, string|function|nil, table|nil
---@param options reef.http.server.options|nil  and `tls`, options of reef.tls.listen
---@return reef.http.server  with `ip` and `port`, the real ones
function server.listen(address, handler, options)
	local self = server.new(handler, options)
	if self.tls then
		self.id, self.ip, self.port = tls.listen(address, nil, self.tls, self.backlog)
	else
		self.id, self.ip, self.port = socket.listen(address, nil, self.backlog)
	end
	socket.start(self.id, function(id, peer)
		accept(self, id, peer)
	end)
	return self
end

---Stops to listen. Connections end after the request that they are at; those that wait for one end now.
function methods:close()
	self.closed = true
	if self.id then
		socket.close(self.id)
	end
	for conn in pairs(self.connections) do
		if conn.phase == "idle" then
			socket.shutdown(conn.id)
		end
	end
end

return server
