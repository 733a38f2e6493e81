-- A MongoDB server of the test's own, on a free port: what scripts/mongo-server runs.
--
--     local server = require("test.mongo").start()                     -- or start { username = "u", password = "p" }
--                                                                     -- or start { tls = { cert = path, key = path } }
--     server.port
--     server:freeze() server:thaw() server:kill() server:restart()     -- restart: the same port and the same data
--
-- It ends with the case that started it. Where there is no server and none can be built, the case is skipped.
local core = require "test.process.core"
local process = require "test.process"
local test = require "test"

---@class test.mongo
local mongo = {}
mongo.__index = mongo

local found

local function check()
	if not found then
		local code, output = process.run({ test.root .. "/scripts/mongo-server" }, 900)
		found = code == 0 and "yes" or "no MongoDB server: " .. output
	end
	if found ~= "yes" then
		test.skip(found)
	end
end

local function launch(self)
	local command = { test.root .. "/scripts/mongo-server", self.dir, self.port }
	if self.options.username then
		command[#command + 1] = self.options.username
		command[#command + 1] = self.options.password
	end
	local tls = self.options.tls
	if tls then
		command.env = { REEF_MONGO_TLS_CERT = tls.cert, REEF_MONGO_TLS_KEY = tls.key, REEF_MONGO_TLS_CA = tls.ca }
	end
	self.process = process.start(command)
	test.eventually("a MongoDB server that listens", 60, function()
		return core.can_connect(self.port) or not self.process:running()
	end)
	return self.process:running()
end

---@param options { username: string|nil, password: string|nil, tls: table|nil }|nil
---  tls: files cert and key, and ca when clients have to show a certificate
---@return test.mongo
function mongo.start(options)
	check()
	local self = setmetatable({ host = "127.0.0.1", options = options or {} }, mongo)
	self.dir = process.path "mongo"
	assert(core.mkdir(self.dir))
	for _ = 1, 5 do
		self.port = core.free_port()
		if launch(self) then
			return self
		end
	end
	error("the MongoDB server does not start:\n" .. self.process:output(), 2)
end

---A connection string for it, with options behind the question mark.
function mongo:uri(options)
	local user = self.options.username and ("%s:%s@"):format(self.options.username, self.options.password) or ""
	return ("mongodb://%s127.0.0.1:%d/?%s"):format(user, self.port, options or "")
end

function mongo:freeze()
	self.process:freeze()
end

function mongo:thaw()
	assert(self.process:signal "CONT")
end

function mongo:kill()
	self.process:kill()
end

function mongo:restart()
	self:kill()
	test.eventually("a MongoDB server on the same port", 60, launch, self)
end

return mongo
