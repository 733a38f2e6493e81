-- The metatable of an object that keeps the methods that were used: finding one again is a look into one table. With
-- thousands of callers in turn, each table that a call looks into is one that the processor has to fetch from far away.

---@param methods table
---@return table
return function(methods)
	return { __name = "redis", __index = function(db, name)
		local method = methods[name]
		if method then
			rawset(db, name, method)
		end
		return method
	end }
end
