-- HTTP for pages about the process itself (the metrics page, the debug console): reef.http.server with checks in
-- front. One request of a connection is read, and refused unless it comes from whom such a page is for. A browser is
-- the danger: any web page can make it send requests to addresses that only its machine can reach. So
--
--   * the request names this server: `Host` is an address, `localhost`, or a name of the configuration key `http_hosts`
--     (another name may have been pointed here: DNS rebinding),
--   * no other page has asked: `Origin` and `Sec-Fetch-Site`, which a page cannot change, say so,
--   * the request is strictly formed (RFC 9112), so that nobody in between reads it in another way,
--   * the answer may not be shown within another page, nor be taken for something else than it is.

local is_ipv4 = require "reef.base.ipv4"
local digest = require "reef.digest"
local http = require "reef.http.server"
local skynet = require "skynet"
local sorted = require "reef.base.sorted"
local writer = require "reef.http.writer"

local HEAD_LIMIT = 8 * 1024 -- bytes
local TIME = 500 -- 1/100 s that a request may take to arrive
local MOST = 200 -- connections
local SHORTEST_TOKEN <const> = 16 -- characters, as core/host/config_keys.c has it
local LINE = "^%u+ /[\33-\126]* HTTP/1%.[01]$"

-- Headers on which it depends what a request is and who has sent it.
local once = {
	host = true, origin = true, ["sec-fetch-site"] = true, authorization = true, ["content-length"] = true,
	["transfer-encoding"] = true,
}

local guard = {}

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

-- ---- who may ask ----

---The token that a key of the configuration has; nil: none. Raises for one that could be guessed.
---@param key string
---@return string|nil
function guard.token(key)
	local token = skynet.getenv(key)
	if token and (#token < SHORTEST_TOKEN or token:find "[^\33-\126]") then
		error(("%s: at least %d visible characters, without spaces"):format(key, SHORTEST_TOKEN), 0)
	end
	return token
end

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

-- The host that the request is for, without port. Nil: it is not strictly formed.
local function host_of(request)
	local header = request.header
	for name in pairs(once) do
		if type(header[name]) == "table" then
			return nil
		end
	end
	if header["transfer-encoding"] or request.url:sub(1, 1) ~= "/" then
		return nil
	end
	local value = header.host or ""
	local host = value:match "^(%[[%x:.]+%])$" or value:match "^(%[[%x:.]+%]):%d+$"
		or value:match "^([%w%-._]+)$" or value:match "^([%w%-._]+):%d+$"
	return host and host:lower()
end

-- Why nobody gets an answer to this request: status and a word; nil: it may be answered.
local function refusal(request, listens, methods)
	local header, host = request.header, host_of(request)
	if not host then
		return 400
	elseif not is_ours(host, listens) then
		return 421, "this host name is not among those of the configuration key http_hosts"
	end
	local site, origin = header["sec-fetch-site"], header.origin
	if site and site ~= "same-origin" and site ~= "none" then
		return 403, "another page has asked"
	elseif origin and origin ~= "http://" .. header.host and origin ~= "https://" .. header.host then
		return 403, "another page has asked"
	elseif not methods(request.url:match "^[^?]*")[request.method] then
		return 405, "only " .. guard.list(methods(request.url:match "^[^?]*"))
	end
end

---@param methods table<string, boolean>
function guard.list(methods)
	return table.concat(sorted.keys(methods), ", ")
end

---Does the request carry `Authorization: Bearer TOKEN`? How long the look takes says nothing about the token.
---@param request reef.http.request
---@param token string
function guard.has_token(request, token)
	local scheme, given = (request.header.authorization or ""):match "^(%a+) +(%S+)$"
	return given ~= nil and scheme:lower() == "bearer"
		and digest.equal(digest.sum("sha256", given), digest.sum("sha256", token))
end

-- ---- answering ----

local CLOSED = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

---The policy of a page that loads nothing from elsewhere: scripts and styles are files of this server, which scripts
---may ask.
guard.PAGE = CLOSED .. "; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"

---What a handler answers.
---@param status integer
---@param kind string media type
---@param body string
---@param more table<string, string>|nil  fields; see PAGE
---@return integer status
---@return string body
---@return table<string, string> fields
function guard.answer(status, kind, body, more)
	local fields = {
		["Content-Type"] = kind,
		["Content-Length"] = tostring(#body),
		["Cache-Control"] = "no-store",
		["X-Content-Type-Options"] = "nosniff",
		["X-Frame-Options"] = "DENY",
		["Referrer-Policy"] = "no-referrer",
		["Cross-Origin-Resource-Policy"] = "same-origin",
		["Cross-Origin-Opener-Policy"] = "same-origin",
		["Content-Security-Policy"] = CLOSED,
	}
	for name, value in pairs(more or {}) do
		fields[name] = value
	end
	return status, body, fields
end

---The same with the status alone, and a word why.
---@param status integer
---@param why string|nil
---@param more table<string, string>|nil
function guard.refuse(status, why, more)
	local words = ("%d %s%s\n"):format(status, writer.reason[status], why and ": " .. why or "")
	return guard.answer(status, "text/plain; charset=utf-8", words, more)
end

-- ---- serving ----

-- What is no request at all. Whoever is too slow is not worth an answer.
local function refuse_broken(status)
	if status ~= 408 then
		return guard.refuse(status == 413 and 413 or 400)
	end
end

---A server whose handler only sees requests that have passed the checks. What it answers is what guard.answer gives.
---@param listens fun(): string  address that is listened to
---@param methods fun(path: string): table<string, boolean>
---@param body_limit integer  bytes
---@param handler fun(request: reef.http.request): integer, string, table
---@return reef.http.server
function guard.server(listens, methods, body_limit, handler)
	return http.new(function(request)
		local status, why = refusal(request, listens(), methods)
		if status then
			return guard.refuse(status, why,
				status == 405 and { Allow = guard.list(methods(request.url:match "^[^?]*")) } or nil)
		end
		local ok, body, fields
		ok, status, body, fields = xpcall(handler, debug.traceback, request)
		if ok then
			return status, body, fields
		end
		skynet.error(("http: %s: %s"):format(request.path, tostring(status)))
		return guard.refuse(500)
	end, {
		head_limit = HEAD_LIMIT, body_limit = body_limit, head_timeout = TIME, body_timeout = TIME, request_timeout = TIME,
		requests = 1, max_connections = MOST, refuse = refuse_broken,
	})
end

---Serves a connection whose first line has been read.
---@param server reef.http.server
---@param id integer    socket
---@param peer string
---@param line string   without its end
function guard.serve(server, id, peer, line)
	-- What is no such line is refused by the first byte of it, so that nobody's reading of the rest matters.
	server:serve(id, peer, line:find(LINE) and line .. "\r\n" or "\0")
end

return guard
