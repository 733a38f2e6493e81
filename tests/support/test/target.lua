-- What cases of the public suites run against: a real server, or a deployment of the peer with the version and the
-- topology that a case asks for.
local mongo = require "skynet.db.mongo"
local mongo_server = require "test.mongo"
local peers = require "test.mongo_peer"
local skip = require "test.unified.skip"

local target = {}

---@class test.target
---@field name string
---@field topology string
---@field number integer version
---@field auth boolean clients have to log in
---@field internal mongo.client
local methods = {}
methods.__index = methods

function methods:close()
	self.internal:close()
	if self.set then
		self.set:close()
	end
end

-- ---- a real server ----

local server_methods = setmetatable({}, { __index = methods })
server_methods.__index = server_methods

function server_methods:uri()
	return self.address
end

function server_methods:fail_point()
	skip "needs a server with fail points"
end

server_methods.fail_point_at = server_methods.fail_point

function server_methods:no_fail_points() end

---Forgets the documents in the databases of a file.
function server_methods:fresh(file)
	for _, entity in ipairs(file.createEntities or {}) do
		if entity.database then
			self.internal:database(entity.database.databaseName):dropDatabase()
		end
	end
end

---The text by which this server says that it cannot do something, rather than that the driver does it wrong.
function server_methods:lacks(err)
	local text = tostring(err)
	for _, pattern in ipairs {
		"not implemented", "no such command", "not supported", "is not yet supported", "Unknown field", "unknown field",
		"unknown top level operator", "is not allowed in this context", "Unrecognized pipeline stage", "Unsupported",
		"is the wrong type 'object', expected type 'string'", "is the wrong type 'array', expected type 'object'",
		"key must not", "$merge", "$out", "needs MongoDB 8.0", "require MongoDB 5.0",
	} do
		if self.ferretdb and text:find(pattern, 1, true) then
			return text
		end
	end
	return nil
end

---The server that scripts/mongo-server runs. Skips the case when there is none.
---@return test.target
function target.server()
	local server = mongo_server.start()
	local self = setmetatable({ address = server:uri(), topology = "single", auth = false }, server_methods)
	self.internal = mongo.client { uri = self.address }
	local info = self.internal:runCommand "buildInfo"
	self.number = peers.version_number(info.version)
	self.ferretdb = info.ferretdbVersion ~= nil
	self.name = self.ferretdb and "FerretDB" or "mongod"
	return self
end

-- ---- the peer ----

local peer_methods = setmetatable({}, { __index = methods })
peer_methods.__index = peer_methods

local USER, PASSWORD = "user", "pencil"

function peer_methods:uri(all_mongoses)
	local uri = self.set:uri()
	if self.topology == "sharded" and not all_mongoses then
		uri = uri:gsub(",[^/]*", "")
	elseif self.topology == "load-balanced" then
		-- One load balancer has one service behind it, the other two.
		uri = all_mongoses and uri:gsub("//[^/]*,", "//") or uri:gsub(",[^/]*", "")
	end
	return self.auth and (uri:gsub("//", ("//%s:%s@"):format(USER, PASSWORD), 1)) or uri
end

---@param client mongo.client whose connection the command takes
function peer_methods:fail_point(client, command)
	client:database("admin"):runCommand(command, {})
end

---@param address string of a member
function peer_methods:fail_point_at(address, command)
	for _, member in ipairs(self.set.members) do
		if member.address == address then
			member.failpoint:configure(command)
			return
		end
	end
	error("no member has the address " .. tostring(address), 0)
end

function peer_methods:no_fail_points()
	for _, member in ipairs(self.set.members) do
		member.failpoint.points = {}
	end
	if self.topology == "replicaset" then
		self.set.primary = self.set.primary or 1
	end
end

---Forgets all documents.
function peer_methods:fresh()
	self.set:forget()
end

function peer_methods:lacks() end

local MEMBERS = { single = 1, replicaset = 3, sharded = 2, ["load-balanced"] = 2 }

---@param topology "single"|"replicaset"|"sharded"|"load-balanced"
---@param version string
---@param auth boolean
---@return test.target
function target.peer(topology, version, auth)
	local set = peers.deployment {
		topology = topology, version = version, members = MEMBERS[topology], users = auth and { [USER] = PASSWORD } or nil,
	}
	local self = setmetatable({
		set = set, topology = topology, number = set.number, auth = auth, peer = true,
	}, peer_methods)
	self.name = ("peer %s %s"):format(topology, version)
	self.internal = mongo.client { uri = self:uri(true) }
	return self
end

return target
