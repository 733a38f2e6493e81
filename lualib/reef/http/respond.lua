-- Sends the responses of reef.http.server.
local core = require "reef.http.core"
local reader = require "reef.http.reader"
local skynet = require "skynet"
local socket = require "reef.socket"
local writer = require "reef.http.writer"

local date_line, now_of, send = core.date, skynet.now, writer.send

local YIELD = 256 * 1024 -- bytes of a response after which others have their turn

local function check_length(sent, length)
	if length and sent ~= length then
		error(("http: the handler says content-length: %d for a body of %s%d bytes"):format(length,
			sent > length and "at least " or "", sent), 0)
	end
end

-- That the client's buffer is full is heard of between two messages only.
local function write_pieces(self, body, chunked, length)
	local written, sent = 0, 0
	while true do
		local bytes, trailers = body()
		if not bytes then
			self.now = nil
			check_length(sent, length)
			if chunked then
				socket.write(self.id, writer.last(trailers))
			end
			return
		end
		if bytes ~= "" then
			sent = sent + #bytes
			if length and sent > length then
				check_length(sent, length)
			end
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

local function connection_line(req, keep)
	return not keep and "connection: close\r\n" or req.version == "1.0" and "connection: keep-alive\r\n" or ""
end

-- Answers with pieces. Without a length, and without chunks, the end of the connection is that of the body.
local function respond_in_pieces(self, req, status, pieces, header, keep)
	local length = header and writer.length(header)
	local chunked = not length and req.version ~= "1.0"
	keep = keep and chunked -- the body may turn out to be another
	local more = date_line() .. connection_line(req, keep) .. (chunked and "transfer-encoding: chunked\r\n" or "")
	local _, closes = send(writer.status_line(status), header, nil, nil, more, self.id)
	self.answered = true
	if req.method ~= "HEAD" then
		write_pieces(self, pieces, chunked, length)
	end
	self.answered = false
	return keep and not closes
end

-- Nothing would follow an interim answer.
local function has_body(status)
	if (math.tointeger(status) or 0) < 200 then
		error("the handler answered no status but " .. tostring(status), 0)
	end
	return writer.may_have_body(status)
end

---Answers; whether another request may follow. Raises before anything is sent if the handler's answer is none.
---@param self reef.http.connection  its `answered` says whether one has begun and not ended, its `now` when
---@param req reef.http.request
---@param status integer
---@param body string|nil|fun(): string|nil, table|nil
---@param header table<string, any>|nil
---@param keep boolean  whether the connection goes on, as far as the server is concerned
---@return boolean
return function(self, req, status, body, header, keep)
	local kind, length = type(body), nil
	self.now = now_of()
	if status ~= 200 and not has_body(status) then
		body = nil
	elseif kind == "string" then
		length = #body
	elseif kind == "nil" then
		length = 0
	elseif kind == "function" then
		return respond_in_pieces(self, req, status, body, header, keep)
	else
		error(("http: a handler's body is a string or a function, not a %s"):format(kind), 0)
	end
	local more = date_line() .. connection_line(req, keep)
	local head_only = req.method == "HEAD"
	local _, closes = send(writer.status_line(status), header, not head_only and body or nil, length,
		more, self.id, head_only)
	return keep and not closes
end
