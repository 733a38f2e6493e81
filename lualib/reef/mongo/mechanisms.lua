-- Ways of logging in other than SCRAM, each as a conversation: `first` is what to send, `step` takes what came and
-- answers what to send next. By the specification "Authentication". No network, but what a user's function does.
--
-- MONGODB-X509 has no conversation: the certificate of the connection says who one is, one command asks for it.
local bson = require "bson"
local crypt = require "skynet.crypt"
local digest = require "reef.digest"

local mechanisms = {}

---@class mongo.conversation
---@field first string
---@field step fun(self: mongo.conversation, payload: string): string
---@field verified fun(self: mongo.conversation): boolean has the server proved who it is, if that is part of it?

local function fail(format, ...)
	error("MongoDB authentication: " .. format:format(...), 0)
end

local function always()
	return true
end

-- One message, and nothing is expected of the answer.
local function single(payload)
	return { first = payload, verified = always, step = function()
		return ""
	end }
end

local start = {}

start["PLAIN"] = function(credentials)
	if credentials.username:find "\0" or (credentials.password or ""):find "\0" then
		fail "a zero byte in the user name or password"
	end
	return single(("\0%s\0%s"):format(credentials.username, credentials.password or ""))
end

-- ---- OIDC: a token from a function ----

-- The version of what the function is given and answers.
local CALLBACK_VERSION = 1

local function read_file(path, what)
	local file = path and io.open(path, "rb")
	if not file then
		fail("no token: %s", what)
	end
	local text = file:read "a"
	file:close()
	return (text:gsub("%s+$", ""))
end

local environments = {}

function environments.test()
	return { accessToken = read_file(os.getenv "OIDC_TOKEN_FILE", "OIDC_TOKEN_FILE names no file") }
end

function environments.k8s()
	local path = os.getenv "AZURE_FEDERATED_TOKEN_FILE" or os.getenv "AWS_WEB_IDENTITY_TOKEN_FILE"
		or "/var/run/secrets/kubernetes.io/serviceaccount/token"
	return { accessToken = read_file(path, path .. " cannot be read") }
end

-- The token of the last call, or a new one. Credentials are the client's, so each client has its own.
local function token_of(credentials, seconds)
	if credentials.token then
		return credentials.token
	end
	local environment = (credentials.mechanism_properties or {}).ENVIRONMENT
	local callback = credentials.oidc_callback or environments[environment]
	if not callback then
		fail("MONGODB-OIDC needs the client's option oidc_callback")
	end
	local given = callback { timeoutMS = math.floor(math.min(seconds, 300) * 1000), version = CALLBACK_VERSION }
	if type(given) ~= "table" or type(given.accessToken) ~= "string" then
		fail "the function oidc_callback answers no { accessToken = ... }"
	elseif given.expiresInSeconds ~= nil and given.expiresInSeconds < 0 then
		fail "the function oidc_callback answers a token that has expired"
	end
	credentials.token = given.accessToken
	return credentials.token
end

start["MONGODB-OIDC"] = function(credentials, seconds)
	return single(tostring(bson.encode { jwt = token_of(credentials, seconds) }))
end

---The token is no good any more: another is asked for next time.
---@param credentials mongo.credentials
function mechanisms.forget(credentials)
	credentials.token = nil
end

-- ---- AWS: a signed request (Signature Version 4) ----

local NONCE, BOTH_NONCES = 32, 64
local BODY = "Action=GetCallerIdentity&Version=2011-06-15"

local function hex(bytes)
	return (bytes:gsub(".", function(c)
		return ("%02x"):format(c:byte())
	end))
end

local function region_of(host)
	if host == "" or #host > 255 or host:find "%.%." or host:find "^%." or host:find "%.$" then
		fail "the server names no host of AWS"
	end
	return host ~= "sts.amazonaws.com" and host:match "^[^.]*%.([^.]+)" or "us-east-1"
end

local function keys_of(credentials)
	local given = credentials.aws_credentials and credentials.aws_credentials() or {
		accessKeyId = os.getenv "AWS_ACCESS_KEY_ID", secretAccessKey = os.getenv "AWS_SECRET_ACCESS_KEY",
		sessionToken = os.getenv "AWS_SESSION_TOKEN",
	}
	if type(given) ~= "table" or type(given.accessKeyId) ~= "string" or type(given.secretAccessKey) ~= "string" then
		fail("MONGODB-AWS needs the environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the client's "
			.. "option aws_credentials")
	end
	return given
end

---The header `Authorization` of the request that proves who one is.
---@param keys { accessKeyId: string, secretAccessKey: string, sessionToken: string|nil }
---@param host string
---@param nonce string the server's, base64
---@param date string as 20150830T123600Z
---@return string
function mechanisms.aws_authorization(keys, host, nonce, date)
	local day, region = date:sub(1, 8), region_of(host)
	local headers = {
		{ "content-length", tostring(#BODY) }, { "content-type", "application/x-www-form-urlencoded" }, { "host", host },
		{ "x-amz-date", date },
	}
	if keys.sessionToken then
		headers[#headers + 1] = { "x-amz-security-token", keys.sessionToken }
	end
	headers[#headers + 1] = { "x-mongodb-gs2-cb-flag", "n" }
	headers[#headers + 1] = { "x-mongodb-server-nonce", nonce }
	local lines, names = {}, {}
	for i, header in ipairs(headers) do
		lines[i], names[i] = header[1] .. ":" .. header[2] .. "\n", header[1]
	end
	local signed = table.concat(names, ";")
	local request = ("POST\n/\n\n%s\n%s\n%s"):format(table.concat(lines), signed, hex(digest.sum("sha256", BODY)))
	local scope = ("%s/%s/sts/aws4_request"):format(day, region)
	local text = ("AWS4-HMAC-SHA256\n%s\n%s\n%s"):format(date, scope, hex(digest.sum("sha256", request)))
	local key = "AWS4" .. keys.secretAccessKey
	for _, part in ipairs { day, region, "sts", "aws4_request", text } do
		key = digest.hmac("sha256", key, part)
	end
	return ("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"):format(keys.accessKeyId, scope, signed,
		hex(key))
end

start["MONGODB-AWS"] = function(credentials)
	local nonce = digest.random(NONCE)
	local conversation = { first = tostring(bson.encode { r = bson.binary(nonce), p = 110 }) }
	local proved = false
	function conversation.verified()
		return proved
	end
	function conversation.step(_, payload)
		if proved then
			return ""
		end
		local ok, answer = pcall(function()
			return bson.decode_exact(payload)
		end)
		local _, both = bson.type(ok and answer.s or nil)
		local host = ok and answer.h
		if type(both) ~= "string" or #both ~= BOTH_NONCES or both:sub(1, NONCE) ~= nonce or type(host) ~= "string" then
			fail "the server's nonce does not continue ours"
		end
		local keys, date = keys_of(credentials), os.date "!%Y%m%dT%H%M%SZ"
		proved = true
		return tostring(bson.encode {
			a = mechanisms.aws_authorization(keys, host, crypt.base64encode(both), date), d = date, t = keys.sessionToken,
		})
	end
	return conversation
end

-- ---- what others call ----

---Is this a mechanism of this module?
---@return boolean
function mechanisms.known(name)
	return start[name] ~= nil or name == "MONGODB-X509"
end

---Does the mechanism call a function of the user?
---@param credentials mongo.credentials|nil
---@return boolean
function mechanisms.is_live(credentials)
	local name = credentials and credentials.mechanism
	return name == "MONGODB-OIDC" or name == "MONGODB-AWS"
end

---@param name string
---@param credentials mongo.credentials
---@param seconds number that it may take
---@return mongo.conversation
function mechanisms.new(name, credentials, seconds)
	return start[name](credentials, seconds)
end

---The command by which a certificate logs in.
---@param credentials mongo.credentials
function mechanisms.x509(credentials)
	local message = bson.document("authenticate", 1, "mechanism", "MONGODB-X509")
	message.user = credentials.username
	return message
end

return mechanisms
