-- The keys of a table in an order that is the same each time: what is listed, logged or shown to a reader.

---@class reef.base.sorted
local sorted = {}

---A list of the table's keys: numbers or strings as `<` has them, keys of several kinds as their texts.
---@param t table
---@return any[]
function sorted.keys(t)
	local keys, kind = {}, nil
	for key in pairs(t) do
		keys[#keys + 1] = key
		local of = type(key)
		kind = (kind == nil or kind == of) and of or "mixed"
	end
	if kind == "number" or kind == "string" then
		table.sort(keys)
	elseif kind then
		table.sort(keys, function(a, b)
			return tostring(a) < tostring(b)
		end)
	end
	return keys
end

return sorted
