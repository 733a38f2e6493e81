-- Deadlines of connections: cheap to move, because they are moved with every request.
--
--     deadline.set(connection, 500, connection.late)   -- connection:late() in 5 s, unless moved or cleared before
--
-- One timer waits for the nearest of all; those that have moved on since are found when it comes. An owner's deadline
-- is its field `due`.
local skynet = require "skynet"

local deadline = {}

local now_of = skynet.now

-- What is to be called. Owners without a deadline are taken out when the timer comes, or when they are collected.
local action = setmetatable({}, { __mode = "k" }) ---@type table<table, function>
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
	local now, nearest, late = now_of(), math.huge, {}
	for owner in pairs(action) do
		local due = owner.due
		if not due then
			action[owner] = nil
		elseif due <= now then
			late[#late + 1] = owner
		elseif due < nearest then
			nearest = due
		end
	end
	armed = math.huge
	if nearest < math.huge then
		arm(nearest, now)
	end
	for _, owner in ipairs(late) do
		local f = action[owner]
		action[owner], owner.due = nil, nil
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
	now = now or now_of()
	local due = now + cs
	owner.due = due
	if action[owner] ~= f then
		action[owner] = f
	end
	if due < armed then
		arm(due, now)
	end
end

---@param owner table
function deadline.clear(owner)
	owner.due = nil
end

return deadline
