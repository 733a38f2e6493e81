-- Runs a test file: in a `reef` of its own, with a directory of its own, and for a limited time. What the file reports
-- (reef.test) becomes a result. Lines at the head of the file may say
--
--     -- timeout: 300           seconds for the whole file, 120 by default
--     -- config: thread = 2     a line for its configuration
--     -- sim: seed 7 runs 100   it runs in the simulation: with the seed 7, and with 100 seeds from options.seed on
local programs = require "reef.programs"
local skynet = require "skynet"

local LONGEST_OUTPUT = 20000 -- bytes that are kept of what a file prints: the first and the last ones
local PAUSE = 1 -- hundredths of a second between two looks whether it has ended
local KILL <const> = 9 -- a signal
local LONGEST_RUN <const> = "36500d" -- of a simulation's own time: its cases have deadlines

---@class reef.test.case
---@field name string
---@field state "ok"|"fail"|"skip"
---@field text string       why it failed or was skipped
---@field seconds number

---@class reef.test.result
---@field file string
---@field cases reef.test.case[]
---@field failed integer
---@field skipped integer
---@field seconds number
---@field output string
---@field seed integer  that failed, or was the last

---@class reef.test.head
---@field timeout number      seconds for the whole file
---@field config string[]     lines for its configuration
---@field seeds integer[]|nil  it runs in the simulation, with these
---@field runs integer        and with so many more

---@class reef.test.options
---@field config string|nil  configuration of the project, whose paths and keys the tests have
---@field only string|nil    part of the names of the cases that are to run
---@field seed integer

local runner = {}

local function read(path, mode)
	local f <close> = io.open(path, "rb")
	return f and f:read(mode or "a")
end

local function write(path, text)
	local f <close> = assert(io.open(path, "wb"))
	assert(f:write(text))
end

-- What `sim:` says: words in pairs.
local function read_sim(head, path, text)
	head.seeds = head.seeds or {}
	local rest = text:gsub("%s*(%a+)%s+(%d+)", function(word, number)
		local n = math.tointeger(tonumber(number))
		if word == "seed" and n then
			table.insert(head.seeds, n)
		elseif word == "runs" and n and n > 0 then
			head.runs = n
		else
			error(("%s: sim: %s cannot be %s"):format(path, word, number), 0)
		end
		return ""
	end)
	if rest:find "%S" then
		error(("%s: sim: %s is neither `seed N` nor `runs N`"):format(path, rest), 0)
	end
end

---What the head of a test file says.
---@param path string
---@return reef.test.head
function runner.head(path)
	local head = { timeout = 120, config = {}, runs = 0 }
	for line in io.lines(path) do
		if line:sub(1, 2) ~= "--" then
			break
		end
		local key, value = line:match "^%-%-%s*(%w+):%s*(.*)"
		if key == "timeout" then
			head.timeout = tonumber(value) or error(("%s: timeout: %s is no number of seconds"):format(path, value), 0)
		elseif key == "config" then
			table.insert(head.config, value)
		elseif key == "sim" then
			read_sim(head, path, value)
		end
	end
	if head.seeds and #head.seeds == 0 and head.runs == 0 then
		head.runs = 1
	end
	return head
end

-- A string in a configuration file.
local function quoted(text)
	return (("%q"):format(text):gsub("%$", "$$$$"))
end

local function absolute(path)
	return path:sub(1, 1) == "/" and path or programs.directory() .. "/" .. path
end

local function configuration(path, options, more)
	local directory, name = absolute(path):match "^(.*)/([^/]*)%.lua$"
	if not name or name:find "%s" then
		error(path .. ": the name of a test file ends in .lua and has no spaces", 0)
	elseif directory:find "[?;]" then
		error(path .. ": tests cannot lie in a directory with ? or ; in its name", 0)
	end
	local lines = {}
	if options.config then
		lines[1] = ("include %s"):format(quoted(absolute(options.config)))
	end
	-- What a server needs beyond its services would be in the way of another one that runs.
	for _, key in ipairs {
		"bootstrap", "daemon", "logger", "logservice", "metrics", "master", "standalone", "address", "harbor",
	} do
		lines[#lines + 1] = key .. " = nil"
	end
	lines[#lines + 1] = ("start = %s"):format(quoted(name))
	lines[#lines + 1] = "reef_test = true" -- the process ends with a file that runs no cases
	local beside = quoted(directory .. "/?.lua")
	lines[#lines + 1] = ('luaservice = %s .. ";" .. (luaservice or "./service/?.lua")'):format(beside)
	lines[#lines + 1] = ('lua_path = (lua_path or "./lualib/?.lua;./lualib/?/init.lua") .. ";" .. %s'):format(beside)
	table.move(more, 1, #more, #lines + 1, lines)
	return table.concat(lines, "\n") .. "\n"
end

local function unescaped(text)
	return (text:gsub("\\(.)", { n = "\n", t = "\t", ["\\"] = "\\" }))
end

-- The lines that reef.test has written: cases, the one that was running at the end, whether all have run.
local function parse(text)
	local cases, running, done = {}, nil, false
	for line in text:gmatch "[^\n]+" do
		local kind, name, why, seconds = line:match "^(%l+)\t?([^\t]*)\t?([^\t]*)\t?([^\t]*)$"
		if kind == "start" then
			running = unescaped(name)
		elseif kind == "done" then
			done = true
		elseif kind then
			running = nil
			cases[#cases + 1] = { name = unescaped(name), state = kind, text = unescaped(why),
			seconds = tonumber(seconds) or 0 }
		end
	end
	return cases, running, done
end

local function shortened(text)
	if #text <= LONGEST_OUTPUT then
		return text
	end
	return text:sub(1, LONGEST_OUTPUT // 2) .. "\n...\n" .. text:sub(-LONGEST_OUTPUT // 2)
end

-- How a program has ended, nil while it runs: its exit code, or nil and the signal.
local function ended(pid)
	local result = table.pack(programs.poll(pid))
	return result.n > 0 and result or nil
end

-- Waits for the end, for so many seconds at most, which are what is left of `all`: what is wrong with it, nil if
-- nothing is.
local function wait(pid, timeout, all)
	local deadline = timeout and skynet.now() + math.ceil(timeout * 100)
	local late
	while true do
		local result = ended(pid)
		if result and late then
			return ("killed after %g s"):format(all)
		elseif result and result[1] == 0 then
			return nil
		elseif result then
			return result[1] and "exit code " .. result[1] or "ended by signal " .. result[2]
		elseif deadline and skynet.now() > deadline then
			programs.kill(pid, KILL)
			late, deadline = true, nil
		end
		skynet.sleep(PAUSE)
	end
end

-- A simulation says how it ended, and how to have it again, which is not for this configuration: returns the output
-- without that, and why it has failed.
local function simulated(output)
	local before, why = output:match "^(.*)sim: seed %d+ [^\n]- fingerprint %x+(.*)$"
	if not before then
		return output
	end
	why = why:gsub("\nsim: again: .*", ""):gsub("^: ", "")
	return before, why:find "%S" and why or nil
end

-- Runs the file once, in the simulation if there is a seed for it.
local function execute(path, options, directory, head, deadline, simulation)
	write(directory .. "/config", configuration(path, options, head.config))
	write(directory .. "/results", "")
	local program = { programs.executable(), directory .. "/config" }
	if simulation then
		local left = math.max(1, math.ceil((deadline - skynet.now()) / 100))
		program = { programs.executable(), "sim", "--config", directory .. "/config", "--seed", simulation, "--until",
			LONGEST_RUN, "--limit", left, "--quiet" }
	end
	program.stdout, program.stderr = directory .. "/output", directory .. "/output"
	program.env = {
		REEF_TEST_DIR = directory, REEF_TEST_RESULTS = directory .. "/results", REEF_TEST_REEF = programs.executable(),
		REEF_TEST_SEED = simulation or options.seed, REEF_TEST_ONLY = options.only or "",
	}
	local pid = assert(programs.spawn(program))
	local problem = wait(pid, (deadline - skynet.now()) / 100, head.timeout)
	local cases, running, done = parse(read(directory .. "/results"))
	local output, why = read(directory .. "/output") or "", nil
	if simulation then
		output, why = simulated(output)
	end
	if problem or not done then
		cases[#cases + 1] = {
			name = running or (done and "(orderly end)" or "(start)"), state = "fail", seconds = 0,
			text = why or not problem and not running and #cases == 0 and "no case was run: a test file ends with test.run()"
				or (problem or "exit code 0") .. (done and "" or ", before all cases had run"),
		}
	end
	return cases, shortened(output)
end

local function remove(directory)
	local pid = programs.spawn { "rm", "-rf", "--", directory }
	if pid then
		wait(pid)
	end
end

local function count(cases, state)
	local n = 0
	for _, case in ipairs(cases) do
		n = n + (case.state == state and 1 or 0)
	end
	return n
end

-- Runs it in a directory of its own.
local function run_once(path, options, ...)
	local directory = assert(programs.temporary((os.getenv "TMPDIR" or "/tmp") .. "/reef-test-"))
	local ok, cases, output = pcall(execute, path, options, directory, ...)
	remove(directory)
	if not ok then
		error(cases, 0)
	end
	return cases, output
end

-- Runs it with its seeds, until one fails; and which seed that was, or the last.
local function run_seeds(path, options, head, deadline)
	local seeds, cases, output = table.move(head.seeds, 1, #head.seeds, 1, {}), nil, nil
	for i = 0, head.runs - 1 do
		seeds[#seeds + 1] = options.seed + i
	end
	for _, seed in ipairs(seeds) do
		cases, output = run_once(path, options, head, deadline, seed)
		if count(cases, "fail") > 0 then
			for _, case in ipairs(cases) do
				if case.state == "fail" then
					case.text = ("%s\nin the simulation of seed %d; again: reef test %s --seed %d"):format(case.text, seed, path,
						seed)
				end
			end
			return cases, output, seed
		end
	end
	return cases, output, seeds[#seeds]
end

---Runs a test file. Never raises: what keeps it from running is a failure.
---@param path string
---@param options reef.test.options
---@return reef.test.result
function runner.run(path, options)
	local start = skynet.hpc()
	local ok, cases, output, seed = pcall(function()
		local head = runner.head(path)
		local deadline = skynet.now() + math.ceil(head.timeout * 100)
		if head.seeds then
			return run_seeds(path, options, head, deadline)
		end
		return run_once(path, options, head, deadline)
	end)
	if not ok then
		cases, output = { { name = "(start)", state = "fail", text = tostring(cases), seconds = 0 } }, ""
	end
	return { file = path, cases = cases, failed = count(cases, "fail"), skipped = count(cases, "skip"), output = output,
		seed = seed or options.seed, seconds = (skynet.hpc() - start) / 1e9 }
end

return runner
