-- The slowest messages of the last minutes.
local clean = require "reef.text".clean
local core = require "reef.look"
local json = require "reef.json"
local name_of = require "reef.look.name"
local sample = require "reef.look.sample"
local skynet = require "skynet"

local MOST, OLDEST <const> = 50, 600 -- messages; seconds

local slow = {}

slow.parameters = {}

---@return table
function slow.list()
	local now = sample.both()
	local list = core.slow()
	table.sort(list, function(a, b)
		return a.seconds > b.seconds
	end)
	local answer = json.list {}
	for _, message in ipairs(list) do
		if #answer < MOST and now.time - message.time <= OLDEST then
			message.name = clean(name_of(message.name))
			local source = now.row[message.source]
			message.source_name = source and clean(name_of(now.description[source]))
			message.source = message.source ~= 0 and skynet.address(message.source) or nil
			message.service = skynet.address(message.service)
			answer[#answer + 1] = message
		end
	end
	return { time = now.time, messages = answer }
end

return slow
