-- What the commands of `reef` have in common (lualib/command): their words, and how they end.

local printable = require("reef.text").printable
local process = require "reef.process"
local skynet = require "skynet"

local command = {}

---The words of the command line, one after the other.
---@return fun(): string?
function command.words()
	local i = 0
	return function()
		i = i + 1
		return skynet.getenv("reef_arg" .. i)
	end
end

---Ends the process. What was written has left before.
---@param code integer
function command.finish(code)
	io.stdout:flush()
	io.stderr:flush()
	process.stop(code)
	skynet.exit()
end

---Says what is wrong with the command line, and ends the process.
---@param name string
---@param message string
function command.usage(name, message)
	io.stderr:write(("reef %s: %s (see reef %s --help)\n"):format(name, printable(message), name))
	command.finish(2)
end

return command
