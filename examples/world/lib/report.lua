-- Lines on the terminal, and whether all that is claimed holds.
local report = {}

local failed = 0

---@param format string
function report.line(format, ...)
	io.write(format:format(...), "\n")
	io.stdout:flush()
end

---@param what string
---@param value integer
---@param holds boolean
---@param explained string
function report.claim(what, value, holds, explained)
	failed = failed + (holds and 0 or 1)
	report.line("%s %-22s %9d  %s", holds and "\u{2713}" or "\u{2717}", what, value, explained)
end

---@return boolean
function report.all_hold()
	return failed == 0
end

return report
