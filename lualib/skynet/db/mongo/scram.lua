-- SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, as the specification "Authentication" uses it.
-- No network: `first` is what to send, `step` takes what came and answers what to send next.
local crypt = require "skynet.crypt"
local digest = require "reef.digest"
local md5 = require "md5"

local scram = {}
scram.__index = scram

-- Fewer would make it cheap to try passwords.
local LEAST_ITERATIONS = 4096

local hashes = { ["SCRAM-SHA-1"] = "sha1", ["SCRAM-SHA-256"] = "sha256" }

---Is this a mechanism of this module?
function scram.known(mechanism)
	return hashes[mechanism] ~= nil
end

local function fail(text)
	error("MongoDB authentication: " .. text, 0)
end

local function prepare(mechanism, username, password)
	if mechanism == "SCRAM-SHA-1" then
		return md5.sumhexa(username .. ":mongo:" .. password)
	end
	local prepared, why = digest.saslprep(password)
	return prepared or fail("the password " .. why .. " (RFC 4013)")
end

---@param mechanism "SCRAM-SHA-1"|"SCRAM-SHA-256"
---@param username string
---@param password string
---@param nonce string|nil chosen by chance
function scram.new(mechanism, username, password, nonce)
	nonce = nonce or crypt.base64encode(digest.random(24))
	local name = username:gsub("=", "=3D"):gsub(",", "=2C")
	local bare = "n=" .. name .. ",r=" .. nonce
	return setmetatable({
		hash = hashes[mechanism],
		secret = prepare(mechanism, username, password),
		nonce = nonce,
		bare = bare,
		first = "n,," .. bare,
		state = "first",
	}, scram)
end

local function fields_of(payload)
	local fields = {}
	for key, value in payload:gmatch "(%a)=([^,]*)" do
		fields[key] = value
	end
	return fields
end

function scram:prove(payload)
	local server = fields_of(payload)
	local iterations = tonumber(server.i)
	if not server.r or not server.s or not iterations then
		fail "the server's first answer is malformed"
	elseif server.r:sub(1, #self.nonce) ~= self.nonce or #server.r == #self.nonce then
		fail "the server's nonce does not continue ours"
	elseif iterations < LEAST_ITERATIONS then
		fail(("the server asks for %d iterations, fewer than %d"):format(iterations, LEAST_ITERATIONS))
	end
	local h = self.hash
	local salted = digest.pbkdf2(h, self.secret, crypt.base64decode(server.s), iterations)
	local client_key = digest.hmac(h, salted, "Client Key")
	local without_proof = "c=biws,r=" .. server.r
	local message = self.bare .. "," .. payload .. "," .. without_proof
	local signature = digest.hmac(h, digest.sum(h, client_key), message)
	self.expected = digest.hmac(h, digest.hmac(h, salted, "Server Key"), message)
	self.secret = nil
	return without_proof .. ",p=" .. crypt.base64encode(md5.exor(client_key, signature))
end

function scram:verify(payload)
	local server = fields_of(payload)
	if server.e then
		fail("the server refused: " .. server.e)
	elseif not server.v or not digest.equal(crypt.base64decode(server.v), self.expected) then
		fail "the server does not know the password (its signature is wrong)"
	end
	return ""
end

---@param payload string what the server sent
---@return string payload to send; when `done` and the server says so too, nothing more
function scram:step(payload)
	if self.state == "first" then
		local answer = self:prove(payload)
		self.state = "proved"
		return answer
	elseif self.state == "proved" then
		local answer = self:verify(payload)
		self.state = "done"
		return answer
	end
	return ""
end

---Has the server proved that it knows the password?
function scram:verified()
	return self.state == "done"
end

return scram
