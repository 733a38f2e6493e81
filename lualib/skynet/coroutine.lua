-- Coroutines of the user's own inside a service: generators and the like. They may call other services while they run;
-- until the answer is there they are "blocked", and only the framework goes on with them.

local core = require "skynet.core"

local running, stock_status = coroutine.running, coroutine.status
local stock_create, stock_resume, stock_yield = coroutine.create, coroutine.resume, coroutine.yield

---Coroutines made here, and by which of the service's own each was last resumed (false: never).
local owners = setmetatable({}, { __mode = "k" }) ---@type table<thread, thread|false>

local M = {
	running = running,
	isyieldable = coroutine.isyieldable,
	close = coroutine.close,
}

---The service's own coroutine behind `thread` (the running one by default), and whether it is that itself.
---@param thread? thread
---@return thread? skynet_thread nil for a coroutine that was never resumed here
---@return boolean is_skynet_thread
function M.thread(thread)
	thread = thread or running()
	if core.task(thread) then
		return thread, true
	end
	return owners[thread] or nil, false
end

---@param f function
---@return thread
function M.create(f)
	local thread = stock_create(f)
	owners[thread] = false
	return thread
end

---@param thread thread made by this module
---@param ... any what its function, or its yield, gets
---@return boolean ok
---@return any ...
function M.resume(thread, ...)
	if owners[thread] == nil then
		return false, "cannot resume none skynet coroutine"
	end
	if core.blocked(thread) then
		return false, "cannot resume a skynet coroutine suspend by skynet framework"
	end
	owners[thread] = M.thread() or false
	return stock_resume(thread, ...)
end

---Back to who resumed this coroutine. Raises in one that was not made by this module.
---@param ... any what resume returns behind true
---@return any ... what the next resume is given
function M.yield(...)
	if owners[running()] == nil then
		error("skynet.coroutine.yield: this coroutine was not resumed by skynet.coroutine.resume")
	end
	return stock_yield(...)
end

---@param thread thread
---@return "running"|"suspended"|"normal"|"dead"|"blocked"
function M.status(thread)
	local status = stock_status(thread)
	if status == "suspended" and owners[thread] ~= nil and core.blocked(thread) then
		return "blocked"
	end
	return status
end

local function results(thread, ok, ...)
	if not ok then
		local reason = ...
		if stock_status(thread) ~= "suspended" then
			coroutine.close(thread)
		end
		error(reason, 0)
	end
	return ...
end

---@param f function
---@return fun(...): ...
function M.wrap(f)
	local thread = M.create(f)
	return function(...)
		return results(thread, M.resume(thread, ...))
	end
end

return M
