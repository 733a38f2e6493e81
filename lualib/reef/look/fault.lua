-- Errors that a request to the API is answered with: an HTTP status, and why.
local fault = {}

local meta = { __tostring = function(self)
	return self.why
end }

---@param status integer
---@param format string
---@param ... any
function fault.raise(status, format, ...)
	error(setmetatable({ status = status, why = format:format(...) }, meta), 0)
end

---@param err any
---@return boolean
function fault.is(err)
	return getmetatable(err) == meta
end

return fault
