-- What the commands of `reef` have in common (lualib/command): their words, and how they end.

local printable = require("reef.text").printable
local process = require "reef.process"
local skynet = require "skynet"

local EPIPE <const> = 32

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

---As assert, but what is raised names no line: it is for who typed the command.
---@generic T
---@param value T?
---@param why any
---@return T value
function command.must(value, why)
	return value or error(why, 0)
end

---The address of a process, as people type it: a port alone is one of this machine, and what has a slash is a path.
---@param word string
---@return string
function command.address(word)
	local port = word:match "^:?(%d+)$"
	return port and "127.0.0.1:" .. port or word:find "^[^:/]*/" and "unix:" .. word or word
end

---The host and port of an HTTP server, as people type them, also with http:// in front.
---@param address string
---@return string|nil host  "host:port"
---@return string|nil problem
function command.host(address)
	local whole = address:match "^http://([^/]+)/?$" or address:match "^[^/]+$"
	local name, port = (whole or ""):match "^(.+):(%d+)$"
	port = tonumber(port)
	if not name or name:find ":" and not name:find "^%[.*%]$" then
		return nil, ("%s is no HOST:PORT; IPv6 addresses are written [::1]:80"):format(address)
	elseif not (port > 0 and port <= 65535) then
		return nil, ("%s: ports are from 1 to 65535"):format(address)
	end
	return whole
end

---Are colours to be used on stdout? On a terminal, unless NO_COLOR is set.
---@return boolean
function command.colors()
	local no_color = os.getenv "NO_COLOR"
	return (no_color == nil or no_color == "") and require("reef.terminal").is_terminal(1)
end

---Ends the process. What was written has left before; it is a failure if it could not, unless nobody reads any more.
---@param code integer
function command.finish(code)
	local written, why, number = io.stdout:flush()
	if not written and number ~= EPIPE then
		io.stderr:write(("reef: cannot write what was to be printed: %s\n"):format(why))
		code = code == 0 and 1 or code
	end
	io.stderr:flush()
	process.stop(code)
	skynet.exit()
end

---What the command line says, if the command is to run: otherwise what is to be said of it is said, and the process
---ends.
---@param name string
---@param help string
---@param parse fun(): table|nil, string|nil  options; nil and what is wrong
---@param subject string  the option that has to be there
---@param question string  that it answers
---@return table|nil options
function command.options(name, help, parse, subject, question)
	local options, wrong = parse()
	if options and options.help then
		io.write(help)
		return command.finish(0)
	elseif options and options[subject] then
		return options
	end
	command.usage(name, wrong or question)
end

---Says what is wrong with the command line, and ends the process.
---@param name string
---@param message string
function command.usage(name, message)
	io.stderr:write(("reef %s: %s (see reef %s --help)\n"):format(name, printable(message), name))
	command.finish(2)
end

return command
