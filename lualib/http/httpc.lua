-- HTTP requests. Times are in hundredths of a second. Each has its own connection unless httpc.keep says otherwise.
--
--     local status, body = httpc.get("https://example.com", "/news?page=2")
--
-- https verifies the server's certificate and name, other than the API's first implementation; httpc.tls changes that.
-- reef.http.client has more.
local checks = require "reef.options"
local client = require "reef.http.client"
local connect = require "reef.http.connect"
local host = require "reef.http.host"
local socket_error = require "reef.http.stream".socket_error
local writer = require "reef.http.writer"

---@class http.httpc: reef.http.client
---@field proxy string|nil     http://[user:password@]name[:port]; nil: none
local httpc = connect.client

---1/100 s for connecting and the whole exchange together; nil: as long as something comes now and then.
---@type number|nil
httpc.timeout = nil

---1/100 s that the server may be silent.
httpc.idle_timeout = 6000

---Redirects that are followed.
httpc.redirects = 0

---1/100 s that a connection is kept for the next request to the same server.
httpc.keep = 0

---What a response may have at most.
---@type reef.http.limits
httpc.limits = { head = 64 * 1024, fields = 500, body = 256 * 1024 * 1024 }

local own = client.new { keep = 0 }

---Asks name servers by skynet.dns, instead of the system's way.
---@param server string|nil
---@param port integer|nil
function httpc.dns(server, port)
	local dns = require "skynet.dns"
	dns.server(server, port)
	own.resolve = dns.resolve
end

-- Sends a request, and fills what the caller wants to know of the response's head.
local function ask(method, where, url, recvheader, header, content)
	local target = host.parse(where)
	checks.needs("http: the path, which follows the host,", url, "string")
	if url:find "[%s%c]" then
		error(("http: the url %q has spaces or control characters"):format(url), 0)
	end
	header = header or {}
	if writer.find(header, "host") == nil then
		header.Host = target.host
	end
	own.timeout, own.idle_timeout, own.limits = httpc.timeout, httpc.idle_timeout, httpc.limits
	own.redirects, own.tls, own.idle.time = httpc.redirects, httpc.tls, httpc.keep
	own.proxy, own.no_proxy, own.proxy_tls = httpc.proxy, httpc.no_proxy, httpc.proxy_tls
	local base = (target.tls and "https://" or "http://") .. target.host
	local response = own:request {
		method = method, url = base .. (url:find "^[/?]" and url or "/" .. url), header = header, body = content,
		counted = true,
	}
	for name, value in pairs(recvheader and response.header or {}) do
		recvheader[name] = value
	end
	return response
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
	local response = ask(method, where, url, recvheader, header, content)
	return response.status, response:body()
end

---@param where string  [http://|https://]name[:port]
---@param url string    path and query
---@param recvheader table|nil  is filled with the response's fields
---@param header table|nil      of the request
---@param content string|nil
---@return integer status
function httpc.head(where, url, recvheader, header, content)
	return (httpc.request("HEAD", where, url, recvheader, header, content))
end

---@param where string  [http://|https://]name[:port]
---@param url string    path and query
---@param recvheader table|nil  is filled with the response's fields
---@param header table|nil      of the request
---@param content string|nil
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

---Ends it: the connection is closed.
function stream:close()
	if self.connected then
		self.connected = false
		self.response:close()
	end
end

-- `for chunk, stream in s do`. After the last chunk of a chunked body comes "".
function stream:__call()
	if not self.connected then
		return nil
	end
	local ok, piece = pcall(self.response.read, self.response)
	if ok and piece then
		return piece, self
	end
	self.connected = false
	if not ok then
		error(piece, 0)
	elseif self.header["transfer-encoding"] then
		return "", self
	elseif self.response.to_the_end then
		error(socket_error)
	end
	return nil
end

---The response in pieces as they come: `for chunk, stream in httpc.request_stream(...) do`. What is not read is not
---received.
---@param method string
---@param where string  [http://|https://]name[:port]
---@param url string    path and query
---@param recvheader table|nil  is filled with the response's fields
---@param header table|nil      of the request
---@param content string|nil
---@return http.httpc.stream
function httpc.request_stream(method, where, url, recvheader, header, content)
	local response = ask(method, where, url, recvheader, header, content)
	response.connection.ends = nil
	return setmetatable({
		response = response, status = response.status, header = response.header, connected = true,
	}, stream)
end

return httpc
