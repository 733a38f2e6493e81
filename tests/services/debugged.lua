-- Adds ten, in steps that a debugger can stop at.

local skynet = require "skynet"

local upvalue = 10

local function add(number)
	local sum = number + upvalue
	return sum
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, number)
		local copy = number
		number = number + 0
		local result = add(number)
		skynet.retpack(result, copy)
	end)
end)
