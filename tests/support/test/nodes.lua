-- Nodes of a cluster for tests: processes that run tests/services/cluster_node.lua, which this test calls.
--
--     local a = require("test.nodes").start("a", { more = 'cluster_nodes = "etcd"\n' })
--     a:call("echo", 1)                      -- its main service, from here
--     a:counted()                            -- how often each number has arrived there
--     a.process:kill() a:restart()           -- at the same place
--
-- They end with the case that started them.
local cluster = require "skynet.cluster"
local process = require "test.process"
local test = require "test"

local nodes = {}

local CONFIG <const> = [[
thread = 2
luaservice = "%s/tests/services/?.lua"
snax = "%s/tests/services/snax/?.lua"
start = "cluster_node"
node = "%s"
port = %d
numbers = "%s"
%s
]]

---@class test.node
---@field name string
---@field handle string what this process calls it
---@field port integer
---@field numbers string path of the file with the numbers that it was told
---@field config string path
---@field process test.process
local node = {}
node.__index = node

local serial = 0

---@class test.nodes.options
---@field more? string lines of its configuration
---@field host? test.host where it runs: its port is 2528 there, and this test reaches it by a socket in the file system
---@field numbers? string a file that several share
---@field handle? string what this process calls it; otherwise a name of its own

---Writes the configuration of a node that is not started.
---@param name string
---@param options? test.nodes.options
---@return test.node
function nodes.new(name, options)
	options = options or {}
	serial = serial + 1
	local self = setmetatable({
		name = name, handle = options.handle or "n" .. serial, port = options.host and 2528 or process.free_port(),
		host = options.host, numbers = options.numbers or process.path "numbers", config = process.path "config",
	}, node)
	local more = options.more or ""
	self.address = "127.0.0.1:" .. self.port
	if self.host then
		self.address = "unix:" .. process.path "control"
		more = ('%scontrol = "%s"\n'):format(more, self.address)
	end
	local file <close> = assert(io.open(self.config, "w"))
	file:write(CONFIG:format(test.root, test.root, name, self.port, self.numbers, more))
	file:close()
	return self
end

---Starts a node, and waits until it listens.
---@param name string
---@param options? test.nodes.options
---@return test.node
function nodes.start(name, options)
	return nodes.new(name, options):restart()
end

---@return test.node
function node:restart()
	local command = { test.reef, self.config }
	self.process = process.start(self.host and self.host:command(command) or command)
	self.process:expect("ready", 60)
	cluster.reload { [self.handle] = self.address }
	return self
end

---Calls its main service.
function node:call(...)
	return cluster.call(self.handle, "@main", ...)
end

---Waits until it can call the other, by the name that others know.
---@param other string
---@param seconds? number
function node:reaches(other, seconds)
	test.eventually(("%s reaches %s"):format(self.name, other), seconds or 20, function()
		return self:call("nodes")[other] and self:call("try", other, "@main", "echo", 1)
	end)
	test.equal(self:call("call", other, "@main", "echo", other), other)
end

---How often each number has arrived there.
---@return table<integer, integer>
function node:counted()
	local counts = {}
	for line in io.lines(self.numbers) do
		local n = math.tointeger(tonumber(line))
		if n then
			counts[n] = (counts[n] or 0) + 1
		end
	end
	return counts
end

---The numbers that were sent there, in the order in which they have arrived.
---@return integer[]
function node:pushed()
	local list = {}
	for line in io.lines(self.numbers) do
		list[#list + 1] = math.tointeger(tonumber(line:match "^push (%d+)$"))
	end
	return list
end

return nodes
