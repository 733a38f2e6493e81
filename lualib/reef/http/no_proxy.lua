-- Which servers are asked without the proxy: the rules that curl has for the variable `no_proxy`.
--
--     local direct = no_proxy.parse "localhost, .example.com, 10.0.0.0/8, [::1]:8080"
--     direct(host.parse "http://www.example.com")   -- true
--
-- A name stands for itself and what is under it, with or without a dot in front. An address stands for itself, a
-- network for its addresses; names are not resolved for that. `*` is everybody. A port behind it: only there.
local no_proxy = {}

-- Bytes of an address; nil: it is none.
local function v4(text)
	local a, b, c, d = text:match "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$"
	a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
	return a and a < 256 and b < 256 and c < 256 and d < 256 and string.char(a, b, c, d) or nil
end

local function groups(text)
	local found = {}
	for group in (text .. ":"):gmatch "([^:]*):" do
		if not group:find "^%x%x?%x?%x?$" then
			return nil
		end
		found[#found + 1] = (">I2"):pack(tonumber(group, 16))
	end
	return table.concat(found)
end

local function v6(text)
	local head, last = text:match "^(.*:)(%d+%.%d+%.%d+%.%d+)$"
	if head then
		local bytes = v4(last)
		text = bytes and head .. ("%x:%x"):format((">I2I2"):unpack(bytes)) or ""
	end
	local before, behind = text:match "^(.-)::(.*)$"
	if not before then
		local bytes = text:find(":", 1, true) and groups(text)
		return bytes and #bytes == 16 and bytes or nil
	end
	before = before == "" and "" or groups(before)
	behind = behind == "" and "" or groups(behind)
	if not before or not behind or #before + #behind > 14 then
		return nil
	end
	return before .. ("\0"):rep(16 - #before - #behind) .. behind
end

local function address(text)
	return v4(text) or v6(text)
end

-- Are the first bits the same?
local function same_bits(a, b, bits)
	local whole, rest = bits // 8, bits % 8
	return #a == #b and a:sub(1, whole) == b:sub(1, whole)
		and (rest == 0 or a:byte(whole + 1) >> (8 - rest) == b:byte(whole + 1) >> (8 - rest))
end

-- A function that says whether a name, of these bytes if it is an address, is meant.
local function rule_of(text)
	if text == "*" then
		return function()
			return true
		end
	end
	local network, bits = text:match "^([%x.:]+)/(%d+)$"
	local bytes = address(network or text:match "^%[(.*)%]$" or text)
	if bytes then
		local most = #bytes * 8
		bits = bits and math.tointeger(tonumber(bits)) or most
		if bits > most then
			return nil
		end
		return function(_, other)
			return other ~= nil and same_bits(bytes, other, bits)
		end
	elseif text:find "[/%[%]:%s%c]" or text == "" then
		return nil
	end
	local name = text:gsub("^%.", ""):gsub("%.$", "")
	local under = "." .. name
	return function(other, is_address)
		return not is_address and (other == name or other:sub(-#under) == under)
	end
end

---Raises if a part of the list is none of these.
---@param list string|string[]|nil  divided by commas or spaces
---@return fun(to: reef.http.target): boolean
function no_proxy.parse(list)
	if list ~= nil and type(list) ~= "string" and type(list) ~= "table" then
		error(("http: no_proxy is a list of names and networks, not a %s"):format(type(list)), 0)
	end
	local rules = {}
	for part in (type(list) == "table" and table.concat(list, ",") or list or ""):lower():gmatch "[^,%s]+" do
		local name, port = part:match "^(%[.*%]):(%d+)$"
		if not name then
			name, port = part:match "^([^:]+):(%d+)$"
		end
		local rule = rule_of(name or part)
		if not rule then
			error(("http: no_proxy: %q is no name, address or network"):format(part), 0)
		end
		rules[#rules + 1] = { rule, tonumber(port) }
	end
	return function(to)
		local name = to.name:lower():gsub("%.$", "")
		local bytes = to.literal and address(name) or nil
		for _, rule in ipairs(rules) do
			if (not rule[2] or rule[2] == to.port) and rule[1](name, bytes) then
				return true
			end
		end
		return false
	end
end

return no_proxy
