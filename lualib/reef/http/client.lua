-- An HTTP/1.1 client. Times are in hundredths of a second.
--
-- Connections are kept, bodies go in pieces both ways, redirects and proxies are followed if told so.
--
--     local client = require "reef.http.client"
--     local http = client.new { redirects = 5 }
--     local response = http:request { url = "https://example.com/news" }
--     print(response.status, response:body())
--
-- What is sent again: a request that failed on a kept connection before anything of an answer came, if doing it twice
-- is the same as doing it once (RFC 9110, section 9.2.2). All others begin on a connection of their own, so that none
-- fails because the server has just given up a kept one.
local busy = require "reef.http.busy"
local connect = require "reef.http.connect"
local deadline = require "reef.http.deadline"
local idle = require "reef.http.idle"
local no_proxy = require "reef.http.no_proxy"
local options_check = require "reef.options".check
local outgoing = require "reef.http.outgoing"
local reader = require "reef.http.reader"
local redirect = require "reef.http.redirect"
local skynet = require "skynet"
local socket = require "reef.socket"
local broken = require "reef.socketcore".broken
local socket_error = require "reef.http.stream".socket_error
local target = require "reef.http.target"
local tls = require "reef.tls"
local upload = require "reef.http.upload"

local client = {}

---Defaults; times in 1/100 s.
---@class reef.http.client.options
---@field timeout number|nil    for all of a request: connecting, redirects, the body of the response
---@field idle_timeout number   that the server may be silent
---@field redirects integer     that are followed
---@field proxy string|nil      http://[user:password@]name[:port]
---@field tls reef.tls.options|nil
---@field limits reef.http.limits  of a response
---@field keep number           that a connection is kept for another request; 0: none is
---@field keep_most integer     connections that are kept, in all
---@field keep_each integer     and to one server
---@field resolve nil|fun(name: string): string|nil  in the place of the system's way to find an address
client.defaults = {
	idle_timeout = 6000, redirects = 0, keep = 1500, keep_most = 64, keep_each = 8,
	limits = { head = 64 * 1024, fields = 500, body = 256 * 1024 * 1024 },
}

local known_options = {
	timeout = true, idle_timeout = true, redirects = true, proxy = true, tls = true, limits = true, keep = true,
	keep_most = true, keep_each = true, resolve = true, no_proxy = true, proxy_tls = true,
}
-- Methods that do the same when they are done twice.
local idempotent = { GET = true, HEAD = true, OPTIONS = true, TRACE = true, PUT = true, DELETE = true }

---------------------------------------------------------------------------------------------------------------------
-- connections

---@class reef.http.client.connection
---@field id integer
---@field key string
---@field where string     whom it leads to, for errors
---@field busy boolean|nil  a coroutine is in the middle of a request
---@field ends number|nil
---@field due number|nil
---@field late boolean|nil

local function late(connection)
	connection.late = true
	socket.shutdown(connection.id)
end

local function touch(connection)
	local timeout = connection.idle_timeout
	if connection.ends then
		timeout = math.max(0, math.min(timeout, connection.ends - skynet.now()))
	end
	deadline.set(connection, timeout, late)
end

local function finish(connection)
	if connection.upload then
		upload.stop(connection.upload)
	end
	deadline.clear(connection)
	socket.close(connection.id)
end

---@class reef.http.client.object: reef.http.client.options
---@field idle reef.http.idle
local methods = {}
methods.__index = methods

local function proxy_tls(self)
	return self.proxy_tls or connect.client.proxy_tls or self.tls or connect.client.tls
end

local function key_of(self, to, proxy)
	local secure = to.tls and tls.key(self.tls or connect.client.tls) or ""
	if proxy and proxy:lower():find "^https:" then
		secure = secure .. " " .. tls.key(proxy_tls(self))
	end
	return ("%s %s:%d %s %s"):format(to.tls and "https" or "http", to.name:lower(), to.port, proxy or "", secure)
end

local function open(self, to, proxy_text, ends)
	local left = ends and ends - skynet.now() or nil
	if left and left <= 0 then
		error(("http: %s:%d: the time for the request is over"):format(to.name, to.port), 0)
	end
	local id = connect.open(to, {
		timeout = left, resolve = self.resolve, tls = self.tls, proxy = connect.proxy(proxy_text), plain = true,
		proxy_tls = proxy_tls(self),
	})
	local connection = setmetatable({
		id = id, key = key_of(self, to, proxy_text), where = ("%s:%d"):format(to.name, to.port), finish = finish,
	}, busy)
	connection.reader = reader.new(function()
		touch(connection)
		local bytes = idle.read(connection)
		if not bytes and (connection.late or broken(connection.id)) then
			error(socket_error) -- or else a body that ends with the connection would seem to be whole
		end
		return bytes
	end, true, self.limits)
	return connection
end

---------------------------------------------------------------------------------------------------------------------
-- requests

local INTERIM = 100 -- responses (1xx) in front of the one that counts

-- The head of the final response.
local function read_head(connection, method)
	local r = connection.reader
	for _ = 0, INTERIM do
		if method == "HEAD" then
			r.parser:no_body()
		end
		local status, reason, fields, _, keep, has_body = r:head()
		if not status then
			error(socket_error)
		elseif status >= 200 or status == 101 then
			return status, fields, keep, has_body, reason
		end
		if connection.upload then
			upload.go(connection.upload)
		end
		r:body()
		r:next()
	end
	error(("http: %s: the server sends more than %d responses that are not the last"):format(connection.where, INTERIM), 0)
end

---@class reef.http.response
---@field status integer
---@field reason string
---@field header table<string, string|string[]>  names in lower case
---@field url string  where it came from, after redirects
---@field to_the_end boolean  the body ends with the connection
local response = {}
response.__index = response

-- Sends, and reads the head of the response.
local function exchange(connection, request, url, proxy)
	local bytes, chunked, later, certain = outgoing.head(request, url, proxy)
	if not socket.write(connection.id, bytes) then
		error(socket_error)
	end
	if later then
		connection.upload = upload.start(connection.id, request.body, chunked, request.expect)
	end
	local status, header, keep, has_body, reason = read_head(connection, request.method)
	-- What has not been sent is not wanted any more, and it cannot be left out on a connection that goes on.
	local sent = not connection.upload or connection.upload.done
	local counted = has_body and not header["content-length"] and not header["transfer-encoding"]
	return setmetatable({
		status = status, reason = reason, header = header, connection = connection, to_the_end = counted,
		keep = keep and sent and certain and status ~= 101,
	}, response)
end

local function why(connection, err)
	local failure = reader.failure(err)
	if connection.upload and connection.upload.failure then
		return connection.upload.failure
	elseif connection.late then
		local over = connection.ends and skynet.now() >= connection.ends
		return ("http: %s: %s"):format(connection.where,
			over and "the time for the request is over" or "the server is silent")
	elseif failure then
		return ("http: %s: %s"):format(connection.where, failure.reason)
	end
	return err
end

-- One request, without redirects.
local function once(self, request, url, ends)
	local proxy_text = connect.proxy_for(self.proxy, self.no_proxy, url.target)
	local proxy = connect.proxy(proxy_text)
	local reusable = idempotent[request.method] and type(request.body) ~= "function" and not request.expect
	local connection = reusable and self.idle:take(key_of(self, url.target, proxy_text)) or nil
	while true do
		local kept = connection ~= nil
		connection = connection or open(self, url.target, proxy_text, ends)
		connection.ends, connection.idle_timeout, connection.client = ends, self.idle_timeout, self
		connection.busy = true
		local using <close> = connection
		local ok, result = pcall(exchange, using, request, url, proxy)
		connection.busy = false
		if ok then
			return result
		end
		local again = kept and not connection.late and not connection.reader.begun
		result = why(connection, result)
		finish(connection)
		if not again then
			error(result, 0)
		end
		connection = nil
	end
end

---Raises when anything fails; a status is no failure.
---@param request table  url; method (GET), header, body (a string, or a function that gives pieces and at last nil and,
---                      perhaps, fields behind the body), timeout, redirects; expect: 1/100 s that the server may take
---                      to say that it wants the body, before it gets it anyway
---@return reef.http.response
function methods:request(request)
	local own = {}
	for name, value in pairs(request) do
		own[name] = value
	end
	own.method = own.method or "GET"
	outgoing.check(own)
	local timeout = own.timeout or self.timeout
	local ends = timeout and skynet.now() + timeout or nil
	local most = own.redirects or self.redirects
	local left = most
	while true do
		local url = target.parse(own.url)
		if url.scheme ~= "http" and url.scheme ~= "https" then
			error(("Invalid protocol: %s"):format(url.scheme), 0)
		end
		local answer = once(self, own, url, ends)
		answer.url = own.url
		if most == 0 then
			return answer
		end
		local ok, following = pcall(redirect.next, own, url, answer.status, answer.header.location)
		if ok and not following then
			return answer
		end
		answer:discard()
		if not ok then
			error(following, 0)
		elseif left == 0 then
			error(("http: %s: more than %d redirects"):format(url.target.host, most), 0)
		end
		left = left - 1
		following.expect, following.counted = own.expect, own.counted
		own = following
	end
end

---Closes the connections that are kept.
function methods:close()
	self.idle:close()
end

---------------------------------------------------------------------------------------------------------------------
-- responses

local function settle(self)
	local connection = self.connection
	if not connection then
		return
	end
	self.connection = nil
	self.trailers = connection.reader.parser:trailers()
	local r = connection.reader
	if connection.upload then
		self.keep = self.keep and connection.upload.done
		upload.stop(connection.upload)
		connection.upload = nil
	end
	if self.keep and r.done and r:rest() == "" and not connection.client.closed then
		r:next()
		connection.client.idle:put(connection)
	else
		finish(connection)
	end
end

local function guarded(self, f)
	local connection <close> = self.connection
	connection.busy = true
	local ok, result = pcall(f, connection.reader)
	connection.busy = false
	if not ok then
		self.connection = nil
		result = why(connection, result)
		finish(connection)
		error(result, 0)
	end
	return result
end

---The next piece of the body; nil at its end. What is not read is not received. Raises when it does not come.
---@return string|nil
function response:read()
	if not self.connection then
		return nil
	end
	local piece = guarded(self, reader.piece)
	if not piece then
		settle(self)
	end
	return piece
end

---What is left of the body.
---@return string
function response:body()
	if not self.connection then
		return ""
	end
	local body = guarded(self, reader.body)
	settle(self)
	return body
end

---Does without the rest of the body.
function response:close()
	local connection = self.connection
	if connection then
		self.connection = nil
		finish(connection)
	end
end

local DISCARDED = 64 * 1024 -- bytes that are worth less than a new connection

-- The same, but what is small is read, so that the connection can be kept.
function response:discard()
	local length = tonumber(self.header["content-length"])
	if self.connection and length and length <= DISCARDED then
		self:body()
	else
		self:close()
	end
end

---------------------------------------------------------------------------------------------------------------------

---@param options table|nil  see reef.http.client.options
---@return reef.http.client.object
function client.new(options)
	options_check("http: client", options, known_options)
	local self = {}
	for name, default in pairs(client.defaults) do
		self[name] = default
	end
	for name, value in pairs(options or {}) do
		self[name] = value
	end
	connect.proxy(self.proxy)
	no_proxy.parse(self.no_proxy)
	self.idle = idle.new(self.keep_most, self.keep_each, self.keep)
	return setmetatable(self, methods)
end

return client
