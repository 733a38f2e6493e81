-- Logging in at the peer: SCRAM-SHA-256 and SCRAM-SHA-1, the server's side (RFC 5802), for users of `set.users`.
local bson = require "bson"
local crypt = require "skynet.crypt"
local digest = require "reef.digest"
local failure = require "test.peer.failure"
local md5 = require "md5"

---The token that is good.
local login = { commands = {}, TOKEN = "token" }

local ITERATIONS, SALT = 4096, "0123456789abcdef"

local hashes = { ["SCRAM-SHA-1"] = "sha1", ["SCRAM-SHA-256"] = "sha256" }

local function refuse()
	failure.raise(18, { errmsg = "Authentication failed.", codeName = "AuthenticationFailed" })
end

-- What a client is to show, and how it is answered, by mechanism.
local single = {}

single["PLAIN"] = function(payload, users)
	local user, password = payload:match "^%z([^%z]*)%z([^%z]*)$"
	return user and users[user] == password
end

single["MONGODB-OIDC"] = function(payload)
	return bson.decode_exact(payload).jwt == login.TOKEN
end

local function start(command, member, connection)
	local by = single[command.mechanism]
	if by then
		local _, payload = bson.type(command.payload)
		if not by(payload, member.set.users or {}) then
			refuse()
		end
		return { conversationId = 1, done = true, payload = bson.binary "" }
	end
	local hash = hashes[command.mechanism]
	if not hash then
		failure.raise(334, "Unsupported mechanism " .. tostring(command.mechanism))
	end
	local _, payload = bson.type(command.payload)
	local bare = payload:match "^n,,(.*)$" or refuse()
	local user, nonce = bare:match "^n=([^,]*),r=(.*)$"
	local password = (member.set.users or {})[user] or refuse()
	if hash == "sha1" then
		password = md5.sumhexa(user .. ":mongo:" .. password)
	end
	nonce = nonce .. crypt.base64encode(digest.random(9))
	local first = ("r=%s,s=%s,i=%d"):format(nonce, crypt.base64encode(SALT), ITERATIONS)
	connection.conversation = { hash = hash, password = password, bare = bare, first = first, nonce = nonce }
	return { conversationId = 1, done = false, payload = bson.binary(first) }
end

login.commands.saslStart = start

login.commands.saslContinue = function(command, _, connection)
	local c = connection.conversation or refuse()
	local _, payload = bson.type(command.payload)
	local without, proof = payload:match "^(c=biws,r=[^,]*),p=(.*)$"
	local salted = digest.pbkdf2(c.hash, c.password, SALT, ITERATIONS)
	local message = ("%s,%s,%s"):format(c.bare, c.first, without)
	local key = digest.hmac(c.hash, salted, "Client Key")
	local signature = digest.hmac(c.hash, digest.sum(c.hash, key), message)
	if without ~= "c=biws,r=" .. c.nonce or crypt.base64decode(proof) ~= md5.exor(key, signature) then
		refuse()
	end
	local verifier = digest.hmac(c.hash, digest.hmac(c.hash, salted, "Server Key"), message)
	return { conversationId = 1, done = true, payload = bson.binary("v=" .. crypt.base64encode(verifier)) }
end

login.commands.authenticate = function(command, member)
	if command.mechanism ~= "MONGODB-X509" or command.user and not (member.set.users or {})[command.user] then
		refuse()
	end
	return { dbname = "$external", user = command.user }
end

---Of servers before 6.2, for a way of logging in that is gone.
login.commands.getnonce = function(_, member)
	if member.set.number >= 6002000 then
		failure.raise(59, "no such command: 'getnonce'")
	end
	return { nonce = "2375531c32080ae8" }
end

---Adds to the reply of hello what a client that wants to log in asked for.
function login.hello(command, reply, member, connection)
	if command.saslSupportedMechs then
		reply.saslSupportedMechs = bson.array { "SCRAM-SHA-1", "SCRAM-SHA-256" }
	end
	if command.speculativeAuthenticate then
		local begin = command.speculativeAuthenticate.saslStart and start or login.commands.authenticate
		local ok, answer = pcall(begin, command.speculativeAuthenticate, member, connection)
		reply.speculativeAuthenticate = ok and answer or nil
	end
	return reply
end

return login
