-- Connecting to whom a request goes to, with TLS if its scheme says so.
local socket = require "reef.socket"

local connect = {}

---What clients have in common: the table of http.httpc.
---@class reef.http.client
---@field tls reef.tls.options  of https and wss
connect.client = { tls = {} }

---Raises when it fails.
---@param target reef.http.target
---@param timeout number|nil  1/100 s
---@param resolve nil|fun(name: string): string|nil  in the place of the system's way to find the address
---@return integer id
function connect.open(target, timeout, resolve)
	local address = target.name
	if resolve and not target.literal then
		address = assert(resolve(target.name))
	end
	local options
	if target.tls then
		options = {}
		for k, v in pairs(connect.client.tls) do
			options[k] = v
		end
		options.server_name = options.server_name or target.name
	end
	local id, err = socket.open(address, target.port, { timeout = timeout, tls = options })
	if not id then
		error(("http: cannot connect to %s:%d: %s"):format(target.name, target.port, err), 0)
	end
	return id
end

return connect
