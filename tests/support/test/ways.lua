-- For formats that are read in two ways, a fast one and a careful one: spoilt texts, and whether two values are the
-- same.
local ways = {}

---One of a list, by chance.
function ways.pick(list)
	return list[math.random(#list)]
end

---A text of which a few bytes are changed, taken out, put in or doubled, or which has something doubtful in the place
---of a number.
---@param text string
---@param marks string[]  what means something in the format
---@param doubtful string[]
---@return string
function ways.damage(text, marks, doubtful)
	for _ = 1, math.random(3) do
		local at = math.random(0, #text)
		local kind = math.random(5)
		if kind == 1 then
			text = text:sub(1, at) .. text:sub(at + 1 + math.random(3))
		elseif kind == 2 then
			text = text:sub(1, at) .. string.char(math.random(0, 255)) .. text:sub(at + 2)
		elseif kind == 3 then
			text = text:sub(1, at) .. ways.pick(marks) .. text:sub(at + 1)
		elseif kind == 4 then
			text = text:sub(1, at) .. text:sub(math.max(1, at - math.random(20)))
		else
			text = text:gsub("%f[%w]%d+%f[%W]", (ways.pick(doubtful):gsub("%%", "%%%%")), 1)
		end
	end
	return text
end

local function same_order(a, b)
	local key, other = next(a), next(b)
	while key ~= nil and key == other and math.type(key) == math.type(other) do
		key, other = next(a, key), next(b, other)
	end
	return key == nil and other == nil
end

---Are they the same in all that can be told apart: types of numbers, the sign of zero, the length of lists?
---@param ordered? fun(t: table): boolean  which tables have their fields in the same order, too
---@param bordered? fun(t: table): boolean  which have one length; all, if it is not said
---@return boolean
function ways.same(a, b, ordered, bordered)
	if type(a) == "number" then
		return math.type(a) == math.type(b) and a == b and 1 / a == 1 / b
	elseif type(a) ~= "table" or type(b) ~= "table" then
		return a == b
	elseif ordered and ordered(a) and not same_order(a, b) then
		return false
	end
	for key, inner in pairs(a) do
		if not ways.same(inner, b[key], ordered, bordered) then
			return false
		end
	end
	for key in pairs(b) do
		if a[key] == nil then
			return false
		end
	end
	return #a == #b or (bordered ~= nil and not bordered(a))
end

return ways
