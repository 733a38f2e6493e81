-- Addresses of requests: where a URL leads to, and where a redirect leads to from there (RFC 3986, section 5.2).
local host = require "reef.http.host"
local shown = require "reef.base.shown"

local target = {}

---@class reef.http.url
---@field scheme string
---@field target reef.http.target
---@field path string  and query; begins with a slash

---Raises if it is none. What stands behind a # is for browsers only.
---@param text string
---@return reef.http.url
function target.parse(text)
	local scheme, authority, path = text:match "^(%a[%w+.-]*)://([^/?#]*)([^#]*)"
	if not scheme then
		error(("http: %q is no address; they begin with http:// or https://"):format(shown(text)), 0)
	elseif path:find "[%s%c\x80-\xff]" then
		error(("http: the path of %q has spaces, control characters or others that have to be escaped"):format(
			shown(text)), 0)
	end
	if path:sub(1, 1) ~= "/" then
		path = "/" .. path
	end
	scheme = scheme:lower()
	return { scheme = scheme, target = host.parse(scheme .. "://" .. authority), path = path }
end

-- Takes `.` and `..` out of a path without query.
local function flatten(path)
	local parts = {}
	for part in path:gmatch "[^/]*" do
		if part == ".." then
			parts[#parts] = nil
		elseif part ~= "." then
			parts[#parts + 1] = part
		end
	end
	local last = path:match "[^/]*$"
	if last == "." or last == ".." then
		parts[#parts + 1] = ""
	end
	local flat = table.concat(parts, "/")
	return flat:sub(1, 1) == "/" and flat or "/" .. flat
end

---@param url reef.http.url
---@param location string  of a response to it
---@return string  a whole address
function target.join(url, location)
	if location:find "^%a[%w+.-]*:" then
		return location
	elseif location:sub(1, 2) == "//" then
		return url.scheme .. ":" .. location
	end
	local base = url.scheme .. "://" .. url.target.host
	local path, query = url.path:match "^([^?]*)(.*)$"
	location = location:match "^[^#]*"
	if location == "" then
		return base .. path .. query
	elseif location:sub(1, 1) == "?" then
		return base .. path .. location
	end
	local new_path, new_query = location:match "^([^?]*)(.*)$"
	if new_path:sub(1, 1) ~= "/" then
		new_path = path:match "^(.*/)" .. new_path
	end
	return base .. flatten(new_path) .. new_query
end

return target
