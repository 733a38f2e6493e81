-- timeout: 900
-- Many services: alive at once, and one after the other.
local skynet = require "skynet"
local manager = require "skynet.manager"
local test = require "test"

local function resident()
	local f <close> = assert(io.open "/proc/self/statm")
	return tonumber(f:read("a"):match "%d+ (%d+)") * 4096
end

---Runs f(i) for 1..n in `width` coroutines and waits for all; the first error is raised.
local function all(n, width, f)
	local next_one, left, token, failure = 1, width, {}, nil
	for _ = 1, width do
		skynet.fork(function()
			local ok, reason = pcall(function()
				while next_one <= n and not failure do
					local i = next_one
					next_one = i + 1
					f(i)
				end
			end)
			failure = failure or not ok and tostring(reason) or nil
			left = left - 1
			if left == 0 then
				skynet.wakeup(token)
			end
		end)
	end
	skynet.wait(token)
	if failure then
		error(failure)
	end
end

test.case("10,000 services are alive at once, answer, and end", { timeout = 300 }, function()
	local n = test.count(10000)
	local list = {}
	all(n, 16, function(i)
		list[i] = skynet.newservice("actor", i)
	end)
	local seen = {}
	for i = 1, n do
		test.equal(seen[list[i]], nil)
		seen[list[i]] = true
	end
	all(n, 64, function(i)
		test.equal(skynet.call(list[i], "lua", "return ..., require'skynet'.self()", i), i)
	end)
	local count = 0
	for _ in pairs(skynet.call(".launcher", "lua", "LIST")) do
		count = count + 1
	end
	test.truthy(count >= n)
	for i = 1, n do
		manager.kill(list[i])
	end
	for i = 1, n, 97 do
		test.raises("invalid address", skynet.call, list[i], "lua", "return 1")
	end
	test.eventually("none is listed", 60, function()
		for address in pairs(skynet.call(".launcher", "lua", "LIST")) do
			if seen[tonumber(address:sub(2), 16)] then
				return false
			end
		end
		return true
	end)
end)

-- REEF_TEST_CHURN=1000000 is the long version.
test.case("services started and ended in turn leave nothing behind", { timeout = 800 }, function()
	local n = math.tointeger(tonumber(os.getenv "REEF_TEST_CHURN"))
		or test.sanitizer == "tsan" and 2000 or test.count(100000)
	local warm = n // 10
	local ends = {
		manager.kill,
		function(address)
			skynet.send(address, "lua", "require'skynet'.exit()")
		end,
		function(address)
			skynet.send(address, "debug", "EXIT")
		end,
	}
	local last = 0
	local function churn(i)
		local address = skynet.newservice "actor"
		test.equal(skynet.call(address, "lua", "return ...", i), i)
		last = math.max(last, address)
		ends[i % #ends + 1](address)
	end
	all(warm, 8, churn)
	local function settled()
		local count = 0
		for _ in pairs(skynet.call(".launcher", "lua", "LIST")) do
			count = count + 1
		end
		return count < 10
	end
	test.eventually("all have ended", 60, settled)
	collectgarbage()
	local before = resident()
	all(n - warm, 8, churn)
	test.eventually("all have ended", 60, settled)
	collectgarbage()
	test.truthy(last >= n, "handles are not used again soon")
	if not test.sanitizer then
		local growth = (resident() - before) / (n - warm)
		test.truthy(growth < 200, ("%.0f bytes of resident memory a service stay"):format(growth))
	end
end)

test.run()
