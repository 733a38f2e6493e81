-- What the frames that come back on a connection say: each answers a call of that connection, large answers when all
-- their parts are there. What nobody has asked for is left out. Knows no socket; what cannot be raises, which ends the
-- connection.

local frame = require "reef.cluster.frame"
local large = require "reef.cluster.large"
local skynet = require "skynet"

local DONE <const>, FAILED <const>, LARGE <const> = frame.DONE, frame.FAILED, frame.LARGE
local MORE <const>, LAST <const> = frame.MORE, frame.LAST

local replies = {}

---@class reef.cluster.replies
---@field heard boolean has anything come since somebody has looked, and set it to false?
---@field frame fun(buffer: string, first: integer, last: integer) a frame's payload
---@field partly fun(buffer: string, first: integer, last: integer): function|nil the beginning of one: see frame.read

---@param calls reef.cluster.pending of this connection
---@param limit integer bytes of unfinished answers
---@param ignored fun(session: integer) told of what nobody has asked for
---@return reef.cluster.replies
function replies.new(calls, limit, ignored)
	local self = { heard = true }
	local waiting, parts = calls.waiting, large.new(limit)

	local function finish(session, ok, result, size)
		if not calls:answer(session, ok, result, size) and size then
			skynet.trash(result, size)
		end
	end

	local function is_asked(session, kind)
		self.heard = true
		if calls:knows(session) then
			return true
		elseif kind ~= MORE and kind ~= LAST then
			ignored(session)
		end
		return false
	end

	local function add_part(session, buffer, first, last, is_last)
		local message, size = parts:add(session, buffer, first, last, is_last)
		if size then
			finish(session, true, message or "", message and size)
		end
	end

	-- Parts of large responses are taken as they come.
	function self.partly(buffer, first, last)
		local session, kind = string.unpack("<I4B", buffer, first)
		if kind ~= MORE and kind ~= LAST then
			return nil
		end
		if not is_asked(session, kind) then
			return function() end
		end
		parts:add_some(session, buffer, first + 5, last)
		return function(more, from, to, complete)
			self.heard = true
			if complete then
				return add_part(session, more, from, to, kind == LAST)
			end
			parts:add_some(session, more, from, to)
		end
	end

	function self.frame(buffer, first, last)
		local session, kind, rest = frame.parse_response(buffer, first, last)
		if kind == DONE and waiting[session] then
			self.heard = true
			calls:answer(session, true, rest)
			return
		end
		if not is_asked(session, kind) then
			return
		elseif kind == DONE then
			finish(session, true, rest)
		elseif kind == FAILED then
			-- The other side's words cannot be taken for ours.
			if rest:find "^cluster node " or rest:find "^call failed" then
				rest = "remote: " .. rest
			end
			finish(session, false, rest)
		elseif kind == LARGE then
			parts:begin(session, rest)
		else
			add_part(session, buffer, rest, last, kind == LAST)
		end
	end

	return self
end

return replies
