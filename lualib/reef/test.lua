-- Tests that run inside a service. Times are in seconds. A file names its cases and ends with test.run():
--
--     local test = require "reef.test"
--     test.case("a reply reaches the coroutine that asked", function()
--         test.equal(skynet.call(echo, "lua", 1), 1)
--     end)
--     test.run()
--
-- `reef test` gives each file a process of its own. Cases run one after the other, each in a coroutine of its own with
-- a deadline, so they may call, sleep and wait. Times are in seconds. Results go to the file that REEF_TEST_RESULTS
-- names, without it to stderr.
local process = require "reef.process"
local skynet = require "skynet"
local values = require "reef.values"

---@class reef.test
local test = {}

---Directory that belongs to this test file alone and is removed afterwards.
test.dir = os.getenv "REEF_TEST_DIR" or "."
---The `reef` that runs this.
test.reef = os.getenv "REEF_TEST_REEF" or require("reef.programs").executable()
---Numbers for choices that tests leave to chance come from this; it is printed with failures and replays them.
test.seed = math.tointeger(tonumber(os.getenv "REEF_TEST_SEED" or "")) or os.time()
---How much slower than usual things are expected to be: deadlines are multiplied by it.
test.slowness = tonumber(os.getenv "REEF_TEST_SLOWNESS" or "") or 1
---Text of any value, for messages.
test.show = values.show

local cases = {}
local deferred = {}
local skip_mark = {}

---Adds a case.
---@param name string the promise that is checked
---@param options { timeout: number|nil }|function  seconds, 60 by default, times test.slowness
---@param f function|nil
function test.case(name, options, f)
	if f == nil then
		options, f = {}, options
	end
	if type(name) ~= "string" or type(options) ~= "table" or type(f) ~= "function" then
		error("test.case(name, [options,] function)")
	end
	require("reef.options").check("test.case", options, { timeout = true })
	cases[#cases + 1] = { name = name, timeout = (options.timeout or 60) * test.slowness, run = f }
end

---Runs f(...) when the current case is over, however it ends; the last deferred first.
---@param f function
---@param ... any
function test.defer(f, ...)
	deferred[#deferred + 1] = table.pack(f, ...)
end

---Ends the current case as skipped.
---@param reason string
function test.skip(reason)
	error({ [skip_mark] = reason })
end

---Is one of these modules missing in this build? Then the file has one case, which says so, and is to end here:
---`if require("reef.test").without "reef.http.core" then return end`, in front of what requires them.
---@param ... string
---@return boolean
function test.without(...)
	for _, name in ipairs { ... } do
		local ok, why = pcall(require, name)
		if not ok then
			test.case("what needs " .. name, function()
				test.skip(tostring(why):match "built without[^\n]*" or "there is no " .. name)
			end)
			test.run()
			return true
		end
	end
	return false
end

local note

---A word that goes with the result of the current case, for whoever counts.
---@param text string
function test.note(text)
	note = text
end

-- ---- checks: each raises with both values in its text ----

local function fail(text, what)
	error((what and what .. ": " or "") .. text)
end

---Ends the current case as failed.
---@param text string
function test.fail(text)
	error(text)
end

---Checks that two values are the same: tables by content, 1 and 1.0 are different, nan equals itself.
---@param got any
---@param want any
---@param what? any said when it fails
function test.equal(got, want, what)
	if not values.same(got, want) then
		fail("got " .. test.show(got) .. ", want " .. test.show(want), what)
	end
end

---Checks that two values are not the same, as `equal` compares.
---@param got any
---@param other any
---@param what? any said when it fails
function test.different(got, other, what)
	if values.same(got, other) then
		fail("got " .. test.show(got) .. ", which it must not be", what)
	end
end

---Checks that v is neither nil nor false, and returns it.
---@param v any
---@param what? any said when it fails
---@return any v
function test.truthy(v, what)
	if not v then
		fail("got " .. test.show(v), what)
	end
	return v
end

---Checks that text (through tostring) matches a Lua pattern; returns the captures.
---@param text any
---@param pattern string
---@param what? any said when it fails
---@return string ...
function test.matches(text, pattern, what)
	text = tostring(text)
	if not text:find(pattern) then
		fail("got " .. test.show(text) .. ", want a match of " .. test.show(pattern), what)
	end
	return text:match(pattern)
end

---Checks that f(...) raises an error whose text matches the pattern; returns the error.
---@param pattern string
---@param f function
---@param ... any
---@return any error
function test.raises(pattern, f, ...)
	local result = table.pack(pcall(f, ...))
	if result[1] then
		fail("returned " .. test.show({ table.unpack(result, 2, result.n) }) .. " instead of raising", nil)
	end
	local err = result[2]
	if not tostring(err):find(pattern) then
		fail("raised " .. test.show(tostring(err)) .. ", want a match of " .. test.show(pattern), nil)
	end
	return err
end

---Checks low <= got <= high.
---@param got number
---@param low number
---@param high number
---@param what? any said when it fails
function test.between(got, low, high, what)
	if not (got >= low and got <= high) then
		fail(("got %s, want %s..%s"):format(got, low, high), what)
	end
end

---Asks again and again (every 10 ms) until f(...) is true, and returns what it returned. Fails after `seconds`.
---@param what string what is waited for
---@param seconds number times test.slowness
---@param f function
---@param ... any
---@return any ...
function test.eventually(what, seconds, f, ...)
	local deadline = skynet.now() + math.ceil(seconds * test.slowness * 100)
	while true do
		local result = table.pack(f(...))
		if result[1] then
			return table.unpack(result, 1, result.n)
		end
		if skynet.now() >= deadline then
			fail(("not after %g s"):format(seconds * test.slowness), what)
		end
		skynet.sleep(1)
	end
end

---Runs f(1) ... f(n) in coroutines of their own and waits for all; raises the first error.
---@param n integer
---@param f fun(i: integer)
function test.together(n, f)
	local left, token, failed = n, {}, nil
	for i = 1, n do
		skynet.fork(function()
			local ok, err = pcall(f, i)
			if not ok then
				failed = failed or err
			end
			left = left - 1
			if left == 0 then
				skynet.wakeup(token)
			end
		end)
	end
	if left > 0 then
		skynet.wait(token)
	end
	if failed then
		error(failed, 0)
	end
end

---Fails unless f(...) comes back within `seconds` (times test.slowness); returns or raises what it does.
---@param seconds number
---@param f function
---@param ... any
---@return any ...
function test.within(seconds, f, ...)
	local token, result = {}, nil
	local args = table.pack(...)
	local co = skynet.fork(function()
		result = table.pack(pcall(f, table.unpack(args, 1, args.n)))
		skynet.wakeup(token)
	end)
	skynet.sleep(math.ceil(seconds * test.slowness * 100), token)
	if not result then
		fail(("still waiting after %g s\n%s"):format(seconds * test.slowness, debug.traceback(co)), nil)
	end
	if not result[1] then
		error(result[2], 0)
	end
	return table.unpack(result, 2, result.n)
end

---Launches a Lua service that is killed when the case is over.
---@param name string
---@param ... string|number
---@return integer address
function test.service(name, ...)
	local address = skynet.newservice(name, ...)
	test.defer(function()
		pcall(require("reef.manager").kill, address)
	end)
	return address
end

-- ---- running ----

local results ---@type file*
local failed = false

local ESCAPES <const> = { ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t" }

local function report(...)
	local words = { ... }
	for i, word in ipairs(words) do
		words[i] = tostring(word):gsub("[\\\n\t]", ESCAPES)
	end
	results:write(table.concat(words, "\t"), "\n")
	results:flush()
end

local function cleanup(problems)
	for i = #deferred, 1, -1 do
		local d = deferred[i]
		deferred[i] = nil
		local ok, err = xpcall(d[1], debug.traceback, table.unpack(d, 2, d.n))
		if not ok then
			problems[#problems + 1] = "in cleanup: " .. tostring(err)
		end
	end
end

local function describe(err)
	if type(err) == "table" and err[skip_mark] then
		return err
	end
	return debug.traceback(type(err) == "string" and err or test.show(err), 2)
end

local function run_case(case)
	report("start", case.name)
	local start = skynet.hpc()
	note = nil
	math.randomseed(test.seed)
	local token, ok, err, over = {}, nil, nil, false
	local co = skynet.fork(function()
		ok, err = xpcall(case.run, describe)
		over = true
		skynet.wakeup(token)
	end)
	skynet.sleep(math.ceil(case.timeout * 100), token)
	local problems = {}
	if not over then
		problems[1] = debug.traceback(co, ("still running after %g s, here:"):format(case.timeout))
	elseif not ok and not (type(err) == "table" and err[skip_mark]) then
		problems[1] = err
	end
	cleanup(problems)
	local state, text = "ok", note or ""
	if problems[1] then
		state, text, failed = "fail", table.concat(problems, "\n"), true
	elseif not ok then
		state, text = "skip", err[skip_mark]
	end
	report(state, case.name, text, ("%.3f"):format((skynet.hpc() - start) / 1e9))
end

---Runs the cases that were added (only those whose name contains REEF_TEST_ONLY, if that is set) and ends the process.
---Its exit code is 1 if one has failed, unless the results go to a file.
function test.run()
	local path = os.getenv "REEF_TEST_RESULTS"
	path = path ~= "" and path or nil
	results = path and assert(io.open(path, "a")) or io.stderr
	local only = os.getenv "REEF_TEST_ONLY"
	skynet.start(function()
		skynet.fork(function()
			for _, case in ipairs(cases) do
				if not only or case.name:find(only, 1, true) then
					run_case(case)
				end
			end
			report "done"
			process.stop(failed and not path and 1 or 0) -- in order: pools that a case has left have their hooks
		end)
	end)
end

return test
