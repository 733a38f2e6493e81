-- A request read, a response written: HTTP for a service that accepts its connections itself.
--
--     socket.start(id)
--     local code, url, method, header, body = httpd.read_request(sockethelper.readfunc(id), 8192)
--     if code then
--         httpd.write_response(sockethelper.writefunc(id), code == 200 and 200 or code, "hello")
--     end
--     socket.close(id)
--
-- reef.http.server does the rest as well: it keeps connections, and bodies need not fit into memory.
local deadline = require "reef.http.deadline"
local reader = require "reef.http.reader"
local skynet_socket = require "skynet.socket"
local stream = require "reef.http.stream"
local writer = require "reef.http.writer"

local httpd = {}

---What a request may have at most; `body` unless read_request says otherwise.
---@type reef.http.limits
httpd.limits = { head = 8 * 1024, fields = 100, body = 64 * 1024 * 1024 }

---1/100 s that a request may take to arrive, if it is read from a socket of http.sockethelper: then the socket is shut
---down. 0: for ever.
httpd.timeout = 6000

-- What came behind a request, for the next call with the same function.
local waiting = setmetatable({}, { __mode = "k" })

local function shut(owner)
	skynet_socket.shutdown(owner.id)
end

local function read(readbytes, limits, id)
	local r = reader.new(readbytes, false, limits)
	local rest = waiting[readbytes]
	if rest then
		r.bytes, waiting[readbytes] = rest, nil
	end
	local method, target, header, _, _, has_body = r:head()
	if not method then
		return nil, "the connection ended before a request"
	end
	if header.expect and has_body and id and not r:has_piece() then
		if header.expect:lower() ~= "100-continue" then
			return 417
		end
		skynet_socket.write(id, "HTTP/1.1 100 Continue\r\n\r\n")
	end
	local body = r:body()
	rest = r:rest()
	if rest ~= "" then
		waiting[readbytes] = rest
	end
	return 200, target, method, header, body
end

---@param readbytes fun(n: integer|nil): string  raises, or gives nothing, when the stream ends
---@param bodylimit integer|nil  bytes
---@return integer|nil code  200; 400, 413, 417, 501 or 505: what to answer; nil: it could not be read
---@return any url  or, with nil, what was raised
---@return string|nil method
---@return table<string, string|string[]>|nil header  names in lower case
---@return string|nil body
function httpd.read_request(readbytes, bodylimit)
	local limits = httpd.limits
	if bodylimit then
		limits = { head = limits.head, fields = limits.fields, body = bodylimit }
	end
	local id = stream.id(readbytes)
	local owner = { id = id }
	if id and httpd.timeout > 0 then
		deadline.set(owner, httpd.timeout, shut)
	end
	local result = table.pack(pcall(read, readbytes, limits, id))
	deadline.clear(owner)
	if result[1] then
		return table.unpack(result, 2, result.n)
	end
	local failure = reader.failure(result[2])
	if failure and failure.status then
		return failure.status
	end
	return nil, result[2]
end

local function write(writefunc, status, body, header)
	header = header or {}
	local out = { writer.status_line(status) }
	writer.fields(out, header)
	if type(body) == "function" then
		out[#out + 1] = "transfer-encoding: chunked\r\n\r\n"
		writefunc(table.concat(out))
		for bytes in body do
			if bytes ~= "" then
				writefunc(writer.chunk(bytes))
			end
		end
		writefunc(writer.last_chunk)
		return
	end
	if body ~= nil and type(body) ~= "string" then
		error(("http: a body is a string or a function, not a %s"):format(type(body)), 0)
	end
	if writer.may_have_body(status) and writer.find(header, "content-length") == nil then
		out[#out + 1] = ("content-length: %d\r\n"):format(body and #body or 0)
	end
	out[#out + 1] = "\r\n"
	out[#out + 1] = body
	writefunc(table.concat(out))
end

---@param writefunc fun(bytes: string)
---@param status integer
---@param body string|fun(): string|nil  a function gives pieces until nil; they are sent as chunks
---@param header table<string, any>|nil  an array becomes repeated fields
---@return boolean ok
---@return any err
function httpd.write_response(writefunc, status, body, header)
	return pcall(write, writefunc, status, body, header)
end

return httpd
