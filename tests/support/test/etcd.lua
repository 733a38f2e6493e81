-- etcd servers of the test's own: one, or several that are one cluster.
--
--     local etcd = require("test.etcd").start(3)
--     etcd.endpoints                                     -- { "http://127.0.0.1:port", ... }
--     etcd[1]:freeze() etcd[1]:thaw() etcd[1]:kill() etcd[1]:restart()
--     require("test.etcd").client.new { ... }            -- reef.etcd
--
-- They end with the case that started them. Without etcd, or HTTP, which it is spoken to by, the case is skipped.
local core = require "reef.programs"
local process = require "test.process"
local test = require "test"

local etcd = {}

---Was this built with HTTP?
---@type boolean
etcd.can_speak = pcall(require, "reef.http.core")

etcd.client = etcd.can_speak and require "reef.etcd" or setmetatable({}, { __index = function()
	test.skip "built without HTTP"
end })

---@class test.etcd.member
local member = {}
member.__index = member

local function launch(self)
	self.process = process.start(self.command)
end

local function ready(self)
	return core.can_connect(self.port) or not self.process:running()
end

function member:freeze()
	self.process:freeze()
end

function member:thaw()
	assert(self.process:signal "CONT")
end

function member:kill()
	self.process:kill()
end

---With what it had.
function member:restart()
	self:kill()
	launch(self)
	test.eventually("an etcd member that listens", 20, ready, self)
end

---@param count integer|nil 1
---@param options string[]|nil more arguments of each
---@param world table|nil of test.tls: TLS for clients
---@return table
function etcd.start(count, options, world)
	if not etcd.can_speak then
		test.skip "built without HTTP"
	elseif process.run { "sh", "-c", "command -v etcd" } ~= 0 then
		test.skip "there is no etcd"
	end
	local members, cluster = { endpoints = {} }, {}
	local scheme = world and "https" or "http"
	for i = 1, count or 1 do
		local m = setmetatable({ port = process.free_port(), peer = process.free_port(), dir = process.path "etcd" }, member)
		members[i] = m
		members.endpoints[i] = ("%s://127.0.0.1:%d"):format(scheme, m.port)
		cluster[i] = ("m%d=http://127.0.0.1:%d"):format(i, m.peer)
	end
	for i, m in ipairs(members) do
		local client, peer = members.endpoints[i], "http://127.0.0.1:" .. m.peer
		m.command = {
			"etcd", "--name", "m" .. i, "--data-dir", m.dir, "--listen-client-urls", client,
			"--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
			"--initial-cluster", table.concat(cluster, ","), "--heartbeat-interval", "50", "--election-timeout", "500",
			"--logger", "zap", "--log-level", "error",
		}
		if world then
			table.move({ "--cert-file", world.good.cert, "--key-file", world.good.key }, 1, 4, #m.command + 1, m.command)
		end
		table.move(options or {}, 1, #(options or {}), #m.command + 1, m.command)
		launch(m)
	end
	for _, m in ipairs(members) do
		test.eventually("an etcd that listens", 30, ready, m)
		if not m.process:running() then
			error("etcd does not start:\n" .. m.process:output(), 2)
		end
	end
	return members
end

return etcd
