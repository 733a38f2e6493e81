-- Time zones from the system's database: which offset from UTC holds when. Files are read as RFC 8536 describes them;
-- what comes after their last entry follows the rule at their end.
local calendar = require "reef.schedule.calendar"

local zone = {}

---@class reef.schedule.zone
---@field name string
---@field times integer[]      UTC seconds at which the offset changes
---@field offsets integer[]    seconds east of UTC from then on
---@field first integer        the offset before
---@field rule table|nil       what holds after the last
local methods = {}
local meta = { __index = methods, __name = "zone" }

local DIRECTORY <const> = "/usr/share/zoneinfo/"

-- ---- the rule ----

-- [+-]hh[:mm[:ss]] as seconds, and where it ends.
local function parse_time(text, at)
	local sign, h, m, s, stop = text:match("^([+-]?)(%d+):?(%d*):?(%d*)()", at)
	if not h then
		return nil, at
	end
	local seconds = tonumber(h) * 3600 + (tonumber(m) or 0) * 60 + (tonumber(s) or 0)
	return math.tointeger(sign == "-" and -seconds or seconds), stop
end

local function parse_name(text, at)
	return text:match("^<[%w+-]+>()", at) or text:match("^%a+()", at)
end

local function parse_day(text, at)
	local month, week, day, stop = text:match("^,M(%d+)%.(%d)%.(%d)()", at)
	local result
	if month then
		result = { month = tonumber(month), week = tonumber(week), day = tonumber(day) }
	else
		local julian, number
		julian, number, stop = text:match("^,(J?)(%d+)()", at)
		if not number then
			return nil, at
		end
		result = { number = tonumber(number), julian = julian == "J" }
	end
	result.time = 7200
	if text:sub(stop, stop) == "/" then
		result.time, stop = parse_time(text, stop + 1)
	end
	return result, stop
end

-- "CET-1CEST,M3.5.0,M10.5.0/3": standard time, summer time, and when they begin. Offsets there are west of UTC.
local function parse_rule(text)
	local at = parse_name(text, 1)
	local west
	if at then
		west, at = parse_time(text, at)
	end
	if not west then
		return nil
	end
	local rule = { standard = -west }
	local summer = parse_name(text, at)
	if not summer then
		return rule
	end
	local ahead, stop = parse_time(text, summer)
	rule.summer = ahead and -ahead or rule.standard + 3600
	rule.begins, stop = parse_day(text, stop)
	if rule.begins then
		rule.ends = parse_day(text, stop)
	end
	return rule.ends and rule or { standard = rule.standard }
end

-- The day of a rule in a year, as days since 1970.
local function day_of(when, year)
	if when.number then
		local first = calendar.days(year, 1, 1)
		if not when.julian then
			return first + when.number
		end
		return first + when.number - ((calendar.is_leap(year) and when.number >= 60) and 0 or 1)
	end
	local first = calendar.days(year, when.month, 1)
	local day = first + (when.day - calendar.weekday(first)) % 7 + 7 * (when.week - 1)
	while day >= first + calendar.month_length(year, when.month) do
		day = day - 7
	end
	return day
end

-- The changes around a year, in order: instants, and the offset from then on.
local function changes(rule, year)
	local list = {}
	for y = year - 1, year + 1 do
		list[#list + 1] = { day_of(rule.begins, y) * 86400 + rule.begins.time - rule.standard, rule.summer }
		list[#list + 1] = { day_of(rule.ends, y) * 86400 + rule.ends.time - rule.summer, rule.standard }
	end
	table.sort(list, function(a, b)
		return a[1] < b[1]
	end)
	return list
end

-- ---- files ----

local function read_block(bytes, at, wide)
	local isut, isstd, leap, times, types, chars = (">I4I4I4I4I4I4"):unpack(bytes, at + 20)
	local size = wide and 8 or 4
	local body = at + 44
	local stop = body + times * size + times + types * 6 + chars + leap * (size + 4) + isstd + isut
	return { body = body, times = times, types = types, stop = stop }
end

local function parse(name, bytes)
	assert(bytes:sub(1, 4) == "TZif" and bytes:byte(5) >= 0x32, "not a zone of version 2 or later")
	local b = read_block(bytes, read_block(bytes, 1, false).stop, true)
	local self = setmetatable({ name = name, times = {}, offsets = {} }, meta)
	local kinds = b.body + b.times * 8
	local function offset(kind)
		return ((">i4"):unpack(bytes, kinds + b.times + kind * 6))
	end
	self.first = offset(0)
	local before = self.first
	for i = 0, b.times - 1 do
		local now = offset(bytes:byte(kinds + i))
		if now ~= before then
			self.times[#self.times + 1] = (">i8"):unpack(bytes, b.body + i * 8)
			self.offsets[#self.offsets + 1] = now
			before = now
		end
	end
	self.rule = parse_rule(bytes:match("^\n([^\n]*)\n", b.stop) or "")
	return self
end

local loaded = {} ---@type table<string, reef.schedule.zone>

---A zone by its name in the database, "Europe/Berlin" or "UTC". Raises when there is none.
---@param name string
---@return reef.schedule.zone
function zone.load(name)
	if loaded[name] then
		return loaded[name]
	elseif type(name) ~= "string" or not name:find "^%w[%w_+%-/]*$" then
		error("schedule: no such time zone: " .. tostring(name), 0)
	end
	local f = io.open(DIRECTORY .. name, "rb")
	local bytes = f and f:read "a"
	if f then
		f:close()
	end
	if not bytes and name ~= "UTC" then
		error(("schedule: no such time zone: %s (%s%s)"):format(name, DIRECTORY, name), 0)
	end
	if not bytes then
		loaded[name] = setmetatable({ name = name, times = {}, offsets = {}, first = 0 }, meta)
		return loaded[name]
	end
	local ok, result = pcall(parse, name, bytes)
	if not ok then
		error(("schedule: %s%s: %s"):format(DIRECTORY, name, result), 0)
	end
	loaded[name] = result
	return result
end

---The time around an instant in which one offset holds.
---@param utc integer
---@return integer|nil start  nil: ever
---@return integer|nil stop   the first instant after it; nil: for ever
---@return integer offset     seconds east of UTC
function methods:period(utc)
	local times = self.times
	local low, high = 0, #times
	while low < high do
		local middle = (low + high + 1) // 2
		if times[middle] <= utc then
			low = middle
		else
			high = middle - 1
		end
	end
	if low < #times or not self.rule then
		return times[low], times[low + 1], self.offsets[low] or self.first
	elseif not self.rule.summer then
		return times[low], nil, self.rule.standard
	end
	local start, offset = times[low], self.offsets[low] or self.first
	for _, change in ipairs(changes(self.rule, (calendar.civil(utc // 86400)))) do
		if change[1] > utc then
			return start, change[1], offset
		elseif not start or change[1] >= start then
			start, offset = change[1], change[2]
		end
	end
	return start, nil, offset
end

return zone
