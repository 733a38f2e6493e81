-- A player's side of the wire: the login service's lines, and the gate's packets.
local crypt = require "skynet.crypt"
local socket = require "skynet.socket"
local world = require "world"

---@class client
---@field uid string
---@field name string the username at the gate
---@field index integer of the last connection
---@field number integer of the last request
---@field repeated integer requests that were asked once more on a new connection
local client = {}
client.__index = client

---Logs in.
---@param uid string
---@param login_port integer
---@param gate_port integer
---@return client
function client.log_in(uid, login_port, gate_port)
	local id = assert(socket.open("127.0.0.1", login_port))
	local function value()
		return crypt.base64decode(assert(socket.readline(id), "the login service has closed the connection"))
	end
	local function say(bytes)
		socket.write(id, crypt.base64encode(bytes) .. "\n")
	end
	local challenge, key = value(), crypt.randomkey()
	say(crypt.dhexchange(key))
	local secret = crypt.dhsecret(value(), key)
	say(crypt.hmac64(challenge, secret))
	local encode = crypt.base64encode
	say(crypt.desencode(secret, ("%s@%s:%s"):format(encode(uid), encode(world.SERVER), encode("open sesame " .. uid))))
	local line = assert(socket.readline(id), "no answer to the login")
	socket.close(id)
	local subid = crypt.base64decode(line:match "^200 (.*)$" or error("login: " .. line))
	local self = setmetatable({
		uid = uid, secret = secret, gate_port = gate_port, index = 0, number = 0, repeated = 0,
		name = ("%s@%s#%s"):format(encode(uid), encode(world.SERVER), encode(subid)),
	}, client)
	self:connect()
	return self
end

local function read_packet(id)
	local head = socket.read(id, 2)
	return head and socket.read(id, (">I2"):unpack(head)) or nil
end

---Connects to the gate, also again.
function client:connect()
	self.index = self.index + 1
	self.id = assert(socket.open("127.0.0.1", self.gate_port))
	local line = ("%s:%d"):format(self.name, self.index)
	socket.write(self.id, (">s2"):pack(("%s:%s"):format(line, crypt.base64encode(crypt.hmac_hash(self.secret, line)))))
	local answer = read_packet(self.id)
	assert(answer == "200 OK", answer or "the gate has closed the connection")
end

---Asks, and waits for the answer.
---@param request table
---@param loses_connection? boolean after the request has been sent; it is asked again on a new one
---@return table reply
function client:ask(request, loses_connection)
	self.number = self.number + 1
	local packet = (">s2"):pack(world.encode_request(request) .. (">I4"):pack(self.number))
	socket.write(self.id, packet)
	if loses_connection then
		socket.close(self.id)
		self:connect()
		self.repeated = self.repeated + 1
		socket.write(self.id, packet)
	end
	local answer = assert(read_packet(self.id), "the gate has closed the connection")
	local body, ok, number = answer:sub(1, -6), (">BI4"):unpack(answer, -5)
	assert(number == self.number, "this answers another request")
	assert(ok == 1, "the request has failed")
	local reply = world.decode_reply(body)
	assert(reply.who == self.uid, "this is somebody else's answer")
	return reply
end

function client:close()
	socket.close(self.id)
end

return client
