-- A gate for clients that a login service has let in. Times are in hundredths of a second.
--
-- A client proves with its first packet that it knows the secret; after that each request carries a number, and so does
-- its reply. A client that lost its connection comes back with a higher index and asks again: what was answered is not
-- done twice.
--
--     first packet   username:index:base64(hmac_hash(secret, "username:index"))
--     its reply      200 OK | 400 Bad Request | 401 Unauthorized | 403 Index Expired | 404 User Not Found
--     request        body, number in 4 bytes
--     reply          body, 1 or 0 (it failed) in a byte, number in 4 bytes
--
-- Numbers are big-endian.

local skynet = require "skynet"
local crypt = require "skynet.crypt"
local driver = require "skynet.socketdriver"
local gateserver = require "snax.gateserver"
local netpack = require "skynet.netpack"
local options = require "reef.options"

local msgserver = {}

local KNOWN = { login_handler = true, logout_handler = true, kick_handler = true, request_handler = true,
	register_handler = true, disconnect_handler = true, expired_number = true, expired_kb = true, requests = true,
	requests_kb = true, greeting_time = true }
local DEFAULT_EXPIRED = 128
local DEFAULT_KB = 16384 -- of replies that are kept, and of requests that are under way
local DEFAULT_REQUESTS = 4096
local DEFAULT_UNSENT = 65536 -- KiB
local DEFAULT_GREETING = 1000
local TRAILER = ">BI4" -- of a reply
local MOST = 65535 - string.packsize(TRAILER)
local MOST_OF_BLOCKS = (1 << 32) - 1 - string.packsize(TRAILER)

---@class msgserver.request
---@field fd? integer where the reply goes
---@field index integer of the connection that asked last
---@field reply? string once it is done
---@field user msgserver.user
---@field number integer
---@field size integer of what was asked, in bytes

---@class msgserver.user
---@field username string
---@field secret string
---@field index integer of its last connection; the next one's must be higher
---@field fd? integer
---@field ip? string
---@field requests table<integer, msgserver.request>
---@field done table<integer, {number: integer, request: msgserver.request}> answered, in the order of the answers
---@field oldest integer the first of these
---@field newest integer the last one; 0 before the first
---@field kept integer bytes of these replies
---@field waiting integer requests that are under way
---@field bytes integer of them

local online = {} ---@type table<string, msgserver.user>
local connected = {} ---@type table<integer, msgserver.user>
local greeting = {} ---@type table<integer, {address: string}> those that have not said who they are

---`uid@server#subid`, each in base64.
---@param uid string
---@param subid string
---@param server string
---@return string
function msgserver.username(uid, subid, server)
	local encode = crypt.base64encode
	return ("%s@%s#%s"):format(encode(uid), encode(server), encode(tostring(subid)))
end

---@param username string
---@return string uid
---@return string subid
---@return string server
function msgserver.userid(username)
	local uid, server, subid = username:match "([^@]*)@([^#]*)#(.*)"
	return crypt.base64decode(uid), crypt.base64decode(subid), crypt.base64decode(server)
end

---Lets a user in: whoever knows the secret may connect under this name.
---@param username string
---@param secret string
function msgserver.login(username, secret)
	assert(not online[username], "this user is in already")
	online[username] = {
		username = username, secret = secret, index = 0, requests = {}, done = {}, oldest = 1, newest = 0,
		kept = 0, waiting = 0, bytes = 0,
	}
end

local function disconnect(user)
	local fd = user.fd
	if fd then
		user.fd = nil
		connected[fd] = nil
		gateserver.closeclient(fd)
	end
end

---The user is out: its connection is closed and its replies are forgotten.
---@param username string
function msgserver.logout(username)
	local user = online[username]
	online[username] = nil
	if user then
		disconnect(user)
	end
end

---The address that the user is connected from, nil if it is not.
---@param username string
---@return string?
function msgserver.ip(username)
	local user = online[username]
	return user and user.fd and user.ip
end

local most = MOST -- bytes of a reply

local function send(fd, text)
	driver.send(fd, netpack.pack(text))
end

---Who says so? The status to answer, and the user if that is 200.
local function authenticate(message)
	local username, index, proof = message:match "^([^:]*):([^:]*):([^:]*)$"
	local user = online[username]
	if not username then
		return "400 Bad Request"
	elseif not user then
		return "404 User Not Found"
	end
	local number = math.tointeger(tonumber(index))
	local ok, given = pcall(crypt.base64decode, proof)
	if not number or not ok then
		return "400 Bad Request"
	elseif number <= user.index then
		return "403 Index Expired"
	elseif given ~= crypt.hmac_hash(user.secret, ("%s:%s"):format(username, index)) then
		return "401 Unauthorized"
	end
	user.index = number
	return "200 OK", user
end

-- Whoever has not said by then who he is has to go.
local function expect_greeting(fd, address, time)
	local mark = { address = address }
	greeting[fd] = mark
	if time > 0 then
		skynet.timeout(time, function()
			if greeting[fd] == mark then
				skynet.error(("msgserver: %s did not say who he is within %.2f s (greeting_time)"):format(address,
					time / 100))
				greeting[fd] = nil
				gateserver.closeclient(fd)
			end
		end)
	end
end

local function greet(fd, address, message)
	local status, user = authenticate(message)
	greeting[fd] = nil
	send(fd, status)
	if not user then
		skynet.error(("msgserver: %s is refused: %s"):format(address, status))
		return gateserver.closeclient(fd)
	end
	-- A connection of the same user that was not known to be lost.
	disconnect(user)
	user.fd, user.ip = fd, address
	connected[fd] = user
end

---Turns the service into a message server.
---@param conf table login_handler, logout_handler, kick_handler, request_handler, register_handler, disconnect_handler,
---expired_number and expired_kb (128, 16384: replies that are kept for each user, and their KiB), requests and
---requests_kb (4096, 16384: requests of a user that are under way, and their KiB), greeting_time (1000: hundredths of a
---second that a client may take for its first packet; 0: for ever)
function msgserver.start(conf)
	options.hint("msgserver", conf, KNOWN)
	local greeting_time = conf.greeting_time or DEFAULT_GREETING
	if type(greeting_time) ~= "number" or not (greeting_time >= 0 and greeting_time < math.huge) then
		error("msgserver: greeting_time has to be a number of hundredths of a second")
	end
	options.numbers("msgserver", conf, { expired_number = 1, expired_kb = 0.0, requests = 1, requests_kb = 1 })
	local expired, most_kept = conf.expired_number or DEFAULT_EXPIRED, (conf.expired_kb or DEFAULT_KB) * 1024
	local most_requests, most_bytes = conf.requests or DEFAULT_REQUESTS, (conf.requests_kb or DEFAULT_KB) * 1024

	local function reply_of(user, number, body)
		local ok, result = pcall(conf.request_handler, user.username, body)
		result = ok and result or result == nil and "" or result
		if ok and (type(result) ~= "string" or #result > most) then
			ok, result = false, ("a reply is a string of up to %d bytes"):format(most)
		end
		if not ok then
			skynet.error(("msgserver: request %d of %s: %s"):format(number, user.username, tostring(result)))
			return string.pack(TRAILER, 0, number)
		end
		return result .. string.pack(TRAILER, 1, number)
	end

	local function deliver(user, request)
		if request.fd and connected[request.fd] == user then
			send(request.fd, request.reply)
		end
	end

	local function retire(user)
		while user.newest - user.oldest >= expired or user.kept > most_kept and user.oldest < user.newest do
			local answered = user.done[user.oldest]
			user.done[user.oldest] = nil
			user.oldest = user.oldest + 1
			user.kept = user.kept - #answered.request.reply
			if user.requests[answered.number] == answered.request then
				user.requests[answered.number] = nil
			end
		end
	end

	-- It has its reply; without one its coroutine was ended.
	local answered = { __close = function(request)
		local user, number = request.user, request.number
		request.reply = request.reply or string.pack(TRAILER, 0, number)
		user.waiting, user.bytes = user.waiting - 1, user.bytes - request.size
		user.newest, user.kept = user.newest + 1, user.kept + #request.reply
		user.done[user.newest] = { number = number, request = request }
		retire(user)
		deliver(user, request)
	end }

	-- May it ask for something that is so large? One that is alone may be of any size.
	local function has_room(user, size)
		local waiting, bytes = user.waiting, user.bytes + size
		if waiting < most_requests and (waiting == 0 or bytes <= most_bytes) then
			return true
		end
		skynet.error(("msgserver: %s has %d requests of %d bytes under way (%s)"):format(user.username, waiting,
			user.bytes, waiting < most_requests and "requests_kb" or "requests"))
		return false
	end

	local function work(fd, user, message)
		if #message < 4 then
			skynet.error(("msgserver: %s sent a packet without a number"):format(user.username))
			return disconnect(user)
		end
		local number = string.unpack(">I4", message, #message - 3)
		local request = user.requests[number]
		if request and request.index == user.index and not request.reply then
			skynet.error(("msgserver: Conflict session %d of %s"):format(number, user.username))
			return disconnect(user)
		elseif request and request.index ~= user.index then
			-- Asked again after the connection was lost: the answer is there, or comes here when it is.
			request.index, request.fd = user.index, fd
			if request.reply then
				deliver(user, request)
			end
			return
		end
		local size = #message
		if not has_room(user, size) then
			return disconnect(user)
		end
		request = setmetatable({ fd = fd, index = user.index, user = user, number = number, size = size }, answered)
		user.requests[number] = request
		user.waiting, user.bytes = user.waiting + 1, user.bytes + size
		local _ <close> = request
		request.reply = reply_of(user, number, message:sub(1, -5))
	end

	-- Request handlers pass what they get on to agents, as gates do.
	if not skynet._proto.client then
		skynet.register_protocol { name = "client", id = skynet.PTYPE_CLIENT }
	end

	local command = { login = conf.login_handler, logout = conf.logout_handler, kick = conf.kick_handler }
	local handler = { defaults = { unsent = DEFAULT_UNSENT } }

	function handler.command(cmd, _, ...)
		local f = command[cmd]
		if not f then
			error(("the message server has no command %s"):format(tostring(cmd)), 0)
		end
		return f(...)
	end

	function handler.open(_, gate)
		local name = assert(gate.servername, "a message server needs a servername")
		if gate.blocks then
			send, most = require("reef.blocks").send, MOST_OF_BLOCKS
		end
		if conf.register_handler then
			return conf.register_handler(name)
		end
	end

	function handler.pieces(fd)
		return connected[fd] ~= nil
	end

	function handler.connect(fd, address)
		expect_greeting(fd, address, math.ceil(greeting_time))
		gateserver.openclient(fd)
	end

	local function leave(fd)
		greeting[fd] = nil
		local user = connected[fd]
		connected[fd] = nil
		if user then
			user.fd = nil
			if conf.disconnect_handler then
				conf.disconnect_handler(user.username)
			end
		end
	end

	function handler.disconnect(fd)
		leave(fd)
		gateserver.closeclient(fd)
	end

	handler["error"] = function(fd)
		leave(fd)
	end

	function handler.message(fd, msg, sz)
		local message = netpack.tostring(msg, sz)
		local user = connected[fd]
		if user then
			work(fd, user, message)
		elseif greeting[fd] then
			greet(fd, greeting[fd].address, message)
		end
	end

	gateserver.start(handler)
end

return msgserver
