-- Work that is done once for all who want it at the same time: the first does it, and whoever comes meanwhile waits and
-- gets the same result or error.
local skynet = require "skynet"

---@class reef.once.work
---@field waiting table[] tokens
---@field ok boolean|nil
---@field result any of `make`, or its error

-- Also when the coroutine that works is ended.
local work_type = {
	---@param work reef.once.work
	__close = function(work)
		work.running[work.key] = nil
		for _, token in ipairs(work.waiting) do
			skynet.wakeup(token)
		end
	end,
}

local function make_it(running, key, make)
	local work <close> = setmetatable(
		{ running = running, key = key, waiting = {}, result = "the coroutine that was to do it was ended" }, work_type)
	running[key] = work
	work.ok, work.result = pcall(make)
	return work
end

---@param running table<any, reef.once.work> what is being done, by key: a table of the caller's
---@param key any
---@param make fun(): any may wait
---@return any result of `make`; raises its error
return function(running, key, make)
	local work = running[key]
	if work then
		local token = {}
		table.insert(work.waiting, token)
		skynet.wait(token)
	else
		work = make_it(running, key, make)
	end
	if not work.ok then
		error(work.result, 0)
	end
	return work.result
end
