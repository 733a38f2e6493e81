-- How an error shows an address that it is about: one that is refused may have no scheme, and a password all the same.
local redacted = require("reef.text").redacted

---@param address string
---@return string
return function(address)
	if not address:find("://", 1, true) then
		address = address:gsub("^.*@", "***@")
	end
	return redacted(address)
end
