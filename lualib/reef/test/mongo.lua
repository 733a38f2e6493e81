-- A MongoDB server of the test's own, on a free port: a `mongod` from the PATH, or the FerretDB that
-- scripts/mongo-server, which is installed beside Lua's files, has built.
--
--     local server = require("reef.test.mongo").start()               -- or start { username = "u", password = "p" }
--                                                                     -- or start { tls = { cert = path, key = path } }
--     server.port server:uri()
--     server:freeze() server:thaw() server:kill() server:restart()     -- restart: the same port and the same data
--
-- It ends with the case that started it. Where there is no server, the case is skipped.
local core = require "reef.programs"
local process = require "reef.test.process"
local skynet = require "skynet"
local test = require "reef.test"

---@class reef.test.mongo
local mongo = {}
mongo.__index = mongo

local script ---@type string
local found ---@type boolean|nil

local function check()
	if found == nil then
		script = skynet.getenv "reef_lualib" .. "/../scripts/mongo-server"
		found = process.run { script, "--find" } == 0
	end
	if not found then
		test.skip(("no MongoDB server: neither mongod in the PATH, nor one that %s has built"):format(script))
	end
end

local function launch(self)
	local command = { script, self.dir, self.port }
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
---@return reef.test.mongo
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
	error("the MongoDB server does not start:\n" .. self.process:output())
end

---A connection string for it, with options behind the question mark.
---@param options? string
---@return string
function mongo:uri(options)
	local user = self.options.username and ("%s:%s@"):format(self.options.username, self.options.password) or ""
	return ("mongodb://%s127.0.0.1:%d/?%s"):format(user, self.port, options or "")
end

---Stops it (SIGSTOP): it answers nothing more, and its connections stay.
function mongo:freeze()
	self.process:freeze()
end

---Lets it go on.
function mongo:thaw()
	assert(self.process:signal "CONT")
end

---Kills it (SIGKILL).
function mongo:kill()
	self.process:kill()
end

---Starts it again, on the same port.
function mongo:restart()
	self:kill()
	test.eventually("a MongoDB server on the same port", 60, launch, self)
end

return mongo
