-- Replies with fields, as tables by name: RESP3 has them so, RESP2 as flat lists of names and values.

---@param reply any
---@return table
return function(reply)
	if type(reply) ~= "table" or reply[1] == nil then
		return reply or {}
	end
	local fields = {}
	for i = 1, #reply, 2 do
		fields[reply[i]] = reply[i + 1]
	end
	return fields
end
