-- Several calls at the same time, each in a coroutine of its own.
local skynet = require "skynet"

---Does f(1) ... f(n) at the same time and waits for all; what they raise is their result.
---@param n integer
---@param f fun(i: integer): any
---@return table[]  {ok=, value=} of each
local function together(n, f)
	local results, left, token = {}, n, {}
	local waiting = false
	for i = 1, n do
		skynet.fork(function()
			local _ <close> = setmetatable({}, { __close = function()
				left = left - 1
				if left == 0 and waiting then
					skynet.wakeup(token)
				end
			end })
			local ok, value = pcall(f, i)
			results[i] = { ok = ok, value = value }
		end)
	end
	if left > 0 then
		waiting = true
		skynet.wait(token)
	end
	for i = 1, n do
		results[i] = results[i] or { ok = false, value = "the coroutine was ended" }
	end
	return results
end

return together
