-- An order by chance: so that one that is out of date, or silent, is not asked again and again.

---@generic T
---@param list T[] is changed
---@return T[] list
return function(list)
	for i = #list, 2, -1 do
		local j = math.random(i)
		list[i], list[j] = list[j], list[i]
	end
	return list
end
