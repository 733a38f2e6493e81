-- Runs a test file: in a `reef` of its own, with a directory of its own, and for a limited time. What the file reports
-- (reef.test) becomes a result. Lines at the head of the file may say
--
--     -- timeout: 300           seconds for the whole file, 120 by default
--     -- config: thread = 2     a line for its configuration
local programs = require "reef.programs"
local skynet = require "skynet"

local LONGEST_OUTPUT = 20000 -- bytes that are kept of what a file prints: the first and the last ones
local PAUSE = 1 -- hundredths of a second between two looks whether it has ended
local KILL <const> = 9 -- a signal

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

---What the head of a test file says.
---@param path string
---@return number timeout  seconds
---@return string[] config  lines
function runner.head(path)
	local timeout, config = 120, {}
	for line in io.lines(path) do
		if line:sub(1, 2) ~= "--" then
			break
		end
		local key, value = line:match "^%-%-%s*(%w+):%s*(.*)"
		if key == "timeout" then
			timeout = tonumber(value) or error(("%s: timeout: %s is no number of seconds"):format(path, value), 0)
		elseif key == "config" then
			config[#config + 1] = value
		end
	end
	return timeout, config
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

-- Waits for the end: what is wrong with it, nil if nothing is.
local function wait(pid, timeout)
	local deadline = timeout and skynet.now() + math.ceil(timeout * 100)
	local late
	while true do
		local result = ended(pid)
		if result and late then
			return ("killed after %g s"):format(timeout)
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

local function execute(path, options, directory)
	local timeout, more = runner.head(path)
	write(directory .. "/config", configuration(path, options, more))
	write(directory .. "/results", "")
	local pid = assert(programs.spawn {
		programs.executable(), directory .. "/config", stdout = directory .. "/output", stderr = directory .. "/output",
		env = {
			REEF_TEST_DIR = directory, REEF_TEST_RESULTS = directory .. "/results", REEF_TEST_REEF = programs.executable(),
			REEF_TEST_SEED = options.seed, REEF_TEST_ONLY = options.only or "",
		},
	})
	local problem = wait(pid, timeout)
	local cases, running, done = parse(read(directory .. "/results"))
	if problem or not done then
		cases[#cases + 1] = {
			name = running or (done and "(orderly end)" or "(start)"), state = "fail", seconds = 0,
			text = (problem or "exit code 0") .. (done and "" or ", before all cases had run"),
		}
	end
	return cases, shortened(read(directory .. "/output") or "")
end

local function remove(directory)
	local pid = programs.spawn { "rm", "-rf", "--", directory }
	if pid then
		wait(pid)
	end
end

---Runs a test file. Never raises: what keeps it from running is a failure.
---@param path string
---@param options reef.test.options
---@return reef.test.result
function runner.run(path, options)
	local start = skynet.hpc()
	local directory = assert(programs.temporary((os.getenv "TMPDIR" or "/tmp") .. "/reef-test-"))
	local ok, cases, output = pcall(execute, path, options, directory)
	remove(directory)
	if not ok then
		cases, output = { { name = "(start)", state = "fail", text = tostring(cases), seconds = 0 } }, ""
	end
	local result = { file = path, cases = cases, failed = 0, skipped = 0, output = output }
	for _, case in ipairs(cases) do
		result.failed = result.failed + (case.state == "fail" and 1 or 0)
		result.skipped = result.skipped + (case.state == "skip" and 1 or 0)
	end
	result.seconds = (skynet.hpc() - start) / 1e9
	return result
end

return runner
