-- What skynet.manager adds: launches, forwarded types, filters.
local skynet = require "skynet"
local manager = require "skynet.manager"
local test = require "test"

test.case("the module is skynet itself, with more functions", function()
	test.truthy(rawequal(manager, skynet))
end)

test.case("launch starts a module without the launcher; nil when there is none", function()
	local address = manager.launch("snlua", "actor", "x")
	-- Nobody waited for its start function.
	test.eventually("it answers", 10, function()
		return pcall(skynet.call, address, "lua", "return 1")
	end)
	test.equal(skynet.call(".launcher", "lua", "LIST")[skynet.address(address)], nil)
	manager.kill(address)
	test.equal(manager.launch "no_such_module", nil)
end)

test.case("a filter sees every message first", function()
	local address = test.service("manages", "filter")
	test.equal({ skynet.call(address, "lua", "one", 2) }, { "filtered", "one", 2 })
	test.equal(skynet.call(address, "lua", "seen"), "filtered")
end)

test.case("forwarded types are dispatched as another type, with their memory", function()
	local address = test.service("manages", "forward")
	-- A text message to it is handed on as it is, as a lua request to an actor; the answer comes straight to us.
	local actor = test.service "actor"
	skynet.call(address, "lua", "target", actor)
	skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, pack = skynet.pack, unpack = skynet.unpack }
	test.equal(skynet.call(address, "text", "return ... * 2", 21), 42)
	for i = 1, 1000 do
		test.equal(skynet.call(address, "text", "return #(...)", ("x"):rep(i)), i)
	end
	-- Messages of other types are handled as ever.
	test.equal(skynet.call(address, "lua", "target", actor), true)
	test.raises("call failed: .*unwanted", skynet.call, address, "lua", "raise")
end)

test.case("profile counts the CPU time of one coroutine", function()
	local profile = require "skynet.profile"
	local function burn(ns)
		local stop = skynet.hpc() + ns
		while skynet.hpc() < stop do end
	end
	profile.start()
	test.raises("profile", profile.start)
	burn(20000000)
	skynet.fork(burn, 50000000)
	skynet.sleep(10)
	local seconds = profile.stop()
	-- The fork and the sleep are not ours; how much CPU we got of the 20 ms is the machine's business.
	test.between(seconds, 0.0001, 0.045)
	test.raises("profile", profile.stop)
	local thread = coroutine.create(function()
		burn(5000000)
		coroutine.yield()
		burn(5000000)
	end)
	profile.start(thread)
	profile.resume(thread)
	profile.resume(thread)
	test.truthy(profile.stop(thread) > 0)
	test.equal({ profile.wrap(function(...)
		return ...
	end)(1, 2) }, { 1, 2 })
end)

test.run()
