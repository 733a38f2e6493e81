-- Parts of the target of an HTTP request.
local url = {}

local function unescape(s)
	return (s:gsub("%%(%x%x)", function(code)
		return string.char(tonumber(code, 16))
	end))
end

---@param s string
---@return string path  decoded
---@return string|nil query  as it is
function url.parse(s)
	if not s:find "[%%?#]" then
		return s
	end
	local path, query = s:match "^([^?#]*)%??([^#]*)"
	if not s:find("?", 1, true) then
		query = nil
	end
	return unescape(path), query
end

---Names and values of a query or of a form; a name that occurs repeatedly has an array.
---@param query string
---@return table<string, string|string[]>
function url.parse_query(query)
	local result = {}
	for pair in query:gmatch "[^&]+" do
		local name, value = pair:match "^([^=]*)=?(.*)$"
		name = unescape((name:gsub("+", " ")))
		value = unescape((value:gsub("+", " ")))
		local old = result[name]
		if old == nil then
			result[name] = value
		elseif type(old) == "table" then
			old[#old + 1] = value
		else
			result[name] = { old, value }
		end
	end
	return result
end

return url
