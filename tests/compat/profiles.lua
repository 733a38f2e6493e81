-- Profiles tell where CPU time goes: what is known of the services under test has to come out. Samples are taken by CPU
-- time, so that a busy machine changes nothing; bounds are six times the deviation of chance.
local profile = require "reef.profile"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

-- ThreadSanitizer hands a signal on when the thread next calls into the system: what has run by then is not what ran.
if test.sanitizer == "tsan" then
	test.case("profiles", function()
		test.skip "ThreadSanitizer hands signals on late"
	end)
	return test.run()
end

local HZ <const> = 999
local SECONDS <const> = test.sanitizer and 0.4 or 0.2 -- of CPU time, for each profile

local function taken(options, ...)
	local service = test.service "profiled"
	options.service = options.service or service
	options.hz = HZ
	local running = profile.start(options)
	skynet.call(service, "lua", ...)
	local result = running:stop()
	test.truthy(result.samples > 10)
	return result
end

-- The value of all stacks that have the pattern in them, and of all together.
local function share(result, pattern)
	local sum = 0
	for stack, value in pairs(result.stacks) do
		if stack:find(pattern) then
			sum = sum + value
		end
	end
	return sum, result:total()
end

test.case("three quarters are spent in one function and one quarter in the other", function()
	local result = taken({}, "shares", SECONDS)
	local heavy, total = share(result, ";heavy %(")
	local light = share(result, ";light %(")
	test.truthy(heavy + light > total * 0.8)
	local deviation = math.sqrt(0.75 * 0.25 / result.samples)
	test.between(heavy / (heavy + light), 0.75 - 6 * deviation, 0.75 + 6 * deviation)
end)

test.case("the time of a profile is the CPU time that was used", function()
	local result = taken({}, "shares", SECONDS)
	-- A tick comes with the system's clock, which may be as slow as a hundred a second.
	test.between(result:total() / 1e9, SECONDS * 0.6, SECONDS * 1.4 + 0.05)
end)

test.case("a service's profile has nothing of other services", function()
	local other = test.service "profiled"
	skynet.send(other, "lua", "shares", SECONDS)
	local result = taken({}, "c", SECONDS)
	test.equal(share(result, "heavy"), 0)
	local mine, total = share(result, "^profiled;")
	test.equal(mine, total)
end)

test.case("services are chosen by a pattern of their names", function()
	local result = taken({ service = "pro*d" }, "shares", SECONDS)
	local mine, total = share(result, "^profiled;")
	test.equal(mine, total)
	test.truthy(share(result, ";heavy %(") > 0)
	local none = profile.start { service = "nobody*", hz = HZ }
	skynet.call(test.service "profiled", "lua", "shares", 0.05)
	test.equal(none:stop().samples, 0)
end)

test.case("the stack of a coroutine stands on that of who has resumed it", function()
	local result = taken({}, "coroutine", SECONDS)
	local found, total = share(result, "^profiled;.*spend .*%[C%];generate .*;work %(")
	if found == 0 then
		found = share(result, "^profiled;.*spend .*%[C%];.*profiled.lua:%d+%);work %(")
	end
	test.truthy(found > total * 0.8)
end)

test.case("of deep recursion both ends are kept", function()
	local result = taken({}, "deep", SECONDS, 5000)
	local found, total = share(result, "^profiled;.*spend .*;%(%.%.%.%);.*deep %(.*;work %(")
	test.truthy(found > total * 0.5)
	for stack in pairs(result.stacks) do
		test.truthy(select(2, stack:gsub(";", "")) < 140)
	end
end)

test.case("time in C belongs to the function that was called, and to its caller", function()
	local result = taken({}, "c", SECONDS)
	local found, total = share(result, "profiled.lua:%d+%);string%.gsub %[C%]$")
	test.truthy(found > total * 0.8)
end)

test.case("functions have the lines that they are in, when asked for", function()
	local result = taken({ lines = true }, "shares", SECONDS)
	local lines = {}
	for stack in pairs(result.stacks) do
		lines[#lines + 1] = stack:match ";work %(.*profiled.lua:(%d+)%)$"
	end
	test.truthy(#lines > 1)
end)

test.case("a service that never returns is profiled, and killed meanwhile", function()
	local service = test.service "profiled"
	local running = profile.start { service = service, hz = HZ }
	skynet.send(service, "lua", "forever")
	test.eventually("there are samples", 30, function()
		return running:count() > 10
	end)
	skynet.kill(service)
	test.eventually("it is gone", 30, function()
		return not require("reef.services").alive(service)
	end)
	local result = running:stop()
	test.truthy(share(result, ";light %(") > 0)
end)

test.case("profiles that begin and end while services come and go", { timeout = 60 }, function()
	for i = 1, 8 do
		local running = profile.start { hz = HZ }
		local services = {}
		for n = 1, 4 do
			services[n] = skynet.newservice "profiled"
			skynet.send(services[n], "lua", i % 2 == 0 and "forever" or "coroutine", 0.01)
		end
		skynet.sleep(1)
		for _, service in ipairs(services) do
			skynet.kill(service)
		end
		if i % 3 > 0 then
			running:stop()
		end
	end
	collectgarbage()
end)

test.case("a profile that nobody holds is over", function()
	for _ = 1, 40 do -- there is room for sixteen
		profile.start { hz = HZ }
		collectgarbage()
	end
end)

test.case("allocated bytes are counted for who allocates", function()
	local service = test.service "profiled"
	local running = profile.start { service = service, kind = "bytes", every = 1 << 16 }
	skynet.call(service, "lua", "allocate", 200)
	local result = running:stop()
	local large, small = share(result, ";large %("), share(result, ";small %(")
	test.between(large / small, 3.5, 4.5)
	test.between(result:total() / (200 * 500000), 0.95, 2.2) -- string.rep may fill a buffer first
	-- Nobody counts any more.
	local none = profile.start { service = "nobody*", kind = "bytes" }
	skynet.call(service, "lua", "allocate", 20)
	test.equal(none:stop().samples, 0)
end)

test.case("the difference of two heaps names the table that grew", function()
	local service = test.service "profiled"
	skynet.call(service, "lua", "grow", "other", 5000)
	local before = profile.heap(service)
	skynet.call(service, "lua", "grow", "leak", 5000)
	local after = profile.heap(service)
	test.truthy(before.complete and after.complete)
	local growth = profile.diff(before, after)
	test.equal(growth.paths[1].path, "_G.leak.list")
	test.equal(growth.types[1].type, "table")
	test.between(growth.types[1].count, 5000, 5100)
	test.truthy(growth.paths[1].bytes > growth.types[1].bytes) -- with the strings
	test.matches(growth:text(), "_G.leak.list")
	-- The collector works again.
	skynet.call(service, "lua", "allocate", 100)
	test.truthy(skynet.call(service, "debug", "MEM") < 20000)
end)

test.case("a walk through a heap that is ended in the middle leaves the collector as it was", function()
	local service = test.service "profiled"
	skynet.call(service, "lua", "grow", "many", 50000)
	local short = profile.heap(service, { objects = 1000 })
	test.equal(short.complete, false)
	for _ = 1, 5 do
		test.equal(profile.heap(service, { seconds = 0 }).complete, false)
	end
	skynet.call(service, "lua", "allocate", 200)
	test.truthy(skynet.call(service, "debug", "MEM") < 60000)
end)

test.case("files of profiles are what their readers take", function()
	local result = taken({}, "shares", SECONDS)
	local function file(name, content)
		local path = test.dir .. "/" .. name
		local f <close> = assert(io.open(path, "wb"))
		f:write(content)
		return path
	end
	local json = file("p.json", result:speedscope "<&>")
	local svg = file("p.svg", result:svg '<&>"')
	local p <close> = assert(io.popen(("python3 -c '%s' %s %s 2>&1"):format([[
import json, sys, xml.dom.minidom
p = json.load(open(sys.argv[1]))
assert set(p) <= {"$schema", "shared", "profiles", "name", "activeProfileIndex", "exporter"}
[one] = p["profiles"]
assert one["type"] == "sampled" and one["unit"] == "nanoseconds" and len(one["samples"]) == len(one["weights"])
assert sum(one["weights"]) == one["endValue"] and all(i < len(p["shared"]["frames"]) for s in one["samples"] for i in s)
print(p["name"], xml.dom.minidom.parse(sys.argv[2]).documentElement.tagName)
]], json, svg)))
	test.equal(p:read "a", "<&> svg\n")
	local pprof = file("p.pb.gz", result:pprof())
	if not os.execute "command -v go >/dev/null" then
		test.skip "there is no go tool pprof"
	end
	local out <close> = assert(io.popen("go tool pprof -top " .. pprof .. " 2>&1"))
	test.matches(out:read "a", "Type: cpu.*heavy")
end)

test.case("what cannot be profiled is said", function()
	test.raises("unknown option secnods %(did you mean seconds%?%)", profile.take, { secnods = 1 })
	test.raises("no service :000fffff", profile.start, { service = 0xfffff })
	test.raises("no service .nobody", profile.start, { service = ".nobody" })
	test.raises("hz has to be an integer from 1 to 1000, not 0", profile.start, { hz = 0 })
	test.raises('kind is "cpu" or "bytes", not heat', profile.start, { kind = "heat" })
	local running = profile.start { hz = HZ }
	test.raises("another frequency", profile.start, { hz = HZ - 1 })
	running:stop()
end)

test.run()
