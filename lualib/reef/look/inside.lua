-- What a service tells of itself: what its coroutines wait for, and how full its mailbox is. Runs within the service
-- that is looked at, as the debug command LOOK.
local core = require "reef.look"
local mailbox = require "reef.mailbox"
local skynet = require "skynet"

local MOST <const> = 1000 -- coroutines that are looked at
local STACK <const> = 4000 -- bytes of a stack

local function stack_of(task)
	if task.f then
		local info = type(task.f) == "function" and debug.getinfo(task.f, "S")
		return info and ("function at %s:%d"):format(info.short_src, info.linedefined) or ""
	end
	return debug.traceback(task.thread):gsub("^stack traceback:\n", ""):sub(1, STACK)
end

---@return table
return function()
	local stat = mailbox.stat()
	local groups, list = {}, {}
	local tasks = core.tasks()
	for i = 1, math.min(#tasks, MOST) do
		local task = tasks[i]
		local stack = stack_of(task)
		local key = ("%s\n%s\n%s"):format(task.what, task.target, stack)
		local group = groups[key]
		if not group then
			group = { what = task.what, target = task.target, source = task.source, session = task.session, stack = stack,
				count = 0 }
			groups[key] = group
			list[#list + 1] = group
		end
		group.count = group.count + 1
		if task.seconds and task.seconds >= (group.seconds or 0) then
			group.seconds, group.session, group.source = task.seconds, task.session, task.source
		end
	end
	return {
		tasks = #tasks, waiting = list, queued = skynet.stat "mqlen", queued_bytes = stat.bytes,
		queued_limit = stat.most_messages, queued_bytes_limit = stat.most_bytes,
	}
end
