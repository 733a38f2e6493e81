-- The time for deadlines: seconds of a clock that only goes forward.

local hpc = require("reef.host").hpc

---@return number seconds
return function()
	return hpc() / 1e9
end
