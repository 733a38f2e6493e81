-- reef check DIR: says whether a directory of configuration data is good.

local command = require "reef.command"
local config = require "reef.config"
local printable = require("reef.text").printable
local report = require "reef.config.report"
local skynet = require "skynet"

local HELP = [[
Usage: reef check DIR [--quiet] [--max-errors N]

Reads all Lua, JSON, CSV and TOML files of a directory as reef.config does, checks them against their schemas
(NAME.schema.lua), and prints the sheets that they are, or else all errors as `file:line:column: message`.

  --quiet         print errors only
  --max-errors N  print the first N errors (default 1000)

Exit code: 0 the data are good, 1 they are not, 2 the command line is wrong.
]]

local function print_table(result)
	local width = #"sheet"
	for _, sheet in ipairs(result.sheets) do
		width = math.max(width, #sheet.name)
	end
	local line = "%-" .. width .. "s  %10s  %12s  %s\n"
	io.write(line:format("sheet", "rows", "bytes", "file"))
	for _, sheet in ipairs(result.sheets) do
		io.write(line:format(printable(sheet.name), sheet.rows, sheet.bytes, printable(sheet.file)))
	end
	io.write(("%d sheets are good: %d rows, %d bytes, %.0f ms\n"):format(#result.sheets, result.rows, result.bytes,
		result.ms))
end

local function parse_arguments()
	local options = { max_errors = 1000 }
	local next_argument = command.words()
	for word in next_argument do
		if word == "--help" or word == "-h" then
			options.help = true
		elseif word == "--quiet" or word == "-q" then
			options.quiet = true
		elseif word == "--max-errors" then
			options.max_errors = math.tointeger(tonumber(next_argument()))
			if not options.max_errors or options.max_errors < 1 then
				return nil, "--max-errors needs a number"
			end
		elseif word:sub(1, 1) == "-" then
			return nil, "unknown option " .. word
		elseif options.dir then
			return nil, "one directory at a time"
		else
			options.dir = word
		end
	end
	return options
end

skynet.start(function()
	local options, wrong = parse_arguments()
	if not options then
		return command.usage("check", wrong)
	elseif options.help then
		io.write(HELP)
		return command.finish(0)
	elseif not options.dir then
		return command.usage("check", "which directory?")
	end
	local progress
	if options.quiet then
		progress = false
	end
	local result, err = config.check(options.dir, { max_errors = options.max_errors, progress = progress })
	if result then
		if not options.quiet then
			print_table(result)
		end
		return command.finish(0)
	end
	for _, line in ipairs(report.lines(err, options.dir)) do
		io.write((printable(line):gsub("\n", "\n\t")), "\n")
	end
	if not options.quiet then
		io.write(("%d errors\n"):format(err.count))
	end
	command.finish(1)
end)
