-- What visitors are told.
local greeting = {}

---@param name string
---@param visits integer
---@return string
function greeting.of(name, visits)
	if visits == 1 then
		return ("Welcome, %s!"):format(name)
	end
	return ("Welcome back, %s! This is visit %d."):format(name, visits)
end

return greeting
