-- From an address to a connection that may be used: connect, hello, log in.
local bson = require "bson"
local now = require "reef.base.now"
local core = require "reef.mongo.core"
local errors = require "reef.mongo.errors"
local replies = require "reef.mongo.replies"
local sdam = require "reef.mongo.sdam"

local handshake = {}

-- Many do not log in here, and few by something else than SCRAM.
local function scram()
	return require "reef.mongo.scram"
end

local function mechanisms()
	return require "reef.mongo.mechanisms"
end

---@class mongo.credentials
---@field username string
---@field password string
---@field source string database that knows the user
---@field mechanism string|nil SCRAM-SHA-1 or SCRAM-SHA-256; nil: what the server offers

---@class mongo.connection
---@field raw userdata
---@field hello table its first reply
---@field address string

local COMMAND_NOT_FOUND = 59
local AUTHENTICATION_FAILED = 18
local NOTHING = {}
local X509 = "MONGODB-X509"
local label
local NOT_BALANCED = "Driver attempted to initialize in load balancing mode, but the server does not support this mode."

local function add_api(message, api)
	for i = 1, api and #api or 0, 2 do
		message[api[i]] = api[i + 1]
	end
end

local function metadata(app_name)
	local client = bson.document()
	if app_name then
		client.application = { name = app_name }
	end
	client.driver = { name = "reef", version = "1" }
	client.os = { type = "Linux" }
	client.platform = _VERSION
	return client
end

-- ---- logging in ----

local function auth_error(address, text, reply)
	return errors.new({
		code = "auth", codeName = reply and reply.codeName, outcome = "not sent", host = "mongo " .. address,
		command = "login", reply = reply, text = text,
	}, text)
end

-- What is wrong with the server's answer to a step: nil, or an error object.
local function check_step(address, reply, err)
	if not reply then
		return err
	end
	local why = replies.check(reply, replies.shapes.login)
	if why then
		return auth_error(address, "the server's answer is malformed: " .. why)
	end
	return reply.ok ~= 1 and auth_error(address, reply.errmsg or "refused", reply) or nil
end

-- Goes on with the conversation from a server's answer to its end. nil, or an error object.
local function converse(raw, address, conversation, reply, source, deadline, api)
	for _ = 1, 4 do
		local _, payload = bson.type(reply.payload)
		local ok, answer = pcall(conversation.step, conversation, payload)
		if not ok then
			return auth_error(address, answer)
		elseif reply.done then
			return not conversation:verified() and auth_error(address, "the server ended without proving itself") or nil
		end
		local err
		reply, err = raw:request(deadline - now(), "", "saslContinue", nil, nil, "saslContinue", 1,
			"conversationId", reply.conversationId, "payload", bson.binary(answer), "$db", source,
			table.unpack(api or NOTHING))
		err = check_step(address, reply, err)
		if err then
			return err
		end
	end
	return auth_error(address, "the conversation does not end")
end

local function start_message(mechanism, conversation)
	return bson.document("saslStart", 1, "mechanism", mechanism, "payload", bson.binary(conversation.first),
		"options", { skipEmptyExchange = true })
end

local function offers(hello, mechanism)
	for _, offered in ipairs(hello.saslSupportedMechs or {}) do
		if offered == mechanism then
			return true
		end
	end
	return false
end

local function choose(credentials, hello)
	return credentials.mechanism or (offers(hello, "SCRAM-SHA-256") and "SCRAM-SHA-256") or "SCRAM-SHA-1"
end

-- The conversation of a mechanism. Raises.
local function converse_by(mechanism, credentials, seconds)
	if scram().known(mechanism) then
		return scram().new(mechanism, credentials.username, credentials.password)
	end
	return mechanisms().new(mechanism, credentials, seconds)
end

local function login_by_certificate(raw, address, credentials, deadline, api)
	local message = mechanisms().x509(credentials)
	message["$db"] = credentials.source
	add_api(message, api)
	local reply, err = raw:request(deadline - now(), "", "authenticate", nil, nil, message)
	if not reply then
		return err
	end
	return reply.ok ~= 1 and auth_error(address, reply.errmsg or "refused", reply) or nil
end

---Logs in on a connection that said hello. nil, or an error object.
---@param raw userdata
---@param speculative table|nil the conversation that hello has begun
---@param api table|nil keys and values that go with each command
function handshake.login(raw, address, credentials, hello, speculative, deadline, api)
	local begun = hello.speculativeAuthenticate
	if begun and speculative and not replies.check_document(begun, replies.shapes.login) then
		return converse(raw, address, speculative, hello.speculativeAuthenticate, credentials.source, deadline, api)
	end
	local mechanism = choose(credentials, hello)
	if mechanism == X509 then
		return hello.speculativeAuthenticate == nil and login_by_certificate(raw, address, credentials, deadline, api) or nil
	elseif not scram().known(mechanism) and not mechanisms().known(mechanism) then
		return auth_error(address, "the mechanism " .. tostring(mechanism) .. " is not supported")
	end
	local ok, conversation = pcall(converse_by, mechanism, credentials, deadline - now())
	if not ok then
		return auth_error(address, conversation)
	end
	local message = start_message(mechanism, conversation)
	message["$db"] = credentials.source
	add_api(message, api)
	local reply, err = raw:request(deadline - now(), "", "saslStart", nil, nil, message)
	err = check_step(address, reply, err)
	if err then
		return err
	end
	return converse(raw, address, conversation, reply, credentials.source, deadline, api)
end

-- ---- hello ----

local function hello_message(name, credentials, options)
	local message = bson.document(name, 1, "helloOk", true, "client", metadata(options.appName), "backpressure", true)
	if options.loadBalanced then
		message.loadBalanced = true
	end
	if options.compressors then
		message.compression = bson.array(options.compressors)
	end
	local conversation
	if credentials then
		if not credentials.mechanism then
			message.saslSupportedMechs = credentials.source .. "." .. credentials.username
		end
		local mechanism = credentials.mechanism or "SCRAM-SHA-256"
		local ok = false
		if scram().known(mechanism) or credentials.token then
			ok, conversation = pcall(converse_by, mechanism, credentials, 0)
		elseif mechanism == X509 then
			local start = mechanisms().x509(credentials)
			start.db = credentials.source
			message.speculativeAuthenticate = start
		end
		if ok then
			local start = start_message(mechanism, conversation)
			start.db = credentials.source
			message.speculativeAuthenticate = start
		else
			conversation = nil
		end
	end
	message["$db"] = "admin"
	add_api(message, options.api)
	return message, conversation
end

local function say_hello(raw, address, options, deadline)
	local credentials = options.credentials
	local message, conversation = hello_message("hello", credentials, options)
	local reply, err = raw:request(deadline - now(), "", "hello", nil, nil, message)
	if reply and reply.ok ~= 1 and reply.code == COMMAND_NOT_FOUND and not options.api and not options.loadBalanced then
		message, conversation = hello_message("isMaster", credentials, options)
		reply, err = raw:request(deadline - now(), "", "isMaster", nil, nil, message)
	end
	local why = reply and replies.check_hello(reply)
	if why then
		return nil, replies.malformed(address, "hello", why)
	end
	return reply, err, conversation
end

---Says hello and, with credentials, logs in.
---@param raw { request: function } as connections of reef.mongo.core
---@return table|nil hello
---@return mongo.error|nil
function handshake.greet(raw, address, options, deadline)
	local reply, err, conversation = say_hello(raw, address, options, deadline)
	if not reply and err.code ~= "protocol" then
		label(err)
	end
	if reply and reply.ok ~= 1 then
		err = errors.from_reply(reply, address, "hello")
	elseif reply and options.loadBalanced and not reply.serviceId then
		err = errors.new({
			code = "incompatible", outcome = "not sent", host = "mongo " .. address, command = "hello",
		}, NOT_BALANCED)
	elseif reply and options.credentials then
		local had_token = options.credentials.token ~= nil
		err = handshake.login(raw, address, options.credentials, reply, conversation, deadline, options.api)
		if err and had_token and err.reply and err.reply.code == AUTHENTICATION_FAILED then
			-- It may have expired: once more with a new one.
			mechanisms().forget(options.credentials)
			reply.speculativeAuthenticate = nil
			err = handshake.login(raw, address, options.credentials, reply, nil, deadline, options.api)
		end
		if err then
			err.service = reply.serviceId
		end
	end
	if err then
		err.outcome = "not sent"
		return nil, err
	end
	return reply
end

-- Words of errors that have nothing to do with how much a server has to do: nobody listens, there is no such name, no
-- trust.
local unrelated = {
	"refused", "No address associated", "not known", "in name resolution", "certificate", "unreachable", "No such file",
}

-- Says of a connection that did not come about that the server may have had too much to do (specification "Client
-- Backpressure").
function label(err)
	for _, text in ipairs(unrelated) do
		if tostring(err):find(text, 1, true) then
			return err
		end
	end
	if err.code ~= "tls" then
		err.labels.SystemOverloadedError, err.labels.RetryableError = true, true
	end
	return err
end

-- Closes what did not become a connection, however that came.
local abandoned = { __close = function(guard)
	if guard.raw then
		guard.raw:close(guard.why or "the connection was given up while it was made")
	end
end }

-- The first of our compressors that the server has is used from now on.
local function negotiate(raw, options, hello)
	local offered = {}
	for _, name in ipairs(hello.compression or {}) do
		offered[name] = true
	end
	for _, name in ipairs(options.compressors or {}) do
		if offered[name] then
			raw:compress(name, options.zlibCompressionLevel)
			return
		end
	end
end

---Connects and greets.
---@param address string
---@param options { credentials: mongo.credentials|nil, appName: string|nil, tls: reef.tls.options|nil, api: table|nil,
---  loadBalanced: boolean|nil }
---@param seconds number
---@return mongo.connection|nil
---@return mongo.error|nil
function handshake.connect(address, options, seconds)
	local deadline = now() + seconds
	local raw = core.connection(function(code, outcome, command, waited, why)
		return errors.network(address, code, outcome, command, waited, why)
	end)
	local host, port = sdam.split(address)
	local target, why
	if options.tls then
		target, why = require "reef.tls".target(options.tls, host, port)
		if not target then
			return nil, errors.network(address, "tls", "not sent", "connect", 0, why)
		end
	end
	local guard <close> = setmetatable({ raw = raw }, abandoned)
	local ok, err = raw:connect(host, port, seconds, target)
	if not ok then
		return nil, label(err)
	end
	local hello
	hello, err = handshake.greet(raw, address, options, deadline)
	if err then
		guard.why = tostring(err)
		return nil, err
	end
	guard.raw = nil
	negotiate(raw, options, hello)
	return { raw = raw, hello = hello, address = address, service = options.loadBalanced and hello.serviceId or nil }
end

return handshake
