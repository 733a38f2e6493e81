-- The other end of a debug console: sends a command, and takes what comes until its end. Used by one coroutine at a
-- time.
local command = require "reef.command"
local printable = require("reef.text").printable
local skynet = require "skynet"
local socket = require "reef.socket"

local LONGEST = 1 << 20 -- bytes of a line
local MOST = 16 << 20 -- bytes of an answer
local GREETING = 500 -- hundredths of a second that the greeting may take

---@class reef.console_client
local client = {}
client.__index = client

local function line_of(self)
	local line = socket.readline(self.id, "\n")
	if not line then
		error(self.late and "no answer in time" or "the console has closed the connection", 0)
	end
	return line
end

---@param address string HOST:PORT, or the path of a Unix socket
---@param timeout integer 1/100 s that a command may take
---@return reef.console_client|nil
---@return string|nil problem
function client.open(address, timeout)
	local host, port = address:match "^%[?([^%[%]]-)%]?:(%d+)$"
	if not host and not address:find("/", 1, true) then
		return nil, "this is neither HOST:PORT nor the path of a socket"
	elseif host and tonumber(port) > 65535 then
		return nil, port .. " is no port: 65535 is the last"
	end
	local id, why = socket.open(host or address, tonumber(port))
	if not id then
		return nil, tostring(why)
	end
	local self = setmetatable({ id = id, timeout = timeout, count = 0 }, client)
	socket.limit(id, LONGEST)
	local greeted, late = false, false
	skynet.timeout(GREETING, function()
		if not greeted then
			late = true
			socket.shutdown(id)
		end
	end)
	local line = socket.readline(id, "\n")
	greeted = true
	if line ~= "Welcome to skynet console" then
		socket.close(id)
		return nil, late and "no greeting of a debug console in time" or "what answers is no debug console"
	end
	return self
end

---Runs a command, which is one line; gives each line of the answer to f.
---@param line string
---@param f fun(line: string)
---@param patient boolean|nil  it may take any time
---@param lasts number|nil  seconds that it takes by itself
---@return boolean good  false: the console calls it an error
function client:run(line, f, patient, lasts)
	local count, size = self.count + 1, 0
	self.count = count
	if not patient then
		skynet.timeout(self.timeout + math.ceil((lasts or 0) * 100), function()
			if self.count == count and not self.answered then
				self.late = true
				socket.shutdown(self.id)
			end
		end)
	end
	self.answered = false
	socket.write(self.id, line .. "\n")
	while true do
		local answer = line_of(self)
		if answer == "<CMD OK>" or answer == "<CMD Error>" then
			self.answered = true
			return answer == "<CMD OK>"
		end
		size = size + #answer
		if size > MOST then
			error("the answer does not end", 0)
		end
		f(answer)
	end
end

---The same, as a list of lines.
---@param line string
---@return string[]
---@return boolean good
function client:ask(line)
	local lines = {}
	local good = self:run(line, function(answer)
		lines[#lines + 1] = answer
	end)
	return lines, good
end

---Sends a line while a command runs that takes some (the debugger).
---@param line string
function client:write(line)
	socket.write(self.id, line .. "\n")
end

function client:close()
	socket.close(self.id)
end

---What a command does that talks to a console: opens it, says on stderr why that could not be, and ends the process.
---@param name string of the command
---@param options { address: string, timeout: number } of its command line; seconds
---@param talk fun(console: reef.console_client): boolean? false or nil: exit code 1
function client.command(name, options, talk)
	local console, why = client.open(options.address, math.ceil(options.timeout * 100))
	local ok, good = console ~= nil, nil
	if console then
		ok, good = pcall(talk, console)
		console:close()
		why = good
	end
	if not ok then
		io.stderr:write(("reef %s: %s: %s\n"):format(name, printable(options.address), printable(tostring(why))))
	end
	command.finish(ok and good and 0 or 1)
end

return client
