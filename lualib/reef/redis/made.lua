-- Methods that are made when they are first called: one for each command, whatever commands a server has.

---@param methods table                       those that there are already; gets the others
---@param make fun(name: string): function
---@return table methods
return function(methods, make)
	return setmetatable(methods, {
		__index = function(_, name)
			if type(name) ~= "string" then
				return nil
			end
			local method = make(name)
			methods[name] = method
			return method
		end,
	})
end
