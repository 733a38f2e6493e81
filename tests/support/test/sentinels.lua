-- A Redis master with two replicas, and three Sentinels that watch it.
--
--     local set = require("test.sentinels").start()      -- {"--requirepass", ...}: options of the servers
--     set.servers[1]                                     -- test.redis; the first begins as the master
--     set.sentinels[1].port
--     set:uri()                                          -- redis+sentinel://...
--     set:master()                                       -- number of the server that is the master now
local core = require "reef.programs"
local process = require "test.process"
local redis = require "test.redis"
local test = require "test"

local DOWN_AFTER = 600 -- ms

---@class test.sentinels
local sentinels = {}
sentinels.__index = sentinels

local function start_sentinel(self, extra)
	local dir = process.path "sentinel"
	assert(process.mkdir(dir))
	local port = core.free_port()
	local f <close> = assert(io.open(dir .. "/sentinel.conf", "w"))
	f:write(table.concat({
		"port " .. port, "bind 127.0.0.1", "dir " .. dir,
		("sentinel monitor mymaster 127.0.0.1 %d 2"):format(self.servers[1].port),
		"sentinel down-after-milliseconds mymaster " .. DOWN_AFTER, "sentinel failover-timeout mymaster 1500",
		"sentinel parallel-syncs mymaster 2", extra or "",
	}, "\n") .. "\n")
	f:close()
	local one = process.start { "redis-server", dir .. "/sentinel.conf", "--sentinel" }
	one.port = port
	test.eventually("a Sentinel that listens", 20, function()
		return core.can_connect(port)
	end)
	return one
end

---@param options string[]|nil   of the servers
---@param extra string|nil       lines of the Sentinels' configuration
---@return test.sentinels
function sentinels.start(options, extra)
	local self = setmetatable({ servers = {}, sentinels = {} }, sentinels)
	for i = 1, 3 do
		local list = { "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1" }
		table.move(options or {}, 1, #(options or {}), #list + 1, list)
		if i > 1 then
			table.move({ "--replicaof", "127.0.0.1", self.servers[1].port }, 1, 3, #list + 1, list)
		end
		self.servers[i] = redis.start(list)
	end
	for i = 1, 3 do
		self.sentinels[i] = start_sentinel(self, extra)
	end
	test.eventually("Sentinels that know each other and the replicas", 30, function()
		for i = 1, 3 do
			local known = self:ask(i, "SENTINEL", "MASTER", "mymaster")
			if not known:find "num%-slaves\n2\n" or not known:find "num%-other%-sentinels\n2\n" then
				return false
			end
		end
		return true
	end)
	return self
end

function sentinels:ask(i, ...)
	local command = { "redis-cli", "-p", self.sentinels[i].port }
	if self.password then
		table.move({ "--user", "watcher", "-a", self.password, "--no-auth-warning" }, 1, 5, #command + 1, command)
	end
	local list = table.pack(...)
	table.move(list, 1, list.n, #command + 1, command)
	local _, output = process.run(command)
	return output
end

---@return string[]
function sentinels:hosts()
	local list = {}
	for i, one in ipairs(self.sentinels) do
		list[i] = "127.0.0.1:" .. one.port
	end
	return list
end

function sentinels:uri()
	return "redis+sentinel://" .. table.concat(self:hosts(), ",") .. "/mymaster"
end

---@return integer|nil
function sentinels:master()
	for i, server in ipairs(self.servers) do
		if server.process:running() and not server.frozen and server:says("^master", "ROLE") then
			return i
		end
	end
end

return sentinels
