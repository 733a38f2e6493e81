-- Whom a request goes to: `[scheme://]name[:port]`, where IPv6 addresses have brackets.
local shown = require "reef.base.shown"

local host = {}

---@class reef.http.target
---@field tls boolean
---@field name string     without brackets
---@field port integer
---@field host string     as the field Host has it
---@field literal boolean  an address, not a name

local schemes = {
	http = { false, 80 },
	https = { true, 443 },
	ws = { false, 80 },
	wss = { true, 443 },
}

---Raises if it is none.
---@param text string
---@return reef.http.target
function host.parse(text)
	if type(text) ~= "string" then
		error(("http: a host is a text, not a %s"):format(type(text)), 0)
	end
	local scheme, authority = text:match "^(%a[%w+.-]*)://(.*)$"
	scheme, authority = (scheme or "http"):lower(), authority or text
	local kind = schemes[scheme]
	if not kind then
		error(("Invalid protocol: %s"):format(scheme), 0)
	end
	local name, port = authority:match "^%[([%x:.]+)%]:?(%d*)$"
	local literal = name ~= nil
	if not name then
		name, port = authority:match "^([^:%[%]/%s%c@?#]+):?(%d*)$"
	end
	local number = port == "" and kind[2] or math.tointeger(tonumber(port))
	if not name or not number or number < 1 or number > 65535 then
		error(("http: %q is no host; IPv6 addresses are written [::1]:80"):format(shown(text)), 0)
	end
	return {
		tls = kind[1], name = name, port = number, host = authority,
		literal = literal or name:find "^%d+%.%d+%.%d+%.%d+$" ~= nil,
	}
end

return host
