-- What nodes have in common that others do not: certificates of one authority (TLS, both sides show theirs), a
-- secret, or both. Neither is part of the protocol of clusters: whoever uses them, connects to nodes like this one
-- only.
--
-- The secret is not sent. Who connects asks for the name `reef.auth` with a number that is drawn by lot; the other side
-- answers with one of its own and a digest (HMAC-SHA-256) of both, and gets one in return.

local digest = require "reef.digest"
local frame = require "reef.cluster.frame"
local skynet = require "skynet"
local socket = require "reef.socket"

local trust = {}

trust.TIMEOUT = 500 -- cs until both sides have shown that they know the secret

local NAME <const> = "reef.auth"
local NONCE <const> = 16
local LEAST <const> = 16 -- bytes of a secret

---@type string|nil
trust.secret = skynet.getenv "cluster_secret"
if trust.secret and #trust.secret < LEAST then
	error(("cluster_secret has %d bytes: at least %d are needed"):format(#trust.secret, LEAST), 0)
end

local function files()
	local cert, key = skynet.getenv "cluster_cert_file", skynet.getenv "cluster_key_file"
	local ca = skynet.getenv "cluster_ca_file"
	if not cert and not key and not ca then
		return nil
	elseif not cert or not ca then
		error("TLS between nodes needs cluster_cert_file and cluster_ca_file, and cluster_key_file unless the key is "
			.. "in the first", 0)
	end
	return { cert_file = cert, key_file = key, ca_file = ca }
end

local given = files()

---Options of TLS for who connects; nil: plain. A node is whoever the authority has signed, whatever its name is.
---@type reef.tls.options|nil
trust.client = given and { cert_file = given.cert_file, key_file = given.key_file, ca_file = given.ca_file,
	verify_host = false }

---Options of TLS for who listens.
---@type reef.tls.options|nil
trust.server = given and { cert_file = given.cert_file, key_file = given.key_file, ca_file = given.ca_file,
	client_certificates = "required" }

---Is whoever connects known?
---@return boolean
function trust.any()
	return trust.secret ~= nil or trust.server ~= nil
end

local function proof(role, theirs, ours)
	return digest.hmac("sha256", trust.secret, role .. theirs .. ours)
end

-- ---- who connects ----

-- Sends a question, and waits for the answer's values; nil and why.
local function ask(id, session, ...)
	socket.write(id, (frame.request(0, session, skynet.packstring(NAME, ...))))
	local head = socket.read(id, 2)
	local size = head and string.unpack(">I2", head)
	local payload = size and size >= 5 and socket.read(id, size)
	if not payload then
		return nil, "it has ended the connection"
	end
	local its, kind, rest = frame.parse_response(payload, 1, #payload)
	if its ~= session or kind == frame.FAILED then
		return nil, kind == frame.FAILED and tostring(rest) or "it has answered something else"
	end
	return skynet.unpack(rest)
end

local function exchange(id)
	local ours = digest.random(NONCE)
	local theirs, its = ask(id, 1, ours)
	if not theirs then
		return its
	elseif type(theirs) ~= "string" or type(its) ~= "string" or not digest.equal(its, proof("server", ours, theirs)) then
		return "it does not know the secret"
	end
	local ok, why = ask(id, 2, proof("client", theirs, ours))
	return not ok and (why or "it has said no") or nil
end

---Shows the other side that we know the secret, and has it show the same.
---@param id integer of a socket
---@return string|nil problem
function trust.connect(id)
	if not trust.secret then
		return nil
	end
	local done = false
	skynet.timeout(trust.TIMEOUT, function()
		if not done then
			socket.shutdown(id)
		end
	end)
	local ok, problem = pcall(exchange, id)
	done = true
	return problem and "cluster_secret: " .. tostring(problem) or not ok and "cluster_secret" or nil
end

-- ---- who listens ----

---@class reef.cluster.trust.visitor
---@field known boolean
---@field ours string|nil
---@field theirs string|nil

---@return reef.cluster.trust.visitor
function trust.visitor()
	return { known = trust.secret == nil }
end

---Takes a request of somebody who is not known yet. Raises when it is not what it has to be.
---@param visitor reef.cluster.trust.visitor
---@param address any
---@param message string
---@return string answer
function trust.visit(visitor, address, message)
	local ok, name, value = pcall(skynet.unpack, message)
	if address ~= 0 or not ok or name ~= NAME or type(value) ~= "string" then
		error("a request before it has shown that it knows cluster_secret", 0)
	elseif not visitor.ours then
		visitor.theirs, visitor.ours = value, digest.random(NONCE)
		return skynet.packstring(visitor.ours, proof("server", value, visitor.ours))
	elseif not digest.equal(value, proof("client", visitor.ours, visitor.theirs)) then
		error("a proof that does not fit cluster_secret", 0)
	end
	visitor.known = true
	return skynet.packstring(true)
end

return trust
