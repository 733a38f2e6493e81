-- Critical sections: `local lock = queue()`, then `lock(f, ...)` runs f when no other coroutine of the service is
-- inside, first come first served. A coroutine that is inside may enter again.

local skynet = require "skynet"

local running = coroutine.running

---Keeps what is no text as it is, so that callers can branch on error objects.
local function explain(reason)
	if type(reason) ~= "string" then
		return reason
	end
	return debug.traceback(reason, 2)
end

local function results(ok, ...)
	if not ok then
		error((...), 0)
	end
	return ...
end

---@return fun(f: function, ...): ... lock
local function queue()
	local owner ---@type thread? who is inside
	local depth = 0 -- how often it entered
	local waiting, first, last = {}, 1, 0

	---Makes the next that waits the owner.
	local function pass()
		owner = nil
		while first <= last do
			local ticket = waiting[first]
			waiting[first] = nil
			first = first + 1
			if not ticket.left then
				owner = ticket.thread
				skynet.wakeup(ticket)
				return
			end
		end
	end

	-- A coroutine may be killed while it waits or while it is inside; closing its variables keeps the queue moving.
	local ticket_type = {
		__close = function(ticket)
			ticket.left = true
			if ticket.thread == owner and depth == 0 then
				pass()
			end
		end,
	}

	local inside = setmetatable({}, {
		__close = function()
			depth = depth - 1
			if depth == 0 then
				pass()
			end
		end,
	})

	local function enter(f, ...)
		depth = depth + 1
		local _ <close> = inside
		return results(xpcall(f, explain, ...))
	end

	return function(f, ...)
		local thread = running()
		if owner == nil then
			owner = thread
		elseif owner ~= thread then
			local ticket <close> = setmetatable({ thread = thread }, ticket_type)
			last = last + 1
			waiting[last] = ticket
			repeat
				skynet.wait(ticket)
			until owner == thread
			return enter(f, ...)
		end
		return enter(f, ...)
	end
end

skynet.queue = queue

return queue
