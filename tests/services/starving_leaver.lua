-- For compat/no_memory.lua: calls skynet.exit when it has but so many bytes of memory left, and says so if it is there
-- afterwards.
local skynet = require "skynet"

skynet.memlimit(4 << 20)

local kept, n = {}, 0

local function keep(size)
	kept[n + 1] = ("%0" .. size .. "d"):format(n)
	n = n + 1
end

local commands = {}

function commands.exit(left)
	for i = 1, 1 << 16 do
		kept[i] = false
	end
	kept.reserve = ("x"):rep(left)
	for _, size in ipairs { 99, 50, 1 } do
		while pcall(keep, size) do
		end
	end
	kept.reserve = nil
	pcall(collectgarbage)
	local ok, reason = pcall(skynet.exit)
	local count = #kept
	kept = nil
	skynet.retpack(ok, reason, count)
end

function commands.alive()
	skynet.retpack(true)
end

skynet.start(function()
	skynet.dispatch("lua", function(_, _, command, ...)
		commands[command](...)
	end)
end)
