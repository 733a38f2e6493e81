-- Cron expressions: which moments of a calendar they mean, and when the next one is in a time zone.
--
--     [second] minute hour day month weekday       lists, ranges, steps, names; L is the last day of a month
--     @yearly @monthly @weekly @daily @hourly
--
-- As ever with cron, a day has to match `day` or `weekday` if both are given, and both if one of them is *.
local calendar = require "reef.schedule.calendar"

local cron = {}

---@class reef.schedule.cron
---@field seconds integer[]   in order
---@field minutes integer[]
---@field hours integer[]
---@field days table<integer, boolean>
---@field months table<integer, boolean>
---@field weekdays table<integer, boolean>
---@field last boolean        also the last day of the month
---@field any_day boolean
---@field any_weekday boolean
---@field hourly boolean      every hour: it follows the time that passes, whatever clocks show

local ALIASES <const> = {
	["@yearly"] = "0 0 1 1 *", ["@annually"] = "0 0 1 1 *", ["@monthly"] = "0 0 1 * *", ["@weekly"] = "0 0 * * 0",
	["@daily"] = "0 0 * * *", ["@midnight"] = "0 0 * * *", ["@hourly"] = "0 * * * *",
}
local MONTHS <const> = {
	jan = 1, feb = 2, mar = 3, apr = 4, may = 5, jun = 6, jul = 7, aug = 8, sep = 9, oct = 10, nov = 11, dec = 12,
}
local WEEKDAYS <const> = { sun = 0, mon = 1, tue = 2, wed = 3, thu = 4, fri = 5, sat = 6 }
local FIELDS <const> = {
	{ "second", 0, 59 }, { "minute", 0, 59 }, { "hour", 0, 23 }, { "day", 1, 31 }, { "month", 1, 12, MONTHS },
	{ "weekday", 0, 7, WEEKDAYS },
}
local LONGEST <const> = 366 * 40 -- days after which an expression that means no day is given up

local function value_of(text, field)
	local v = field[4] and field[4][text:lower()] or text:find "^%d+$" and math.tointeger(tonumber(text))
	return v and v >= field[2] and v <= field[3] and v or nil
end

-- One part of a list: from, to, step.
local function parse_part(part, field)
	local range, step = part:match "^([^/]+)/(%d+)$"
	range = range or part
	step = step and math.tointeger(tonumber(step)) or 1
	if step == 0 then
		return nil
	elseif range == "*" or range == "?" then
		return field[2], field[1] == "weekday" and 6 or field[3], step
	end
	local from, to = range:match "^(%w+)%-(%w+)$"
	from, to = value_of(from or range, field), to and value_of(to, field)
	if not from or range:find "-" and not to then
		return nil
	elseif not to then
		to = part:find "/" and field[3] or from
	end
	if to < from then
		-- fri-mon, 22-4: over the end.
		to = to + field[3] - field[2] + (field[1] == "weekday" and 0 or 1)
	end
	return from, to, step
end

local function parse_field(text, field, expression)
	local set, last = {}, false
	for part in (text .. ","):gmatch "([^,]*)," do
		if part == "L" and field[1] == "day" then
			last = true
		else
			local from, to, step = parse_part(part, field)
			if not from then
				error(("schedule: %s in %q cannot be %q: %d to %d"):format(field[1], expression, text, field[2], field[3]), 0)
			end
			local size = field[1] == "weekday" and 7 or field[3] - field[2] + 1
			for v = from, to, step do
				set[(v - field[2]) % size + field[2]] = true
			end
		end
	end
	return set, last
end

local function ordered(set, high)
	local list = {}
	for v = 0, high do
		if set[v] then
			list[#list + 1] = v
		end
	end
	return list
end

local parsed = setmetatable({}, { __mode = "v" }) ---@type table<string, reef.schedule.cron>

---Raises when it means nothing.
---@param expression string
---@return reef.schedule.cron
function cron.parse(expression)
	if type(expression) ~= "string" then
		error("schedule: a cron expression is a string, not a " .. type(expression), 0)
	elseif parsed[expression] then
		return parsed[expression]
	end
	local words = {}
	for word in (ALIASES[expression:lower()] or expression):gmatch "%S+" do
		words[#words + 1] = word
	end
	if #words == 5 then
		table.insert(words, 1, "0")
	elseif #words ~= 6 then
		error(("schedule: %q has %d fields, not 5 or 6"):format(expression, #words), 0)
	end
	local sets, last = {}, false
	for i, field in ipairs(FIELDS) do
		local is_last
		sets[i], is_last = parse_field(words[i], field, expression)
		last = last or is_last
	end
	local self = {
		seconds = ordered(sets[1], 59), minutes = ordered(sets[2], 59), hours = ordered(sets[3], 23), days = sets[4],
		months = sets[5], weekdays = sets[6], last = last, any_day = words[4]:find "^[*?]" ~= nil,
		any_weekday = words[6]:find "^[*?]" ~= nil,
	}
	self.hourly = #self.hours == 24
	parsed[expression] = self
	return self
end

local function is_day(self, day)
	local year, month, of_month = calendar.civil(day)
	if not self.months[month] then
		return false
	end
	local by_day = self.days[of_month] or self.last and of_month == calendar.month_length(year, month)
	local by_weekday = self.weekdays[calendar.weekday(day)]
	if self.any_day or self.any_weekday then
		return by_day and by_weekday
	end
	return by_day or by_weekday
end

-- The first of a list that is at least `low`.
local function at_least(list, low)
	for _, v in ipairs(list) do
		if v >= low then
			return v
		end
	end
end

-- The first second of a day that is meant, from `from` on.
local function next_in_day(self, from)
	local h, m, s = from // 3600, from // 60 % 60, from % 60
	local hour = at_least(self.hours, h)
	while hour do
		local minute = hour == h and at_least(self.minutes, m) or hour ~= h and self.minutes[1]
		while minute do
			local exact = hour == h and minute == m
			local second = exact and at_least(self.seconds, s) or not exact and self.seconds[1]
			if second then
				return hour * 3600 + minute * 60 + second
			end
			minute = at_least(self.minutes, minute + 1)
		end
		hour = at_least(self.hours, hour + 1)
	end
end

-- The first moment from `from` on and before `stop` that is meant, in seconds as a calendar counts them.
local function next_local(self, from, stop)
	local first = from // 86400
	for day = first, first + LONGEST do
		if stop and day * 86400 >= stop then
			return nil
		elseif is_day(self, day) then
			local second = next_in_day(self, day == first and from % 86400 or 0)
			local moment = second and day * 86400 + second
			if moment then
				return (not stop or moment < stop) and moment or nil
			end
		end
	end
end

---The next instant after another.
---@param self reef.schedule.cron
---@param zone reef.schedule.zone
---@param after integer              UTC seconds
---@param gap "run"|"skip"           a moment that clocks jump over: as they jump, or not at all
---@param overlap "first"|"second"|"both"  a moment that clocks show twice
---@return integer|nil utc  nil: never again
function cron.next(self, zone, after, gap, overlap)
	local from = after + 1
	if self.hourly then
		gap, overlap = "skip", "both"
	end
	local start, stop, offset = zone:period(from)
	local limit = from + LONGEST * 86400
	while true do
		local before = start and select(3, zone:period(start - 1)) or offset
		-- Clocks have jumped over something that is meant.
		if start == from and before < offset and gap == "run" and next_local(self, start + before, start + offset) then
			return start
		end
		local low, high = from + offset, stop and stop + offset
		if overlap == "first" and before > offset then
			low = math.max(low, start + before)
		end
		local following = stop and select(3, zone:period(stop)) or offset
		if overlap == "second" and following < offset then
			high = stop + following
		end
		local found = next_local(self, low, high)
		if found then
			return found - offset
		elseif not stop or from > limit then
			return nil
		end
		from = stop
		start, stop, offset = zone:period(from)
	end
end

return cron
