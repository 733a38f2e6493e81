-- reef repl: what it says of itself. The prompt is a service, reef_repl, which main starts.

local command = require "reef.command"
local skynet = require "skynet"

local HELP = [[
Usage: reef repl [CONFIG]

A prompt for Lua inside a service: `skynet` is loaded, and skynet.newservice and skynet.call work. Each line runs in
an environment that stays, and what it returns is shown; variables that are `local` end with their line. Services are
looked for in ./service and here, modules in ./lualib and here, or where CONFIG says; the rest of CONFIG that makes a
server (start, metrics, daemon, logger) is left out. Log lines go to stderr.

On a terminal: Tab completes names, and the lines are kept in $XDG_STATE_HOME/reef/repl_history (~/.local/state).
From a file or a pipe: `reef repl <script.lua` runs it line by line, and the first error ends it.

Exit code: 0 at the end of what was typed, 1 after an error in a script or in CONFIG, 2 the command line is wrong.
]]

skynet.start(function()
	local first = command.words()()
	if first == "--help" or first == "-h" then
		io.write(HELP)
		return command.finish(0)
	end
	command.usage("repl", first and first:sub(1, 1) == "-" and "unknown option " .. first or "one configuration at a time")
end)
