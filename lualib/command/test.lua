-- reef test: runs the tests of a project, each file in a process of its own.

local command = require "reef.command"
local files = require "reef.files"
local find = require "reef.test.find"
local printable = require("reef.text").printable
local report = require "reef.test.report"
local runner = require "reef.test.runner"
local skynet = require "skynet"

local HELP = [[
Usage: reef test [DIR|FILE...] [--config FILE] [--only TEXT] [--seed N] [--jobs N]
                 [--tap] [--junit FILE] [--verbose]

Runs the tests (see reef.test) in the files *_test.lua below the directories, or in the files that are named; without
any, below `test`. Each file has a process, a directory and a time limit of its own. Call it where you would start Reef.

  --config FILE  the configuration of the project: tests have its paths and keys. `config` by default, if there is one
  --only TEXT    run the cases whose names contain TEXT
  --seed N       replay what chance decided: a failure prints its seed
  --jobs N       files that run at the same time (default: one for each processor)
  --tap          print TAP, version 14
  --junit FILE   write the results to FILE as JUnit's XML, too
  --verbose, -v  print each case, and the output of files that passed

Exit code: 0 all cases passed, 1 one has failed or none was found, 2 the command line is wrong.
]]

local function positive(word, name)
	local n = math.tointeger(tonumber(word))
	if not n or n < 1 then
		return nil, name .. " needs a number"
	end
	return n
end

local function parse_arguments()
	local options = { what = {}, jobs = math.tointeger(tonumber(skynet.getenv "thread")) or 1, seed = os.time() }
	local next_argument = command.words()
	local flags = { ["--tap"] = "tap", ["--verbose"] = "verbose", ["-v"] = "verbose" }
	flags["--help"], flags["-h"] = "help", "help"
	local texts = { ["--config"] = "config", ["--only"] = "only", ["--junit"] = "junit" }
	local numbers = { ["--seed"] = "seed", ["--jobs"] = "jobs" }
	for word in next_argument do
		if flags[word] then
			options[flags[word]] = true
		elseif texts[word] then
			options[texts[word]] = next_argument()
			if not options[texts[word]] then
				return nil, word .. " needs a value"
			end
		elseif numbers[word] then
			local n, wrong = positive(next_argument(), word)
			if not n then
				return nil, wrong
			end
			options[numbers[word]] = n
		elseif word:sub(1, 1) == "-" and word ~= "-" then
			return nil, "unknown option " .. word
		else
			table.insert(options.what, word)
		end
	end
	if #options.what == 0 and not options.help then
		if files.stat "test" ~= "directory" then
			return nil, "which files? There is no directory `test` here"
		end
		options.what[1] = "test"
	end
	if options.config and not options.help then
		local kind, why = files.stat(options.config)
		if not kind or kind == "directory" then
			return nil, kind and options.config .. ": is a directory" or why
		end
	end
	options.config = options.config or files.stat "config" == "file" and "config" or nil
	return options
end

-- Runs all files, some at a time; says each result in the order of the files.
local function run(paths, options, say)
	local results, next_file, said, running, main = {}, 1, 0, 0, coroutine.running()
	local function work()
		while next_file <= #paths do
			local i = next_file
			next_file = i + 1
			results[i] = runner.run(paths[i], options)
			while results[said + 1] do
				said = said + 1
				say(results[said])
			end
		end
		running = running - 1
		if running == 0 then
			skynet.wakeup(main)
		end
	end
	for _ = 1, math.min(options.jobs, #paths) do
		running = running + 1
		skynet.fork(work)
	end
	if running > 0 then
		skynet.wait(main)
	end
	return results
end

local function write(path, text)
	local f, why = io.open(path, "wb")
	local ok = f and f:write(text) and f:close()
	return ok or nil, why or path .. ": cannot be written"
end

skynet.start(function()
	local options = command.options("test", HELP, parse_arguments, "what", "which files?")
	if not options then
		return
	end
	local ok, paths = pcall(find.tests, options.what)
	if not ok then
		return command.usage("test", paths)
	end
	local color = command.colors()
	local results = run(paths, options, function(result)
		if not options.tap then
			io.write(report.text(result, { color = color, verbose = options.verbose }))
			io.flush()
		end
	end)
	local totals = report.totals(results)
	io.write(options.tap and report.tap(results) or report.summary(totals))
	if options.junit then
		local written, why = write(options.junit, report.junit(results))
		if not written then
			return command.usage("test", why)
		end
	end
	if options.only and totals.passed + totals.failed + totals.skipped == 0 then
		io.stderr:write(("reef test: no case has %s in its name\n"):format(printable(options.only)))
	end
	command.finish(totals.failed == 0 and totals.passed + totals.skipped > 0 and 0 or 1)
end)
