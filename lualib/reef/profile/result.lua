-- What a profile has found: stacks with what was seen there, and the formats in which others read them.
local sorted = require "reef.base.sorted"

---@class reef.profile.result
---@field kind "cpu"|"bytes"
---@field unit "nanoseconds"|"bytes"  of the values
---@field period integer   what a sample stands for, in that unit
---@field seconds number   how long the profile took
---@field samples integer
---@field stacks table<string, integer>  values by stack: functions from the outermost one on, with `;` between them
local result = {}
result.__index = result

---@class reef.profile.frame
---@field text string
---@field name string
---@field file string|nil  of a function of Lua
---@field line integer|nil

---@param text string  a function, as stacks have it
---@return reef.profile.frame
function result.frame(text)
	local name, file, line = text:match "^(.-) ?%((.+):(%-?%d+)%)$"
	if not file then
		return { text = text, name = text }
	end
	return { text = text, name = name ~= "" and name or ("%s:%s"):format(file, line), file = file,
		line = math.tointeger(line) }
end

-- A function has another name wherever it is called. The one that was seen most stands for all.
local function best_names(stacks)
	local weights = {} ---@type table<string, table<string, integer>>
	for stack, value in pairs(stacks) do
		for text in stack:gmatch "[^;]+" do
			local name, place = text:match "^(.-) ?(%(.+:%-?%d+%))$"
			if place and name ~= "" then
				weights[place] = weights[place] or {}
				weights[place][name] = (weights[place][name] or 0) + value
			end
		end
	end
	local best = {}
	for place, names in pairs(weights) do
		local most = -1
		for _, name in ipairs(sorted.keys(names)) do
			if names[name] > most then
				best[place], most = ("%s %s"):format(name, place), names[name]
			end
		end
	end
	return best
end

---@param fields table
---@return reef.profile.result
function result.new(fields)
	local best, stacks = best_names(fields.stacks), {}
	for stack, value in pairs(fields.stacks) do
		local renamed = stack:gsub("[^;]+", function(text)
			return best[text:match "(%(.+:%-?%d+%))$"]
		end)
		stacks[renamed] = (stacks[renamed] or 0) + value
	end
	fields.stacks = stacks
	return setmetatable(fields, result)
end

---The sum of all values.
---@return integer
function result:total()
	local sum = 0
	for _, value in pairs(self.stacks) do
		sum = sum + value
	end
	return sum
end

---A stack and its number on each line, the most expensive first, as flame graph tools read it: samples of CPU time, or
---bytes.
---@return string
function result:folded()
	local list = sorted.keys(self.stacks)
	table.sort(list, function(a, b)
		local x, y = self.stacks[a], self.stacks[b]
		return x > y or x == y and a < b
	end)
	for i, stack in ipairs(list) do
		local value = self.stacks[stack]
		list[i] = ("%s %d\n"):format(stack, self.kind == "cpu" and math.max(1, (value + self.period // 2) // self.period)
			or value)
	end
	return table.concat(list)
end

---A flame graph, which needs no script: each function's share is in its title.
---@param title string|nil
---@return string
function result:svg(title)
	return require("reef.profile.svg")(self, title)
end

---What `go tool pprof` reads: gzip'd protobuf.
---@return string
function result:pprof()
	return require("reef.profile.pprof")(self)
end

---What https://www.speedscope.app reads: JSON.
---@param title string|nil
---@return string
function result:speedscope(title)
	return require("reef.profile.speedscope")(self, title)
end

return result
