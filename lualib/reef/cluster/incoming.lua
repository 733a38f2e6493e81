-- What the frames of a connection ask for: small requests as they come, large ones when all their parts are there, each
-- with the trace tag that came before it. Knows no socket and no service; what cannot be raises, which ends the
-- connection.

local frame = require "reef.cluster.frame"
local large = require "reef.cluster.large"

---@alias reef.cluster.incoming.request fun(address: integer|string, session: integer, message: any, push: boolean,
---tag: string|nil, size: integer|nil) `size`: the message is large, and the callee's, as in lua_parts.h

---@class reef.cluster.incoming
---@field parts reef.cluster.large
---@field request reef.cluster.incoming.request
---@field tag string|nil of the next request
local incoming = {}
incoming.__index = incoming

local TAG <const> = 255 -- most bytes of a trace tag

---@param limit integer bytes of unfinished messages
---@param request reef.cluster.incoming.request
---@return reef.cluster.incoming
function incoming.new(limit, request)
	return setmetatable({ parts = large.new(limit), request = request }, incoming)
end

local function add_part(self, session, buffer, first, last, is_last)
	local message, size, about = self.parts:add(session, buffer, first, last, is_last)
	if about then
		self.request(about.address, session, message or "", about.push, about.tag, message and size)
	end
end

---A frame's payload.
---@param buffer string
---@param first integer
---@param last integer
function incoming:frame(buffer, first, last)
	local kind, address, session, rest, is_push = frame.parse_request(buffer, first, last)
	if kind == 0 then
		local tag = self.tag
		self.tag = nil
		return self.request(address, session, rest, is_push, tag)
	elseif kind == 1 then
		self.parts:begin(session, rest, { address = address, push = is_push, tag = self.tag })
		self.tag = nil
	elseif kind == 4 then
		if #rest == 0 or #rest > TAG then
			error(("a trace tag of %d bytes"):format(#rest), 0)
		end
		self.tag = rest
	else
		add_part(self, session, buffer, rest, last, kind == 3)
	end
end

---The beginning of a frame whose end has not come: parts of large messages are taken as they come.
---@param buffer string
---@param first integer
---@param last integer
---@return fun(buffer: string, first: integer, last: integer, complete: boolean)|nil
function incoming:partly(buffer, first, last)
	local kind = buffer:byte(first)
	if kind ~= 2 and kind ~= 3 then
		return nil
	end
	local session = string.unpack("<I4", buffer, first + 1)
	self.parts:add_some(session, buffer, first + 5, last)
	return function(more, from, to, complete)
		if complete then
			return add_part(self, session, more, from, to, kind == 3)
		end
		self.parts:add_some(session, more, from, to)
	end
end

return incoming
