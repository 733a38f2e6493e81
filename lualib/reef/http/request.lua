-- A request as a handler of reef.http.server sees it.
local core = require "reef.http.core"
local deadline = require "reef.http.deadline"
local socket = require "reef.socket"
local url = require "reef.http.url"

---@class reef.http.request
---@field method string
---@field url string      as it came
---@field path string     decoded
---@field query string|nil  as it came
---@field header table<string, string|string[]>  names in lower case
---@field version string  "1.0" or "1.1"
---@field peer string     "ip:port"
---@field id integer      the socket
local request = {}

-- What is made when somebody asks for it.
local made = {}

function made.path(self)
	local target = self.url
	if target:byte() ~= 47 then -- a whole address, as proxies get it
		target = target:gsub("^%a[%w+.-]*://[^/?#]*", "")
		target = target:find "^[?#]" and "/" .. target or target == "" and "/" or target
	end
	local path, query = url.parse(target)
	self.path, self.query = path, query
	return path
end

function made.query(self)
	local _ = self.path
	return rawget(self, "query")
end

function made.header(self)
	local packed = self.packed
	local header = packed and core.fields(packed) or {}
	self.header, self.packed = header, nil
	return header
end

function made.peer(self)
	return self.connection.peer
end

function made.id(self)
	return self.connection.id
end

local meta = {
	__index = function(self, name)
		local method = request[name]
		if method then
			return method
		end
		local make = made[name]
		return make and make(self)
	end,
}

local function expects(self)
	if self.expected then
		self.expected = false
		if not self.connection.reader:has_piece() then
			socket.write(self.id, "HTTP/1.1 100 Continue\r\n\r\n")
		end
	end
end

---The next piece of the body; nil at its end. Raises when it does not come, or is more than the limit.
---@return string|nil
function request:read()
	expects(self)
	return self.connection.reader:piece()
end

---What is left of the body.
---@return string
function request:body()
	expects(self)
	return self.connection.reader:body()
end

---The fields behind a body in chunks, once all of it has been read.
---@return table<string, string|string[]>|nil
function request:trailers()
	return self.connection.reader.parser:trailers()
end

---The query's names and values.
---@return table<string, string|string[]>
function request:parameters()
	return url.parse_query(self.query or "")
end

---Goes over to WebSocket (http.websocket); comes back when that has ended. A handler returns right after it.
---@param handle table
---@param options table|nil
---@return boolean ok
---@return any err
function request:websocket(handle, options)
	local connection = self.connection
	deadline.clear(connection)
	connection.taken = true
	local upgrade = { method = self.method, url = self.url, header = self.header, version = self.version,
		rest = connection.reader:rest() }
	local all = { upgrade = upgrade }
	for k, v in pairs(options or {}) do
		all[k] = v
	end
	return require "reef.http.websocket".accept(self.id, handle, connection.tls and "wss" or "ws", self.peer, all)
end

-- Of tables with method, url, header or `packed` fields, version and connection; `expected`: the client waits for
-- `100 Continue`.
return { meta = meta }
