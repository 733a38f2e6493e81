-- Reads HTTP messages, one after the other, from whatever gives bytes. What comes behind a message waits for the next.
--
-- Failures are error objects: a table with `status`, what a server answers (nil: nothing can be answered), that prints
-- as its reason.
local core = require "reef.http.core"

---@class reef.http.limits
---@field head integer    bytes of the start line and all fields
---@field fields integer  how many
---@field body integer    bytes

---@class reef.http.reader
---@field bytes string
---@field left string|nil  a body that whole() has taken out of the parser, for piece() and body()
---@field at integer  what of `bytes` has not been parsed yet begins here
local reader = {}
reader.__index = reader

local failure = {}
failure.__index = failure

function failure:__tostring()
	return self.reason
end

---@param status integer|nil
---@param reason string
function reader.fail(status, reason)
	error(setmetatable({ status = status, reason = reason }, failure))
end

---The failure that `err` is, or nil if it is something else.
function reader.failure(err)
	return getmetatable(err) == failure and err or nil
end

---@param read fun(): string|nil|false  any bytes; nil or false at the end of the stream; may raise
---@param response boolean
---@param limits reef.http.limits
---@return reef.http.reader
function reader.new(read, response, limits)
	return setmetatable({ get = read, parser = core.parser(response, limits), bytes = "", at = 1, done = false }, reader)
end

-- Parses what there is, or else what comes next. False: the stream has ended before the message began.
local function step(self)
	local bytes, at = self.bytes, self.at
	local parser = self.parser
	if at > #bytes then
		bytes = self.get()
		if not bytes or bytes == "" then
			if not self.begun then
				return false
			end
			local done, status, why = parser:finish()
			if done == nil then
				reader.fail(status, why)
			end
			self.done = done
			return true
		end
		at = 1
	end
	self.begun = true
	local done, stop, why = parser:feed(bytes, at)
	if done == nil then
		reader.fail(stop, why)
	end
	self.bytes, self.at, self.done = bytes, stop, done
	return true
end

---A message that comes in one piece, as most requests do. Nothing: it does not; then head() and body() go on.
---@param body_limit integer|nil  begins with the next message, whose body may have so many bytes
---@return string|integer|nil start
---@return string|nil text
---@return table<string, string|string[]>|nil header
---@return string|nil body
---@return integer|nil minor
---@return boolean|nil keep_alive
---@return boolean|nil special  a server has to look at the fields: there is no Host, or something is expected
function reader:whole(body_limit)
	local parser, bytes, at = self.parser, self.bytes, self.at
	if body_limit then
		self.done, self.begun, self.left = false, at <= #bytes, nil
		parser:next(body_limit)
	end
	if at > #bytes then
		bytes, at = self.get(), 1
		if not bytes or bytes == "" then
			return nil
		end
	end
	self.begun = true
	local stop, start, text, header, body, minor, keep_alive, special = parser:whole(bytes, at)
	if stop then
		self.done = true
		if stop > #bytes then
			bytes, stop = "", 1
		end
		self.bytes, self.at = bytes, stop
		return start, text, header, body, minor, keep_alive, special
	elseif stop == nil then
		reader.fail(start, text)
	end
	self.bytes, self.at = "", 1
	return nil
end

---Takes note of what parser:read has said, if that was not a whole message: then head() and body() go on.
---@param start any
---@param status integer|string|nil
---@param why any
function reader:came(start, status, why)
	self.left = nil
	if start == nil and status then
		reader.fail(status, why)
	elseif not start then
		self.done, self.begun = false, start == false
	end
end

---The head of the message: as parser:head of reef.http.core. Nothing if the stream ended before it began.
function reader:head()
	local parser = self.parser
	repeat
		local start, text, header, minor, keep_alive, has_body, upgrade = parser:head()
		if start then
			return start, text, header, minor, keep_alive, has_body, upgrade
		end
	until not step(self)
	return nil
end

---The next piece of the body; nil at its end.
---@return string|nil
function reader:piece()
	local left = self.left
	if left then
		self.left = nil
		return left
	end
	while true do
		local bytes = self.parser:body()
		if bytes ~= "" then
			return bytes
		elseif self.done then
			return nil
		end
		step(self)
	end
end

---The rest of the body.
---@return string
function reader:body()
	while not self.done do
		step(self)
	end
	local left = self.left
	if left then
		self.left = nil
		return left
	end
	return self.parser:body()
end

---Whether bytes of the body, or its end, have come already.
---@return boolean
function reader:has_piece()
	return self.done or self.at <= #self.bytes
end

---Begins with the next message.
---@param body_limit integer|nil  bytes that its body may have
function reader:next(body_limit)
	self.parser:next(body_limit)
	self.left = nil
	self.done = false
	self.begun = self.at <= #self.bytes
end

---What has been read and not been parsed: for another protocol that takes over.
---@return string
function reader:rest()
	local rest = self.bytes:sub(self.at)
	self.bytes, self.at = "", 1
	return rest
end

return reader
