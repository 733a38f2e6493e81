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
---@param kind "counter"|"gauge"|"histogram"
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

---A family of one sample without labels.
---@param name string
---@param kind "counter"|"gauge"
---@param help string
---@param value number
function families:single(name, kind, help, value)
	self:declare(name, kind, help)
	self:add(name, name, value)
end

---Adds the values of a histogram's sample: how many are in each bucket (one more than there are bounds), their sum, and
---how many there are. Calls add(key, value) for each line.
---@param name string
---@param names string[]
---@param values any[]|nil  of the labels
---@param bounds number[]
---@param counts number[]
---@param sum number
---@param add fun(key: string, value: number)
function text.histogram(name, names, values, bounds, counts, sum, add)
	local n, below = #names, 0
	names, values = table.move(names, 1, n, 1, {}), table.move(values or {}, 1, n, 1, {})
	names[n + 1] = "le"
	for i = 1, #bounds + 1 do
		below = below + counts[i]
		values[n + 1] = bounds[i] and number(bounds[i]) or "+Inf"
		add(text.key(name .. "_bucket", names, values), below)
	end
	names[n + 1] = nil
	add(text.key(name .. "_sum", names, values), sum)
	add(text.key(name .. "_count", names, values), below)
end

-- Where a line of a histogram stands: its other labels, then its bound; behind the buckets the sum and the count.
local function place(key)
	local labels = key:match "{(.*)}$" or ""
	local before, bound = labels:match '^(.-),?le="([^"]*)"$'
	if not bound then
		return labels, key:find "^[%w_:]*_sum" and 1 or 2, 0
	end
	return before, 0, bound == "+Inf" and math.huge or tonumber(bound)
end

local function in_order(a, b)
	local labels_a, kind_a, bound_a = place(a)
	local labels_b, kind_b, bound_b = place(b)
	if labels_a ~= labels_b then
		return labels_a < labels_b
	elseif kind_a ~= kind_b then
		return kind_a < kind_b
	end
	return bound_a < bound_b
end

---@return string
function families:format()
	local out = {}
	for _, name in ipairs(self.order) do
		local f = self.list[name]
		if #f.lines > 0 then
			out[#out + 1] = ("# HELP %s %s"):format(name, f.help:gsub("[\\\n]", escaped))
			out[#out + 1] = ("# TYPE %s %s"):format(name, f.kind)
			if f.kind == "histogram" then
				table.sort(f.lines, in_order)
			else
				table.sort(f.lines)
			end
			for _, key in ipairs(f.lines) do
				out[#out + 1] = ("%s %s"):format(key, number(f.sums[key]))
			end
		end
	end
	out[#out + 1] = ""
	return table.concat(out, "\n")
end

return text
