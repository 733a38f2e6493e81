-- What a client sends first: the head of a request, and its body if that is a string.
local options_check = require "reef.options".check
local writer = require "reef.http.writer"

local outgoing = {}

local known_fields = {
	url = true, method = true, header = true, body = true, timeout = true, redirects = true, expect = true,
	counted = true, -- for httpc: each request says how long its body is, also the one that has none
}

---Raises if it is no request.
---@param request table
function outgoing.check(request)
	options_check("http: request", request, known_fields)
	local method, url, body = request.method, request.url, request.body
	if type(method) ~= "string" or method:find "[^%w%-]" or method == "" then
		error(("http: %q is no method"):format(tostring(method)), 0)
	elseif type(url) ~= "string" then
		error("http: a request needs a url", 0)
	elseif body ~= nil and type(body) ~= "string" and type(body) ~= "function" then
		error(("http: a body is a string or a function, not a %s"):format(type(body)), 0)
	end
	writer.check_length(request.header or {}, body)
end

---@param request table
---@param url reef.http.url
---@param proxy reef.http.proxy|nil
---@return string bytes     the head, with a body behind it that need not wait
---@return boolean chunked  how the rest of the body goes
---@return boolean later    there is a rest
---@return boolean certain  it is certain where the body ends
function outgoing.head(request, url, proxy)
	local body, header = request.body, request.header or {}
	local chunked = false
	local length
	local said, encoding = writer.find(header, "content-length"), writer.find(header, "transfer-encoding")
	-- A line is left out when the caller has that field (drivers/http/message_fields.c).
	local more = ("Host: %s\r\n"):format(url.target.host)
	if proxy and not url.target.tls and proxy.authorization then
		more = ("%sProxy-Authorization: %s\r\n"):format(more, proxy.authorization)
	end
	if encoding ~= nil then
		length = nil -- the caller has made chunks of it
	elseif type(body) == "function" then
		if said == nil then
			chunked = true
			more = more .. "Transfer-Encoding: chunked\r\n"
		end
	elseif body or request.counted or (request.method ~= "GET" and request.method ~= "HEAD") then
		length = body and #body or 0
	end
	local later = type(body) == "function" or request.expect ~= nil
	if request.expect and body then
		more = more .. "Expect: 100-continue\r\n"
	end
	local path = url.path
	if proxy and not url.target.tls then
		path = "http://" .. url.target.host .. path
	end
	local start = ("%s %s HTTP/1.1\r\n"):format(request.method, path)
	local certain = encoding == nil and (chunked or type(body) ~= "function")
	return (writer.text(start, header, not later and body or nil, length, more)), chunked, later and body ~= nil, certain
end

return outgoing
