-- Is that text an IPv4 address, in its usual form of four decimal numbers?

---@param text string
---@return boolean
return function(text)
	local parts = { text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
	for _, part in ipairs(parts) do
		if tonumber(part) > 255 then
			return false
		end
	end
	return #parts == 4
end
