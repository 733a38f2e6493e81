-- Services that write numbered values (tests/services/cluster_caller.lua), and whether they go on.
--
--     local writers = require "test.writers"
--     local list = { writers.start("direct", target, { timeout = 4 }, "name", 100), ... }
--     writers.go_on(list, 1000)
--     local list = writers.start_all(target, 4, nil, 100)     -- direct and through pools
--     writers.finish(db, list, 4, true)                       -- every write is explained
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

---Two that write direct and two that write through pools.
---@param timeout number       seconds, of a call
---@param options table|nil
---@param coroutines integer   of each
---@param prefix string|nil    of the names of its keys. A write that may have been applied may still arrive after its
---                            caller has given up, and must not be taken for one of who comes next
---@return integer[]
function writers.start_all(target, timeout, options, coroutines, prefix)
	local list = {}
	for i, kind in ipairs { "direct", "pool", "direct", "pool" } do
		local own = { timeout = timeout, connect_timeout = 1 }
		for name, value in pairs(options or {}) do
			own[name] = value
		end
		list[i] = writers.start(kind, target, own, (prefix or "") .. kind .. i, coroutines)
	end
	return list
end

local passing = { CLUSTERDOWN = true, LOADING = true, MASTERDOWN = true, NOREPLICAS = true }

---@class test.writers.sums
---@field replies integer
---@field maybe integer     that may have been applied
---@field refused integer   that were not sent
---@field lost integer      that were acknowledged and were not found
local sums = {}
sums.__index = sums

function sums:__tostring()
	return ("%d replies, %d maybe applied, %d not sent, %d lost by servers"):format(self.replies, self.maybe, self.refused,
		self.lost)
end

function sums.__add(a, b)
	local c = setmetatable({}, sums)
	for name, n in pairs(a) do
		c[name] = n + b[name]
	end
	return c
end

---@return test.writers.sums
function writers.sums()
	return setmetatable({ replies = 0, maybe = 0, refused = 0, lost = 0 }, sums)
end

---Stops all and checks what they have seen: no wrong reply, no call that hangs, every write explained.
---@param db table
---@param timeout number            seconds, of a call
---@param lossless boolean          what was acknowledged has to be there
---@param allowed table<string, true>|nil  codes of errors that writers may see, besides those of a cluster
---@return test.writers.sums
function writers.finish(db, list, timeout, lossless, allowed)
	local total = writers.sums()
	for _, one in ipairs(list) do
		local result = skynet.call(one, "lua", "stop")
		test.equal(result.wrong, nil)
		test.equal(result.hung, 0)
		test.truthy(result.longest < timeout + (test.sanitizer and 20 or 4), "longest call " .. result.longest)
		for key, sure in pairs(result.sure) do
			local found = tonumber(db:get(key)) or 0
			if lossless then
				test.truthy(found >= sure, ("%s: %d of %d acknowledged writes were found"):format(key, found, sure))
			end
			total.lost = total.lost + math.max(sure - found, 0)
			test.truthy(found <= sure + result.maybe[key],
				("%s: %d writes were found, %d acknowledged, %d maybe"):format(key, found, sure, result.maybe[key]))
			total.maybe = total.maybe + result.maybe[key]
		end
		for code, n in pairs(result.rejected) do
			test.truthy(passing[code] or allowed and allowed[code], ("%d times %s: %s"):format(n, code, result.last))
		end
		total.replies, total.refused = total.replies + result.replies, total.refused + result.refused
	end
	return total
end

return writers
