-- reef check PATH: says whether a configuration file, or a directory of configuration data, is good.

local command = require "reef.command"
local config = require "reef.config"
local files = require "reef.files"
local plural = require "reef.plural"
local printable = require("reef.text").printable
local report = require "reef.config.report"
local skynet = require "skynet"
local start = require "reef.doctor.start"

local HELP = [[
Usage: reef check CONFIG [--quiet]
       reef check DIR [--quiet] [--max-errors N]

CONFIG: reads a configuration file as a start does, and says what is wrong with it: keys that are misspelled, values
that cannot be, files and services that are not there or do not compile; and which keys are none of Reef's. It starts
nothing. Call it where you would start Reef, since relative paths begin there.

DIR: reads all Lua, JSON, CSV and TOML files of a directory as reef.config does, checks them against their schemas
(NAME.schema.lua), and prints the sheets that they are, or else all errors as `file:line:column: message`.

  --quiet         print errors only
  --max-errors N  print the first N errors (default 1000)

Exit code: 0 it is good, 1 it is not, 2 the command line is wrong.
]]

local NO_SHEETS <const> = "there are no sheets: neither here nor in a directory below does a file's name end in .lua, "
	.. ".json, .csv or .toml"

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
	io.write(("%s good: %s, %s, %.0f ms\n"):format(plural(#result.sheets, "sheet is", "sheets are"),
		plural(result.rows, "row"), plural(result.bytes, "byte"), result.ms))
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
		elseif options.path then
			return nil, "one file or directory at a time"
		else
			options.path = word
		end
	end
	return options
end

local function check_file(options)
	local result = start.check(options.path)
	io.write(start.text(result, options.path, options.quiet))
	command.finish(result.errors == 0 and 0 or 1)
end

local function check_directory(options)
	local progress
	if options.quiet then
		progress = false
	end
	local result, err = config.check(options.path, { max_errors = options.max_errors, progress = progress })
	if result and #result.sheets == 0 then
		io.write(printable(options.path), ": ", NO_SHEETS, "\n")
		return command.finish(1)
	end
	if result then
		if not options.quiet then
			print_table(result)
		end
		return command.finish(0)
	end
	for _, line in ipairs(report.lines(err, options.path)) do
		io.write((printable(line):gsub("\n", "\n\t")), "\n")
	end
	if not options.quiet then
		io.write(plural(err.count, "error"), "\n")
	end
	command.finish(1)
end

skynet.start(function()
	local options = command.options("check", HELP, parse_arguments, "path",
		"which configuration file, or directory of data?")
	if not options then
		return
	end
	local kind = files.stat(options.path)
	if kind and kind ~= "directory" then
		return check_file(options)
	end
	check_directory(options)
end)
