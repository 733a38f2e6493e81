-- TLS on sockets that are connected, as functions like those of http.sockethelper.
--
--     local tls = tlshelper.newtls("client", tlshelper.newctx(), "example.com")
--     tlshelper.init_requestfunc(id, tls)()
--     local read, write = tlshelper.readfunc(id, tls), tlshelper.writefunc(id, tls)
--
-- A client verifies the server's certificate and name, other than the API's first implementation;
-- ctx:set_options { verify = false } is as it was there.
local ltls = require "ltls.c"
local sockethelper = require "http.sockethelper"
local tls = require "reef.tls"

local tlshelper = {
	newctx = ltls.newctx,
	newtls = ltls.newtls,
}

local function copy(options, without)
	local result = {}
	for name, value in pairs(options) do
		result[name] = value
	end
	result[without] = nil
	return result
end

---@param id integer
---@param connection ltls.tls  of a client
---@return fun()  does the handshake; raises when it fails
function tlshelper.init_requestfunc(id, connection)
	return function()
		local name = connection.options.server_name
		local options = connection.options
		if not name and options.verify ~= false and options.verify_host ~= false then
			error("tls: newtls(\"client\", ctx, hostname): without a name nobody can say whether it is the right server; "
				.. "ctx:set_options { verify_host = false } does without", 0)
		end
		local ok, err = tls.upgrade(id, name or "", copy(options, "server_name"))
		if not ok then
			error(err, 0)
		end
	end
end

---@param id integer
---@param connection ltls.tls  of a server, whose context has a certificate
---@return fun()  does the handshake; raises when it fails
function tlshelper.init_responsefunc(id, connection)
	return function()
		local ok, err = tls.accept(id, copy(connection.options, "server_name"))
		if not ok then
			error(err, 0)
		end
	end
end

---@return fun()  for symmetry: the goodbye is said when the socket is closed
function tlshelper.closefunc()
	return function() end
end

---@param id integer
---@param _ ltls.tls
---@return fun(n: integer|nil): string  exactly n bytes, or whatever there is; raises when the peer has closed
function tlshelper.readfunc(id, _)
	return sockethelper.readfunc(id)
end

---@param id integer
---@param _ ltls.tls
---@return fun(bytes: string)
function tlshelper.writefunc(id, _)
	return sockethelper.writefunc(id)
end

---@param id integer
---@param _ ltls.tls
---@return fun(): string
function tlshelper.readallfunc(id, _)
	return function()
		return sockethelper.readall(id)
	end
end

return tlshelper
