-- The debug protocol, which every Lua service answers.
local skynet = require "skynet"
local test = require "test"

local function debug_call(address, ...)
	return skynet.call(address, "debug", ...)
end

test.case("PING, MEM, STAT and SUPPORT answer", function()
	local address = test.service "actor"
	test.equal(table.pack(debug_call(address, "PING")), { n = 0 })
	test.equal(math.type(debug_call(address, "MEM")), "float")
	local stat = debug_call(address, "STAT")
	test.equal(stat.task, 0)
	test.equal(stat.mqlen, 0)
	test.equal(math.type(stat.message), "integer")
	test.truthy(stat.cpu >= 0)
	test.equal(debug_call(address, "SUPPORT", "lua"), true)
	test.equal(debug_call(address, "SUPPORT", "nonsense"), false)
end)

test.case("an unknown command is an error that names it", function()
	test.raises("call failed: .*NONSENSE", debug_call, test.service "actor", "NONSENSE")
end)

test.case("GC, TERM and TRACELOG do not leave a caller waiting", function()
	local address = test.service "actor"
	test.within(10, debug_call, address, "GC")
	test.within(10, debug_call, address, "TERM", skynet.self())
	test.within(10, debug_call, address, "TRACELOG", "lua", false)
end)

test.case("INFO gives what info_func returns, nil without one", function()
	local address = test.service "actor"
	test.equal(debug_call(address, "INFO"), nil)
	skynet.call(address, "lua", "require'skynet'.info_func(function(...) return 'info', ... end)")
	test.equal({ debug_call(address, "INFO", 1, 2) }, { "info", 1, 2 })
end)

test.case("TASK and UNIQTASK show who waits in what; KILLTASK ends one", function()
	local address = test.service "actor"
	local failed
	for i = 1, 3 do
		skynet.fork(function()
			local ok, reason = pcall(skynet.call, address, "lua", "require'skynet'.wait()")
			failed = (failed or 0) + (ok and 0 or i and 1)
			test.different(reason, nil)
		end)
	end
	test.eventually("three wait", 10, function()
		return debug_call(address, "STAT").task >= 3
	end)
	local tasks = debug_call(address, "TASK")
	local waiting = {}
	for name, where in pairs(tasks) do
		test.matches(name, "^thread: 0x%x+ session: %d+$")
		test.matches(where, "stack traceback")
		waiting[#waiting + 1] = name
	end
	test.equal(#waiting, 3)
	local groups = 0
	for key, where in pairs(debug_call(address, "UNIQTASK")) do
		groups = groups + 1
		test.matches(key, "^3\tsessions:%[%d+,%d+,%d+%]")
		test.matches(where, "stack traceback")
	end
	test.equal(groups, 1)
	local session = tonumber(waiting[1]:match "session: (%d+)$")
	test.matches(debug_call(address, "TASK", session), "stack traceback")
	test.equal(debug_call(address, "TASK", 123456789), "No session")
	test.equal(debug_call(address, "TASK", "init"), nil)
	test.equal(debug_call(address, "KILLTASK", "no such thread"), "Not found")
	test.equal(debug_call(address, "KILLTASK", waiting[1]:match "^thread: 0x(%x+)"), nil)
	test.eventually("its caller goes on", 10, function()
		return failed == 1
	end)
	test.equal(debug_call(address, "STAT").task, 2)
end)

test.case("RUN sees the service's locals and gives back what it printed", function()
	local address = test.service "inner"
	local ok, output = debug_call(address, "RUN", [[
		print("arguments", ...)
		print("secret", _P.lua.state.secret)
		_P.lua.state.secret = "changed"
		NEW_GLOBAL = 1
	]], "patch.lua", "a", 2)
	test.equal(output, "arguments\ta\t2\nsecret\thidden")
	test.equal(ok, true)
	test.equal({ skynet.call(address, "lua") }, { "changed", 1 })
	ok, output = debug_call(address, "RUN", "print 'before'\nerror 'in the patch'", "patch.lua")
	test.equal(ok, false)
	test.matches(output, "^before\n.*patch.lua:2: in the patch")
	ok, output = debug_call(address, "RUN", "syntax error here", "patch.lua")
	test.equal(ok, false)
	test.matches(output, "patch.lua:1:")
end)

test.case("LINK fails when the service ends, however it ends", function()
	for _, ending in ipairs { "require'skynet'.exit()", "require'skynet.manager'.kill(require'skynet'.self())" } do
		local address = skynet.newservice "actor"
		local ended
		skynet.fork(function()
			ended = not pcall(debug_call, address, "LINK")
		end)
		skynet.sleep(2)
		test.equal(ended, nil)
		skynet.send(address, "lua", ending)
		test.eventually("the link breaks", 10, function()
			return ended
		end)
	end
end)

test.case("EXIT ends the service", function()
	local address = skynet.newservice "actor"
	test.raises("call failed", test.within, 10, debug_call, address, "EXIT")
	test.raises("invalid address", debug_call, address, "PING")
end)

test.case("a service can have debug commands of its own", function()
	local address = test.service "actor"
	skynet.call(address, "lua", [[
		local skynet = require "skynet"
		require("skynet.debug").reg_debugcmd("DOUBLE", function(n) skynet.retpack(2 * n) end)
	]])
	test.equal(debug_call(address, "DOUBLE", 21), 42)
end)

test.run()
