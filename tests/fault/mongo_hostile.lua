-- timeout: 240
-- Servers that say things that are true of no deployment: what other servers and their clients notice of it, and what
-- the caller hears.
local bson = require "bson"
local errors = require "reef.mongo.errors"
local mongo = require "skynet.db.mongo"
local peers = require "test.mongo_peer"
local process = require "test.process"
local skynet = require "skynet"
require "skynet.manager"
local test = require "test"

-- For servers that do answer, as long as `test.within` waits for them.
local PATIENT = ("serverSelectionTimeoutMS=%d"):format(5000 * test.slowness)

-- A member whose hello says besides what `more` answers.
local function saying(set, more)
	local member = set.members[1]
	local usual = getmetatable(member).__index.answer
	function member.answer(self, name, command, connection)
		local answer = usual(self, name, command, connection)
		if name == "hello" and type(answer) == "table" then
			for k, v in pairs(more(answer, command) or {}) do
				answer[k] = v
			end
		end
		return answer
	end
	return set
end

local function lazy(uri)
	local client = mongo.client { uri = uri, lazy = true }
	test.defer(client.disconnect, client)
	return client.db.c
end

local function refused(set, options)
	local patience = test.sanitizer and 5000 or 600
	local c = lazy(set:uri(("serverSelectionTimeoutMS=%d&timeoutMS=10000"):format(patience) .. (options or "")))
	local ok, err = pcall(c.findOne, c, { _id = 1 })
	test.truthy(not ok and errors.is(err), tostring(err))
	test.equal(err.code, "selection")
	return tostring(err)
end

local function cpu()
	local fields = {}
	for word in io.open("/proc/self/stat"):read("a"):gmatch "%S+" do
		fields[#fields + 1] = word
	end
	return (fields[14] + fields[15]) / 100
end

local function descriptors()
	local _, output = process.run { "ls", ("/proc/%d/fd"):format(skynet.self() and io.open("/proc/self/stat"):read "n") }
	local _, lines = output:gsub("\n", "")
	return lines
end

test.case("a server that names ten thousand members costs others nothing, and the caller hears of it", function()
	local good = peers.set(1)
	local c = lazy(good:uri(PATIENT))
	test.truthy(c:findOne { _id = 1 })
	for _, n in ipairs { 100, 1000, 10000 } do
		local set = saying(peers.set(1), function(answer)
			local hosts = bson.array { answer.me }
			for i = 2, n do
				hosts[i] = "127.0.0.1:" .. 10000 + i
			end
			return { hosts = hosts }
		end)
		local before = descriptors()
		test.matches(refused(set), ("it names %d members; a replica set has 50 at most"):format(n))
		test.between(descriptors(), 0, before + 20)
		local used = cpu()
		local other = lazy(good:uri(PATIENT .. "&appName=other" .. n))
		test.within(5, other.findOne, other, { _id = 1 })
		skynet.sleep(100)
		test.between(cpu() - used, 0, 0.9)
	end
	test.within(5, c.findOne, c, { _id = 1 })
end)

test.case("members that are no addresses are refused by name", function()
	local hosts = {
		"127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:4294967297", "127.0.0.1:-1", "127.0.0.1:x", "127.0.0.1:", ":1", "",
		"[::1", "[::1]:", "a:b:c", "/etc/passwd", "127.0.0.1\0evil:1", ("a"):rep(70000), " ", "\n", "unix:@x",
	}
	test.together(#hosts, function(i)
		local set = saying(peers.set(1), function(answer)
			return { hosts = bson.array { answer.me, hosts[i] } }
		end)
		test.matches(refused(set), "its field 'hosts' is not what it has to be")
		set:close()
	end)
end)

test.case("a server that speaks without an end does not keep others from their work", { timeout = 60 }, function()
	local good = peers.set(1)
	local talking = peers.set(1, true)
	local member = talking.members[1]
	function member.stream(self, id, command, request_id, connection)
		local wire = require "test.peer.wire"
		local own_id = 1000
		while self.connections[id] do
			for _ = 1, 50 do
				own_id = own_id + 1
				wire.write(id, request_id, self:answer("hello", command, connection), own_id, wire.MORE_TO_COME)
				request_id = own_id
			end
			skynet.sleep(1)
		end
	end
	local c = lazy(talking:uri())
	test.truthy(c:findOne { _id = 1 })
	skynet.sleep(100)
	local used = cpu()
	local other = lazy(good:uri(PATIENT))
	test.within(5, other.findOne, other, { _id = 1 })
	test.between(cpu() - used, 0, 3)
end)

-- ---- the reason reaches the caller ----

test.case("why a server is not used is in the error", function()
	local set = saying(peers.set(1), function()
		return { ok = 0, code = 13, errmsg = "a reason of its own" }
	end)
	test.matches(refused(set), "a reason of its own")
	set = saying(peers.set(1), function()
		return { setName = "another" }
	end)
	test.matches(refused(set), "was removed: it is RSPrimary of the set 'another'")
	set = saying(peers.set(1), function()
		return { me = "elsewhere:1", isWritablePrimary = false, ismaster = false, secondary = true }
	end)
	test.matches(refused(set), "calls itself elsewhere:1")
	set = saying(peers.set(1), function()
		return { minWireVersion = 99, maxWireVersion = 99 }
	end)
	local c = lazy(set:uri "timeoutMS=1000")
	local err = test.raises("needs wire version 99", c.findOne, c, { _id = 1 })
	test.equal(err.outcome, "not sent")
	local port = process.free_port()
	c = lazy(("mongodb://127.0.0.1:%d/?serverSelectionTimeoutMS=300"):format(port))
	test.matches(tostring(test.raises("no suitable server", c.findOne, c, { _id = 1 })), "refused")
end)

test.case("a login that fails says so, also after other calls", function()
	local set = peers.deployment { topology = "replicaset", version = "7.0.0", users = { ann = "secret" } }
	test.defer(set.close, set)
	local c = lazy(("mongodb://ann:wrong@%s/?replicaSet=rs&timeoutMS=1500&serverSelectionTimeoutMS=500"):format(
		set.members[1].address))
	for _ = 1, 3 do
		local err = test.raises("Authentication failed", c.findOne, c, { _id = 1 })
		test.equal(err.outcome, "not sent")
	end
end)

-- ---- what is said once does not last ----

test.case("one wrong word of a server is over with it", function()
	for _, wrong in ipairs {
		{ setName = "another" }, { hosts = bson.array { "127.0.0.1:1" } }, { setVersion = 1 << 40 },
		{ electionId = bson.objectid(("f"):rep(24)) }, { hosts = bson.array {} }, { msg = "isdbgrid" },
	} do
		local lies = true
		local set = saying(peers.set(1), function()
			return lies and wrong or nil
		end)
		local c = lazy(set:uri "serverSelectionTimeoutMS=300&timeoutMS=2000&heartbeatFrequencyMS=500")
		pcall(c.findOne, c, { _id = 1 })
		skynet.sleep(60)
		lies = false
		test.eventually("the server is used again", 20, function()
			return (pcall(c.findOne, c, { _id = 1 }))
		end)
	end
end)

test.case("a $clusterTime that is none, or that the servers refuse, goes back to nobody", function()
	local set = peers.deployment { topology = "replicaset", version = "8.0.0" }
	test.defer(set.close, set)
	local member = set.members[1]
	local usual = getmetatable(member).__index.answer
	local future = { clusterTime = bson.timestamp(1 << 31, 1),
		signature = { hash = bson.binary(("x"):rep(20)), keyId = bson.int64(7) } }
	local wrong
	function member.answer(self, name, command, connection)
		local time = command["$clusterTime"]
		local _, seconds = bson.type(time and time.clusterTime)
		if name ~= "hello" and time and (not seconds or seconds >= 1 << 31) then
			return { ok = 0, code = 211, codeName = "KeyNotFound", errmsg = "Cache Reader No keys found for HMAC" }
		end
		local answer = usual(self, name, command, connection)
		if name == "find" and wrong then
			answer["$clusterTime"], answer.operationTime = wrong, "x"
		end
		return answer
	end
	local c = lazy(set:uri())
	c:insertOne { _id = 1, v = 1 }
	for _, time in ipairs {
		5, "x", bson.document(), { clusterTime = "x" }, { clusterTime = bson.timestamp(1, 1), signature = 5 },
		{ clusterTime = bson.timestamp(1 << 31, 1), signature = { hash = "x", keyId = bson.int64(1) } },
	} do
		wrong = time
		test.equal(c:findOne({ _id = 1 }).v, 1)
		wrong = nil
		test.equal(c:findOne({ _id = 1 }).v, 1)
	end
	wrong = future
	c:findOne { _id = 1 }
	wrong = nil
	pcall(c.findOne, c, { _id = 1 })
	for _ = 1, 3 do
		test.equal(c:findOne({ _id = 1 }).v, 1)
	end
end)

-- ---- cursors that are left ----

local function open_cursors(set)
	local n = 0
	for _ in pairs(set.cursors) do
		n = n + 1
	end
	return n
end

local function with_cursors()
	local set = peers.deployment { topology = "replicaset", version = "8.0.0", users = { ann = "secret" } }
	test.defer(set.close, set)
	local uri = ("mongodb://ann:secret@%s/?replicaSet=rs"):format(set.members[1].address)
	local c = lazy(uri)
	for i = 1, 20 do
		c:insertOne { _id = i }
	end
	return set, c, uri
end

test.case("a cursor that is left is killed when its service ends, however it ends", function()
	local set, _, uri = with_cursors()
	for _, ends in ipairs { "kill", "close" } do
		local caller = test.service "mongo_caller"
		skynet.call(caller, "lua", "open", uri)
		for _ = 1, 3 do
			test.equal(skynet.call(caller, "lua", "cursor", 5), true)
		end
		test.equal(open_cursors(set), 3)
		if ends == "kill" then
			skynet.kill(caller)
		else
			skynet.call(caller, "lua", "close")
		end
		test.eventually("the cursors are killed", 10, function()
			return open_cursors(set) == 0
		end)
	end
end)

test.case("a cursor that is collected is killed; one that is read to its end, or closed, is not again", function()
	local set, c = with_cursors()
	do
		local cursor = c:findWith({}, { batchSize = 5 })
		test.truthy(cursor:hasNext())
	end
	test.equal(open_cursors(set), 1)
	test.eventually("the cursor is killed", 10, function()
		collectgarbage()
		return open_cursors(set) == 0
	end)
	local killed = set.members[1].seen.killCursors
	test.equal(#c:findWith({}, { batchSize = 5 }):toArray(), 20)
	local cursor = c:findWith({}, { batchSize = 5 })
	cursor:hasNext()
	cursor:close()
	cursor = nil -- luacheck: ignore
	collectgarbage()
	skynet.sleep(20)
	test.equal(set.members[1].seen.killCursors, killed + 1)
	test.equal(open_cursors(set), 0)
end)

test.run()
