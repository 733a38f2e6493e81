-- A number and what is counted, as people say it: "1 file", "2 files".

---@param n integer
---@param one string
---@param many? string by default with an s
---@return string
return function(n, one, many)
	return ("%d %s"):format(n, n == 1 and one or many or one .. "s")
end
