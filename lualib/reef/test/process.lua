-- Programs that a test starts. Times are in seconds.
--
-- All waiting is skynet.sleep, so the service goes on; everything started is killed when
-- the case that started it is over.
local core = require "reef.programs"
local skynet = require "skynet"
local test = require "reef.test"

---@class reef.test.process
local process = {}
process.__index = process

local signals = { HUP = 1, INT = 2, QUIT = 3, KILL = 9, USR1 = 10, USR2 = 12, TERM = 15, CONT = 18, STOP = 19 }

---A port of 127.0.0.1 that nobody has at this moment.
---@return integer
process.free_port = core.free_port
---Does somebody listen on that port of 127.0.0.1?
---@param port integer|string or the path of a Unix socket
---@return boolean
process.can_connect = core.can_connect
---Makes a directory.
---@param path string
---@return boolean? ok
---@return string? err
process.mkdir = core.mkdir
---The process id of the runtime that runs the test.
process.self = core.pid

local count = 0

---A path in the test's own directory that nobody has used yet.
---@param name string
---@return string
function process.path(name)
	count = count + 1
	return ("%s/%d-%d-%s"):format(test.dir, core.pid(), math.tointeger(skynet.self()) * 1000 + count, name)
end

---Starts a program: {"redis-server", "--port", "0", env={}, cwd=, stdin=path, stdout=path, stderr=path}. Output goes to
---a file that `output` reads, unless told otherwise. Raises when it cannot be started.
---@param command table
---@return reef.test.process
function process.start(command)
	local log = command.stdout
	if not log then
		log = process.path((command[1]:match "[^/]+$") .. ".log")
		command.stdout = log
	end
	command.stderr = command.stderr or log
	local pid, err = core.spawn(command)
	if not pid then
		error(err)
	end
	local self = setmetatable({ pid = pid, log = log, command = command }, process)
	test.defer(self.kill, self)
	return self
end

---Sends a signal by name: "TERM", "STOP", "CONT", ... False if the process is over.
---@param name string
---@return boolean
function process:signal(name)
	if self:running() then
		return (core.kill(self.pid, assert(signals[name], name)))
	end
	return false
end

---Has it not ended yet?
---@return boolean
function process:running()
	if not self.over then
		local result = table.pack(core.poll(self.pid))
		if result.n > 0 then
			self.over, self.code, self.by = true, result[1], result[2]
		end
	end
	return not self.over
end

-- Are all its threads stopped? On a busy machine that takes them a while.
local function stands_still(pid)
	local tasks = io.popen(("cat /proc/%d/task/*/stat 2>/dev/null"):format(pid))
	local states = tasks:read "a"
	tasks:close()
	for state in states:gmatch "%) (%a) %-?%d" do
		if state ~= "T" and state ~= "Z" then
			return false
		end
	end
	return true
end

---Stops it until it gets the signal "CONT".
function process:freeze()
	assert(self:signal "STOP")
	test.eventually("a process that stands still", 20, stands_still, self.pid)
end

---Waits until it has ended: exit code, or nil and the signal's number. Fails the case after `seconds` (default 60).
---@param seconds number|nil
function process:wait(seconds)
	test.eventually("the end of " .. self.command[1], seconds or 60, function()
		return not self:running()
	end)
	return self.code, self.by
end

---Ends it at once and waits for that.
function process:kill()
	if self:signal "KILL" then
		self:wait()
	end
end

---What it has printed so far.
---@return string
function process:output()
	local f = io.open(self.log, "rb")
	if not f then
		return ""
	end
	local text = f:read "a"
	f:close()
	return text
end

---Waits until its output matches the pattern; returns the captures.
---@param pattern string
---@param seconds? number
---@return string ...
function process:expect(pattern, seconds)
	local ok = pcall(test.eventually, "output", seconds or 60, function()
		return self:output():find(pattern) or not self:running()
	end)
	local text = self:output()
	if not ok or not text:find(pattern) then
		error(("%s: no match of %q in its output:\n%s"):format(self.command[1], pattern, text))
	end
	return text:match(pattern)
end

---Runs a program to its end: exit code (or nil and the signal), and then its output.
---@param command table as of start
---@param seconds? number
---@return integer|nil code, string output
function process.run(command, seconds)
	local self = process.start(command)
	local code = self:wait(seconds)
	return code, self:output()
end

return process
