-- The numbers of the last minutes, for curves. Kept while somebody looks, and for a minute after.
local json = require "reef.json"
local skynet = require "skynet"

local KEPT <const> = 600 -- points
local PERIOD <const> = 100 -- hundredths of a second
local AFTER <const> = 60 -- points that are added after the last look

local SERIES <const> = { cpu = "cpu_rate", messages = "message_rate", services = "services", queued = "queued",
	memory = "resident", sockets = "sockets", errors = "error_rate" }

local history = {}

local times, series = {}, {}
local left = 0 -- points that are added yet
local running = false

for name in pairs(SERIES) do
	series[name] = {}
end

local function add(look)
	times[#times + 1] = look.time
	for name, field in pairs(SERIES) do
		series[name][#times] = look[field] or 0
	end
	if #times > KEPT then
		table.remove(times, 1)
		for _, values in pairs(series) do
			table.remove(values, 1)
		end
	end
end

---Somebody looks.
---@param look fun(): table  what /api/process answers
function history.wanted(look)
	left = AFTER
	if running then
		return
	end
	running = true
	skynet.fork(function()
		while left > 0 do
			left = left - 1
			local ok, numbers = pcall(look)
			if ok then
				add(numbers)
			end
			skynet.sleep(PERIOD)
		end
		running = false
	end)
end

history.parameters = {}

---@return table
function history.list()
	local answer = { period = PERIOD / 100, times = json.list(table.move(times, 1, #times, 1, {})), series = {} }
	for name, values in pairs(series) do
		answer.series[name] = json.list(table.move(values, 1, #values, 1, {}))
	end
	return answer
end

return history
