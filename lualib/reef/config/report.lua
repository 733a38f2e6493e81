-- What a load that failed tells its caller: an object with all problems that were found, which prints as
-- `file:line:column: message` lines, with the directory in front.

local report = {}

---@class reef.config.error
---@field code "config"|"timeout"
---@field errors reef.config.problem[]  sorted by file and line, at most `max_errors`
---@field count integer  how many there are
---@field dir string

local meta = { __name = "config error" }

---@param problem reef.config.problem
---@param dir? string put in front of the file's name
---@return string
function report.line(problem, dir)
	local place = dir and problem.file ~= dir and dir:gsub("/*$", "/") .. problem.file or problem.file
	if problem.line then
		place = place .. ":" .. problem.line
	end
	if problem.column then
		place = place .. ":" .. problem.column
	end
	return place .. ": " .. problem.message
end

---@param self reef.config.error
---@param dir? string
---@return string[]
function report.lines(self, dir)
	local lines = {}
	for i, problem in ipairs(self.errors) do
		lines[i] = report.line(problem, dir)
	end
	if self.count > #lines then
		lines[#lines + 1] = ("and %d more"):format(self.count - #lines)
	end
	return lines
end

function meta.__tostring(self)
	return table.concat(report.lines(self, self.dir), "\n")
end

---@param fields table
---@return reef.config.error
function report.new(fields)
	return setmetatable(fields, meta)
end

---Sorts problems and keeps the first ones.
---@param dir string
---@param problems reef.config.problem[]
---@param more integer how many were counted that are not among them
---@param limit integer
---@return reef.config.error
function report.collect(dir, problems, more, limit)
	table.sort(problems, function(a, b)
		if a.file ~= b.file then
			return a.file < b.file
		elseif a.line ~= b.line then
			return (a.line or 0) < (b.line or 0)
		elseif a.column ~= b.column then
			return (a.column or 0) < (b.column or 0)
		end
		return a.message < b.message
	end)
	local kept = {}
	for i = 1, math.min(limit, #problems) do
		local p = problems[i]
		kept[i] = { file = p.file, line = p.line, column = p.column, message = p.message }
	end
	return report.new { code = "config", dir = dir, errors = kept, count = #problems + more }
end

return report
