-- Two looks at all services, the latest one and one before it, of which rates are made. All who look share them: a look
-- is taken when somebody asks and the latest is old.
local services = require "reef.services"
local skynet = require "skynet"
local system = require "reef.look.system"

local FRESH <const> = 0.45 -- seconds that a look is good for
local USEFUL <const> = 10 -- seconds between two looks, at most
local SHORT <const> = 25 -- hundredths of a second between two looks when there was none

---Columns of one length, a row for each service.
---@class reef.look.sample
---@field time number  since 1970
---@field at number  seconds of a clock that never jumps
---@field cpu_of_process number|nil  seconds
---@field address integer[]
---@field description string[]
---@field messages integer[]
---@field cpu number[]
---@field queued integer[]
---@field memory integer[]
---@field refused integer[]
---@field errors integer[]
---@field row table<integer, integer>  by address
local sample = {}

local latest, before ---@type reef.look.sample|nil, reef.look.sample|nil
local taking = {} ---@type thread[]|nil

local function take()
	local s = { at = skynet.hpc() / 1e9, time = skynet.time(), cpu_of_process = system.cpu() }
	s.address, s.description, s.messages, s.cpu, s.queued, s.memory, s.refused, s.errors = services.snapshot()
	local row = {}
	for i, address in ipairs(s.address) do
		row[address] = i
	end
	s.row = row
	return s
end

local function age(s)
	return skynet.hpc() / 1e9 - s.at
end

---The latest look and the one before. May wait a quarter of a second.
---@param address integer|nil  of a service that is to be in it if it lives
---@return reef.look.sample latest
---@return reef.look.sample before
function sample.both(address)
	if not latest or age(latest) > USEFUL then
		if taking[1] then
			taking[#taking + 1] = coroutine.running()
			skynet.wait(coroutine.running())
			return sample.both(address)
		end
		taking[1] = coroutine.running()
		local first = take()
		skynet.sleep(SHORT)
		before, latest = first, take()
		local waiting = taking
		taking = {}
		for i = 2, #waiting do
			skynet.wakeup(waiting[i])
		end
	elseif age(latest) > FRESH then
		before, latest = latest, take()
	elseif address and not latest.row[address] then
		latest = take()
	end
	return latest, before
end

---What has been added to a column since the look before, per second; of what is new, since nothing.
---@param now reef.look.sample
---@param old reef.look.sample
---@param column "messages"|"cpu"|"errors"|"refused"
---@param i integer  row
---@return number
function sample.rate(now, old, column, i)
	local j = old.row[now.address[i]]
	local since = now[column][i] - (j and old[column][j] or 0)
	return since > 0 and since / (now.at - old.at) or 0
end

return sample
