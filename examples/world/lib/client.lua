-- A player's side of the wire: the login service's lines, and the gate's packets. A player who finds a door shut goes
-- to the next one.
local crypt = require "skynet.crypt"
local skynet = require "skynet"
local socket = require "skynet.socket"
local world = require "world"

local encode, decode = crypt.base64encode, crypt.base64decode

local PATIENCE = 30 -- seconds in which there is a door that lets the player in

---@class door
---@field host string
---@field login integer port of the login service
---@field gate integer
---@field web integer

---@class client
---@field uid string
---@field doors door[]
---@field at integer which of them
---@field name string the username at the gate
---@field index integer of the last connection
---@field number integer of the last request
---@field since number|nil seconds when a request was sent that has no answer yet
---@field repeated integer requests that were asked once more on a new connection
---@field moved integer how often the player has come in again by another log-in
local client = {}
client.__index = client

local function now()
	return skynet.hpc() / 1e9
end

---@param uid string
---@param doors door[]
---@param at integer the first to try
---@return client
function client.new(uid, doors, at)
	local self = setmetatable({ uid = uid, doors = doors, at = at, number = 0, repeated = 0, moved = 0 }, client)
	self:log_in()
	return self
end

local function read_packet(id)
	local head = socket.read(id, 2)
	return head and socket.read(id, (">I2"):unpack(head)) or nil
end

---Connects to the gate, also again.
function client:connect()
	self.index = self.index + 1
	self.id = assert(socket.open(self.doors[self.at].host, self.doors[self.at].gate))
	local line = ("%s:%d"):format(self.name, self.index)
	socket.write(self.id, (">s2"):pack(("%s:%s"):format(line, encode(crypt.hmac_hash(self.secret, line)))))
	local answer = read_packet(self.id)
	assert(answer == "200 OK", answer or "the gate has closed the connection")
end

function client:log_in()
	local door = self.doors[self.at]
	self.id = assert(socket.open(door.host, door.login))
	local id <close> = setmetatable({ self.id }, { __close = function(it)
		socket.close(it[1])
	end })
	local function value()
		return decode(assert(socket.readline(id[1]), "the login service has closed the connection"))
	end
	local function say(bytes)
		socket.write(id[1], encode(bytes) .. "\n")
	end
	local challenge, key = value(), crypt.randomkey()
	say(crypt.dhexchange(key))
	local secret = crypt.dhsecret(value(), key)
	say(crypt.hmac64(challenge, secret))
	say(crypt.desencode(secret, ("%s@%s:%s"):format(encode(self.uid), encode(world.SERVER),
		encode("open sesame " .. self.uid))))
	local line = assert(socket.readline(id[1]), "no answer to the login")
	local subid = decode(line:match "^200 (.*)$" or error("login: " .. line))
	self.secret, self.index = secret, 0
	self.name = ("%s@%s#%s"):format(encode(self.uid), encode(world.SERVER), encode(subid))
	self:connect()
end

local function answer(self)
	local packet = assert(read_packet(self.id), "the gate has closed the connection")
	local body, ok, number = packet:sub(1, -6), (">BI4"):unpack(packet, -5)
	assert(number == self.number, "this answers another request")
	assert(ok == 1, "the request has failed")
	local reply = world.decode_reply(body)
	assert(reply.who == self.uid, "this is somebody else's answer")
	return reply
end

---Comes in by another door, and asks there what was not answered.
local function ask_elsewhere(self, packet, why)
	local last = now() + PATIENCE
	while #self.doors > 1 and now() < last do
		skynet.error(("%s goes to another door: %s"):format(self.uid, why))
		socket.close(self.id)
		self.at = self.at % #self.doors + 1
		self.moved = self.moved + 1
		local ok, reply = pcall(function()
			self:log_in()
			socket.write(self.id, packet)
			return answer(self)
		end)
		if ok then
			return reply
		end
		why = reply
		skynet.sleep(20)
	end
	error(why, 0)
end

---Asks, and waits for the answer.
---@param request table
---@param loses_connection? boolean after the request has been sent; it is asked again on a new one
---@return table reply
function client:ask(request, loses_connection)
	self.number = self.number + 1
	request.number = self.number
	local packet = (">s2"):pack(world.encode_request(request) .. (">I4"):pack(self.number))
	self.since = now()
	local ok, reply = pcall(function()
		socket.write(self.id, packet)
		if loses_connection then
			socket.close(self.id)
			self:connect()
			self.repeated = self.repeated + 1
			socket.write(self.id, packet)
		end
		return answer(self)
	end)
	if not ok then
		reply = ask_elsewhere(self, packet, reply)
	end
	self.since = nil
	return reply
end

---Lets go of a connection on which no answer comes.
---@param seconds number
function client:hurry(seconds)
	if self.since and now() - self.since > seconds then
		self.since = now()
		socket.shutdown(self.id)
	end
end

function client:close()
	socket.close(self.id)
end

return client
