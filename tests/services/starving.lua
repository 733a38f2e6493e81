-- For compat/no_memory.lua: has but so many bytes of memory left when its start function returns, or fails.
local skynet = require "skynet"

skynet.memlimit(4 << 20)

local left, fails = ...
local kept, n = {}, 0

local function fill(size)
	while pcall(function()
		kept[n + 1] = ("%0" .. size .. "d"):format(n)
	end) do
		n = n + 1
	end
end

skynet.start(function()
	for i = 1, 1 << 16 do
		kept[i] = false
	end
	local reserve = ("x"):rep(math.tointeger(left))
	for _, size in ipairs { 99, 50, 1 } do
		fill(size)
	end
	reserve = fails and reserve:sub(1, 9)
	collectgarbage()
	if fails then
		error(reserve)
	end
end)
