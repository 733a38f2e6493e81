-- reef doctor CONFIG: says what a project needs that is not there, and what will behave differently.

local command = require "reef.command"
local examine = require "reef.doctor.examine"
local report = require "reef.doctor.report"
local skynet = require "skynet"

skynet.memlimit(1 << 29)

local HELP = [[
Usage: reef doctor CONFIG [--json] [--all] [--seconds N]

Reads the configuration of a project, and the sources and libraries that it leads to, and says what they need that is
not there, what will behave differently, and what is passed over: each with file and line. It runs none of them. Call it
where you would start Reef, since relative paths of a configuration begin there.

  --json       print one JSON object
  --all        print all places of each finding, not only the first
  --seconds N  stop looking after N seconds (default 30)

Exit code: 0 nothing that is needed is missing, 1 something is missing or wrong, 2 the command line is wrong, or CONFIG
cannot be read. Colours are used on a terminal, unless NO_COLOR is set.
]]

local function parse_arguments()
	local options = { seconds = 30 }
	local next_argument = command.words()
	for word in next_argument do
		if word == "--help" or word == "-h" then
			options.help = true
		elseif word == "--json" then
			options.json = true
		elseif word == "--all" then
			options.all = true
		elseif word == "--seconds" then
			options.seconds = tonumber(next_argument())
			if not options.seconds or not (options.seconds > 0 and options.seconds <= 86400) then
				return nil, "--seconds needs a number"
			end
		elseif word:sub(1, 1) == "-" then
			return nil, "unknown option " .. word
		elseif options.config then
			return nil, "one configuration at a time"
		else
			options.config = word
		end
	end
	return options
end

skynet.start(function()
	local options = command.options("doctor", HELP, parse_arguments, "config", "which configuration?")
	if not options then
		return
	end
	local result, reason = examine.run(options.config, options.seconds)
	if not result then
		return command.usage("doctor", reason)
	end
	if options.json then
		io.write(report.json(result), "\n")
	else
		io.write(report.text(result, options.all, command.colors()))
	end
	command.finish(result.found:fail() and 1 or 0)
end)
