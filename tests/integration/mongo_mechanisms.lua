-- Logging in other than by SCRAM: against the peer, and the signature of AWS against one that was computed elsewhere.
local bson = require "bson"
local digest = require "reef.digest"
local login = require "test.peer.login"
local mechanisms = require "reef.mongo.mechanisms"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local pool = require "reef.pool"
local test = require "test"
local uri = require "reef.mongo.uri"

local function start()
	local set = peers.deployment { topology = "single", version = "8.0.0", users = { user = "pencil", ["CN=me"] = "" } }
	test.defer(set.close, set)
	return set
end

local function connect(set, options, conf, user)
	conf = conf or {}
	conf.uri = set:uri(options)
	if user then
		conf.uri = conf.uri:gsub("//", function() return "//" .. user .. "@" end, 1)
	end
	local client = mongo.client(conf)
	test.defer(client.disconnect, client)
	return client
end

test.case("by PLAIN", function()
	local set = start()
	connect(set, "authMechanism=PLAIN", {}, "user:pencil").db.c:insertOne { _id = 1 }
	local err = test.raises("Authentication failed", connect, set, "authMechanism=PLAIN", {}, "user:hunter2")
	test.equal(tostring(err):find("hunter2", 1, true), nil)
end)

test.case("by certificate, which hello asks for beforehand", function()
	local set = start()
	connect(set, "authMechanism=MONGODB-X509", {}, "CN%3Dme").db.c:insertOne { _id = 1 }
	test.equal(set.members[1].seen.authenticate, nil)
	test.raises("Authentication failed", connect, set, "authMechanism=MONGODB-X509", {}, "CN%3Dyou")
end)

test.case("by a token of a function, which is asked as seldom as can be", function()
	local set, calls, token = start(), 0, login.TOKEN
	local function callback(request)
		calls = calls + 1
		test.equal({ request.version, request.timeoutMS > 0 }, { 1, true })
		return { accessToken = token }
	end
	local client = connect(set, "authMechanism=MONGODB-OIDC&minPoolSize=2", { oidc_callback = callback })
	for i = 1, 5 do
		client.db.c:insertOne { _id = i }
		set.members[1]:drop()
		pcall(client.db.c.findOne, client.db.c, {})
	end
	test.equal(calls, 1)
	set.members[1].failpoint:configure { configureFailPoint = "failCommand", mode = { times = 1 },
		data = { failCommands = bson.array { "insert" }, errorCode = 391 } }
	client.db.c:insertOne { _id = 6 }
	test.equal(calls, 2)
	token = "another"
	test.raises("Authentication failed", connect, set, "authMechanism=MONGODB-OIDC", { oidc_callback = callback })
	test.raises("no { accessToken", connect, set, "authMechanism=MONGODB-OIDC", { oidc_callback = function() end })
	test.raises("needs the client's option", connect, set, "authMechanism=MONGODB-OIDC&authMechanismProperties="
		.. "ENVIRONMENT:gcp,TOKEN_RESOURCE:a")
	test.raises("connections of its own", pool.mongo, {
		uri = set:uri "authMechanism=MONGODB-OIDC", oidc_callback = callback,
	})
end)

local KEYS = { accessKeyId = "AKIDEXAMPLE", secretAccessKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }

test.case("a request of AWS is signed as its documentation says", function()
	local date, nonce = "20150830T123600Z", "bm9uY2U="
	local header = mechanisms.aws_authorization(KEYS, "sts.us-west-2.amazonaws.com", nonce, date)
	test.equal(header:match "Signature=(%x+)$", "154bb32795fe303b8cabc9866d62f1a597e9002fabb5c0c2fe71d0d29e97719d")
	test.matches(header, "Credential=AKIDEXAMPLE/20150830/us%-west%-2/sts/aws4_request, SignedHeaders=content%-length;")
	local with = { accessKeyId = KEYS.accessKeyId, secretAccessKey = KEYS.secretAccessKey, sessionToken = "TOKEN" }
	header = mechanisms.aws_authorization(with, "sts.amazonaws.com", nonce, date)
	test.equal(header:match "Signature=(%x+)$", "8ef299142a95c849e6bda076704dc8ed48587c052456b93b2ff64bed80b71f33")
	for _, host in ipairs { "", "sts..com", ".amazonaws.com", "sts.amazonaws.", ("x"):rep(256) } do
		test.raises("no host of AWS", mechanisms.aws_authorization, KEYS, host, nonce, date)
	end
end)

test.case("by AWS, whose server has to go on with our nonce", function()
	local conversation = mechanisms.new("MONGODB-AWS", { aws_credentials = function() return KEYS end }, 1)
	local first = bson.decode_exact(conversation.first)
	local _, nonce = bson.type(first.r)
	test.equal({ #nonce, first.p }, { 32, 110 })
	test.raises("nonce", conversation.step, conversation,
		tostring(bson.encode { s = bson.binary(digest.random(64)), h = "sts.amazonaws.com" }))
	test.equal(conversation.verified(), false)
	local answer = bson.decode_exact(conversation:step(tostring(bson.encode {
		s = bson.binary(nonce .. digest.random(32)), h = "sts.amazonaws.com",
	})))
	test.matches(answer.a, "^AWS4%-HMAC%-SHA256 Credential=AKIDEXAMPLE/")
	test.equal({ answer.t, #answer.d, conversation.verified() }, { nil, 16, true })
end)

test.case("keys of AWS do not stand in connection strings", function()
	for _, text in ipairs {
		"mongodb://key:secret@localhost/?authMechanism=MONGODB-AWS", "mongodb://key@localhost/?authMechanism=MONGODB-AWS",
		"mongodb://localhost/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:t",
	} do
		local err = test.raises("Invalid MongoDB connection string", uri.parse, text)
		test.equal(tostring(err):find("secret", 1, true), nil)
	end
	local parsed = uri.parse "mongodb://localhost/?authMechanism=MONGODB-AWS"
	test.equal({ parsed.credential.source, parsed.credential.mechanism }, { "$external", "MONGODB-AWS" })
end)

test.run()
