-- One of the thousand services: reads two sheets that belong together.

local skynet = require "skynet"
local datasheet = require "reef.datasheet"

local items = datasheet.query "items"
local quests = datasheet.query "quests"
local reads, wrong = 0, 0

local command = {}

-- The reward of a quest is the price of its item, always.
function command.read(n)
	for _ = 1, n do
		reads = reads + 1
		local quest = quests[math.random(#quests)]
		if items[quest.item].price ~= quest.reward then
			wrong = wrong + 1
		end
	end
end

function command.price(item)
	return items[item].price
end

function command.report()
	return reads, wrong
end

-- What a copy of its own would take.
function command.private_bytes()
	local function copy(t)
		local c = {}
		for k, v in pairs(t) do
			c[k] = type(v) == "table" and copy(v) or v
		end
		return c
	end
	collectgarbage()
	local before = collectgarbage "count"
	local mine = { copy(items), copy(quests) }
	local bytes = (collectgarbage "count" - before) * 1024
	return bytes, #mine
end

skynet.start(function()
	skynet.dispatch("lua", function(session, _, name, ...)
		if session == 0 then
			command[name](...)
		else
			skynet.retpack(command[name](...))
		end
	end)
end)
