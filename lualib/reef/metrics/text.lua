-- Families of samples, and Prometheus' text format for them (Exposition formats, version 0.0.4).
local clean = require("reef.text").clean

---@class reef.metrics.families
---@field order string[]
---@field list table<string, {kind: string, help: string, lines: string[], sums: table<string, number>}>
local families = {}
families.__index = families

local text = {}

function text.families()
	return setmetatable({ order = {}, list = {} }, families)
end

local escaped = { ["\\"] = "\\\\", ["\n"] = "\\n", ['"'] = '\\"' }

local function number(n)
	if math.type(n) == "integer" then
		return tostring(n)
	elseif n ~= n then
		return "NaN"
	elseif n == math.huge or n == -math.huge then
		return n > 0 and "+Inf" or "-Inf"
	end
	return ("%.14g"):format(n)
end

---The text that identifies a sample: `name{label="value"}`.
---@param name string
---@param names string[]|nil
---@param values any[]|nil
function text.key(name, names, values)
	if not names or #names == 0 then
		return name
	end
	local words = {}
	for i, label in ipairs(names) do
		words[i] = ('%s="%s"'):format(label, clean(tostring(values[i])):gsub('[\\\n"]', escaped))
	end
	return ("%s{%s}"):format(name, table.concat(words, ","))
end

---@param family string
---@param kind "counter"|"gauge"|"summary"
---@param help string
function families:declare(family, kind, help)
	if not self.list[family] then
		self.order[#self.order + 1] = family
		self.list[family] = { kind = kind, help = help, lines = {}, sums = {} }
	end
end

---Adds to a sample; those of one key are summed up. A family must have been declared.
---@param family string
---@param key string from text.key
---@param value number
function families:add(family, key, value)
	local f = self.list[family]
	if not f.sums[key] then
		f.lines[#f.lines + 1] = key
	end
	f.sums[key] = (f.sums[key] or 0) + value
end

---@return string
function families:format()
	local out = {}
	for _, name in ipairs(self.order) do
		local f = self.list[name]
		if #f.lines > 0 then
			out[#out + 1] = ("# HELP %s %s"):format(name, f.help:gsub("[\\\n]", escaped))
			out[#out + 1] = ("# TYPE %s %s"):format(name, f.kind)
			table.sort(f.lines)
			for _, key in ipairs(f.lines) do
				out[#out + 1] = ("%s %s"):format(key, number(f.sums[key]))
			end
		end
	end
	out[#out + 1] = ""
	return table.concat(out, "\n")
end

return text
