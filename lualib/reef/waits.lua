-- Waits that may last for ever are said in the log: after a second, and then every minute. For services that let
-- others wait.

local skynet = require "skynet"

local waits = {}

local FIRST, AGAIN = 100, 6000 -- cs
local LINES = 10 -- at a time

---@class reef.waits.wait
---@field describe fun(): string|nil|false
---@field due integer

local list = {} ---@type reef.waits.wait[]
local look_at ---@type integer? when the timer comes

local look

local function look_next()
	local due
	for _, wait in ipairs(list) do
		due = math.min(due or wait.due, wait.due)
	end
	if due and (not look_at or due < look_at) then
		look_at = due
		skynet.timeout(due - skynet.now(), look)
	end
end

look = function()
	local now, left, lines = skynet.now(), {}, 0
	look_at = nil
	for _, wait in ipairs(list) do
		local line = wait.due <= now and wait.describe()
		if line then
			lines = lines + 1
			if lines <= LINES then
				skynet.error(line)
			end
			wait.due = now + AGAIN
		end
		if line or wait.due > now then
			left[#left + 1] = wait
		end
	end
	if lines > LINES then
		skynet.error(("%d more waits like these"):format(lines - LINES))
	end
	list = left
	look_next()
end

---Writes what `describe` returns, until it returns nothing.
---@param describe fun(): string|nil|false
function waits.tell(describe)
	list[#list + 1] = { describe = describe, due = skynet.now() + FIRST }
	look_next()
end

return waits
