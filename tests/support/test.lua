-- Test cases that run inside a service. A test file requires this, names its cases, and ends with test.run():
--
--     local test = require "test"
--     test.case("a reply reaches the coroutine that asked", function()
--         test.equal(skynet.call(echo, "lua", 1), 1)
--     end)
--     test.run()
--
-- Cases run one after the other, each in a coroutine of its own with a deadline, so they may call, sleep and wait. The
-- runner (tests/run) reads the results from the file named by REEF_TEST_RESULTS; without it they go to stderr.
local skynet = require "skynet"

---@class test
local test = {}

---Directory that belongs to this test file alone and is removed afterwards.
test.dir = os.getenv "REEF_TEST_DIR" or "."
---The executable under test.
test.reef = os.getenv "REEF_TEST_REEF" or "reef"
---Root of the source tree.
test.root = os.getenv "REEF_TEST_ROOT" or "."
---Directory of the programs made from tests/tools.
test.tools = os.getenv "REEF_TEST_TOOLS" or "."
---"asan", "tsan", or nil: what the executable was built with.
test.sanitizer = ({ asan = "asan", tsan = "tsan" })[os.getenv "REEF_TEST_PRESET" or ""]
---Numbers for choices that tests leave to chance come from this; it is printed with failures and replays them.
test.seed = math.tointeger(tonumber(os.getenv "REEF_TEST_SEED" or "")) or os.time()

---How much slower than a release build things are expected to be; deadlines are multiplied by it.
local slowness = test.sanitizer and 5 or 1

---Fewer repetitions under a sanitizer: n there becomes n / 10.
---@param n integer
---@return integer
function test.count(n)
	return test.sanitizer and math.max(1, n // 10) or n
end

local cases = {}
local deferred = {}
local skip_mark = {}

---Adds a case. `options.timeout` is in seconds (default 60), multiplied under sanitizers.
---@param name string the promise that is checked
---@param options table|function
---@param f function|nil
function test.case(name, options, f)
	if f == nil then
		options, f = {}, options
	end
	assert(type(name) == "string" and type(f) == "function", "test.case(name, [options,] function)")
	cases[#cases + 1] = { name = name, timeout = (options.timeout or 60) * slowness, run = f }
end

---Runs f(...) when the current case is over, however it ends; the last deferred first.
function test.defer(f, ...)
	deferred[#deferred + 1] = table.pack(f, ...)
end

---Ends the current case as skipped.
---@param reason string
function test.skip(reason)
	error({ [skip_mark] = reason })
end

---Is one of these modules missing in this build? Then the file has one case, which says so, and is to end here:
---`if require "test".without "reef.http.core" then return end`, in front of what requires them.
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

-- ---- showing and comparing values ----

local function sort_key(k)
	return type(k) .. (type(k) == "number" and ("%030.10f"):format(k) or tostring(k))
end

local function show(v, depth)
	if type(v) == "string" then
		if #v > 200 then
			return ("%q... (%d bytes)"):format(v:sub(1, 200), #v)
		end
		return ("%q"):format(v):gsub("\\\n", "\\n")
	elseif type(v) ~= "table" or (getmetatable(v) or {}).__tostring then
		return tostring(v)
	elseif depth > 4 then
		return "{...}"
	end
	local keys, out = {}, {}
	for k in pairs(v) do
		keys[#keys + 1] = k
	end
	table.sort(keys, function(a, b)
		return sort_key(a) < sort_key(b)
	end)
	for i, k in ipairs(keys) do
		if i > 50 then
			out[i] = ("... %d more"):format(#keys - 50)
			break
		end
		out[i] = (k == i and "" or "[" .. show(k, depth + 1) .. "]=") .. show(v[k], depth + 1)
	end
	return "{" .. table.concat(out, ", ") .. "}"
end

---Text of any value, for messages.
function test.show(v)
	return (show(v, 0))
end

local function same(a, b)
	if a == b or (a ~= a and b ~= b) then
		return math.type(a) == math.type(b)
	elseif type(a) ~= "table" or type(b) ~= "table" then
		return false
	end
	for k, v in pairs(a) do
		if not same(v, b[k]) then
			return false
		end
	end
	for k in pairs(b) do
		if a[k] == nil then
			return false
		end
	end
	return true
end

-- ---- checks: each raises with both values in its text ----

local function fail(text, what)
	error((what and what .. ": " or "") .. text, 3)
end

---Ends the current case as failed.
function test.fail(text)
	error(text, 2)
end

---Checks that two values are the same: tables by content, 1 and 1.0 are different, nan equals itself.
function test.equal(got, want, what)
	if not same(got, want) then
		fail("got " .. test.show(got) .. ", want " .. test.show(want), what)
	end
end

function test.different(got, other, what)
	if same(got, other) then
		fail("got " .. test.show(got) .. ", which it must not be", what)
	end
end

---Checks that v is neither nil nor false, and returns it.
function test.truthy(v, what)
	if not v then
		fail("got " .. test.show(v), what)
	end
	return v
end

---Checks that text (through tostring) matches a Lua pattern; returns the captures.
function test.matches(text, pattern, what)
	text = tostring(text)
	if not text:find(pattern) then
		fail("got " .. test.show(text) .. ", want a match of " .. test.show(pattern), what)
	end
	return text:match(pattern)
end

---Checks that f(...) raises an error whose text matches the pattern; returns the error.
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
function test.between(got, low, high, what)
	if not (got >= low and got <= high) then
		fail(("got %s, want %s..%s"):format(got, low, high), what)
	end
end

---Asks again and again (every 10 ms) until f(...) is true, and returns what it returned. Fails after `seconds`.
---@param what string what is waited for
---@param seconds number multiplied under sanitizers
function test.eventually(what, seconds, f, ...)
	local deadline = skynet.now() + math.ceil(seconds * slowness * 100)
	while true do
		local result = table.pack(f(...))
		if result[1] then
			return table.unpack(result, 1, result.n)
		end
		if skynet.now() >= deadline then
			fail(("not after %g s"):format(seconds * slowness), what)
		end
		skynet.sleep(1)
	end
end

---Runs f(1) ... f(n) in coroutines of their own and waits for all; raises the first error.
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

---Fails unless f(...) comes back within `seconds` (multiplied under sanitizers); returns or raises what it does.
function test.within(seconds, f, ...)
	local token, result = {}, nil
	local args = table.pack(...)
	local co = skynet.fork(function()
		result = table.pack(pcall(f, table.unpack(args, 1, args.n)))
		skynet.wakeup(token)
	end)
	skynet.sleep(math.ceil(seconds * slowness * 100), token)
	if not result then
		fail(("still waiting after %g s\n%s"):format(seconds * slowness, debug.traceback(co)), nil)
	end
	if not result[1] then
		error(result[2], 0)
	end
	return table.unpack(result, 2, result.n)
end

---Launches a Lua service that is killed when the case is over.
---@return integer address
function test.service(name, ...)
	local address = skynet.newservice(name, ...)
	test.defer(function()
		pcall(require "skynet.manager".kill, address)
	end)
	return address
end

-- ---- running ----

local results

local function report(...)
	local line = table.concat({ ... }, "\t"):gsub("\\", "\\\\"):gsub("\n", "\\n")
	results:write(line, "\n")
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
	if problems[1] then
		report("fail", case.name, table.concat(problems, "\n"))
	elseif not ok then
		report("skip", case.name, err[skip_mark])
	else
		report("ok", case.name, note)
	end
end

---Runs the cases that were added (only those whose name contains REEF_TEST_ONLY, if that is set) and ends the process.
function test.run()
	local path = os.getenv "REEF_TEST_RESULTS"
	results = path and assert(io.open(path, "a")) or io.stderr
	local only = os.getenv "REEF_TEST_ONLY"
	skynet.start(function()
		skynet.fork(function()
			for _, case in ipairs(cases) do
				if not only or case.name:find(only, 1, true) then
					run_case(case)
				end
			end
			report("done")
			require("reef.process").stop() -- in order: pools that a case has left have their hooks
		end)
	end)
end

return test
