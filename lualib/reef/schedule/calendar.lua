-- Dates of the Gregorian calendar as days since 1970-01-01.

local calendar = {}

local LENGTHS <const> = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

---@param year integer
---@return boolean
function calendar.is_leap(year)
	return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

---@param year integer
---@param month integer
---@return integer days
function calendar.month_length(year, month)
	return month == 2 and calendar.is_leap(year) and 29 or LENGTHS[month]
end

---@param year integer
---@param month integer
---@param day integer
---@return integer
function calendar.days(year, month, day)
	-- Years that begin in March have their leap day at the end.
	local y = month <= 2 and year - 1 or year
	local of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
	return y * 365 + y // 4 - y // 100 + y // 400 + of_year - 719468
end

---@param days integer
---@return integer year
---@return integer month
---@return integer day
function calendar.civil(days)
	local z = days + 719468
	local era = z // 146097
	local doe = z - era * 146097
	local yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
	local doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
	local mp = (5 * doy + 2) // 153
	local month = mp < 10 and mp + 3 or mp - 9
	return yoe + era * 400 + (month <= 2 and 1 or 0), month, doy - (153 * mp + 2) // 5 + 1
end

---@param days integer
---@return integer  0: Sunday
function calendar.weekday(days)
	return (days + 4) % 7
end

return calendar
