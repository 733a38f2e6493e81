-- What a schedule takes the time from: the system's clock, or one that is set by hand.
--
-- A clock has clock:now(), UTC seconds, and clock:wait(schedule, due), which makes schedule:tick() be called when
-- that moment has come, or may have; each call replaces the one before, and nil is no moment.
local skynet = require "skynet"

local clocks = {}

local LOOK <const> = 60 -- seconds after which the system's clock is looked at again: somebody may have set it

---@class reef.schedule.clock
local system = {}
system.__index = system

function system.now()
	return os.time()
end

-- How long until the system's clock shows a moment, as far as can be told: seconds begin when skynet's do, unless the
-- clock was set meanwhile.
local function distance(due)
	local now, fine = os.time(), skynet.time()
	return math.floor(fine) == now and due - fine or due - now
end

function system:wait(schedule, due)
	self.number = self.number + 1
	if not due then
		return
	end
	local number = self.number
	local seconds = math.min(LOOK, math.max(distance(due), 0))
	skynet.timeout(math.max(1, math.ceil(seconds * 100)), function()
		if self.number == number then
			schedule:tick()
		end
	end)
end

---@return reef.schedule.clock
function clocks.system()
	return setmetatable({ number = 0 }, system)
end

local manual = {}
manual.__index = manual

function manual:now()
	return self.time
end

function manual:wait(schedule, due)
	self.waiting[schedule] = due
end

---Sets the time, forward or back, at once: what is due is seen late.
---@param utc number
function manual:set(utc)
	self.time = utc
	local list = {}
	for schedule in pairs(self.waiting) do
		list[#list + 1] = schedule
	end
	for _, schedule in ipairs(list) do
		schedule:tick()
	end
end

---Lets the time pass, moment by moment.
---@param seconds number
function manual:advance(seconds)
	local stop = self.time + seconds
	while true do
		local first, least
		for schedule, due in pairs(self.waiting) do
			if due <= stop and (not least or due < least) then
				first, least = schedule, due
			end
		end
		if not first then
			break
		end
		self.time = math.max(self.time, least)
		self.waiting[first] = nil
		first:tick()
	end
	self.time = stop
end

---A clock that stands until it is moved.
---@param utc number|nil  0
---@return table
function clocks.manual(utc)
	return setmetatable({ time = utc or 0, waiting = {} }, manual)
end

return clocks
