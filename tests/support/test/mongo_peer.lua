-- Servers that speak MongoDB's protocol and do what a test says: members of a replica set that elect, fail, stall and
-- answer late. They run in the test's own service.
--
--     local set = require("test.mongo_peer").set(2)     -- listening members, the first is primary
--     set:elect(2)                                      -- from now on
--     set.members[1].on.insert = function(command, member) ... end
--         -- a reply, or "close", "stall"; nil: the usual one
--     set:uri()
--
-- Documents go to `set.documents` in the order of their inserts; a write that comes again with the number of one that
-- was done is answered without doing it again, as servers do.
local bson = require "bson"
local skynet = require "skynet"
local socket = require "skynet.socket"
local test = require "test"

local peer = {}

---@class test.mongo_member
---@field address string
---@field on table<string, fun(command: table, member: test.mongo_member): any> by name of command
---@field seen table<string, integer> how often a command came
local member_methods = {}
member_methods.__index = member_methods

local set_methods = {}
set_methods.__index = set_methods

local function read_message(id)
	local head = socket.read(id, 16)
	if not head then
		return nil
	end
	local size, request_id = ("<i4i4"):unpack(head)
	local rest = socket.read(id, size - 16)
	if not rest then
		return nil
	end
	local flags, at = ("<I4"):unpack(rest)
	local body, sequences = nil, {}
	while at <= #rest do
		local kind = rest:byte(at)
		local length = ("<i4"):unpack(rest, at + 1)
		local section = rest:sub(at + 1, at + length)
		if kind == 0 then
			body = bson.decode(section)
		else
			local identifier, from = ("z"):unpack(section, 5)
			local documents = {}
			while from <= #section do
				local n = ("<i4"):unpack(section, from)
				documents[#documents + 1] = bson.decode(section:sub(from, from + n - 1))
				from = from + n
			end
			sequences[identifier] = documents
		end
		at = at + 1 + length
	end
	for identifier, documents in pairs(sequences) do
		body[identifier] = documents
	end
	return body, request_id, flags
end

local function write_message(id, request_id, reply, own_id, flags)
	local document = tostring(bson.encode(reply))
	socket.write(id, ("<i4i4i4i4I4"):pack(21 + #document, own_id or 1, request_id, 2013, flags or 0) .. "\0" .. document)
end

-- ---- the usual answers ----

local usual = {}

function usual.hello(_, member)
	local set = member.set
	local hosts = {}
	for i, m in ipairs(set.members) do
		hosts[i] = m.address
	end
	local primary = set.members[set.primary]
	return {
		topologyVersion = set.streams and { processId = member.process, counter = bson.int64(set.election) } or nil,
		ok = 1, helloOk = true, isWritablePrimary = member == primary, secondary = member ~= primary, setName = "rs",
		hosts = hosts, primary = primary and primary.address, me = member.address, setVersion = 1,
		electionId = member == primary and bson.objectid(("%024x"):format(set.election)) or nil,
		minWireVersion = 0, maxWireVersion = 21, logicalSessionTimeoutMinutes = 30, maxBsonObjectSize = 16777216,
		maxMessageSizeBytes = 48000000, maxWriteBatchSize = 100000,
	}
end

usual.isMaster = usual.hello

function usual.insert(command, member)
	local set = member.set
	if member ~= set.members[set.primary] then
		return {
			ok = 0, code = 10107, codeName = "NotWritablePrimary", errmsg = "not primary",
			errorLabels = bson.array { "RetryableWriteError" },
		}
	end
	local number = command.txnNumber and command.lsid.id .. "/" .. command.txnNumber
	if not number or not set.done[number] then
		for _, document in ipairs(command.documents) do
			table.insert(set.documents, document)
		end
		if number then
			set.done[number] = true
		end
	end
	return { ok = 1, n = #command.documents }
end

function usual.find(command, member)
	local document = { _id = command.filter and command.filter._id, from = member.address }
	return { ok = 1, cursor = { id = bson.int64(0), ns = "db.c", firstBatch = bson.array { document } } }
end

function usual.ping()
	return { ok = 1 }
end

usual.endSessions, usual.killCursors = usual.ping, usual.ping

local function command_name(body)
	for name in pairs(usual) do
		if body[name] ~= nil then
			return name
		end
	end
	return "unknown"
end

-- ---- members ----

-- Answers whenever the set changes, and at the latest when the client's time is over, until the connection ends.
function member_methods:stream(id, body, request_id)
	local known = body.topologyVersion.counter
	local own_id = 1000
	while self.connections[id] do
		local deadline = skynet.now() + body.maxAwaitTimeMS // 10
		while self.set.election == known and skynet.now() < deadline and self.connections[id] do
			skynet.sleep(1)
		end
		known = self.set.election
		own_id = own_id + 1
		write_message(id, request_id, usual.hello(nil, self), own_id, 2)
		request_id = own_id
	end
end

function member_methods:serve(id)
	socket.start(id)
	self.connections[id] = true
	while true do
		local body, request_id, flags = read_message(id)
		if not body then
			break
		end
		local name = command_name(body)
		self.seen[name] = (self.seen[name] or 0) + 1
		local answer = self.on[name] and self.on[name](body, self)
		if name == "hello" and body.topologyVersion and flags & (1 << 16) ~= 0 then
			skynet.fork(self.stream, self, id, body, request_id)
			answer = "stall"
		end
		if answer == "close" then
			break
		elseif answer ~= "stall" then
			answer = answer or usual[name] and usual[name](body, self) or { ok = 0, code = 59, errmsg = "no such command" }
			if flags & 2 == 0 then
				write_message(id, request_id, answer)
			end
		end
	end
	self.connections[id] = nil
	socket.close(id)
end

---The usual answer, for handlers that do something beside.
function member_methods:usual(name, command)
	return usual[name](command, self)
end

---Ends all connections.
function member_methods:drop()
	for id in pairs(self.connections) do
		socket.shutdown(id)
	end
end

local function new_member(set)
	local self = setmetatable({ set = set, on = {}, seen = {}, connections = {} }, member_methods)
	self.process = bson.objectid()
	local id, ip, port = socket.listen("127.0.0.1", 0)
	self.address = ip .. ":" .. port
	socket.start(id, function(newid)
		self:serve(newid)
	end)
	test.defer(function()
		self:drop()
		socket.close(id)
	end)
	return self
end

---@param n integer members
---@param streams boolean|nil they speak up by themselves when something changes
function peer.set(n, streams)
	local set = setmetatable({
		members = {}, primary = 1, election = 1, documents = {}, done = {}, streams = streams,
	}, set_methods)
	for i = 1, n do
		set.members[i] = new_member(set)
	end
	return set
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
	return ("mongodb://%s/?replicaSet=rs&%s"):format(table.concat(hosts, ","), options or "")
end

---Waits until a condition holds for the connection's next command.
function peer.later(seconds)
	skynet.sleep(math.floor(seconds * 100))
end

return peer
