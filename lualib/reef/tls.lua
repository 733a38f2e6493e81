-- TLS: encrypted sockets, read and written by skynet.socket like others. Times are in hundredths of a second.
--
--     local id = assert(tls.connect("db.example", 6379))
--     socket.write(id, "PING\r\n")
--     print(socket.readline(id, "\r\n"))
--
-- Options are tables. All services of the process that give the same options share one set of certificates.
local core = require "reef.tls.core"
local redacted = require("reef.text").redacted
local socketcore = require "reef.socketcore"
local socket = require "reef.socket"

---@class reef.tls.options
---@field ca_file string|nil       PEM: who may sign; default, without ca_dir as well: the system's authorities
---@field ca_dir string|nil        the same as a directory, with the names that `openssl rehash` makes
---@field partial_chain boolean|nil  trusts what is in there even if somebody else has signed it
---@field cert_file string|nil     PEM: our certificate, and those between it and its authority; a server needs one
---@field key_file string|nil      PEM: its key; default: it is in cert_file
---@field password string|nil      of an encrypted key
---@field verify boolean|nil       client: false accepts any certificate of anybody
---@field verify_host boolean|nil  client: false accepts a good certificate of somebody else
---@field server_name string|nil   client: who the server has to be; default: the host that is connected to
---@field client_certificates "none"|"optional"|"required"|nil  server: default "none"
---@field alpn string[]|nil        names of protocols, the best first
---@field min_version "1.2"|"1.3"|nil
---@field ciphers string|nil       of TLS 1.2, as `openssl ciphers` takes them
---@field timeout number|nil      1/100 s: for all of connect, or for a handshake on what is connected (1000)

---@class reef.tls
local tls = {}

-- The host and port of any form of address; a Unix socket has no name to be verified.
local function split(addr, port)
	if addr:match "^unix:" or addr:match "^/" then
		return nil, nil
	end
	if port == nil then
		local host, number = addr:match "^(.*):(%d+)$"
		addr, port = host or addr, number
	end
	return addr:match "^%[(.*)%]$" or addr, math.tointeger(tonumber(port))
end

---Raises unless these are options of a client; answers them as a table.
---@param options reef.tls.options|true
---@return reef.tls.options
function tls.options(options)
	options = options == true and {} or options
	local ok, why = pcall(core.check, options, false)
	return ok and options or error(redacted(why), 0)
end

---A text that is the same for the same options.
---@param options reef.tls.options
---@return string
function tls.key(options)
	local words = {}
	for name, value in pairs(options) do
		if type(value) == "table" then
			value = table.concat(value, ",")
		end
		words[#words + 1] = ("%s=%q"):format(name, tostring(value))
	end
	table.sort(words)
	return "tls " .. table.concat(words, " ")
end

---What a client needs to connect: a value for the C half of sockets and drivers, to be made anew for each connection.
---@param options reef.tls.options|true
---@param addr string
---@param port integer|nil  nil: addr has it
---@return userdata|nil target
---@return string|nil err
function tls.target(options, addr, port)
	local target, err = core.target(options == true and {} or options, false, split(addr, port))
	return target, err and redacted(err)
end

---Connects. Errors of the handshake come like those of the connect.
---@param addr string
---@param port integer|nil
---@param options reef.tls.options|nil
---@return integer|nil id
---@return string|nil err
function tls.connect(addr, port, options)
	return socket.open(addr, port, { tls = options or true, timeout = options and options.timeout })
end

---Listens: what socket.start accepts speaks TLS. The handshake begins when an accepted connection is started.
---@param addr string
---@param port integer|nil
---@param options reef.tls.options  cert_file is required
---@param backlog integer|nil
---@return integer id
---@return string ip
---@return integer port
function tls.listen(addr, port, options, backlog)
	local target, err = core.target(options, true)
	if not target then
		error(err)
	end
	return socket.listen(addr, port, backlog, target)
end

---Starts what a listener of tls.listen has accepted, and waits for the handshake. socket.start does the same without
---waiting: who reads waits then, and who fails is logged.
---@param id integer
---@return integer|nil id
---@return string|nil err
function tls.start(id)
	return socketcore.start(id, true)
end

local function upgrade(id, target, err)
	if not target then
		return nil, err
	end
	if socketcore.invalid(id) then
		local ok
		ok, err = socket.start(id)
		if not ok then
			return nil, err
		end
	end
	return socketcore.use_tls(id, target)
end

---Goes over to TLS on a connection that has been plain, as its client. After a failure the socket is gone.
---@param id integer
---@param host string  who the server has to be
---@param options reef.tls.options|nil
---@return integer|nil id
---@return string|nil err
function tls.upgrade(id, host, options)
	return upgrade(id, core.target(options or {}, false, host))
end

---The same as its server; also for one that was accepted by a plain listener and not yet started.
---@param id integer
---@param options reef.tls.options
---@return integer|nil id
---@return string|nil err
function tls.accept(id, options)
	return upgrade(id, core.target(options, true))
end

---@class reef.tls.info
---@field established boolean    the handshake is done
---@field resumed boolean        with a session from before
---@field role "client"|"server"
---@field version string
---@field cipher string
---@field alpn string|nil
---@field server_name string|nil
---@field peer table|nil  the peer's certificate: subject, issuer, names, not_after, fingerprint (SHA-256)

---@param id integer
---@return reef.tls.info|nil  nil: not a TLS connection
function tls.info(id)
	return core.info(id)
end

---Reads all certificates of the process again, for new connections. Where something is wrong the old ones stay.
---@return integer|nil n  configurations that were read
---@return string|nil err
function tls.reload()
	local n, failed, err = core.reload()
	if failed > 0 then
		return nil, err
	end
	return n
end

return tls
