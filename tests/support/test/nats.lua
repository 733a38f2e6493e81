-- A nats-server of the test's own. Without one the case is skipped.
--
--     local nats = require("test.nats").start()
--     nats.url                                     -- "nats://127.0.0.1:port"
--     nats:freeze() nats:thaw() nats:kill() nats:restart()
--
-- It ends with the case that started it.
local core = require "reef.programs"
local process = require "test.process"
local test = require "test"

---@class test.nats
local nats = {}
nats.__index = nats

local function program()
	for _, path in ipairs { "nats-server", "/usr/sbin/nats-server" } do
		if process.run { "sh", "-c", "command -v " .. path } == 0 then
			return path
		end
	end
	test.skip "there is no nats-server"
end

local function launch(self)
	self.process = process.start(self.command)
	test.eventually("a nats-server that listens", 20, function()
		return core.can_connect(self.port) or not self.process:running()
	end)
end

---@param options string[]|nil more arguments
---@return test.nats
function nats.start(options)
	local self = setmetatable({ port = process.free_port() }, nats)
	self.url = "nats://127.0.0.1:" .. self.port
	self.command = { program(), "--addr", "127.0.0.1", "--port", self.port }
	table.move(options or {}, 1, #(options or {}), #self.command + 1, self.command)
	launch(self)
	return self
end

function nats:freeze()
	self.process:freeze()
end

function nats:thaw()
	assert(self.process:signal "CONT")
end

function nats:kill()
	self.process:kill()
end

function nats:restart()
	self:kill()
	launch(self)
end

return nats
