-- timeout: 300
-- Memory that cannot be had is an error of who asked for it, and every error path does without memory.
local process = require "test.process"
local test = require "test"

local modules = test.reef:match "^(.*)/" .. "/tests/modules/?.so"

local WAYS = { "text", "table", "tostring", "broken", "fork", "timeout", "gc", "answer", "unpackable", "log", "send" }

-- A process of its own, which calls a service that is short of memory in every way, with each allocation in turn.
local function run(source)
	local path, main = process.path "config", process.path "main.lua"
	local dir, name = main:match "^(.*)/([^/]*)%.lua$"
	local file = io.open(main, "w")
	file:write(source)
	file:close()
	file = io.open(path, "w")
	file:write(([[
		thread = 2
		harbor = 0
		luaservice = "%s/?.lua;%s/tests/services/?.lua"
		lua_cpath = "%s"
		start = "%s"
	]]):format(dir, test.root, modules, name))
	file:close()
	return process.run { test.reef, path, cwd = test.dir }
end

local SOURCE = [[
	local skynet = require "skynet"
	require "skynet.manager"
	skynet.start(function()
		local failures, errors = 0, 0
		local s
		for n = %d, %d do
			s = s or skynet.newservice "starved"
			local ok = pcall(skynet.call, s, "lua", "%s", "%s", n)
			errors = errors + (ok and 0 or 1)
			skynet.sleep(0)
			local well, failed
			for _ = 1, 200 do -- what is to fail may be left for us
				well, failed = pcall(skynet.call, s, "lua", "off")
				if well then break end
			end
			if not well then
				error("it does not answer any more: " .. tostring(failed))
			end
			failures = failures + failed
		end
		io.stderr:write(("failures %%d errors %%d\n"):format(failures, errors)) -- in one piece: the log goes there, too
		skynet.abort()
	end)
]]

for _, way in ipairs(WAYS) do
	test.case("one allocation fails on the way of an error: " .. way, function()
		local last = test.sanitizer and 15 or 40
		local code, output = run(SOURCE:format(0, last, way, "at"))
		if code ~= 0 then
			test.fail(("exit code %s: %s"):format(code, output:sub(-2000)))
		end
		local failures = tonumber(output:match "failures (%d+)") or test.fail("no result: " .. output:sub(-2000))
		test.between(failures, 1, 1e6)
	end)
end

test.case("a hundred allocations fail from some point on: errors, or an orderly end that says why", function()
	for _ = 1, test.count(60) do
		local way, n = WAYS[math.random(#WAYS)], math.random(0, 30)
		local code, output = run(SOURCE:format(n, n, way, "from"))
		if code == 71 then
			test.matches(output, "not enough memory", way)
		elseif code ~= 0 then
			test.fail(("%s from %d: exit code %s: %s"):format(way, n, code, output:sub(-2000)))
		end
	end
end)

test.case("a message for which there is no memory is an error of its sender", function()
	local code, output = run [[
		local skynet = require "skynet"
		local failing = require "failing"
		require "skynet.manager"
		skynet.start(function()
			local s = skynet.newservice "starved"
			local large = ("x"):rep(1 << 20)
			failing.above(1 << 19)
			for _, f in ipairs {
				function() skynet.send(s, "lua", "echo", large) end,
				function() skynet.call(s, "lua", "echo", large) end,
				function() skynet.rawsend(s, "lua", large) end,
				function() skynet.rawcall(s, "lua", large) end,
				function() skynet.redirect(s, skynet.self(), "lua", 0, large) end,
				function() skynet.pack(large) end,
				function() skynet.packstring(large) end,
			} do
				local ok, reason = pcall(f)
				print(ok, reason)
				assert(not ok and reason:find "not enough memory")
			end
			failing.off()
			assert(skynet.call(s, "lua", "answer"))
			print "well"
			skynet.abort()
		end)
	]]
	test.equal(code, 0, output:sub(-1000))
	test.matches(output, "well")
end)

test.case("values for which the receiver has no memory fail the call that brings them", function()
	local code, output = run [[
		local skynet = require "skynet"
		local failing = require "failing"
		require "skynet.manager"
		skynet.start(function()
			skynet.dispatch("lua", function(_, _, n) skynet.retpack(n and ("y"):rep(n)) end)
			local m, size = skynet.pack(("x"):rep(1 << 20))
			failing.above(1 << 19)
			local ok, reason = pcall(skynet.rawcall, skynet.self(), "lua", m, size)
			print(ok, reason)
			assert(not ok and reason:find "not enough memory")
			failing.off()
			assert(skynet.call(skynet.self(), "lua", 10) == ("y"):rep(10))
			print "well"
			skynet.abort()
		end)
	]]
	test.equal(code, 0, output:sub(-1000))
	test.matches(output, "well")
end)

test.case("whoever launches a service that has no memory for saying how its start went hears of it", function()
	local code, output = run(([[
		local skynet = require "skynet"
		require "skynet.manager"
		skynet.start(function()
			local left, started, failed = 0, 0, 0
			for i = 1, %d do
				left = left + 1
				skynet.fork(function()
					local fails = i %% 2 == 0 and "fails" or nil
					local bytes = math.random(1000, i %% 4 < 2 and 2000 or 12000) // (i %% 2 + 1)
					local ok, reason = pcall(skynet.newservice, "starving", bytes, fails)
					assert(not ok or not fails)
					started, failed = started + (ok and 1 or 0), failed + (ok and 0 or 1)
					left = left - 1
					if not ok then print(reason) end
				end)
				skynet.sleep(0)
			end
			for _ = 1, 600 do
				if left == 0 then break end
				skynet.sleep(5)
			end
			io.stderr:write(("%%d wait, %%d started, %%d failed\n"):format(left, started, failed))
			skynet.abort()
		end)
	]]):format(test.count(60)))
	test.equal(code, 0, output:sub(-2000))
	test.matches(output, "\n0 wait, %d+ started, %d+ failed\n", output:sub(-2000))
end)

test.case("skynet.exit ends a service whatever memory it has left", function()
	local code, output = run(([[
		local skynet = require "skynet"
		require "skynet.manager"
		skynet.start(function()
			for i = 1, %d do
				local s = skynet.newservice "starving_leaver"
				local ok, reason = pcall(skynet.call, s, "lua", "exit", math.random(0, 1200))
				assert(not ok, reason)
				assert(not pcall(skynet.call, s, "lua", "alive"), "it is still there")
			end
			io.stderr:write "well\n"
			skynet.abort()
		end)
	]]):format(test.count(200)))
	test.equal(code, 0, output:sub(-2000))
	test.matches(output, "well\n")
end)

test.case("the limit of a service's memory holds in __tostring, finalizers and hooks, too", function()
	local code, output = run [[
		local skynet = require "skynet"
		require "skynet.manager"
		if ... then return end
		skynet.memlimit(8 << 20)
		local function eat(what)
			local t = {}
			local ok = pcall(function() for i = 1, 1 << 20 do t[i] = ("x"):rep(100) .. i end end)
			io.stderr:write(what, " ", tostring(ok), "\n")
			t = nil
		end
		local hungry = setmetatable({}, { __tostring = function() eat "tostring" return "hungry" end })
		skynet.start(function()
			skynet.fork(error, hungry)
			skynet.timeout(0, function() error(hungry) end)
			skynet.dispatch_unknown_request(function() eat "unknown" end)
			skynet.sleep(1)
			skynet.redirect(skynet.self(), skynet.self(), 200, 0, "x")
			skynet.sleep(1)
			for i = 1, 20 do
				setmetatable({}, { __gc = function() if i == 20 then eat "gc" end end })
			end
			for i = 1, 2000 do skynet.fork(function() local t = { i } return t end) end
			skynet.sleep(1)
			collectgarbage()
			skynet.abort()
		end)
	]]
	test.equal(code, 0, output:sub(-1000))
	for _, what in ipairs { "tostring", "unknown", "gc" } do
		test.matches(output, what .. " false", what)
	end
end)

test.run()
