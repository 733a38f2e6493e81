-- HTTP requests, each on a connection of its own.
--
--     local status, body = httpc.get("https://example.com", "/news?page=2")
--
-- https verifies the server's certificate and name, other than the API's first implementation; httpc.tls changes that.
local connect = require "reef.http.connect"
local deadline = require "reef.http.deadline"
local host = require "reef.http.host"
local reader = require "reef.http.reader"
local skynet = require "skynet"
local skynet_socket = require "skynet.socket"
local socket_error = require "http.sockethelper".socket_error
local writer = require "reef.http.writer"

---@class http.httpc: reef.http.client
local httpc = connect.client

---1/100 s for connecting and the whole exchange together; nil: as long as something comes now and then.
---@type number|nil
httpc.timeout = nil

---1/100 s that the server may be silent.
httpc.idle_timeout = 6000

---What a response may have at most.
---@type reef.http.limits
httpc.limits = { head = 64 * 1024, fields = 500, body = 256 * 1024 * 1024 }

local resolve ---@type fun(name: string): string|nil

---Asks name servers by skynet.dns, instead of the system's way.
---@param server string|nil
---@param port integer|nil
function httpc.dns(server, port)
	local dns = require "skynet.dns"
	dns.server(server, port)
	resolve = dns.resolve
end

local function idle(connection)
	connection.late = true
	skynet_socket.shutdown(connection.id)
end

local function touch(connection)
	local timeout = httpc.idle_timeout
	if connection.ends then
		local left = connection.ends - skynet.now()
		timeout = left < timeout and left or timeout
	end
	deadline.set(connection, timeout, idle)
end

local function open(target)
	local timeout = httpc.timeout
	return { ends = timeout and skynet.now() + timeout, id = connect.open(target, timeout, resolve) }
end

local function head_of(method, target, url, header, content)
	if type(method) ~= "string" or method:find "[^%w%-]" or method == "" then
		error(("http: %q is no method"):format(tostring(method)), 0)
	elseif type(url) ~= "string" or url:find "[%s%c]" then
		error(("http: the url %q has spaces or control characters"):format(tostring(url)), 0)
	end
	header = header or {}
	if writer.find(header, "host") == nil then
		header.Host = target.host
	end
	local length = writer.find(header, "transfer-encoding") == nil and (content and #content or 0) or nil
	return (writer.text(("%s %s HTTP/1.1\r\n"):format(method, url == "" and "/" or url), header, content, length))
end

-- Sends a request and reads the head of the response; the connection, with `reader`, and the status.
local function exchange(method, where, url, recvheader, header, content)
	local target = host.parse(where)
	local bytes = head_of(method, target, url, header, content)
	local connection = open(target)
	local id = connection.id
	local r = reader.new(function()
		touch(connection)
		return skynet_socket.read(id)
	end, true, httpc.limits)
	connection.reader = r
	local ok, status, fields, needs = pcall(function()
		if not skynet_socket.write(id, bytes) then
			error(socket_error)
		end
		while true do
			if method == "HEAD" then
				r.parser:no_body()
			end
			local status, _, fields, _, keep = r:head()
			if not status then
				error(socket_error)
			elseif status >= 200 or status == 101 then
				return status, fields, not keep
			end
			r:body()
			r:next()
		end
	end)
	if not ok then
		deadline.clear(connection)
		skynet_socket.close(id)
		error(status, 0)
	end
	for name, value in pairs(recvheader and fields or {}) do
		recvheader[name] = value
	end
	connection.header, connection.needs_end = fields, needs
	return connection, status
end

local function finish(connection)
	deadline.clear(connection)
	skynet_socket.close(connection.id)
end

---Raises when anything fails.
---@param method string
---@param where string  [http://|https://]name[:port]
---@param url string    path and query
---@param recvheader table|nil  is filled with the response's fields; names in lower case
---@param header table|nil      of the request; gets `Host` if it has none
---@param content string|nil
---@return integer status
---@return string body
function httpc.request(method, where, url, recvheader, header, content)
	local connection, status = exchange(method, where, url, recvheader, header, content)
	local ok, body = pcall(connection.reader.body, connection.reader)
	finish(connection)
	if not ok then
		error(connection.late and socket_error or body, 0)
	end
	return status, body
end

---@return integer status
function httpc.head(where, url, recvheader, header, content)
	return (httpc.request("HEAD", where, url, recvheader, header, content))
end

---@return integer status
---@return string body
function httpc.get(where, url, recvheader, header, content)
	return httpc.request("GET", where, url, recvheader, header, content)
end

local function escape(s)
	return (tostring(s):gsub("[^%w%-._~]", function(c)
		return ("%%%02X"):format(c:byte())
	end))
end

---Sends a form.
---@param where string
---@param url string
---@param form table<string, any>
---@param recvheader table|nil
---@return integer status
---@return string body
function httpc.post(where, url, form, recvheader)
	local pairs_of = {}
	for name, value in pairs(form) do
		pairs_of[#pairs_of + 1] = escape(name) .. "=" .. escape(value)
	end
	local header = { ["content-type"] = "application/x-www-form-urlencoded" }
	return httpc.request("POST", where, url, recvheader, header, table.concat(pairs_of, "&"))
end

---@class http.httpc.stream
---@field status integer
---@field header table
---@field connected boolean
local stream = {}
stream.__index = stream

function stream:close()
	if self.connected then
		self.connected = false
		finish(self.connection)
	end
end

-- `for chunk, stream in s do`. After the last chunk of a chunked body comes "".
function stream:__call()
	if not self.connected then
		return nil
	end
	local ok, piece = pcall(self.connection.reader.piece, self.connection.reader)
	if ok and piece then
		return piece, self
	end
	local header, needs_end = self.header, self.connection.needs_end
	self:close()
	if not ok then
		error(piece, 0)
	elseif header["transfer-encoding"] then
		return "", self
	elseif needs_end and not header["content-length"] then
		error(socket_error)
	end
	return nil
end

---The response in pieces as they come: `for chunk, stream in httpc.request_stream(...) do`. What is not read is not
---received.
---@return http.httpc.stream
function httpc.request_stream(method, where, url, recvheader, header, content)
	local connection, status = exchange(method, where, url, recvheader, header, content)
	connection.ends = nil
	return setmetatable({ connection = connection, status = status, header = connection.header, connected = true }, stream)
end

return httpc
