-- A PostgreSQL server of the test's own, on a free port and on a Unix socket.
--
--     local server = require("test.postgres").start()                 -- options: settings for postgresql.conf, tls,
-- hba
--     server.port, server.dir                                         -- user "postgres", trusted
--     server:sql "CREATE USER ..."                                    -- by psql
--     server:freeze() server:thaw() server:kill() server:restart()    -- restart: the same port and data
--
-- It ends with the case that started it. The server refuses to be root: then it is the user "postgres".
local core = require "reef.programs"
local process = require "test.process"
local test = require "test"

---@class test.postgres
local postgres = {}
postgres.__index = postgres

local function shell(text)
	local pipe = io.popen(text)
	local output = pipe:read "a"
	pipe:close()
	return (output:gsub("\n$", ""))
end

local found

local function check()
	found = found or shell "ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1"
	if found == "" then
		test.skip "no PostgreSQL server (Debian: postgresql)"
	end
	if not pcall(require, "reef.postgres.core") then
		test.skip "built without PostgreSQL"
	end
end

-- A command as who may run the server.
local function as_server(...)
	local command = { ... }
	if shell "id -u" == "0" then
		if shell "id -u postgres 2>/dev/null" == "" then
			test.skip "no user postgres to run the server as"
		end
		table.move(command, 1, #command, 6)
		table.move({ "setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--" }, 1, 5, 1, command)
	end
	return command
end

local function run(command)
	local code, output = process.run(command, 60)
	if code ~= 0 then
		error(command[1] .. ": " .. output, 3)
	end
	return output
end

local function launch(self)
	local command = as_server(found .. "/postgres", "-D", self.data, "-p", tostring(self.port), "-k", self.dir)
	command.cwd = "/"
	self.process = process.start(command)
	test.eventually("a PostgreSQL server that listens", 60, function()
		return process.run { found .. "/pg_isready", "-q", "-h", self.dir, "-p", tostring(self.port) } == 0
			or not self.process:running()
	end)
	return self.process:running()
end

local function write(path, text)
	local f = assert(io.open(path, "w"))
	f:write(text)
	f:close()
end

---@param options { tls: table|nil, hba: string|nil, [string]: any }|nil  others: settings
---@return test.postgres
function postgres.start(options)
	check()
	options = options or {}
	local self = setmetatable({ host = "127.0.0.1", options = options }, postgres)
	-- The test's own directory is for its user alone.
	self.dir = shell "mktemp -d /tmp/reef-pg-XXXXXX"
	self.data = self.dir .. "/data"
	test.defer(os.execute, "rm -rf " .. self.dir)
	os.execute(("chmod 755 %s; chown postgres: %s 2>/dev/null"):format(self.dir, self.dir))
	run(as_server(found .. "/initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"))
	local settings = { "listen_addresses = '127.0.0.1'", "fsync = off", "shared_buffers = 16MB", "max_connections = 80" }
	for name, value in pairs(options) do
		if name ~= "tls" and name ~= "hba" then
			settings[#settings + 1] = ("%s = '%s'"):format(name, value)
		end
	end
	if options.tls then
		for _, name in ipairs { "cert", "key", "ca" } do
			os.execute(("install -m 600 -o postgres %s %s/%s.pem 2>/dev/null || install -m 600 %s %s/%s.pem"):format(
				options.tls[name], self.dir, name, options.tls[name], self.dir, name))
			settings[#settings + 1] = ("ssl_%s_file = '%s/%s.pem'"):format(name, self.dir, name)
		end
		settings[#settings + 1] = "ssl = on"
	end
	os.execute(("cat >> %s/postgresql.conf <<'END'\n%s\nEND"):format(self.data, table.concat(settings, "\n")))
	if options.hba then
		write(self.data .. "/pg_hba.conf", "local all all trust\n" .. options.hba)
	end
	for _ = 1, 5 do
		self.port = core.free_port()
		if launch(self) then
			return self
		end
	end
	error("the PostgreSQL server does not start:\n" .. self.process:output(), 2)
end

-- The processes of its connections are frozen and killed with it.
local function signal_all(self, name)
	os.execute(("pkill -%s -P %d"):format(name, self.process.pid))
end

function postgres:freeze()
	self.process:freeze()
	signal_all(self, "STOP")
end

function postgres:thaw()
	signal_all(self, "CONT")
	assert(self.process:signal "CONT")
end

---Ends all its processes at once.
function postgres:kill()
	if self.process:running() then
		signal_all(self, "KILL")
		self.process:kill()
	end
end

function postgres:restart()
	self:kill()
	os.remove(self.data .. "/postmaster.pid")
	test.eventually("a PostgreSQL server on the same port", 60, launch, self)
end

---Runs statements as the user postgres; what psql prints, without headings.
---@param text string
---@return string
function postgres:sql(text)
	return (run { found .. "/psql", "-X", "-h", self.dir, "-p", tostring(self.port), "-U", "postgres", "-d", "postgres",
		"-At", "-v", "ON_ERROR_STOP=1", "-c", text }:gsub("\n$", ""))
end

return postgres
