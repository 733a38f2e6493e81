-- Requests on a connection that wait for their answers, by session. The sessions of callers who have given up are
-- remembered, since their answers still come.

local frame = require "reef.cluster.frame"

---@class reef.cluster.pending
---@field waiting table<integer, fun(ok: boolean, result: any, size: integer|nil)>
---@field count integer
---@field late_count integer answers that come for nobody
local pending = {}
pending.__index = pending

local SESSIONS <const> = frame.SESSIONS
local last = 0

---@return reef.cluster.pending
function pending.new()
	return setmetatable({ waiting = {}, count = 0, deadlines = {}, late = {}, late_count = 0 }, pending)
end

---@return integer session that is not in use
function pending:session()
	local waiting, late, session = self.waiting, self.late, last
	repeat
		session = session < SESSIONS and session + 1 or 1
	until not waiting[session] and not late[session]
	last = session
	return session
end

---@param session integer
---@param response fun(ok: boolean, result: any, size: integer|nil)
---@param deadline number|nil
function pending:add(session, response, deadline)
	self.waiting[session], self.count = response, self.count + 1
	if deadline then
		self.deadlines[session] = deadline
	end
end

---@param session integer
---@return boolean
function pending:knows(session)
	return (self.waiting[session] or self.late[session]) ~= nil
end

---The answer of a session that is known has come.
---@param session integer
---@param ok boolean
---@param result any
---@param size integer|nil
---@return boolean wanted false: nobody waits any more
function pending:answer(session, ok, result, size)
	local response = self.waiting[session]
	if not response then
		self.late[session], self.late_count = nil, self.late_count - 1
		return false
	end
	self.waiting[session], self.count = nil, self.count - 1
	if next(self.deadlines) then
		self.deadlines[session] = nil
	end
	response(ok, result, size)
	return true
end

---Ends the waiting of those whose deadline has come.
---@param time number
---@param reason string
---@return number nearest the next deadline
function pending:give_up(time, reason)
	local nearest = math.huge
	for session, deadline in pairs(self.deadlines) do
		if deadline <= time then
			local response = self.waiting[session]
			self.deadlines[session], self.waiting[session] = nil, nil
			self.count = self.count - 1
			self.late[session], self.late_count = true, self.late_count + 1
			response(false, reason)
		else
			nearest = math.min(nearest, deadline)
		end
	end
	return nearest
end

---No answer comes any more.
---@param reason string
function pending:fail_all(reason)
	for _, response in pairs(self.waiting) do
		response(false, reason)
	end
end

return pending
