-- A connection to one member of an etcd cluster: requests one after the other, or one whose answer never ends. HTTP/1.1
-- with a deadline on each.

local host = require "reef.http.host"
local now = require "reef.base.now"
local reader = require "reef.http.reader"
local skynet = require "skynet"
local socket = require "reef.socket"

local HEAD <const> = "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
	.. "%sContent-Length: %d\r\n\r\n%s"
local LIMITS <const> = { head = 64 * 1024, fields = 100, body = 256 << 20 }

---@class reef.etcd.connection
---@field id integer|nil
---@field kept boolean|nil it waits for the next request
local connection = {}
connection.__index = connection

---@param endpoint string `http://host:port`
---@param tls reef.tls.options|nil
---@param deadline number as of reef.base.now
---@return reef.etcd.connection|nil
---@return string|nil why
function connection.open(endpoint, tls, deadline)
	local target = host.parse(endpoint)
	local left = deadline - now()
	if left <= 0 then
		return nil, "no time is left"
	end
	local id, err = socket.open(target.name, target.port, {
		timeout = math.max(1, math.ceil(left * 100)), tls = target.tls and (tls or true) or nil,
	})
	if not id then
		return nil, err
	end
	local self = setmetatable({ id = id, target = target }, connection)
	self.reader = reader.new(function()
		return self.id and socket.read(self.id)
	end, true, LIMITS)
	return self
end

---Can it take another request?
function connection:usable()
	return self.id and not self.late and socket.disconnected(self.id) == false
end

function connection:close()
	local id = self.id
	if id then
		self.id = nil
		self.watch = nil
		socket.shutdown(id)
		socket.close(id)
	end
end

-- Nobody else knows it: whoever asks on it may be ended in the middle.
function connection:__close()
	if not self.kept then
		self:close()
	end
end

-- Ends the connection when the deadline comes, unless it was moved on by then.
local function guard(self, deadline)
	local mark = {}
	self.watch = mark
	skynet.timeout(math.max(1, math.ceil((deadline - now()) * 100)), function()
		if self.watch == mark and self.id then
			self.late = true
			socket.shutdown(self.id)
		end
	end)
end

---Sends a request and waits for the head of the answer.
---@param path string
---@param body string
---@param header string|nil more lines
---@param deadline number
---@return integer|nil status
---@return string|nil why
function connection:ask(path, body, header, deadline)
	guard(self, deadline)
	local sent = socket.write(self.id, HEAD:format(path, self.target.host, header or "", #body, body))
	if not sent then
		return nil, "the connection is closed"
	end
	local ok, status, _, keep
	repeat
		ok, status, _, _, _, keep = pcall(self.reader.head, self.reader)
		local interim = ok and status and status < 200
		if interim then
			self.reader:body()
			self.reader:next()
		end
	until not interim
	self.keep = ok and keep
	if not ok or not status then
		return nil, self.late and "no answer in time" or ok and "the connection was lost" or tostring(status)
	end
	return status
end

---The whole answer's body.
---@return string|nil body
---@return string|nil why
function connection:body()
	local ok, body = pcall(self.reader.body, self.reader)
	self.watch = nil
	if not ok then
		return nil, self.late and "no answer in time" or tostring(body)
	end
	-- What comes behind an answer would be taken for the next one.
	if self.keep and self.reader:rest() == "" then
		self.reader:next()
	else
		self:close()
	end
	return body
end

---A piece of an answer that goes on; nil at its end. Has no deadline.
---@return string|nil
function connection:piece()
	self.watch = nil
	local ok, piece = pcall(self.reader.piece, self.reader)
	return ok and piece or nil
end

return connection
