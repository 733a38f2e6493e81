-- reef new NAME: makes a project that runs, from examples/project.

local command = require "reef.command"
local files = require "reef.files"
local programs = require "reef.programs"
local skynet = require "skynet"
local must = command.must

local HELP = [[
Usage: reef new NAME [--quiet]

Makes a directory NAME with a project that runs: a configuration, three services, a test, a unit file for systemd, and a
README.md that says what to do next. NAME has letters, digits, - and _, and begins with a letter; it may follow the path
of a directory that exists. What exists already is left alone.

  --quiet, -q  print nothing

Exit code: 0 it is made, 1 it cannot be made, 2 the command line is wrong.
]]

local LONGEST = 64 -- letters of a name
local MOST = 1000 -- files in a directory

-- Files whose names would be hidden in the template, where they would count.
local DOTTED <const> = { gitignore = true, luacheckrc = true }

local function parse_arguments()
	local options = {}
	for word in command.words() do
		if word == "--help" or word == "-h" then
			options.help = true
		elseif word == "--quiet" or word == "-q" then
			options.quiet = true
		elseif word:sub(1, 1) == "-" then
			return nil, "unknown option " .. word
		elseif options.path then
			return nil, "one project at a time"
		else
			options.path = word:gsub("(.)/+$", "%1")
		end
	end
	local name = options.path and options.path:match "[^/]*$"
	if name and not (name:find "^%a[%w_-]*$" and #name <= LONGEST) then
		return nil, ("%s is no name for a project: letters, digits, - and _, at most %d"):format(name, LONGEST)
	end
	options.name = name
	return options
end

local function fail(reason)
	io.stderr:write("reef new: ", require("reef.text").printable(reason), "\n")
	command.finish(1)
end

local function copy(from, to, name)
	if must(files.stat(from)) == "directory" then
		must(programs.mkdir(to))
		local names = must(files.names(from, MOST))
		table.sort(names)
		for _, entry in ipairs(names) do
			local made = DOTTED[entry] and "." .. entry or entry:gsub("NAME", name)
			copy(from .. "/" .. entry, to .. "/" .. made, name)
		end
		return
	end
	local input <close> = must(io.open(from, "rb"))
	local output <close> = must(io.open(to, "wb"))
	must(output:write((input:read "a":gsub("%f[%w_]NAME%f[^%w_]", name))))
	must(output:close())
end

skynet.start(function()
	local options = command.options("new", HELP, parse_arguments, "path", "which name?")
	if not options then
		return
	elseif files.stat(options.path) then
		return fail(options.path .. " exists already")
	end
	local ok, reason = pcall(copy, skynet.getenv "reef_lualib" .. "/../examples/project", options.path, options.name)
	if not ok then
		return fail(tostring(reason))
	elseif not options.quiet then
		io.write(("%s is made. Next:\n\n    cd %s\n    reef test\n    reef config\n"):format(options.path, options.path))
	end
	command.finish(0)
end)
