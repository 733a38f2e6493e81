-- A MariaDB server of the test's own, on a free port and on a Unix socket.
--
--     local server = require("test.mysql").start()                    -- options: further arguments of mariadbd, tls
--     server.port, server.path                                        -- user "root" without a password
--     server:sql "CREATE USER ..."                                    -- by the command line client
--     server:freeze() server:thaw() server:kill() server:restart()    -- restart: the same port and data
--
-- It ends with the case that started it, or with the file if it was started outside of cases.
local core = require "reef.programs"
local process = require "test.process"
local test = require "test"

---@class test.mysql
local mysql = {}
mysql.__index = mysql

local DAEMON <const> = "/usr/sbin/mariadbd"
-- What is written need not outlive the machine, only the process.
local NO_SYNC <const> = { "--loose-debug-no-sync", "--loose-innodb-flush-method=nosync", "--innodb-log-file-size=8M" }

local function check()
	for _, name in ipairs { DAEMON, "/usr/bin/mariadb-install-db", "/usr/bin/mariadb" } do
		local f = io.open(name)
		if not f then
			test.skip("no MariaDB server: " .. name .. " is missing (Debian: mariadb-server)")
		end
		f:close()
	end
	if not pcall(require, "reef.mysql.core") then
		test.skip "built without MySQL"
	end
end

local function launch(self)
	local command = {
		DAEMON, "--no-defaults", "--user=root", "--datadir=" .. self.dir, "--port=" .. self.port, "--bind-address=127.0.0.1",
		"--socket=" .. self.path, "--pid-file=" .. self.dir .. "/pid", "--skip-name-resolve", "--innodb-buffer-pool-size=32M",
		"--innodb-flush-log-at-trx-commit=2", "--max-allowed-packet=64M", "--skip-log-bin",
		"--plugin-maturity=unknown", "--performance-schema=OFF", "--sql-mode=NO_ENGINE_SUBSTITUTION",
	}
	table.move(NO_SYNC, 1, #NO_SYNC, #command + 1, command)
	if self.tls then
		table.move({ "--ssl-cert=" .. self.tls.cert, "--ssl-key=" .. self.tls.key, "--ssl-ca=" .. self.tls.ca }, 1, 3,
			#command + 1, command)
	end
	table.move(self.options, 1, #self.options, #command + 1, command)
	os.remove(self.path)
	self.process = process.start(command)
	test.eventually("a MariaDB server that listens", 60, function()
		return core.can_connect(self.path) and core.can_connect(self.port) or not self.process:running()
	end)
	return self.process:running()
end

---@param options { [integer]: string, tls: table|nil }|nil
---@return test.mysql
function mysql.start(options)
	check()
	options = options or {}
	local self = setmetatable({ host = "127.0.0.1", options = options, tls = options.tls }, mysql)
	self.dir = process.path "mysql"
	self.path = process.path "my.sock"
	local code, output = process.run({ "/usr/bin/mariadb-install-db", "--no-defaults", "--user=root",
		"--datadir=" .. self.dir,
		"--auth-root-authentication-method=normal", "--skip-test-db", table.unpack(NO_SYNC) }, 120)
	if code ~= 0 then
		error("mariadb-install-db: " .. output, 2)
	end
	for _ = 1, 5 do
		self.port = core.free_port()
		if launch(self) then
			return self
		end
	end
	error("the MariaDB server does not start:\n" .. self.process:output(), 2)
end

function mysql:freeze()
	self.process:freeze()
end

function mysql:thaw()
	assert(self.process:signal "CONT")
end

function mysql:kill()
	self.process:kill()
end

function mysql:restart()
	self:kill()
	test.eventually("a MariaDB server on the same port", 60, launch, self)
end

---Runs statements as root; what the client prints, without headings.
---@param text string
---@return string
function mysql:sql(text)
	local code, output = process.run {
		"/usr/bin/mariadb", "--no-defaults", "-uroot", "-S", self.path, "-N", "-B", "-e", text,
	}
	if code ~= 0 then
		error("mariadb: " .. output, 2)
	end
	return (output:gsub("\n$", ""))
end

return mysql
