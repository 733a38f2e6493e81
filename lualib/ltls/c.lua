-- What a TLS connection of http.tlshelper is made from. The encryption itself is the socket's own (reef.tls), so these
-- are only its options.
local ltls = {}

---@class ltls.ctx
---@field options reef.tls.options
local ctx = {}
ctx.__index = ctx

---@return ltls.ctx
function ltls.newctx()
	return setmetatable({ options = {} }, ctx)
end

---@param cert string  path of a PEM file
---@param key string   path
function ctx:set_cert(cert, key)
	self.options.cert_file, self.options.key_file = cert, key
end

---@param ciphers string  as `openssl ciphers` takes them
function ctx:set_ciphers(ciphers)
	self.options.ciphers = ciphers
end

---Any options of reef.tls.
---@param options reef.tls.options
function ctx:set_options(options)
	for name, value in pairs(options) do
		self.options[name] = value
	end
end

---@class ltls.tls
---@field role "client"|"server"
---@field options reef.tls.options

---@param role "client"|"server"
---@param context ltls.ctx
---@param hostname string|nil  client: who the server has to be
---@return ltls.tls
function ltls.newtls(role, context, hostname)
	if role ~= "client" and role ~= "server" then
		error(("tls: %q is neither client nor server"):format(tostring(role)))
	end
	local options = {}
	for name, value in pairs(context.options) do
		options[name] = value
	end
	options.server_name = hostname or options.server_name
	return { role = role, options = options }
end

return ltls
