-- Pauses between attempts that fail: each twice as long as the one before, up to a limit, and spread by chance so that
-- many who failed together do not try again together.

---@param failures integer since it worked the last time, 1 or more
---@param first number seconds; the pause after the first failure is this by half more or less
---@param longest number
---@return number seconds
return function(failures, first, longest)
	return math.min(first * 2 ^ (failures - 1), longest) * (0.5 + math.random())
end
