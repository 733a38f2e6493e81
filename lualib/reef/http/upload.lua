-- Sends the body of a request while its response is awaited: pieces, no faster than the server takes them, and none
-- before the server wants them if it was asked.
local skynet = require "skynet"
local socket = require "reef.socket"
local writer = require "reef.http.writer"

local upload = {}

---@class reef.http.upload
---@field done boolean     all of it has been handed to the socket
---@field failure any      what the function raised

local function wait_for_room(self)
	while self.congested and not self.over do
		self.waiting = true
		skynet.wait(self)
		self.waiting = false
	end
end

local function write_pieces(self, pieces, chunked)
	while true do
		local bytes, trailers = pieces()
		if self.over then
			return
		elseif not bytes then
			if chunked then
				socket.write(self.id, writer.last(trailers))
			end
			self.done = true
			return
		elseif bytes ~= "" then
			if not socket.write(self.id, chunked and writer.chunk(bytes) or bytes) then
				return
			end
			-- That the buffer is full is heard of between two messages only.
			skynet.yield()
			wait_for_room(self)
		end
	end
end

local function run(self, body, chunked, patience)
	if patience then
		self.expecting = true
		skynet.sleep(patience, self)
		self.expecting = false
	end
	if self.over then
		return
	end
	if type(body) == "string" then
		self.done = socket.write(self.id, body)
		return
	end
	local ok, err = xpcall(write_pieces, debug.traceback, self, body, chunked)
	if not ok then
		self.failure = err
		socket.shutdown(self.id)
	end
end

---@param id integer
---@param body string|fun(): string|nil, table|nil
---@param chunked boolean
---@param patience number|nil  1/100 s to wait for `100 Continue`
---@return reef.http.upload
function upload.start(id, body, chunked, patience)
	local self = { id = id, done = false, over = false }
	socket.warning(id, function(_, kb)
		self.congested = kb > 0
		if self.waiting and kb == 0 then
			skynet.wakeup(self)
		end
	end)
	skynet.fork(run, self, body, chunked, patience)
	return self
end

---The server wants the body.
---@param self reef.http.upload
function upload.go(self)
	if self.expecting then
		self.expecting = false
		skynet.wakeup(self)
	end
end

---The response is there, or will not come: what has not been sent is not sent any more.
---@param self reef.http.upload
function upload.stop(self)
	self.over = true
	if self.expecting or self.waiting then
		skynet.wakeup(self)
	end
end

return upload
