-- The opening handshake of WebSocket (RFC 6455, section 4), both ends.
local crypt = require "skynet.crypt"
local writer = require "reef.http.writer"

local handshake = {}

local GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

---@param key string
---@return string
function handshake.accept_of(key)
	return crypt.base64encode(crypt.sha1(key .. GUID))
end

---@return string  a new random key
function handshake.key()
	return crypt.base64encode(crypt.randomkey() .. crypt.randomkey())
end

---Is the word one of the values of the field?
---@param value string|string[]|nil
---@param word string  in lower case
---@return boolean
function handshake.has(value, word)
	if type(value) == "table" then
		value = table.concat(value, ",")
	end
	for item in (value or ""):gmatch "[^,]+" do
		if item:match "^%s*(.-)%s*$":lower() == word then
			return true
		end
	end
	return false
end

local function key_of(header)
	local key = header["sec-websocket-key"]
	if type(key) ~= "string" or #key ~= 24 or key:find "[^%w+/=]" then
		return nil
	end
	local ok, bytes = pcall(crypt.base64decode, key)
	return ok and #bytes == 16 and key or nil
end

local function refuse(status, reason, header)
	local text = reason .. "\n"
	return nil, (writer.text(writer.status_line(status), header, text, #text,
		"content-type: text/plain\r\nconnection: close\r\n")), reason
end

handshake.refuse = refuse

---What a server answers to a request.
---@param method string
---@param header table<string, string|string[]>
---@param extensions string|nil  what it agrees to
---@param version string|nil  of HTTP; default "1.1"
---@return boolean|nil ok
---@return string bytes  the answer
---@return string|nil reason  why not
function handshake.answer(method, header, extensions, version)
	if method ~= "GET" then
		return refuse(400, "only GET becomes a WebSocket")
	elseif version == "1.0" then
		return refuse(400, "HTTP/1.0 becomes no WebSocket") -- RFC 9110, section 7.8
	elseif not header.host then
		return refuse(400, "the field Host is missing")
	elseif not handshake.has(header.upgrade, "websocket") then
		return refuse(426, "the field Upgrade has to be websocket",
			{ upgrade = "websocket", ["sec-websocket-version"] = "13" })
	elseif not handshake.has(header.connection, "upgrade") then
		return refuse(400, "the field Connection has to be Upgrade")
	elseif header["sec-websocket-version"] ~= "13" then
		return refuse(426, "only version 13 is known", { upgrade = "websocket", ["sec-websocket-version"] = "13" })
	end
	local key = key_of(header)
	if not key then
		return refuse(400, "the field Sec-WebSocket-Key has to be 16 bytes in base64")
	end
	local more = extensions and ("Sec-WebSocket-Extensions: %s\r\n"):format(extensions) or ""
	if header["sec-websocket-protocol"] then
		if not handshake.has(header["sec-websocket-protocol"], "chat") then
			return refuse(400, "the only subprotocol is chat")
		end
		more = more .. "Sec-WebSocket-Protocol: chat\r\n"
	end
	return true, ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		.. "Sec-WebSocket-Accept: %s\r\n%s\r\n"):format(handshake.accept_of(key), more)
end

-- What a client's handshake says by itself, and what it says; "": whatever that is, nobody else says it.
local OWN <const> = {
	connection = "upgrade", upgrade = "websocket", ["sec-websocket-version"] = "13", ["sec-websocket-key"] = "",
	["sec-websocket-accept"] = "", ["sec-websocket-extensions"] = "", ["content-length"] = "", ["transfer-encoding"] = "",
}

---The caller's fields without those that the handshake has. Raises when he wants them to be others.
---@param header table<string, any>|nil
---@return table<string, any>
function handshake.without_own(header)
	local rest = {}
	for name, value in pairs(header or {}) do
		local own = type(name) == "string" and OWN[name:lower()]
		if not own then
			rest[name] = value
		elseif own == "" or not handshake.has(type(value) == "table" and value or tostring(value), own) then
			error(("websocket: the field %s is the handshake's own"):format(name), 0)
		end
	end
	return rest
end

---Why a client cannot go on after this response; nil: it can.
---@param status integer
---@param header table<string, string|string[]>
---@param key string
---@param wanted any  the subprotocols that were asked for, as the field says
---@return string|nil
function handshake.fault(status, header, key, wanted)
	if status ~= 101 then
		return ("the server answers %d"):format(status)
	elseif not handshake.has(header.upgrade, "websocket") or not handshake.has(header.connection, "upgrade") then
		return "the server goes over to something else"
	elseif header["sec-websocket-accept"] ~= handshake.accept_of(key) then
		return "the server's Sec-WebSocket-Accept is wrong"
	end
	local protocol = header["sec-websocket-protocol"]
	if protocol and not (type(protocol) == "string" and wanted and handshake.has(wanted, protocol:lower())) then
		return "the server goes over to a subprotocol that nobody has asked for" -- RFC 6455, section 4.1
	end
	return nil
end

return handshake
