-- What a service is called: `snlua arena 1` is an `arena`, `logger x` a `logger`.

---@param description string  as launched
---@return string
return function(description)
	local module, first = description:match "^(%S+) ?(%S*)"
	return module == "snlua" and first ~= "" and first or module or "?"
end
