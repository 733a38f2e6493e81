-- A redis-server of the test's own, on a free port and on a Unix socket in the test's directory. Where there is none,
-- the case is skipped.
--
--     local server = require("reef.test.redis").start()
--     server.port, server.path        -- 127.0.0.1:port, and the Unix socket
--     server.bus_port                 -- of a node of a cluster
--     server:freeze() server:thaw()   -- SIGSTOP, SIGCONT
--     server:kill() server:restart()  -- SIGKILL; the same port and options again, empty
--     redis.start_tls(certificate, ca_file [, options])  -- clients need no certificate unless options say so
--     server:cli("CLIENT", "LIST")    -- what redis-cli prints
--
-- It ends with the case that started it.
local core = require "reef.programs"
local process = require "reef.test.process"
local test = require "reef.test"

---@class reef.test.redis
local redis = {}
redis.__index = redis

local function is_node_of_cluster(options)
	for i, option in ipairs(options) do
		if option == "--cluster-enabled" then
			return options[i + 1] == "yes"
		end
	end
end

local function launch(self)
	local command = {
		"redis-server", self.tls and "--tls-port" or "--port", self.port, "--bind", self.host,
		"--unixsocket", self.path, "--dir", self.dir, "--save", "",
		"--appendonly", "no", "--daemonize", "no", "--loglevel", "notice",
	}
	if self.tls then
		table.move({ "--port", 0, "--tls-auth-clients", "no" }, 1, 4, #command + 1, command)
		table.move({ "--tls-cert-file", self.tls.cert, "--tls-key-file", self.tls.key }, 1, 4, #command + 1, command)
		table.move({ "--tls-ca-cert-file", self.tls_ca }, 1, 2, #command + 1, command)
	end
	if self.net then
		command = table.move({ "--protected-mode", "no" }, 1, 2, #command + 1, self.net:command(command))
	end
	if self.bus_port then
		table.move({ "--cluster-port", self.bus_port }, 1, 2, #command + 1, command)
	end
	table.move(self.options, 1, #self.options, #command + 1, command)
	os.remove(self.path)
	self.process = process.start(command)
	-- One that listens may still end, as when the port of the cluster's bus is taken.
	test.eventually("a redis-server that is ready", 20, function()
		return self.process:output():find "Ready to accept connections" and core.can_connect(self.path)
			or not self.process:running()
	end)
	return self.process:running()
end

---Starts a server; options are further arguments of redis-server: {"--maxmemory", "10mb"}.
---@param options string[]|nil
---@return reef.test.redis
function redis.start(options)
	return redis.launch { options = options or {} }
end

---@param certificate { cert: string, key: string }
---@param ca_file string who may sign clients' certificates
---@param options string[]|nil
---@return reef.test.redis
function redis.start_tls(certificate, ca_file, options)
	return redis.launch { options = options or {}, tls = certificate, tls_ca = ca_file }
end

---Starts one in a network namespace.
---@param net { ip: string, command: fun(self, words: string[]): string[] }  its address, and how programs start there
---@param options string[]|nil
---@return reef.test.redis
function redis.start_on(net, options)
	return redis.launch { options = options or {}, net = net }
end

-- Finds a port for it.
function redis.launch(self)
	if process.run { "sh", "-c", "command -v redis-server" } ~= 0 then
		test.skip "no redis-server in the PATH"
	end
	self.host = self.net and self.net.ip or "127.0.0.1"
	setmetatable(self, redis)
	self.dir = process.path "redis"
	assert(core.mkdir(self.dir))
	self.path = self.dir .. "/sock"
	-- Another program may have taken the port meanwhile: then redis-server ends, and another port is tried.
	for _ = 1, 5 do
		self.port = core.free_port()
		-- Without one it would be the port and ten thousand, which may be taken, or no port at all.
		self.bus_port = is_node_of_cluster(self.options) and core.free_port() or nil
		if launch(self) then
			return self
		end
	end
	error("redis-server does not start:\n" .. self.process:output())
end

---Stops it (SIGSTOP): it answers nothing more, and its connections stay.
function redis:freeze()
	self.process:freeze()
end

---Lets it go on.
function redis:thaw()
	assert(self.process:signal "CONT")
end

---Kills it (SIGKILL).
function redis:kill()
	self.process:kill()
end

---Starts it again after kill, with the same port and nothing in it.
function redis:restart()
	self:kill()
	test.eventually("a redis-server on the same port", 20, launch, self)
end

---Runs one command through redis-cli and returns what that prints, without the last newline.
---@param ... string|number the command and its arguments
---@return string
function redis:cli(...)
	local code, output = process.run { "redis-cli", "-s", self.path, ... }
	if code ~= 0 then
		error("redis-cli: " .. output)
	end
	return (output:gsub("\n$", ""))
end

---Does what the command prints match the pattern? False, too, when it cannot be asked.
---@param pattern string
---@param ... string|number the command and its arguments
---@return boolean
function redis:says(pattern, ...)
	local ok, text = pcall(self.cli, self, ...)
	return ok and text:find(pattern) ~= nil
end

return redis
