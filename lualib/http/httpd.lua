-- HTTP for a service that accepts its connections itself. Times are in hundredths of a second.
--
--     socket.start(id)
--     local code, url, method, header, body = httpd.read_request(sockethelper.readfunc(id), 8192)
--     if code then
--         httpd.write_response(sockethelper.writefunc(id), code == 200 and 200 or code, "hello")
--     end
--     socket.close(id)
--
-- reef.http.server does the rest as well: it keeps connections, and bodies need not fit into memory.
local core = require "reef.http.core"
local deadline = require "reef.http.deadline"
local reader = require "reef.http.reader"
local skynet_socket = require "skynet.socket"
local stream = require "reef.http.stream"
local writer = require "reef.http.writer"

local next_request = core.methods.read
local send, sockets, starts = writer.send, stream.sockets, writer.starts

local httpd = {}

---What a request may have at most; `body` unless read_request says otherwise.
---@type reef.http.limits
httpd.limits = { head = 8 * 1024, fields = 100, body = 64 * 1024 * 1024 }

---1/100 s that a request may take to arrive, if it is read from a socket of http.sockethelper: then the socket is shut
---down. 0: for ever.
httpd.timeout = 6000

-- What has been read by a function and not been asked for, and the parser that goes with it.
---@class http.httpd.source
---@field reader reef.http.reader
---@field id integer|nil  of the socket
---@field plain boolean|nil  nothing but the socket is read: then that is done without the function
---@field due number|nil  see reef.http.deadline
local sources = setmetatable({}, { __mode = "k" }) ---@type table<function, http.httpd.source>

local function shut(source)
	skynet_socket.shutdown(source.id)
end

local function open(readbytes)
	local source = { id = sockets[readbytes], plain = stream.plain[readbytes] }
	local get = readbytes
	if source.id then
		function get()
			if not source.due and httpd.timeout > 0 then
				deadline.set(source, httpd.timeout, shut)
			end
			return readbytes()
		end
	end
	source.reader = reader.new(get, false, httpd.limits)
	sources[readbytes] = source
	return source
end

local function read(source, limit)
	local r = source.reader
	local has_body, _
	local method, target, header, body
	if not source.plain or r.at <= #r.bytes then
		method, target, header, body = r:whole(limit)
		if method then
			return 200, target, method, header, body
		end
	end
	method, target, header, _, _, has_body = r:head()
	if not method then
		return nil, "the connection ended before a request"
	end
	if header.expect and has_body and source.id and not r:has_piece() then
		if type(header.expect) ~= "string" or header.expect:lower() ~= "100-continue" then
			return 417
		end
		skynet_socket.write(source.id, "HTTP/1.1 100 Continue\r\n\r\n")
	end
	return 200, target, method, header, r:body()
end

---@param readbytes fun(n: integer|nil): string  raises, or gives nothing, when the stream ends
---@param bodylimit integer|nil  bytes
---@return integer|nil code  200; 400, 413, 417, 501 or 505: what to answer; nil: it could not be read
---@return any url  or, with nil, what was raised
---@return string|nil method
---@return table<string, string|string[]>|nil header  names in lower case
---@return string|nil body
function httpd.read_request(readbytes, bodylimit)
	local source = sources[readbytes] or open(readbytes)
	local r = source.reader
	local limit = bodylimit or httpd.limits.body
	local ok, code, target, method, header, body
	if source.plain and r.at > #r.bytes then
		if httpd.timeout > 0 then
			deadline.set(source, httpd.timeout, shut)
		end
		method, target, header, body = next_request(r.parser, source.id, limit)
		if method then
			source.due = nil
			return 200, target, method, header, body
		end
		ok, code = pcall(r.came, r, method, target, header)
	end
	if ok ~= false then
		ok, code, target, method, header, body = pcall(read, source, limit)
	end
	source.due = nil
	if ok and code then
		return code, target, method, header, body
	end
	-- What comes from the same function after that is something else.
	sources[readbytes] = nil
	if ok then
		return nil, target
	end
	local failure = reader.failure(code)
	if failure and failure.status then
		return failure.status
	end
	return nil, code
end

-- A body whose length the fields say goes as it is.
local function write_counted(writefunc, pieces, length)
	local written = 0
	for bytes in pieces do
		written = written + #bytes
		if written > length then
			error(("http: the body is longer than content-length: %d"):format(length), 0)
		elseif bytes ~= "" then
			writefunc(bytes)
		end
	end
	if written < length then
		error(("http: the body has %d bytes of content-length: %d"):format(written, length), 0)
	end
end

local function write_pieces(writefunc, start, pieces, header)
	local length = header and writer.length(header)
	local encoding = header and writer.find(header, "transfer-encoding")
	if encoding ~= nil and tostring(encoding):lower() ~= "chunked" then
		error(("http: a body in pieces has no transfer-encoding: %s"):format(tostring(encoding)), 0)
	end
	writefunc((writer.text(start, header, nil, nil, not length and "transfer-encoding: chunked\r\n" or nil)))
	if length then
		return write_counted(writefunc, pieces, length)
	end
	while true do
		local bytes, trailers = pieces()
		if not bytes then
			writefunc(writer.last(trailers))
			return
		elseif bytes ~= "" then
			writefunc(writer.chunk(bytes))
		end
	end
end

local function write(writefunc, status, body, header)
	local start = starts[status] or writer.status_line(status)
	local kind = type(body)
	local has_body = status == 200 or writer.may_have_body(status)
	if body ~= nil and kind ~= "string" and kind ~= "function" then
		error(("http: a body is a string or a function, not a %s"):format(kind), 0)
	elseif not has_body then
		body = nil -- a client would take it for the next response
	elseif kind == "function" then
		return write_pieces(writefunc, start, body, header)
	end
	local size = body and #body or 0
	local length = has_body and size or nil
	local id = sockets[writefunc]
	if not id then
		writefunc((writer.text(start, header, body, length, nil, nil, size == 0)))
	elseif not send(start, header, body, length, nil, id, size == 0, true) then
		error(stream.socket_error)
	end
end

---@param writefunc fun(bytes: string)
---@param status integer
---@param body string|fun(): string|nil  a function gives pieces until nil; they are sent as chunks
---@param header table<string, any>|nil  an array becomes repeated fields
---@return boolean ok
---@return any err
function httpd.write_response(writefunc, status, body, header)
	local id = sockets[writefunc]
	if id and status == 200 and type(body) == "string" then
		local ok, taken = pcall(send, starts[200], header, body, #body, nil, id, body == "", true)
		if not ok then
			return false, taken
		elseif not taken then
			return false, stream.socket_error
		end
		return true
	end
	return pcall(write, writefunc, status, body, header)
end

return httpd
