-- A login service, which says who a client is. Times are in hundredths of a second.
--
-- It proves that client and server share a secret, finds out who the client is, and asks the game's server to take him.
-- Lines end with `\n`, binary values are in base64:
--
--     server -> client   challenge (8 bytes)
--     client -> server   public key (8 bytes)
--     server -> client   public key
--     client -> server   hmac64(challenge, secret)
--     client -> server   DES(secret, token)
--     server -> client   200 subid | 401 Unauthorized | 403 Forbidden | 406 Not Acceptable
--
-- The slow part runs in slaves, which are the same service launched again.

local skynet = require "skynet"
require "skynet.manager"
local crypt = require "skynet.crypt"
local options = require "reef.options"
local socket = require "skynet.socket"

---@class loginserver.conf
---@field host? string "0.0.0.0"
---@field port integer
---@field name? string "login": the master's local name, without its dot
---@field instance? integer 8: slaves
---@field multilogin? boolean may the same user be in the middle of two logins?
---@field timeout? integer 1000: hundredths of a second for a client to say who he is
---@field maxclient? integer 1024: clients in the middle of a login; more are closed at once
---@field peraddress? integer of these, so many from one address; more are closed at once
---@field auth_handler fun(token: string): string, any server and user id; raises if the token is not valid
---@field login_handler fun(server: string, uid: any, secret: string): any the subid
---@field command_handler fun(cmd: any, ...): any

local KNOWN = { host = true, port = true, name = true, instance = true, multilogin = true, timeout = true,
	maxclient = true, peraddress = true, auth_handler = true, login_handler = true, command_handler = true }
local READ_LIMIT = 8192
local DEFAULT_SLAVES = 8
local DEFAULT_TIMEOUT = 1000
local DEFAULT_MOST = 1024
local TOLD_EACH = 100 -- 1/100 s between two lines about clients that were too many

local function write_line(fd, text)
	return socket.write(fd, text .. "\n")
end

---@return string? line decoded
local function read_value(fd)
	local line = socket.readline(fd)
	local ok, value = pcall(crypt.base64decode, line or "")
	return line and ok and value or nil
end

---Shakes hands with a client.
---@return string? status what to answer if it did not work out; nil if the client has gone
---@return string? secret
---@return string? token
local function shake_hands(fd)
	local challenge = crypt.randomkey()
	write_line(fd, crypt.base64encode(challenge))
	local client_key = read_value(fd)
	if not client_key then
		return nil
	elseif #client_key ~= 8 or client_key == ("\0"):rep(8) then
		return "400 Bad Request"
	end
	local key = crypt.randomkey()
	write_line(fd, crypt.base64encode(crypt.dhexchange(key)))
	local secret = crypt.dhsecret(client_key, key)
	local proof = read_value(fd)
	if not proof then
		return nil
	elseif proof ~= crypt.hmac64(challenge, secret) then
		return "400 Bad Request"
	end
	local encrypted = read_value(fd)
	if not encrypted then
		return nil
	end
	local ok, token = pcall(crypt.desdecode, secret, encrypted)
	if not ok then
		return "400 Bad Request"
	end
	return "", secret, token
end

local function start_slave(conf, master)
	local timeout = conf.timeout or DEFAULT_TIMEOUT

	-- The call is answered by the master's end.
	skynet.fork(function()
		pcall(skynet.call, master, "debug", "LINK")
		skynet.exit()
	end)

	local function authenticate(fd, address)
		socket.start(fd)
		socket.limit(fd, READ_LIMIT)
		local done = false
		skynet.timeout(timeout, function()
			if not done then
				skynet.error(("login: %s did not say who he is within %.2f s"):format(address, timeout / 100))
				socket.shutdown(fd)
			end
		end)
		local status, secret, token = shake_hands(fd)
		done = true
		if status ~= "" then
			if status then
				write_line(fd, status)
			end
			socket.close(fd)
			return nil
		end
		local ok, server, uid = pcall(conf.auth_handler, token)
		-- The master goes on with the connection.
		socket.abandon(fd)
		return ok, server, uid, secret
	end

	skynet.dispatch("lua", function(_, _, ...)
		skynet.retpack(authenticate(...))
	end)
end

local function start_master(conf)
	local slaves = {}
	local busy = {} ---@type table<any, boolean> users in the middle of a login
	local starting = {} ---@type table<integer, boolean> slaves that are being replaced
	local turn = 0
	local most, clients, refused, told = conf.maxclient or DEFAULT_MOST, 0, 0, -TOLD_EACH
	local most_of_one = conf.peraddress or math.huge
	local from = {} ---@type table<string, integer> clients in the middle of a login, by address

	-- Too many at once. They are told of together, since they come in floods.
	local function refuse(fd, address, count, limit)
		socket.close_fd(fd)
		refused = refused + 1
		local now = skynet.now()
		if now - told >= TOLD_EACH then
			skynet.error(("login: %d clients log in already (%s): %s is refused, %d in all"):format(count, limit, address,
				refused))
			told = now
		end
	end

	---The line that the client gets.
	local function log_in(ok, server, uid, secret)
		if not ok or uid == nil then
			return "401 Unauthorized"
		elseif not conf.multilogin and busy[uid] then
			return "406 Not Acceptable"
		end
		busy[uid] = true
		local _ <close> = setmetatable({}, { __close = function()
			busy[uid] = nil
		end })
		local allowed, subid = pcall(conf.login_handler, server, uid, secret)
		if not allowed then
			skynet.error(("login: %s may not come in: %s"):format(tostring(uid), tostring(subid)))
			return "403 Forbidden"
		end
		return "200 " .. crypt.base64encode(tostring(subid))
	end

	-- One that is gone has a successor for the logins that follow.
	local function replace(number, slave)
		if slaves[number] == slave and not starting[number] and not pcall(skynet.call, slave, "debug", "PING") then
			starting[number] = true
			local ok, other = pcall(skynet.newservice, SERVICE_NAME)
			starting[number] = nil
			slaves[number] = ok and other or slave
		end
	end

	local function accept(fd, address)
		turn = turn % #slaves + 1
		local number, slave = turn, slaves[turn]
		local called, ok, server, uid, secret = pcall(skynet.call, slave, "lua", fd, address)
		if not called then
			skynet.fork(replace, number, slave)
			error(ok, 0)
		elseif ok == nil then
			return
		end
		-- An error of auth_handler is in the place of the server's name.
		if not ok then
			skynet.error(("login: %s is refused: %s"):format(address, tostring(server)))
		end
		socket.start(fd)
		write_line(fd, log_in(ok, server, uid, secret))
		socket.close(fd)
	end

	skynet.dispatch("lua", function(_, _, cmd, ...)
		skynet.retpack(conf.command_handler(cmd, ...))
	end)
	for i = 1, conf.instance or DEFAULT_SLAVES do
		slaves[i] = skynet.newservice(SERVICE_NAME)
	end
	local host = conf.host or "0.0.0.0"
	local id, ip, port = socket.listen(host, conf.port)
	skynet.error(("login server listens on %s:%d"):format(ip or host, port or conf.port))
	socket.start(id, function(fd, address)
		local client = address:match "^(.*):%d+$" or address
		local of_one = from[client] or 0
		if clients >= most then
			return refuse(fd, address, clients, "maxclient")
		elseif of_one >= most_of_one then
			return refuse(fd, address, of_one, "peraddress")
		end
		clients, from[client] = clients + 1, of_one + 1
		local ok, reason
		local _ <close> = setmetatable({}, { __close = function()
			clients, of_one = clients - 1, from[client] - 1
			from[client] = of_one > 0 and of_one or nil
			if not ok then
				local close = socket.invalid(fd) and socket.close_fd or socket.close
				close(fd)
			end
		end })
		ok, reason = pcall(accept, fd, address)
		if not ok then
			skynet.error(("login: %s: %s"):format(address, tostring(reason)))
		end
	end)
end

---Turns the service into the login service, or into one of its slaves if there is one already.
---@param conf loginserver.conf
local function login(conf)
	options.hint("login", conf, KNOWN)
	options.numbers("login", conf, { maxclient = 1, peraddress = 1, timeout = 1 })
	local name = "." .. (conf.name or "login")
	skynet.start(function()
		local master = skynet.localname(name)
		if master then
			start_slave(conf, master)
		else
			skynet.register(name)
			start_master(conf)
		end
	end)
end

return login
