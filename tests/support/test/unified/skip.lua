-- Ends a case of the public suites as skipped: what it needs is not there, and is named.
---@param reason string
return function(reason)
	error({ skipped = reason }, 0)
end
