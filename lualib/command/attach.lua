-- reef attach ADDRESS: a debug console with editing, history and completion.

local client = require "reef.console_client"
local command = require "reef.command"
local printable = require("reef.text").printable
local prompt = require "reef.prompt"
local skynet = require "skynet"

local HELP = [[
Usage: reef attach [--timeout SECONDS] HOST:PORT|PATH [COMMAND...]

Attaches to the debug console of a running process (`skynet.newservice("debug_console", 8000)`); without HOST it is this
machine. Type `help` for what it can do, such as

  list, stat, info ADDRESS        services, and what they say of themselves
  run ADDRESS CODE                run Lua in a service, and show what it returns
  tail N [ADDRESS]                the last lines of the log
  follow [ADDRESS]                the log as it grows, until Enter is pressed
  profile ADDRESS|PATTERN [N]     folded stacks of N seconds, by CPU time (`profile agent* 10`)
  debug ADDRESS                   the debugger; `cont` ends it

On a terminal: Tab completes commands and addresses, and the lines are kept in $XDG_STATE_HOME/reef/attach_history
(~/.local/state). Ctrl-D and `quit` end it. From a file or a pipe it takes a command a line. With COMMAND it runs that
one, and ends.

  --timeout SECONDS  that a command may take (default 60), but for the debugger, and beside those of a profile

Exit code: 0, 1 the process cannot be reached or is lost, or the last command was an error, 2 the command line is wrong.
]]

local FOLLOW_PAUSE = 30 -- hundredths of a second between two looks at the log
local LASTING <const> = { profile = 10, heap = 0 } -- seconds that these take, if the command says nothing else
local STARTS <const> = { start = true, log = true, snax = true } -- they say of a failure that it is one
local STALE = 500 -- hundredths of a second that addresses are believed

local function parse_arguments()
	local options = { timeout = 60 }
	local next_argument = command.words()
	for word in next_argument do
		if not options.address and (word == "--help" or word == "-h") then
			options.help = true
		elseif not options.address and word == "--timeout" then
			options.timeout = tonumber(next_argument())
			if not options.timeout or not (options.timeout > 0 and options.timeout <= 86400) then
				return nil, "--timeout needs a number of seconds"
			end
		elseif not options.address and word:sub(1, 1) == "-" then
			return nil, "unknown option " .. word
		elseif options.address then
			options.command = options.command and options.command .. " " .. word or word
		else
			options.address = command.address(word)
		end
	end
	return options
end

---------------------------------------------------------------------------------------------------------------------
-- completion

local commands = { "follow" } ---@type string[]
local addresses = {} ---@type string[]
local asked ---@type integer|nil  when

local function learn(console)
	if asked and skynet.now() - asked < STALE then
		return
	end
	asked = skynet.now()
	local names = { "follow", "quit" }
	for _, line in ipairs((console:ask "help")) do
		names[#names + 1] = line:match "^(%l+)\t"
	end
	commands, addresses = names, {}
	for _, line in ipairs((console:ask "list")) do
		addresses[#addresses + 1] = line:match "^(:%x+)\t"
	end
end

-- Commands at the beginning, addresses behind it.
local function complete(word, before)
	local found = {}
	for _, candidate in ipairs(before:find "%S" and addresses or commands) do
		if candidate:sub(1, #word) == word then
			found[#found + 1] = candidate
		end
	end
	return found
end

---------------------------------------------------------------------------------------------------------------------
-- commands

-- The log as it grows, until something is typed.
local function follow(console, p, address)
	local last
	p:say "following the log; Enter ends"
	repeat
		local most, from = last and 1000 or 10, last and last + 1 or ""
		local lines, good = console:ask(("tail %d %s %s"):format(most, address or "all", from))
		for _, line in ipairs(lines) do
			local id, text = line:match "^(%d+) (.*)$"
			last = math.tointeger(tonumber(id)) or last
			p:say(printable(text or line))
		end
		last = last or 0
	until not good or p.pause(FOLLOW_PAUSE)
	if p.on_terminal then
		p:line ""
	end
	return true
end

-- The debugger takes lines while its command runs.
local function debugger(console, p, line)
	local over
	skynet.fork(function()
		while not over do
			local typed = p.pause(FOLLOW_PAUSE)
			if typed and not over then
				console:write(p:line "" or "cont")
			end
		end
	end)
	local good = console:run(line, function(answer)
		p:say(printable(answer))
	end, true)
	over = true
	return good
end

local function run(console, p, line)
	local name, first, second = line:match "^%s*(%S+)%s*(%S*)%s*(%S*)"
	if not name then
		return true
	elseif name == "follow" then
		return follow(console, p, first ~= "" and first or nil)
	elseif name == "debug" then
		return debugger(console, p, line)
	end
	local lasts = LASTING[name] and (tonumber(second) or LASTING[name])
	local failed = false
	local good = console:run(line, function(answer)
		failed = failed or STARTS[name] and answer:find "^Failed" ~= nil
		p:say(printable(answer))
	end, false, lasts)
	return good and not failed
end

local function talk(console, options)
	local p = prompt.new("attach", complete)
	if options.command then
		return run(console, p, options.command)
	end
	local good = true
	if p.on_terminal then
		p:say(("attached to %s; help lists the commands, Ctrl-D or quit ends"):format(printable(options.address)))
	end
	while true do
		if p.edits then
			learn(console)
		end
		local line = p:line(options.address:gsub("%c", "?") .. "> ")
		if not line or line:find "^%s*quit%s*$" then
			return good or p.on_terminal
		elseif line:find "%c" then
			good = false
			io.stderr:write "reef attach: a command has no control characters\n"
		else
			good = run(console, p, line)
			if not good and p.on_terminal then
				p:say "(error)"
			end
		end
	end
end

skynet.start(function()
	local options = command.options("attach", HELP, parse_arguments, "address",
		"which process? HOST:PORT, or the path of a socket")
	if not options then
		return
	end
	client.command("attach", options, function(console)
		return talk(console, options)
	end)
end)
