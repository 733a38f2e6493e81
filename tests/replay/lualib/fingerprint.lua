-- All that a service has seen, in one number: its replay comes to the same. Addresses, places in files, and tables
-- other than errors do not count.
local fingerprint = {}

local hash, seen = 5381, 0

local function text_of(value)
	if type(value) == "table" then
		value = value.message or value.err or #value
	end
	return (tostring(value):gsub("0x%x+", "0x"):gsub("^%S+%.lua:%d+: ", ""))
end

---@param ... any
function fingerprint.note(...)
	for i = 1, select("#", ...) do
		seen = seen + 1
		for c in text_of((select(i, ...))):gmatch "." do
			hash = (hash * 33 + c:byte()) & 0xffffffffffff
		end
	end
end

---@return integer
function fingerprint.hash()
	return hash
end

---Prints it, as `records.expect_the_same` looks for it.
function fingerprint.print()
	print("fingerprint", ("%x"):format(hash), seen)
end

return fingerprint
