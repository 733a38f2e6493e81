-- Connecting to whom a request goes to, with TLS if its scheme says so, through a proxy if there is one.
local busy = require "reef.http.busy"
local crypt = require "skynet.crypt"
local deadline = require "reef.http.deadline"
local host = require "reef.http.host"
local no_proxy = require "reef.http.no_proxy"
local reader = require "reef.http.reader"
local shown = require "reef.base.shown"
local skynet = require "skynet"
local socket = require "reef.socket"
local tls = require "reef.tls"
local writer = require "reef.http.writer"

local connect = {}

local LIMITS = { head = 16 * 1024, fields = 100, body = 64 * 1024 } -- of a proxy's answer
local TIMEOUT = 3000 -- 1/100 s

---What clients have in common: the table of http.httpc.
---@class reef.http.client
---@field tls reef.tls.options  of https and wss
---@field proxy string|nil      http://[user:password@]name[:port], or https://
---@field no_proxy string|string[]|nil  who is asked without it: see reef.http.no_proxy
---@field proxy_tls reef.tls.options|nil  of a connection to a proxy that speaks TLS; default: tls
connect.client = { tls = {} }

---@class reef.http.proxy
---@field target reef.http.target
---@field authorization string|nil  value of Proxy-Authorization

---Raises if it is none.
---@param text string|nil
---@return reef.http.proxy|nil
function connect.proxy(text)
	if not text then
		return nil
	end
	local scheme, authority = text:match "^(%a+)://([^/?#]*)/?$"
	scheme = scheme and scheme:lower()
	if scheme ~= "http" and scheme ~= "https" then
		error(("http: %q is no proxy; they are written http://name:port, or https://name:port"):format(
			shown(text)), 0)
	end
	local user, name = authority:match "^(.*)@([^@]*)$"
	if user then
		user = user:gsub("%%(%x%x)", function(code)
			return string.char(tonumber(code, 16))
		end)
	end
	return {
		target = host.parse(scheme .. "://" .. (name or authority)),
		authorization = user and "Basic " .. crypt.base64encode(user) or nil,
	}
end

local direct_of, direct = nil, nil ---@type any, any

---The proxy for this server, or nil if it is asked itself. Raises if the list of those is wrong.
---@param text string|nil                the proxy
---@param list string|string[]|nil       those that are asked without it
---@param target reef.http.target
---@return string|nil
function connect.proxy_for(text, list, target)
	if not text or not list then
		return text
	end
	if direct_of ~= list or type(list) == "table" then
		direct_of, direct = list, no_proxy.parse(list)
	end
	return not direct(target) and text or nil
end

-- The options for a connection to this server.
local function tls_options(target, own)
	local options = {}
	for k, v in pairs(own) do
		options[k] = v
	end
	options.server_name = options.server_name or target.name
	return options
end

local function dial(target, options)
	local address = target.name
	if options.resolve and not target.literal then
		address = assert(options.resolve(target.name))
	end
	local secure = target.tls and tls_options(target, options.tls or connect.client.tls) or nil
	local id, err = socket.open(address, target.port, { timeout = options.timeout, tls = secure })
	if not id then
		error(("http: cannot connect to %s:%d: %s"):format(target.name, target.port, err), 0)
	end
	return id
end

local function shut(owner)
	owner.late = true
	socket.shutdown(owner.id)
end

-- Asks the proxy for a tunnel (RFC 9110, section 9.3.6). Why there is none, or nil.
local function ask_for_tunnel(id, target, proxy)
	local name = target.name:find(":", 1, true) and "[" .. target.name .. "]" or target.name
	local authority = ("%s:%d"):format(name, target.port)
	local header = { Host = authority, ["Proxy-Authorization"] = proxy.authorization }
	socket.write(id, (writer.text(("CONNECT %s HTTP/1.1\r\n"):format(authority), header)))
	local r = reader.new(function()
		return socket.read(id)
	end, true, LIMITS)
	r.parser:no_body()
	local status = r:head()
	if not status then
		return "the proxy has closed the connection"
	elseif status < 200 or status > 299 then
		return ("the proxy answers %d"):format(status)
	elseif r:rest() ~= "" then
		return "the proxy says more than it was asked"
	end
end

local function give_up(owner)
	deadline.clear(owner)
	socket.close(owner.id)
end

local function tunnel(target, proxy, options)
	local timeout = options.timeout or TIMEOUT
	local ends = skynet.now() + timeout
	local id = dial(proxy.target, { timeout = timeout, resolve = options.resolve, tls = options.proxy_tls })
	local owner <close> = setmetatable({ id = id, busy = true, finish = give_up }, busy)
	deadline.set(owner, math.max(1, ends - skynet.now()), shut)
	local ok, why = pcall(ask_for_tunnel, id, target, proxy)
	deadline.clear(owner)
	if owner.late or why then
		why = owner.late and "the proxy did not answer in time" or tostring(why)
		error(("http: %s: %s"):format(proxy.target.host, why), 0)
	elseif ok and target.tls then
		local secure = tls_options(target, options.tls or connect.client.tls)
		local name = secure.server_name
		secure.server_name, secure.timeout = nil, math.max(1, ends - skynet.now())
		ok, why = tls.upgrade(id, name, secure)
		if not ok then
			error(why, 0)
		end
	end
	owner.busy = false
	return id
end

---Raises when it fails.
---@param target reef.http.target
---@param options table|nil  timeout in 1/100 s; tls; proxy_tls, of a proxy; resolve, a function in the place of the
---                          system's way to find an address; proxy, of connect.proxy: asked for a tunnel,
---                          unless `plain` is set and the target is no TLS
---@return integer id
function connect.open(target, options)
	options = options or {}
	local proxy = options.proxy
	if not proxy then
		return dial(target, options)
	elseif options.plain and not target.tls then
		return dial(proxy.target, { timeout = options.timeout, resolve = options.resolve, tls = options.proxy_tls })
	end
	return tunnel(target, proxy, options)
end

return connect
