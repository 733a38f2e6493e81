-- Replies with fields, as tables by name: RESP3 has them so, RESP2 as flat lists of names and values.

---@param reply any
---@return table  empty when it is neither
return function(reply)
	if type(reply) ~= "table" then
		return {}
	elseif reply[1] == nil then
		return reply
	end
	local fields = {}
	for i = 1, #reply, 2 do
		if type(reply[i]) == "string" then
			fields[reply[i]] = reply[i + 1]
		end
	end
	return fields
end
