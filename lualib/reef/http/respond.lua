-- Sends the responses of reef.http.server.
local reader = require "reef.http.reader"
local skynet = require "skynet"
local socket = require "reef.socket"
local writer = require "reef.http.writer"

local message, now_of, socket_write, starts = writer.message, skynet.now, socket.write, writer.starts

local YIELD = 256 * 1024 -- bytes of a response after which others have their turn

local date, date_at

local function date_line(now)
	now = now // 100
	if date_at ~= now then
		date, date_at = os.date "!date: %a, %d %b %Y %H:%M:%S GMT\r\n", now
	end
	return date
end

-- That the client's buffer is full is heard of between two messages only.
local function write_pieces(self, body, chunked)
	local written = 0
	while true do
		local bytes, trailers = body()
		if not bytes then
			self.now = nil
			if chunked then
				socket.write(self.id, writer.last(trailers))
			end
			return
		end
		if bytes ~= "" then
			if not socket.write(self.id, chunked and writer.chunk(bytes) or bytes) then
				reader.fail(nil, "the client has gone")
			end
			written = written + #bytes
			if written >= YIELD then
				written = 0
				skynet.yield()
			end
			self:wait_for_room()
		end
	end
end

local function check_fields(length, encoding, size)
	if encoding then
		error("http: a response's Transfer-Encoding is the server's own affair", 0)
	elseif length and size and tonumber(length) ~= size then
		error(("http: the handler says content-length: %s for a body of %d bytes"):format(length, size), 0)
	end
end

local function connection_line(req, keep)
	return not keep and "connection: close\r\n" or req.version == "1.0" and "connection: keep-alive\r\n" or ""
end

local function wants_close(connection_field)
	return type(connection_field) == "string" and connection_field:lower():find("close", 1, true) ~= nil
end

-- Answers with pieces. Without a length, and without chunks, the end of the connection is that of the body.
local function respond_in_pieces(self, req, status, pieces, header, keep)
	local counted = header and writer.find(header, "content-length") ~= nil
	local chunked = not counted and req.version ~= "1.0"
	keep = keep and chunked -- nobody counts whether as many bytes come as were said
	local more = date_line(self.now) .. connection_line(req, keep) .. (chunked and "transfer-encoding: chunked\r\n" or "")
	local start = writer.status_line(status)
	local buffer, size, length, encoding, connection_field = writer.message(start, header, nil, nil, more)
	check_fields(length, encoding)
	self.answered = true
	socket.write(self.id, buffer, size)
	if req.method ~= "HEAD" then
		write_pieces(self, pieces, chunked)
	end
	return keep and not wants_close(connection_field)
end

---Answers; whether another request may follow. Raises before anything is sent if the handler's answer is none.
---@param self reef.http.connection  its `answered` says whether the answer has begun, its `now` when
---@param req reef.http.request
---@param status integer
---@param body string|nil|fun(): string|nil, table|nil
---@param header table<string, any>|nil
---@param keep boolean  whether the connection goes on, as far as the server is concerned
---@return boolean
return function(self, req, status, body, header, keep)
	local now, kind = now_of(), type(body)
	self.now = now
	if kind ~= "string" and kind ~= "nil" and kind ~= "function" then
		error(("http: a handler's body is a string or a function, not a %s"):format(kind), 0)
	end
	local head_only, length = req.method == "HEAD", nil
	if status ~= 200 and not writer.may_have_body(status) then
		body = nil
	elseif kind == "function" then
		return respond_in_pieces(self, req, status, body, header, keep)
	else
		length = body and #body or 0
	end
	local more = now // 100 == date_at and date or date_line(now)
	if not keep or req.version == "1.0" then
		more = more .. connection_line(req, keep)
	end
	local small = not head_only and length and length <= writer.small
	local buffer, size, said, encoding, connection_field = message(starts[status] or writer.status_line(status), header,
		small and body or nil, length, more)
	if said or encoding then
		check_fields(said, encoding, not head_only and length)
	end
	self.answered = true
	socket_write(self.id, buffer, size)
	if not small and not head_only and body then
		socket_write(self.id, body)
	end
	return keep and not (connection_field and wants_close(connection_field))
end
