-- A connection of reef.http.server: requests come, the handler answers, one after the other.
--
-- Most requests come in one piece and are answered with a string. That way is short: `serve`, and nothing else.
-- Whatever is otherwise (pieces, Expect, no Host, failures) goes through functions of its own.
local core = require "reef.http.core"
local deadline = require "reef.http.deadline"
local reader = require "reef.http.reader"
local request_meta = require "reef.http.request".meta
local respond = require "reef.http.respond"
local skynet = require "skynet"
local socket = require "reef.socket"
local writer = require "reef.http.writer"

local answer, next_request = core.answer, core.methods.request
local lines = writer.with_body

local DRAINED = 64 * 1024  -- bytes of a body that nobody read and that are worth less than a new connection
local LINGER = 200         -- 1/100 s that a refused client may go on sending, so that it sees the answer,
local QUIET = 10           -- and after which one that sends nothing has seen it

---@class reef.http.connection
---@field id integer
---@field peer string
---@field server reef.http.server
---@field reader reef.http.reader
---@field phase "idle"|"head"|"body"|"handler"|"end"  of a request that goes the short way: idle
---@field request reef.http.request|nil  while the handler has it
---@field keep boolean  another request may follow that one
---@field waits boolean  for the client, while the handler has the request
---@field answered boolean  nothing can be answered any more: an answer has begun and not ended, or has been all
---@field taken boolean  another protocol has taken over
---@field over string|nil  why it has been ended
---@field congested boolean  the client takes nothing
local connection = {}
connection.__index = connection

-- Nothing came, or nothing was taken, in time. If it is the handler that takes its time, that is its own affair.
local function late(self)
	self.idle_since = nil
	if self.request and not self.waits then
		return
	end
	self.over = "timeout"
	local status, body, fields
	if self.phase == "head" and self.reader.begun then
		status, body, fields = self.server.refuse(408, "the request does not come to its end")
	end
	if status then
		writer.send(writer.status_line(status), fields, body, #body, "connection: close\r\n", self.id)
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
	if phase == "body" then
		local left = self.ends - skynet.now()
		local timeout = self.server.body_timeout
		set(self, left < timeout and left or timeout)
	end
	self.waits = true
	local bytes = socket.read(self.id)
	self.waits = false
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

-- What a request says of itself that the server has to know.
local function look_at(req, has_body)
	local header = req.header
	if not header.host then
		reader.fail(400, "the field Host is missing")
	end
	local expect = header.expect
	if not expect then
		return
	elseif type(expect) ~= "string" or expect:lower() ~= "100-continue" then
		reader.fail(417, "this expectation cannot be met")
	end
	req.expected = has_body
end

-- A request that goes the long way, as far as it has come, and whether another may follow; nothing: there is none.
local function long_way(self, method, target, header, body, minor, keep)
	local r, has_body = self.reader, false
	if not method then
		if r.begun then
			self.phase = "head"
			set(self, self.server.head_timeout)
		end
		method, target, header, minor, keep, has_body = r:head()
		if not method then
			return nil
		end
	elseif body ~= "" then
		r.left = body
	end
	local req = setmetatable({ method = method, url = target, header = header, connection = self,
		version = minor == 1 and "1.1" or "1.0" }, request_meta)
	if minor == 1 then
		look_at(req, has_body)
	end
	if has_body then
		unset(self)
		self.phase, self.ends = "body", skynet.now() + self.server.request_timeout
	else
		if not r.done then
			r:body()
		end
		self.phase = "handler"
	end
	return req, keep
end

-- The next request where something of it has been read already.
local function next_of_rest(self)
	local r = self.reader
	r:next()
	self.phase = "head"
	set(self, self.server.head_timeout)
	return long_way(self, r:whole())
end

-- What is left to be done when the answer has been sent. False: that is too much.
local function clear_up(self, req)
	if not self.reader.done then
		self.answered = true
		if not drain(self, req) then
			return false
		end
	end
	if self.congested then
		self:wait_for_room()
	end
	self.answered, self.phase = false, "idle"
	return true
end

-- The time for the next request begins, if it has not begun in the same instant.
local function await_next(self, now)
	if not now or self.idle_since ~= now then
		deadline.set(self, self.server.idle_timeout, late, now)
		self.idle_since = now
	end
end

-- Answers what is not plain. Whether another request may follow.
local function finish(self, req, again, status, body, fields)
	again = respond(self, req, status, body, fields, again and (self.reader.done or not req.expected))
	self.request = nil
	if not again or (self.phase ~= "idle" or self.congested) and not clear_up(self, req) then
		return false
	end
	await_next(self, self.now)
	return true
end

-- A plain request is answered by a string, and its connection goes on.
local function serve(self)
	local r, options, id = self.reader, self.server, self.id
	local parser, handler = r.parser, options.handler
	while true do
		local req, plain, again
		if r.at > #r.bytes then
			local body, minor, keep, begun
			req, plain, body, again, begun, minor, keep = next_request(parser, id)
			if req then
				r.left = body
			else
				local method, target, header = plain, body, again
				r:came(method, target, header)
				plain = false
				req, again = long_way(self, method, target, header, begun, minor, keep)
			end
		else
			req, again = next_of_rest(self)
		end
		if not req then
			return
		end
		local left = self.left - 1
		self.left, self.request = left, req
		if not plain or left <= 0 or options.closed then
			plain = false
			again = again and left > 0 and not options.closed and req.method ~= "CONNECT"
			self.keep = again
		end
		local status, body, fields = handler(req)
		if self.taken then
			return
		end
		local now, closes
		if plain then
			now, closes = answer(lines[status], fields, body, id)
		end
		if not now then
			if not finish(self, req, again, status, body, fields) then
				return
			end
		else
			self.request = nil
			if closes or self.congested and not clear_up(self, req) then
				return
			elseif self.idle_since ~= now then
				await_next(self, now)
			end
		end
	end
end

-- Answers what the handler has not answered. True: another request may follow.
local function recover(self, err)
	local req = self.request
	self.request = nil
	local failure = reader.failure(err)
	if failure then
		if failure.status then
			refuse(self, failure.status, failure.reason)
		end
		return false
	elseif not req or self.taken then
		skynet.error("http: " .. tostring(err))
		return false
	end
	skynet.error(("http: %s %s: %s"):format(req.method, req.path, err))
	if self.answered then
		return false
	end
	local keep = self.keep and (self.reader.done or not req.expected)
	keep = respond(self, req, 500, "Internal Server Error\n", { ["content-type"] = "text/plain; charset=utf-8" }, keep)
	if not keep or not clear_up(self, req) then
		return false
	end
	set(self, self.server.idle_timeout)
	return true
end

-- Serves the connection until it ends.
function connection:run()
	set(self, self.server.head_timeout)
	local again
	repeat
		local ok, err = xpcall(serve, traced, self)
		again = false
		if not ok and not self.over then
			ok, again = pcall(recover, self, err)
			again = ok and again
		end
	until not again
end

---Nobody serves it any more.
function connection:leave()
	unset(self)
end

---@param server reef.http.server
---@param id integer     a socket that has been started
---@param peer string
---@param first string|nil  what has been read of it
---@return reef.http.connection
function connection.new(server, id, peer, first)
	local self = setmetatable({ id = id, peer = peer, server = server, tls = server.tls, congested = false,
		left = server.requests, phase = "idle", keep = true, waits = false, answered = false, taken = false }, connection)
	self.reader = reader.new(function()
		return self:read()
	end, false, server.limits)
	self.reader.bytes, self.reader.done = first or "", true
	self.reader.parser:model(setmetatable({ method = "", url = "", packed = "", version = "1.1", connection = self },
		request_meta))
	socket.warning(id, function(_, kb)
		if kb > 0 then
			self.congested = true
		else
			has_room(self)
		end
	end)
	socket.onclose(id, function()
		has_room(self)
	end)
	return self
end

return connection
