-- The bytes of HTTP messages that are sent: heads and chunks.
local core = require "reef.http.core"

local writer = {
	send = core.send,
	text = core.text,
}

---@type table<integer, string>
writer.reason = {
	[100] = "Continue", [101] = "Switching Protocols", [102] = "Processing", [103] = "Early Hints",
	[200] = "OK", [201] = "Created", [202] = "Accepted", [203] = "Non-Authoritative Information", [204] = "No Content",
	[205] = "Reset Content", [206] = "Partial Content", [207] = "Multi-Status",
	[300] = "Multiple Choices", [301] = "Moved Permanently", [302] = "Found", [303] = "See Other",
	[304] = "Not Modified", [305] = "Use Proxy", [307] = "Temporary Redirect", [308] = "Permanent Redirect",
	[400] = "Bad Request", [401] = "Unauthorized", [402] = "Payment Required", [403] = "Forbidden", [404] = "Not Found",
	[405] = "Method Not Allowed", [406] = "Not Acceptable", [407] = "Proxy Authentication Required",
	[408] = "Request Timeout", [409] = "Conflict", [410] = "Gone", [411] = "Length Required",
	[412] = "Precondition Failed", [413] = "Content Too Large", [414] = "URI Too Long",
	[415] = "Unsupported Media Type", [416] = "Range Not Satisfiable", [417] = "Expectation Failed",
	[421] = "Misdirected Request", [422] = "Unprocessable Content", [426] = "Upgrade Required",
	[428] = "Precondition Required", [429] = "Too Many Requests", [431] = "Request Header Fields Too Large",
	[500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway", [503] = "Service Unavailable",
	[504] = "Gateway Timeout", [505] = "HTTP Version Not Supported",
}

---Status lines that have been made, by status.
---@type table<integer, string>
writer.starts = {}

---The same of responses that may have a body.
---@type table<integer, string>
writer.with_body = {}

local starts = writer.starts

---@param status integer
---@return string
function writer.status_line(status)
	local line = starts[status]
	if not line then
		local number = math.tointeger(status)
		if not number or number < 100 or number > 999 then
			error(("http: %s is no status"):format(tostring(status)), 0)
		end
		line = ("HTTP/1.1 %03d %s\r\n"):format(number, writer.reason[number] or "")
		starts[number] = line
		if writer.may_have_body(number) then
			writer.with_body[number] = line
		end
	end
	return line
end

---The value of a field whatever case its name is written in.
---@param header table<string, any>
---@param name string  in lower case
---@return any
function writer.find(header, name)
	local value = header[name]
	if value ~= nil then
		return value
	end
	for key, v in pairs(header) do
		if type(key) == "string" and key:lower() == name then
			return v
		end
	end
	return nil
end

---What the fields say of the body's length; nil: nothing, or nothing that may be sent.
---@param header table<string, any>
---@return integer|nil
function writer.length(header)
	local said = writer.find(header, "content-length")
	return math.tointeger(tonumber(type(said) == "table" and said[1] or said))
end

---May a response with this status have a body, and so a Content-Length?
---@param status integer
---@return boolean
function writer.may_have_body(status)
	return status >= 200 and status ~= 204 and status ~= 304
end

writer.status_line(200)

---Raises if a request says something else of its body than what it has: a server would take the difference for a part
---of another request.
---@param header table<string, any>
---@param body string|function|nil
function writer.check_length(header, body)
	local said = writer.find(header, "content-length")
	if said == nil then
		return
	elseif writer.find(header, "transfer-encoding") ~= nil then
		error("http: a request has a length or an encoding, not both", 0)
	end
	local text = tostring(said)
	if type(body) == "function" then
		if text:find "%D" or text == "" then
			error(("http: the request says content-length: %s"):format(text), 0)
		end
	elseif text ~= ("%d"):format(#(body or "")) then
		error(("http: the request says content-length: %s for a body of %d bytes"):format(text, #(body or "")), 0)
	end
end

---@param bytes string  not empty
---@return string
function writer.chunk(bytes)
	return ("%x\r\n%s\r\n"):format(#bytes, bytes)
end

---The end of a body in chunks.
---@param trailers table<string, any>|nil  fields behind the body
---@return string
function writer.last(trailers)
	if not trailers then
		return "0\r\n\r\n"
	end
	local text, length, encoding, connection = core.text("0\r\n", trailers)
	if length or encoding or connection then
		error("http: no field behind a body says where it ends", 0)
	end
	return text
end

return writer
