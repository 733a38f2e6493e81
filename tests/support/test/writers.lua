-- Services that write numbered values (tests/services/cluster_caller.lua), and whether they go on.
--
--     local writers = require "test.writers"
--     local list = { writers.start("direct", target, { timeout = 4 }, "name", 100), ... }
--     writers.go_on(list, 1000)
local skynet = require "skynet"
local test = require "test"

local writers = {}

---@param kind "direct"|"pool"
---@param name string        what its keys begin with
---@param coroutines integer
---@return integer address
function writers.start(kind, target, options, name, coroutines)
	local address = test.service "cluster_caller"
	skynet.call(address, "lua", "start", kind, target, options, name, coroutines)
	return address
end

local function replies(list)
	local n = 0
	for _, one in ipairs(list) do
		n = n + skynet.call(one, "lua", "replies")
	end
	return n
end

---Waits until there were n more replies.
function writers.go_on(list, n)
	local before = replies(list)
	test.eventually("writes that go on", 40, function()
		return replies(list) >= before + n
	end)
end

return writers
