-- Sends that nobody gets: that is said, but not for each.

local skynet = require "skynet"

local losses = {}

---@param describe fun(count: integer, why: string): string the line for the log; `why` is the last one's
---@return fun(why: string, more: integer?) add one, or as many as that
---@return fun() tell says now what has not been said yet
function losses.new(describe)
	local count, last = 0, nil
	local function tell()
		if count > 0 then
			skynet.error(describe(count, last))
			count = 0
		end
	end
	return function(why, more)
		local first = count == 0
		count, last = count + (more or 1), why
		if first then
			skynet.timeout(100, tell)
		end
	end, tell
end

return losses
