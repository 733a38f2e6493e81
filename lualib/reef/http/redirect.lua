-- Where a response sends its request to, and what becomes of the request on the way (RFC 9110, section 15.4).
local shown = require "reef.base.shown"
local target = require "reef.http.target"

local redirect = {}

-- Fields that are meant for one server, in lower case.
local secret = { authorization = true, cookie = true, ["proxy-authorization"] = true }
-- Fields that describe a body, which goes.
local of_body = {
	["content-length"] = true, ["content-type"] = true, ["content-encoding"] = true, ["content-language"] = true,
	["content-location"] = true, ["transfer-encoding"] = true, ["expect"] = true, ["digest"] = true,
}

local function without(header, ...)
	local result = {}
	for name, value in pairs(header or {}) do
		local lower = name:lower()
		local drop = lower == "host"
		for _, names in ipairs { ... } do
			drop = drop or names[lower]
		end
		if not drop then
			result[name] = value
		end
	end
	return result
end

-- Whether the request becomes a GET. The two old statuses do that to a POST alone, as browsers always have.
local function becomes_get(status, method)
	if status == 303 then
		return method ~= "HEAD" and method ~= "GET"
	end
	return (status == 301 or status == 302) and method == "POST"
end

---The next request. Nil: the response is the answer. Raises where it would not be safe to go on.
---@param request table  method, header, body, of the request
---@param url reef.http.url  its address
---@param status integer
---@param location string|string[]|nil
---@return table|nil
function redirect.next(request, url, status, location)
	if status ~= 301 and status ~= 302 and status ~= 303 and status ~= 307 and status ~= 308
		or type(location) ~= "string" then
		return nil
	end
	local get = becomes_get(status, request.method)
	if not get and type(request.body) == "function" then
		return nil -- it cannot be sent twice
	end
	local address = target.join(url, location)
	local to = target.parse(address)
	if to.scheme ~= "http" and to.scheme ~= "https" then
		error(("http: a redirect to %s"):format(shown(address)), 0)
	elseif url.target.tls and not to.target.tls then
		error(("http: a redirect from https to %s"):format(shown(address)), 0)
	end
	local same = to.scheme == url.scheme and to.target.name:lower() == url.target.name:lower()
		and to.target.port == url.target.port
	return {
		method = get and "GET" or request.method, url = address, body = not get and request.body or nil,
		header = without(request.header, get and of_body or {}, same and {} or secret),
	}
end

return redirect
