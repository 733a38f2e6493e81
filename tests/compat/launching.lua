-- The commands of `.launcher`.
local skynet = require "skynet"
local test = require "test"

local function launcher(...)
	return skynet.call(".launcher", "lua", ...)
end

test.case("LIST shows Lua services, not the launcher itself", function()
	local address = test.service("actor", "some", "words")
	local list = launcher "LIST"
	test.equal(list[skynet.address(address)], "snlua actor some words")
	test.equal(list[skynet.address(skynet.localname ".launcher")], nil)
	for key in pairs(list) do
		test.matches(key, "^:%x%x%x%x%x%x%x%x$")
	end
end)

test.case("commands are taken in any case, unknown ones are told", function()
	test.equal(launcher "list", launcher "LIST")
	test.equal(launcher "nonsense", { "Unknown command" })
end)

test.case("LAUNCH answers with the address", function()
	local address = launcher("LAUNCH", "snlua", "actor")
	test.equal(skynet.call(address, "lua", "return 1"), 1)
	test.equal(launcher("KILL", address), { [skynet.address(address)] = "snlua actor" })
	test.equal(launcher("KILL", 0xffffff), { [":00ffffff"] = "nil" })
	test.raises("call failed: .*no_such_module", launcher, "LAUNCH", "no_such_module", "x")
end)

test.case("STAT and MEM tell about every service", function()
	local address = test.service "actor"
	local key = skynet.address(address)
	skynet.call(address, "lua", "return 1")
	local stat = launcher("STAT", 1000)[key]
	test.equal(stat.task, 0)
	test.equal(stat.mqlen, 0)
	test.truthy(stat.message >= 2)
	test.truthy(stat.cpu >= 0)
	test.matches(launcher("MEM", 1000)[key], "^%d+%.%d%d Kb %(snlua actor%)$")
	test.matches(launcher("GC", 1000)[key], "^%d+%.%d%d Kb %(snlua actor%)$")
end)

test.case("a service that does not answer in time is marked", function()
	local address = test.service "actor"
	local key = skynet.address(address)
	skynet.send(address, "lua", "local e = require'skynet'.hpc() + 2e9 while require'skynet'.hpc() < e do end")
	test.equal(launcher("STAT", 20)[key], "TIMEOUT")
	test.equal(type(launcher("STAT", 3000)[key]), "table")
end)

test.case("QUERY finds a service that is being started", function()
	local session = skynet.genid()
	-- A LAUNCH of our own making, so that we know its session.
	skynet.redirect(".launcher", skynet.self(), "lua", session, skynet.pack("LAUNCH", "snlua", "starts", "hangs"))
	local address = launcher("QUERY", session)
	test.matches(launcher("LIST")[skynet.address(address)], "starts hangs")
	skynet.dispatch_unknown_response(function() end)
	require("skynet.manager").kill(address)
	test.equal(launcher("QUERY", session), nil)
end)

test.case("LOGLAUNCH logs messages from the start", function()
	-- Without `logpath` there is nowhere to write; the service starts all the same.
	local address = launcher("LOGLAUNCH", "snlua", "actor")
	test.equal(skynet.call(address, "lua", "return 1"), 1)
	require("skynet.manager").kill(address)
end)

test.run()
