-- HTTP for pages about the process itself (the metrics page, the debug console): one request of a connection is read,
-- and refused unless it comes from whom such a page is for. A browser is the danger: any web page can make it send
-- requests to addresses that only its machine can reach. So
--
--   * the request names this server: `Host` is an address, `localhost`, or a name of the configuration key `http_hosts`
--     (another name may have been pointed here: DNS rebinding),
--   * no other page has asked: `Origin` and `Sec-Fetch-Site`, which a page cannot change, say so,
--   * the request is strictly formed (RFC 9112), so that nobody in between reads it in another way,
--   * the answer may not be shown within another page, nor be taken for something else than it is.

local is_ipv4 = require "reef.base.ipv4"
local crypt = require "skynet.crypt"
local digest = require "reef.digest"
local reader = require "reef.http.reader"
local skynet = require "skynet"
local socket = require "reef.socket"

local MOST_HEADERS = 100
local HEAD_LIMIT = 8 * 1024 -- bytes
local BAD, TOO_LARGE = "400 Bad Request", "413 Content Too Large"

-- Headers on which it depends what a request is and who has sent it.
local once = {
	host = true, origin = true, ["sec-fetch-site"] = true, authorization = true, ["content-length"] = true,
	["transfer-encoding"] = true,
}

local guard = {}

---@class reef.http_guard.request
---@field method string
---@field path string   without the query
---@field headers table<string, string>  by names in small letters
---@field host string   of the header Host, without port
---@field body nil|fun(): string  reads the body; raises when it does not come

---Does a line look like the first one of an HTTP request, of any version and in any spelling?
---@param line string
---@return boolean
function guard.is_request_line(line)
	local upper = line:upper()
	local method, target = upper:match "^%s*(%a[%w%-]*)%s+(%S+)"
	return upper:find "%sHTTP/%d[%d.]*%s*$" ~= nil
		or method ~= nil and (target:find "^/" ~= nil or target == "*" or target:find "^%a[%w+.-]*://" ~= nil)
		or upper:find "^%s*%a[%w%-]*:[ \t]*HTTP" ~= nil
end

-- ---- reading ----

local function head_of(id, line, limit)
	local first = line .. "\r\n"
	local r = reader.new(function()
		local bytes = first or socket.read(id)
		first = nil
		return bytes
	end, false, { head = HEAD_LIMIT, fields = MOST_HEADERS, body = limit })
	local method, target, headers = r:head()
	return method, target, headers, r
end

---Reads the rest of a request whose first line is there. Nil: it is malformed.
---@param id integer socket
---@param line string without its end
---@param limit integer|nil bytes of a body; none: it is not read
---@return reef.http_guard.request|nil
---@return string status  with nil: what to answer
function guard.read(id, line, limit)
	if not line:find "^%u+ /[\33-\126]* HTTP/1%.[01]$" then
		return nil, BAD
	end
	local ok, method, target, headers, r = pcall(head_of, id, line, limit or HEAD_LIMIT)
	if not ok or not method then
		local failure = not ok and reader.failure(method)
		return nil, failure and failure.status == 413 and TOO_LARGE or BAD
	end
	for name in pairs(once) do
		if type(headers[name]) == "table" then
			return nil, BAD
		end
	end
	local value = headers.host or ""
	local host = value:match "^(%[[%x:.]+%])$" or value:match "^(%[[%x:.]+%]):%d+$"
		or value:match "^([%w%-._]+)$" or value:match "^([%w%-._]+):%d+$"
	if not host or headers["transfer-encoding"] then
		return nil, BAD
	end
	local request = { method = method, path = target:match "^[^?]*", headers = headers, host = host:lower() }
	if limit then
		function request.body()
			return r:body()
		end
	end
	return request, ""
end

-- ---- who may ask ----

local function is_address(host)
	return host:sub(1, 1) == "[" or is_ipv4(host)
end

local function is_ours(host, listens)
	if host == "localhost" or host:find "^127%.%d+%.%d+%.%d+$" or host == "[::1]" then
		return true
	elseif is_address(host) then
		return host == listens or host == "[" .. listens .. "]" or listens == "0.0.0.0" or listens == "::"
	end
	for name in (skynet.getenv "http_hosts" or ""):lower():gmatch "[^%s,]+" do
		if name == host then
			return true
		end
	end
	return false
end

---Why nobody gets an answer to this request.
---@param request reef.http_guard.request
---@param listens string address that is listened to
---@param methods table<string, boolean>
---@return string|nil status  nil: it may be answered
---@return string|nil why
function guard.refusal(request, listens, methods)
	local headers = request.headers
	if not is_ours(request.host, listens) then
		return "421 Misdirected Request", "this host name is not among those of the configuration key http_hosts"
	end
	local site, origin = headers["sec-fetch-site"], headers.origin
	if site and site ~= "same-origin" and site ~= "none" then
		return "403 Forbidden", "another page has asked"
	elseif origin and origin ~= "http://" .. headers.host and origin ~= "https://" .. headers.host then
		return "403 Forbidden", "another page has asked"
	elseif not methods[request.method] then
		return "405 Method Not Allowed", "only " .. guard.list(methods)
	end
end

---@param methods table<string, boolean>
function guard.list(methods)
	local names = {}
	for name in pairs(methods) do
		names[#names + 1] = name
	end
	table.sort(names)
	return table.concat(names, ", ")
end

---Does the request carry `Authorization: Bearer TOKEN`? How long the look takes says nothing about the token.
---@param request reef.http_guard.request
---@param token string
function guard.has_token(request, token)
	local scheme, given = (request.headers.authorization or ""):match "^(%a+) +(%S+)$"
	return given ~= nil and scheme:lower() == "bearer"
		and digest.equal(digest.sum("sha256", given), digest.sum("sha256", token))
end

-- ---- answering ----

local CLOSED = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

---The policy of a page that loads nothing from elsewhere: it runs its own scripts, and they may ask this server.
---@param html string
---@return string
function guard.page_policy(html)
	local function sources(tag)
		local list = {}
		for text in html:gmatch("<" .. tag .. ">(.-)</" .. tag .. ">") do
			list[#list + 1] = "'sha256-" .. crypt.base64encode(digest.sum("sha256", text)) .. "'"
		end
		return #list > 0 and table.concat(list, " ") or "'none'"
	end
	return ("%s; script-src %s; style-src %s; connect-src 'self'"):format(CLOSED, sources "script", sources "style")
end

---@param id integer socket
---@param status string "200 OK"
---@param kind string media type
---@param body string
---@param options? {head: boolean|nil, policy: string|nil, more: string|nil}  no body; see page_policy; header lines
function guard.answer(id, status, kind, body, options)
	options = options or {}
	local head = {
		"HTTP/1.1 " .. status,
		"Content-Type: " .. kind,
		"Content-Length: " .. #body,
		"Cache-Control: no-store",
		"Connection: close",
		"X-Content-Type-Options: nosniff",
		"X-Frame-Options: DENY",
		"Referrer-Policy: no-referrer",
		"Cross-Origin-Resource-Policy: same-origin",
		"Cross-Origin-Opener-Policy: same-origin",
		"Content-Security-Policy: " .. (options.policy or CLOSED),
	}
	head[#head + 1] = options.more
	socket.write(id, table.concat(head, "\r\n") .. "\r\n\r\n" .. (options.head and "" or body))
end

---Answers with the status alone, and a word why.
---@param id integer socket
---@param status string
---@param why string|nil
---@param methods table<string, boolean>|nil  those that are allowed, for status 405
function guard.refuse(id, status, why, methods)
	guard.answer(id, status, "text/plain; charset=utf-8", status .. (why and ": " .. why or "") .. "\n",
		{ more = status:sub(1, 3) == "405" and methods and "Allow: " .. guard.list(methods) or nil })
end

return guard
