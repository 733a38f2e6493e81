-- Memory that services leave behind goes back to the system, also when the process has nothing more to do.
local process = require "test.process"
local test = require "test"

local MANY = [[
local skynet = require "skynet"
require "skynet.manager"
if ... then
	skynet.start(function() end)
else
	skynet.start(function()
		local list = {}
		for i = 1, 4000 do
			list[i] = skynet.newservice("many", "one")
		end
		print "there"
		skynet.sleep(50)
		for _, service in ipairs(list) do
			skynet.kill(service)
		end
		print "gone"
		skynet.wait()
	end)
end
]]

local function resident(pid)
	local f = assert(io.open(("/proc/%d/status"):format(pid)))
	local kb = f:read("a"):match "VmRSS:%s*(%d+) kB"
	f:close()
	return math.tointeger(kb)
end

test.case("an idle process does not keep the memory of services that have ended", { timeout = 120 }, function()
	if test.sanitizer then
		test.skip "the sanitizer's allocator keeps what is freed"
	end
	local script = process.path "many.lua"
	script = script:match "^(.*/)" .. "many.lua"
	local f = assert(io.open(script, "w"))
	f:write(MANY)
	f:close()
	local reef = process.start { test.reef, "run", script }
	reef:expect "there"
	local most = resident(reef.pid)
	reef:expect "gone"
	test.eventually("memory is given back", 60, function()
		return resident(reef.pid) < most / 2
	end)
end)

test.run()
