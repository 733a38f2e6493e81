-- SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, as the specification "Authentication" uses it.
-- No network: `first` is what to send, `step` takes what came and answers what to send next.
local crypt = require "skynet.crypt"
local digest = require "reef.digest"
local md5 = require "md5"

local scram = {}
scram.__index = scram

-- Fewer would make it cheap to try passwords.
local LEAST_ITERATIONS = 4096
-- Seconds of CPU time that the server may make us spend on its iterations: meanwhile the service does nothing else.
local MOST_SECONDS = 0.5

local MOST_REASON = 200 -- bytes that are told of the reason for which a server refuses

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

-- The server's first message (RFC 5802, section 7): nonce, salt, iterations, then extensions that may be ignored. One
-- that must not be, m=, comes first.
local function read_first(payload)
	if payload:find "^m=" or payload:find(",m=", 1, true) then
		fail "the server wants an extension that is not known here (m=)"
	end
	local nonce, salt, iterations, more = payload:match "^r=([^,]+),s=([^,]+),i=([1-9]%d*)(.*)$"
	if not nonce or #iterations > 10 or not (more == "" or more:find "^,") then
		fail "the server's first answer is malformed"
	end
	local ok, bytes = pcall(crypt.base64decode, salt)
	if not ok or bytes == "" then
		fail "the server's salt is malformed"
	end
	return nonce, bytes, math.tointeger(iterations)
end

function scram:prove(payload)
	local nonce, salt, iterations = read_first(payload)
	if nonce:sub(1, #self.nonce) ~= self.nonce or #nonce == #self.nonce then
		fail "the server's nonce does not continue ours"
	elseif iterations < LEAST_ITERATIONS then
		fail(("the server asks for %d iterations, fewer than %d"):format(iterations, LEAST_ITERATIONS))
	end
	local h = self.hash
	local salted, seconds = digest.pbkdf2(h, self.secret, salt, iterations, MOST_SECONDS)
	if not salted then
		fail(("the server asks for %d iterations, which would take %.1f s; %.1f s are allowed"):format(iterations, seconds,
			MOST_SECONDS))
	end
	local client_key = digest.hmac(h, salted, "Client Key")
	local without_proof = "c=biws,r=" .. nonce
	local message = self.bare .. "," .. payload .. "," .. without_proof
	local signature = digest.hmac(h, digest.sum(h, client_key), message)
	self.expected = digest.hmac(h, digest.hmac(h, salted, "Server Key"), message)
	self.secret = nil
	return without_proof .. ",p=" .. crypt.base64encode(md5.exor(client_key, signature))
end

function scram:verify(payload)
	local refused, signature = payload:match "^e=([^,]*)", payload:match "^v=([^,]*)"
	if refused then
		fail("the server refused: " .. refused:sub(1, MOST_REASON))
	end
	local ok, bytes = pcall(crypt.base64decode, signature or "")
	if not ok or not digest.equal(bytes, self.expected) then
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
