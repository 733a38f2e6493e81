-- Deadlines of connections: cheap to move, because they are moved with every request.
--
--     deadline.set(connection, 500, connection.late)   -- connection:late() in 5 s, unless moved or cleared before
--
-- One timer waits for the nearest of all; those that have moved on since are found when it comes.
local skynet = require "skynet"

local deadline = {}

local due = {}   ---@type table<table, number>
local action = {} ---@type table<table, function>
local armed = math.huge

local check

local function arm(when, now)
	armed = when
	skynet.timeout(math.max(0, math.ceil(when - now)), function()
		if armed == when then
			check()
		end
	end)
end

function check()
	local now, nearest, late = skynet.now(), math.huge, {}
	for owner, when in pairs(due) do
		if when <= now then
			late[#late + 1] = owner
		elseif when < nearest then
			nearest = when
		end
	end
	armed = math.huge
	if nearest < math.huge then
		arm(nearest, now)
	end
	for _, owner in ipairs(late) do
		local f = action[owner]
		deadline.clear(owner)
		if f then
			f(owner)
		end
	end
end

---Replaces the owner's deadline. `f` must not yield.
---@param owner table
---@param cs number  1/100 s from now
---@param f fun(owner: table)
---@param now number|nil  if the caller knows
function deadline.set(owner, cs, f, now)
	now = now or skynet.now()
	local when = now + cs
	due[owner], action[owner] = when, f
	if when < armed then
		arm(when, now)
	end
end

---@param owner table
function deadline.clear(owner)
	due[owner], action[owner] = nil, nil
end

return deadline
