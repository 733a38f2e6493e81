-- Servers that speak MongoDB's protocol and do what a test says: members of a replica set that elect, fail, stall and
-- answer late. They run in the test's own service.
--
--     local set = require("test.mongo_peer").set(2)     -- listening members, the first is primary
--     set:elect(2)                                      -- from now on
--     set.members[1].on.insert = function(command, member) ... end
--         -- a reply, or "close", "stall"; nil: the usual one
--     set:uri()
--
-- The members of such a set answer simply: documents go to `set.documents` in the order of their inserts, and any find
-- finds a document that says whom it is `from`. A deployment has documents that can be queried, fail points, and the
-- behaviour of a version:
--
--     local deployment = peer.deployment { topology = "sharded", version = "4.4.0" }
--
-- In both, a write that comes again with the number of one that was done is answered without doing it again.
local admin = require "test.peer.admin"
local bson = require "bson"
local commands = require "test.peer.commands"
local failpoint = require "test.peer.failpoint"
local failure = require "test.peer.failure"
local login = require "test.peer.login"
local rules = require "test.peer.rules"
local skynet = require "skynet"
local socket = require "skynet.socket"
local store = require "test.peer.store"
local test = require "test"
local transaction = require "test.peer.transaction"
local value = require "test.peer.value"
local wire = require "test.peer.wire"

local peer = {}

---@class test.mongo_member
---@field address string
---@field on table<string, fun(command: table, member: test.mongo_member): any> by name of command
---@field seen table<string, integer> how often a command came
---@field set test.mongo_set
local member_methods = {}
member_methods.__index = member_methods

---@class test.mongo_set
---@field members test.mongo_member[]
---@field primary integer|nil index of the member that takes writes
---@field topology "single"|"replicaset"|"sharded"
---@field version string
---@field number integer the version as one number: 8.2.1 is 8002001
local set_methods = {}
set_methods.__index = set_methods

---@return integer
function peer.version_number(text)
	local major, minor, patch = text:match "^(%d+)%.?(%d*)%.?(%d*)"
	return tonumber(major) * 1000000 + (tonumber(minor) or 0) * 1000 + (tonumber(patch) or 0)
end

-- ---- hello ----

local wire_versions = {
	{ 8002000, 27 }, { 8000000, 25 }, { 7000000, 21 }, { 6000000, 17 }, { 5000000, 13 }, { 4004000, 9 }, { 4002000, 8 },
	{ 4000000, 7 },
}

local function wire_version(number)
	for _, pair in ipairs(wire_versions) do
		if number >= pair[1] then
			return pair[2]
		end
	end
	return 6
end

-- How often the member's view of the deployment has changed; of servers that speak up by themselves.
local function topology_version(member)
	return member.set.streams and { processId = member.process, counter = bson.int64(member.set.election) } or nil
end

local function of_replica_set(reply, member)
	local set = member.set
	local hosts, primary = bson.array {}, set.members[set.primary]
	for i, m in ipairs(set.members) do
		hosts[i] = m.address
	end
	reply.isWritablePrimary, reply.secondary = member == primary, member ~= primary
	reply.ismaster = reply.isWritablePrimary
	reply.setName, reply.setVersion, reply.hosts = "rs", 1, hosts
	reply.primary, reply.me = primary and primary.address, member.address
	reply.electionId = member == primary and bson.objectid(("%024x"):format(set.election)) or nil
	reply.lastWrite = { opTime = { ts = bson.timestamp(1, 1), t = bson.int64(1) }, lastWriteDate = bson.date(os.time()) }
end

local function hello(command, member, connection)
	local set = member.set
	local reply = {
		helloOk = true, isWritablePrimary = true, ismaster = true, minWireVersion = 0,
		maxWireVersion = wire_version(set.number), logicalSessionTimeoutMinutes = 30, maxBsonObjectSize = 16777216,
		maxMessageSizeBytes = 48000000, maxWriteBatchSize = 100000, localTime = bson.date(os.time()),
		connectionId = 1, readOnly = false,
		topologyVersion = topology_version(member),
	}
	if command.compression and set.compressors then
		local both = {}
		for _, name in ipairs(command.compression) do
			for _, own in ipairs(set.compressors) do
				both[#both + 1] = own == name and name or nil
			end
		end
		connection.compressor, reply.compression = both[1], bson.array(both)
	end
	if set.topology == "replicaset" then
		of_replica_set(reply, member)
	elseif set.topology == "sharded" then
		reply.msg = "isdbgrid"
	elseif set.topology == "load-balanced" then
		reply.msg = "isdbgrid"
		if command.loadBalanced ~= true and not connection.service then
			failure.raise(354, "The server is being accessed through a load balancer, but this driver does not have load "
				.. "balancing enabled")
		end
		-- Every other connection leads to the other service.
		set.last_service = (set.last_service or 0) + 1
		connection.service = connection.service
			or set.services[member == set.members[1] and 1 or set.last_service % #set.services + 1]
		reply.serviceId = connection.service
	end
	return login.hello(command, reply, member, connection)
end

-- ---- simple answers ----

local function refuse_writes(member)
	local set = member.set
	if set.topology == "replicaset" and member ~= set.members[set.primary] then
		failure.raise(10107, { errmsg = "not primary", errorLabels = bson.array { "RetryableWriteError" } })
	end
end

-- By what a numbered write is known when it comes again.
local function number_of(command)
	return command.txnNumber and command.lsid.id .. "/" .. value.plain(command.txnNumber)
end

local simple = { hello = hello, isMaster = hello, ismaster = hello, ping = admin.ping }
simple.endSessions, simple.killCursors = admin.ping, admin.ping

function simple.insert(command, member)
	local set = member.set
	refuse_writes(member)
	local number = number_of(command)
	if not number or not set.done[number] then
		for _, document in ipairs(command.documents) do
			table.insert(set.documents, document)
		end
		if number then
			set.done[number] = true
		end
	end
	return { n = #command.documents }
end

function simple.find(command, member)
	local document = { _id = command.filter and command.filter._id, from = member.address }
	return { cursor = { id = bson.int64(0), ns = "db.c", firstBatch = bson.array { document } } }
end

-- ---- answers of a deployment ----

local writes = {
	insert = true, update = true, delete = true, findAndModify = true, bulkWrite = true, create = true, drop = true,
	createIndexes = true, dropIndexes = true, dropDatabase = true, collMod = true,
}

local full = { hello = hello, isMaster = hello, ismaster = hello }
for name, work in pairs(login.commands) do
	full[name] = work
end

function full.configureFailPoint(command, member)
	return member.failpoint:configure(command)
end

for _, list in ipairs { commands, admin } do
	for name, work in pairs(list) do
		full[name] = function(command, member)
			if writes[name] then
				refuse_writes(member)
			end
			rules.check(name, command, member.set)
			if command.autocommit == false then
				return transaction.run(name, command, member, work)
			end
			local number = number_of(command)
			local reply = number and member.set.done[number]
			reply = reply or work(command, { member = member, set = member.set, db = command["$db"] })
			if number then
				member.set.done[number] = reply
			end
			return reply
		end
	end
end

for name, work in pairs { commitTransaction = transaction.commit, abortTransaction = transaction.abort } do
	full[name] = function(command, member)
		refuse_writes(member)
		return work(command, member)
	end
end

local not_primary = { [10107] = true, [10058] = true, [11602] = true, [13435] = true, [13436] = true, [189] = true }

-- Adds what all replies of such a server say.
local function stamp(reply, member)
	local set = member.set
	if set.store and not_primary[reply.code] then
		-- Says that the error is no news: the client knows of a state at least as new.
		reply.topologyVersion = topology_version(member)
	end
	if set.topology ~= "single" and set.store then
		local time = bson.timestamp(set.store.time, 1)
		reply.operationTime = time
		reply["$clusterTime"] = {
			clusterTime = time, signature = { hash = bson.binary(("\0"):rep(20)), keyId = bson.int64(0) },
		}
	end
end

-- ---- members ----

---The usual answer, for handlers that do something beside.
---@param connection table|nil what the peer keeps for the connection that the command came on
function member_methods:usual(name, command, connection)
	local work = self.set.answers[name]
	if not work then
		return { ok = 0, code = 59, codeName = "CommandNotFound", errmsg = ("no such command: '%s'"):format(name) }
	end
	local _, reply = xpcall(work, function(err)
		-- A defect of the peer: whoever reads the error is to see where.
		return type(err) == "table" and err or { ok = 0, code = 1, errmsg = debug.traceback("the peer: " .. tostring(err)) }
	end, command, self, connection)
	local copy = { ok = 1 }
	for k, v in pairs(reply) do
		copy[k] = v
	end
	stamp(copy, self)
	return copy
end

-- A reply, or "close", "stall"; and whether to close behind it.
function member_methods:answer(name, command, connection)
	local answer = self.on[name] and self.on[name](command, self)
	if answer then
		return answer
	end
	local number = number_of(command)
	local failed, more = self.failpoint:check(name, command, connection.app_name, self.set.number,
		number and self.set.done[number] ~= nil)
	if failed == "close behind" then
		self:usual(name, command, connection)
		return "close"
	elseif failed then
		if failed ~= "close" then
			stamp(failed, self)
		end
		return failed
	end
	local reply = self:usual(name, command, connection)
	if more and reply.ok == 1 then
		for k, v in pairs(more) do
			reply[k] = v
		end
		stamp(reply, self)
	end
	return reply
end

-- Answers whenever the set changes, and at the latest when the client's time is over, until the connection ends.
function member_methods:stream(id, command, request_id, connection)
	local known = value.plain(command.topologyVersion.counter)
	local own_id = 1000
	while self.connections[id] do
		local deadline = skynet.now() + command.maxAwaitTimeMS // 10
		while self.set.election == known and skynet.now() < deadline and self.connections[id] do
			skynet.sleep(1)
		end
		known = self.set.election
		own_id = own_id + 1
		local reply = self:answer("hello", command, connection)
		if reply == "close" then
			socket.shutdown(id)
			return
		end
		wire.write(id, request_id, reply, own_id, reply.ok == 1 and wire.MORE_TO_COME or 0)
		request_id = own_id
		if reply.ok ~= 1 then
			return
		end
	end
end

function member_methods:serve(id)
	socket.start(id)
	self.connections[id] = true
	local connection = {}
	while true do
		local command, request_id, flags, compressed = wire.read(id)
		if not command then
			break
		end
		local name = value.first(command)
		self.seen[name] = (self.seen[name] or 0) + 1
		if command.client and command.client.application then
			connection.app_name = command.client.application.name
		end
		local answer
		if name == "hello" and command.topologyVersion and flags & wire.EXHAUST_ALLOWED ~= 0 then
			skynet.fork(self.stream, self, id, command, request_id, connection)
			answer = "stall"
		else
			answer = self:answer(name, command, connection)
		end
		if answer == "close" then
			break
		elseif answer ~= "stall" and flags & wire.MORE_TO_COME == 0 then
			self.compressed = (self.compressed or 0) + (compressed and 1 or 0)
			wire.write(id, request_id, answer, nil, nil, compressed and connection.compressor or nil)
		end
	end
	self.connections[id] = nil
	socket.close(id)
end

---Ends all connections.
function member_methods:drop()
	for id in pairs(self.connections) do
		socket.shutdown(id)
	end
end

local function new_member(set)
	local self = setmetatable({ set = set, on = {}, seen = {}, connections = {}, failpoint = failpoint.new() },
		member_methods)
	self.process = bson.objectid()
	local id, ip, port = socket.listen("127.0.0.1", 0)
	self.listening = id
	self.address = ip .. ":" .. port
	socket.start(id, function(newid)
		self:serve(newid)
	end)
	return self
end

local function new_set(n, fields)
	local set = setmetatable(fields, set_methods)
	set.members, set.primary, set.election = {}, 1, 1
	set.done, set.cursors, set.transactions = {}, {}, {}
	set.number = peer.version_number(set.version)
	for _ = 1, n do
		set:join()
	end
	return set
end

---A member more.
function set_methods:join()
	table.insert(self.members, new_member(self))
end

---A replica set that answers simply; it ends with the case.
---@param n integer members
---@param streams boolean|nil they speak up by themselves when something changes
---@return test.mongo_set
function peer.set(n, streams)
	local set = new_set(n, {
		answers = simple, topology = "replicaset", version = "7.0.0", streams = streams, documents = {},
	})
	test.defer(set.close, set)
	return set
end

---A deployment with documents and fail points. Who made it closes it.
---@param options { topology: string, version: string, members: integer|nil, users: table<string, string>|nil,
---  compressors: string[]|nil }
---@return test.mongo_set
function peer.deployment(options)
	return new_set(options.members or 1, {
		answers = full, topology = options.topology, version = options.version, store = store.new(), users = options.users,
		streams = peer.version_number(options.version) >= 4004000,
		services = { bson.objectid(), bson.objectid() }, compressors = options.compressors,
	})
end

---Makes another member primary; nil: none.
function set_methods:elect(i)
	self.primary = i
	self.election = self.election + 1
end

function set_methods:uri(options)
	local hosts = {}
	for i, member in ipairs(self.members) do
		hosts[i] = member.address
	end
	return ("mongodb://%s/?%s%s"):format(table.concat(hosts, ","),
		self.topology == "replicaset" and "replicaSet=rs&" or self.topology == "load-balanced" and "loadBalanced=true&"
			or "", options or "")
end

---Forgets all documents, cursors and numbers of writes.
function set_methods:forget()
	self.store.databases, self.store.past, self.store.events = {}, {}, {}
	self.done, self.cursors, self.transactions = {}, {}, {}
end

---@return integer how many transactions have neither been committed nor aborted
function set_methods:open_transactions()
	local n = 0
	for _, t in pairs(self.transactions) do
		n = n + (t.state == "open" and 1 or 0)
	end
	return n
end

function set_methods:close()
	for _, member in ipairs(self.members) do
		member:drop()
		socket.close(member.listening)
	end
end

---Waits until a condition holds for the connection's next command.
function peer.later(seconds)
	skynet.sleep(math.floor(seconds * 100))
end

return peer
