-- Questions to services that may be stuck. Nobody waits longer than a moment, and a service that has not answered yet
-- is not asked the same again.
local skynet = require "skynet"

local PATIENCE <const> = 50 -- hundredths of a second

---@class reef.look.question
---@field done boolean
---@field answer any
---@field waiting thread[]

local open = {} ---@type table<string, reef.look.question>

---@param address integer
---@param kind "debug"|"lua"
---@param ... any  what is asked
---@return boolean answered
---@return any answer
return function(address, kind, ...)
	local key = ("%x %s %s"):format(address, kind, table.concat({ ... }, " "))
	local question = open[key]
	if not question then
		question = { done = false, waiting = {} }
		open[key] = question
		local words = table.pack(...)
		skynet.fork(function()
			local ok, answer = pcall(skynet.call, address, kind, table.unpack(words, 1, words.n))
			question.done, question.ok, question.answer = true, ok, answer
			open[key] = nil
			for _, thread in ipairs(question.waiting) do
				skynet.wakeup(thread)
			end
		end)
	end
	local thread = coroutine.running()
	question.waiting[#question.waiting + 1] = thread
	local ends = skynet.now() + PATIENCE
	while not question.done and skynet.now() < ends do
		skynet.sleep(ends - skynet.now(), thread)
	end
	for i, other in ipairs(question.waiting) do
		if other == thread then
			table.remove(question.waiting, i)
			break
		end
	end
	return question.done and question.ok, question.answer
end
