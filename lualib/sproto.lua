-- sproto: messages of few bytes by a schema, and requests and responses made of them.

local core = require "sproto.core"

---@class sproto
---@field cobj userdata the schema
---@field types table<string, integer>
---@field protocols table<string|integer, sproto.protocol|false>
local sproto = {}
sproto.__index = sproto

---@class sproto.protocol
---@field name string
---@field tag integer
---@field request? integer type
---@field response? integer
---@field confirm boolean answered without a body

---@class sproto.host
---@field proto sproto
---@field package integer type of the header
---@field session table<integer, integer|true> what is awaited: the type of the response
local host = {}
host.__index = host

local header = {} -- used again by each message

---A sproto with a schema of the process (sprotoloader).
---@param cobj userdata
---@return sproto
function sproto.sharenew(cobj)
	return setmetatable({ cobj = cobj, types = {}, protocols = {} }, sproto)
end

---@param bundle string what sprotoparser.parse returns
---@return sproto
function sproto.new(bundle)
	return sproto.sharenew(core.new(bundle))
end

---@param text string a schema
---@return sproto
function sproto.parse(text)
	return sproto.new(require("sprotoparser").parse(text))
end

local encode, decode = core.encode, core.decode

-- Of a name that has not been used yet.
local function type_of(self, name)
	local id = self.types[name] or core.type(self.cobj, name)
	if not id then
		error(("sproto: there is no type %s"):format(tostring(name)))
	end
	self.types[name] = id
	return id
end

local function protocol_of(self, name)
	local protocol = self.protocols[name]
	if protocol == nil then
		local full, tag, request, response, confirm = core.protocol(self.cobj, name)
		protocol = full and { name = full, tag = tag, request = request, response = response, confirm = confirm }
		self.protocols[name] = protocol or nil
	end
	return protocol
end

---@param name string
---@return boolean
function sproto:exist_type(name)
	return core.type(self.cobj, name) ~= nil
end

---@param name string|integer
---@return boolean
function sproto:exist_proto(name)
	return core.protocol(self.cobj, name) ~= nil
end

---@param name string|integer
---@return sproto.protocol
function sproto:queryproto(name)
	return protocol_of(self, name) or error(("sproto: there is no protocol %s"):format(tostring(name)))
end

---@param name string
---@param values table fields that the type does not have are left out
---@return string
function sproto:encode(name, values)
	return encode(self.cobj, self.types[name] or type_of(self, name), values)
end

---@param name string
---@param ... any string, or pointer and size; then a table to be filled, if there is one
---@return table
---@return integer size bytes that the message took
function sproto:decode(name, ...)
	return decode(self.cobj, self.types[name] or type_of(self, name), ...)
end

---As encode, packed.
---@param name string
---@param values table
---@return string
function sproto:pencode(name, values)
	return core.pencode(self.cobj, type_of(self, name), values)
end

---As decode, of packed bytes.
---@param name string
---@param ... any string, or pointer and size
---@return table
function sproto:pdecode(name, ...)
	return core.pdecode(self.cobj, type_of(self, name), ...)
end

sproto.pack = core.pack
sproto.unpack = core.unpack

local function encode_body(self, kind, values)
	return kind and encode(self.cobj, kind, values or {}) or ""
end

local function decode_body(self, kind, ...)
	if kind then
		return (decode(self.cobj, kind, ...))
	end
end

---The request of a protocol, without a header.
---@param name string|integer of a protocol
---@param values? table
---@return string
---@return integer tag
function sproto:request_encode(name, values)
	local protocol = self:queryproto(name)
	return encode_body(self, protocol.request, values), protocol.tag
end

---@param name string|integer of a protocol
---@param ... any string, or pointer and size
---@return table?
---@return string name
function sproto:request_decode(name, ...)
	local protocol = self:queryproto(name)
	return decode_body(self, protocol.request, ...), protocol.name
end

---The response of a protocol, without a header.
---@param name string|integer of a protocol
---@param values? table
---@return string
function sproto:response_encode(name, values)
	return encode_body(self, self:queryproto(name).response, values)
end

---@param name string|integer of a protocol
---@param ... any string, or pointer and size
---@return table?
function sproto:response_decode(name, ...)
	return decode_body(self, self:queryproto(name).response, ...)
end

---What may be taken for fields that are not there. With "REQUEST" or "RESPONSE", `name` is a protocol's.
---@param name string
---@param kind? "REQUEST"|"RESPONSE"
---@return table?
function sproto:default(name, kind)
	local id
	if kind == nil then
		id = type_of(self, name)
	elseif kind == "REQUEST" or kind == "RESPONSE" then
		id = self:queryproto(name)[kind:lower()]
	else
		error("sproto: default of REQUEST or RESPONSE, not of " .. tostring(kind))
	end
	return id and core.default(self.cobj, id)
end

---One end of a conversation.
---@param package? string type of the header, "package": with the fields `type` and `session`, and `ud` if need be
---@return sproto.host
function sproto:host(package)
	return setmetatable({ proto = self, package = type_of(self, package or "package"), session = {} }, host)
end

local function message(self, tag, session, ud, body)
	header.type, header.session, header.ud = tag, session, ud
	return core.pack(encode(self.proto.cobj, self.package, header) .. body)
end

---@param ... any a packed message: string, or pointer and size
---@return "REQUEST"|"RESPONSE" kind
---@return string|integer name of the request, or session of the response
---@return table? values
---@return function|integer? response of a request: makes the answer; of a response: its ud
---@return integer? ud
function host:dispatch(...)
	local bytes = core.unpack(...)
	local proto = self.proto
	local head, size = decode(proto.cobj, self.package, bytes)
	local body = bytes:sub(size + 1)
	local session, ud = head.session, head.ud
	if head.type then
		local protocol = proto:queryproto(head.type)
		local values = decode_body(proto, protocol.request, body)
		if not session then
			return "REQUEST", protocol.name, values, nil, ud
		end
		return "REQUEST", protocol.name, values, function(answer, answer_ud)
			return message(self, nil, session, answer_ud, encode_body(proto, protocol.response, answer))
		end, ud
	end
	local response = self.session[session or -1]
	if not response then
		error(("sproto: a response to session %s, which nobody has asked"):format(tostring(session)))
	end
	self.session[session] = nil
	if response == true then
		return "RESPONSE", session, nil, ud
	end
	return "RESPONSE", session, response(body), ud
end

---Makes requests to the other end, which speaks the schema `other`.
---@param other sproto
---@return fun(name: string, values?: table, session?: integer, ud?: integer): string without a session no answer is
---expected
function host:attach(other)
	return function(name, values, session, ud)
		local protocol = other:queryproto(name)
		if session then
			local response = protocol.response
			self.session[session] = response and function(body)
				return decode_body(other, response, body)
			end or true
		end
		return message(self, protocol.tag, session, ud, encode_body(other, protocol.request, values))
	end
end

return sproto
