-- Spans (reef.mongo.spans) beyond what the suite `open-telemetry` asks: what is within what, secrets, and that each
-- operation has its own however many run at the same time.
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local skynet = require "skynet"
local test = require "test"

local function start(text)
	local set = peers.deployment { topology = "replicaset", version = "8.0.0", members = 1 }
	test.defer(set.close, set)
	local seen = {}
	local client = mongo.client { uri = set:uri(), span_text = text, on_span = function(span)
		seen[#seen + 1] = span
	end }
	test.defer(client.disconnect, client)
	return client, seen, set
end

-- Names of spans with those around them.
local function lines(seen)
	local out = {}
	for i, span in ipairs(seen) do
		local names, s = {}, span
		while s do
			table.insert(names, 1, s.name)
			s = s.parent
		end
		out[i] = table.concat(names, " > ")
	end
	return out
end

test.case("what is within what", function()
	local client, seen = start()
	local session = client:startSession()
	session:withTransaction(function()
		client.db.c:insertOne({ _id = 1 }, { session = session })
	end)
	session:endSession()
	client.db:runCommand "ping"
	test.equal(lines(seen), {
		"transaction > insert db.c > insert", "transaction > insert db.c",
		"transaction > commitTransaction admin > commitTransaction", "transaction > commitTransaction admin", "transaction",
		"runCommand db > ping", "runCommand db",
	})
	for _, span in ipairs(seen) do
		test.equal(span.attributes["db.query.text"], nil)
		test.truthy(span.duration >= 0 and span.time > 0)
	end
end)

test.case("an attempt has a span of its own, with what it met", function()
	local client, seen, set = start()
	set.members[1].failpoint:configure { configureFailPoint = "failCommand", mode = { times = 1 },
		data = { failCommands = { "find" }, errorCode = 91 } }
	client.db.c:findWith({}):toArray()
	test.equal(lines(seen), { "find db.c > find", "find db.c > find", "find db.c" })
	test.equal({ seen[1].attributes["db.response.status_code"], seen[1].error ~= nil, seen[2].error }, { "91", true })
	test.equal(seen[3].error, nil)
end)

test.case("a command's text is shown as far as wanted, a secret never", function()
	local client, seen = start(40)
	client.db.c:insertOne { _id = 1, text = ("x"):rep(1000) }
	test.truthy(#seen[1].attributes["db.query.text"] < 50, seen[1].attributes["db.query.text"])
	seen[1], seen[2] = nil, nil
	pcall(client.db.runCommand, client.db, "createUser", "me", "pwd", "hunter2")
	test.equal(lines(seen), { "runCommand db" })
	test.equal(tostring(seen[1].attributes["exception.message"]):find("hunter2", 1, true), nil)
end)

test.case("operations at the same time keep their spans apart", function()
	local client, seen = start()
	local running = 50
	for i = 1, running do
		skynet.fork(function()
			client.db["c" .. i]:insertOne { _id = i }
			running = running - 1
		end)
	end
	test.eventually("all are done", 30, function()
		return running == 0
	end)
	test.equal(#seen, 100)
	for _, span in ipairs(seen) do
		local around = span.parent
		test.equal(around and around.attributes["db.collection.name"] or span.attributes["db.collection.name"],
			span.attributes["db.collection.name"])
	end
end)

test.run()
