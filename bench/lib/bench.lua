-- Measuring inside a benchmark service. Results are lines `RESULT name key=number ...` that bench/run reads.
local process = require "reef.process"
local skynet = require "skynet"
require "skynet.manager"

local bench = {}

---Seconds of wall time, from some moment on.
function bench.wall()
	return skynet.hpc() / 1e9
end

---Seconds of CPU that the whole process has used, all threads.
bench.cpu = os.clock

---Resident bytes of the process.
---@return integer
function bench.resident()
	local f = assert(io.open "/proc/self/statm")
	local pages = f:read("a"):match "%d+ (%d+)"
	f:close()
	return math.tointeger(tonumber(pages)) * 4096
end

---@param name string
---@param values table<string, number>
function bench.result(name, values)
	local words = { "RESULT", name }
	for k, v in pairs(values) do
		words[#words + 1] = ("%s=%.9g"):format(k, v)
	end
	print(table.concat(words, " "))
	io.stdout:flush()
end

---Runs f, which does n operations: their CPU and wall time each, in microseconds.
function bench.measure(name, n, f)
	local wall, cpu = bench.wall(), bench.cpu()
	f()
	cpu, wall = bench.cpu() - cpu, bench.wall() - wall
	bench.result(name, { cpu = cpu / n * 1e6, wall = wall / n * 1e6 })
end

---Runs f(1) .. f(n) in coroutines of their own and waits for all; errors are raised when all are over.
function bench.together(n, f)
	local left, me, failure = n, coroutine.running(), nil
	for i = 1, n do
		skynet.fork(function()
			local ok, err = pcall(f, i)
			if not ok then
				failure = failure or err
			end
			left = left - 1
			if left == 0 then
				skynet.wakeup(me)
			end
		end)
	end
	if left > 0 then
		skynet.wait(me)
	end
	if failure then
		error(failure, 0)
	end
end

---A number from the environment.
function bench.option(name, default)
	return tonumber(os.getenv(name)) or default
end

---Starts the service with f as the benchmark; the process ends after it, with an error if it raises one.
function bench.main(f)
	skynet.start(function()
		skynet.fork(function()
			local ok, err = xpcall(f, debug.traceback)
			if not ok then
				print("FAILED " .. tostring(err))
			end
			io.stdout:flush()
			-- In order: pools want to end before others do.
			process.stop()
		end)
	end)
end

return bench
