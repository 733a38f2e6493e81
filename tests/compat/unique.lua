-- Unique services: skynet.uniqueservice, queryservice and the commands of `.service`.
local skynet = require "skynet"
local manager = require "skynet.manager"
local project = require "project"
local test = require "test"

test.case("concurrent callers share one launch", function()
	local found = {}
	for i = 1, 20 do
		skynet.fork(function()
			found[i] = skynet.uniqueservice("starts", "slowly", i)
		end)
	end
	test.eventually("all have an address", 10, function()
		return #found == 20
	end)
	for i = 2, 20 do
		test.equal(found[i], found[1])
	end
	test.equal(skynet.uniqueservice "starts", found[1])
	test.equal(select(3, skynet.call(found[1], "lua", "arguments")), { "slowly", "1", n = 2 })
	test.equal(skynet.queryservice "starts", found[1])
end)

test.case("queryservice waits for the launch", function()
	local found
	skynet.fork(function()
		found = skynet.queryservice "actor"
	end)
	skynet.sleep(5)
	test.equal(found, nil)
	test.matches(skynet.call(".service", "lua", "LIST").actor, "QUERY")
	local address = skynet.uniqueservice "actor"
	test.eventually("the query is answered", 10, function()
		return found
	end)
	test.equal(found, address)
end)

test.case("global unique services have a name space of their own", function()
	local address = skynet.uniqueservice(true, "actor")
	test.different(address, skynet.uniqueservice "actor")
	test.equal(skynet.queryservice(true, "actor"), address)
	local list = skynet.call("SERVICE", "lua", "LIST")
	test.equal(list["@actor"], skynet.address(address))
	test.equal(list.actor, skynet.address(skynet.uniqueservice "actor"))
end)

test.case("of snaxd there is one for each snax service, made as snax makes it", function()
	local words = [[
		local words
		function init(...)
			words = table.concat({ SERVICE_NAME, ... }, " ")
		end
		function response.get()
			return words
		end
	]]
	local p = project.new {
		["a.lua"] = words,
		["b.lua"] = words,
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				local a, b = skynet.uniqueservice("snaxd", "a", 1), skynet.uniqueservice("snaxd", "b", 2)
				local snax = require "skynet.snax"
				print("answers:", snax.bind(a, "a").req.get(), snax.bind(b, "b").req.get())
				print("found:", skynet.queryservice("snaxd", "a") == a, skynet.uniqueservice("snaxd", "b") == b)
				local global = skynet.uniqueservice(true, "snaxd", "a", 3)
				print("global:", global ~= a, skynet.queryservice(true, "snaxd", "a") == global)
				require("skynet.manager").abort()
			end)
		]],
	}
	local code, output = p:run(p:config "snax = './?.lua'")
	test.equal(code, 0, output)
	test.matches(output, "answers:%s+a 1%s+b 2\n")
	test.matches(output, "found:%s+true%s+true\n")
	test.matches(output, "global:%s+true%s+true\n")
end)

test.case("one that has ended is launched anew for those who ask, and waited for by those who query", function()
	local first = skynet.uniqueservice "slow"
	skynet.kill(first)
	local queried
	skynet.fork(function()
		queried = skynet.queryservice "slow"
	end)
	skynet.sleep(1)
	test.equal(queried, nil)
	local second = skynet.uniqueservice "slow"
	test.different(second, first)
	test.equal(skynet.uniqueservice "slow", second)
	test.eventually("the query is answered", 10, function()
		return queried
	end)
	test.equal(queried, second)
end)

test.case("a name whose launch failed stays failed, and tells everybody why", function()
	local reasons = {}
	for i = 1, 2 do
		reasons[i] = test.raises("no_such_unique", skynet.uniqueservice, "no_such_unique")
	end
	test.equal(tostring(reasons[1]), tostring(reasons[2]))
	test.matches(reasons[1], "stays failed")
	test.raises("no_such_unique", skynet.queryservice, "no_such_unique")
	test.matches(skynet.call(".service", "lua", "LIST").no_such_unique, "^Error: ")
end)

test.case("those who wait for a launch that fails get its reason", function()
	local failed = 0
	for _ = 1, 5 do
		skynet.fork(function()
			local ok, reason = pcall(skynet.queryservice, "no_such_unique_2")
			failed = failed + (not ok and tostring(reason):find "no_such_unique_2" and 1 or 0)
		end)
	end
	skynet.sleep(2)
	test.raises("no_such_unique_2", skynet.uniqueservice, "no_such_unique_2")
	test.eventually("all have failed", 10, function()
		return failed == 5
	end)
end)

test.case("an unknown command is answered with an error", function()
	local value, reason = skynet.call(".service", "lua", "NONSENSE")
	test.equal(value, nil)
	test.matches(reason, "NONSENSE")
end)

test.case("a monitor is told of every end", function()
	local monitor = manager.monitor "watcher"
	test.equal(manager.monitor("watcher", true), monitor)
	local by_kill, by_exit = skynet.newservice "actor", skynet.newservice "actor"
	skynet.kill(by_kill)
	skynet.send(by_exit, "lua", "require'skynet'.exit()")
	test.eventually("both ends are told", 10, function()
		local seen = skynet.call(monitor, "lua")
		return seen[by_kill] and seen[by_exit]
	end)
end)

test.run()
