-- An HTTP/1.1 server. Times are in hundredths of a second.
--
-- Connections are kept, requests pipelined, bodies of any size, with limits and deadlines on all of it.
--
--     local http = require "reef.http.server"
--     http.listen("0.0.0.0:8080", function(request)
--         return 200, "hello " .. request.path .. "\n", { ["content-type"] = "text/plain" }
--     end)
--
-- A handler answers status, body and fields. A body is a string, or a function that gives pieces until nil, which
-- fields to send behind the body may follow. Each
-- connection has a coroutine; its requests are handled one after the other.
local connection = require "reef.http.connection"
local options_check = require "reef.options".check
local socket = require "reef.socket"
local tls = require "reef.tls"

local server = {}

local function plain_refusal(status, reason)
	return status, reason .. "\n", { ["content-type"] = "text/plain; charset=utf-8" }
end

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

---------------------------------------------------------------------------------------------------------------------
-- listening

---@class reef.http.server
local methods = {}
methods.__index = methods

-- However its coroutine ends.
local attended = {
	__close = function(self)
		local server_of, conn = self.server, self.connection
		server_of.count = server_of.count - 1
		if conn then
			server_of.connections[conn] = nil
			conn:leave()
		end
		socket.close(self.id)
	end,
}

-- A connection until it ends, after `start` if that is given and has not failed.
local function attend(self, id, peer, first, start)
	self.count = self.count + 1
	local attending <close> = setmetatable({ server = self, id = id }, attended)
	if not start or start(id) then
		local conn = connection.new(self, id, peer, first)
		attending.connection, self.connections[conn] = conn, true
		conn:run()
	end
end

local function accept(self, id, peer)
	if self.count >= self.max_connections then
		self.refused = self.refused + 1
		socket.close_fd(id)
		return
	end
	attend(self, id, peer, nil, self.tls and tls.start or socket.start)
end

---A server that does not listen; see serve.
---@param handler fun(request: reef.http.request): integer, string|function|nil, table|nil
---@param options reef.http.server.options|nil  and `refuse(status, reason)`: how a request is answered that is none
---                                             (status, body, fields; nil: by the end of the connection alone)
---@return reef.http.server
function server.new(handler, options)
	if handler == nil then
		error("http: a server needs a handler")
	end
	local self = setmetatable({ handler = handler, connections = {}, count = 0, refused = 0 }, methods)
	for name, default in pairs(server.defaults) do
		self[name] = default
	end
	self.refuse = plain_refusal
	options_check("http: server", options, known_options)
	for name, value in pairs(options or {}) do
		if server.defaults[name] and (type(value) ~= "number" or value < 0) then
			error(("http: the option %s has to be a number"):format(name))
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
	attend(self, id, peer, first)
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
		if conn.phase == "idle" and not conn.request then
			socket.shutdown(conn.id)
		end
	end
end

return server
