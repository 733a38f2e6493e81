-- timeout: 240
-- Warnings in the log, and what can be done about a service that runs wild.
local project = require "project"
local endless = require "endless"
local test = require "test"

---Starts a main service whose text may say ENDLESS, waits until it logs "ready".
local function start(main, config)
	local p = project.new { ["main.lua"] = (main:gsub("ENDLESS", endless)) }
	local reef = p:start(p:config(config))
	reef:expect "ready"
	return reef
end

test.case("a long queue is reported at 1024 and at each doubling", function()
	local reef = start [[
		local skynet = require "skynet"
		skynet.start(function()
			skynet.dispatch("lua", function() end)
			skynet.error "ready"
			skynet.fork(function()
				for _ = 1, 5000 do
					skynet.send(skynet.self(), "lua")
				end
			end)
		end)
	]]
	local first = tonumber(reef:expect "May overload, message queue length = (%d+)")
	test.between(first, 1024, 5000)
	local last = 0
	for length in reef:output():gmatch "message queue length = (%d+)" do
		test.truthy(tonumber(length) > last)
		last = tonumber(length)
	end
end)

test.case("growing Lua memory is reported at 32 MiB and at each doubling", function()
	local reef = start [[
		local skynet = require "skynet"
		skynet.start(function()
			skynet.error "ready"
			KEEP = {}
			for i = 1, 80 do
				KEEP[i] = ("x"):rep(1024 * 1024)
			end
		end)
	]]
	test.between(tonumber(reef:expect "Memory warning (%d+%.%d%d) M"), 32, 40)
	reef:expect "Memory warning 6[4-9]%.%d%d M"
end)

test.case("an endless loop is reported, sets the flag, and can be interrupted", { timeout = 120 }, function()
	local reef = start [[
		local skynet = require "skynet"
		local core = require "skynet.core"
		local mode = ...
		if mode == "loop" then
			skynet.start(function()
				skynet.dispatch("lua", function(_, _, command)
					if command == "loop" then
						ENDLESS
					end
					skynet.retpack(skynet.endless(), skynet.endless())
				end)
			end)
			return
		end
		skynet.start(function()
			local target = skynet.newservice("main", "loop")
			skynet.error("ready", skynet.address(target))
			skynet.fork(function()
				skynet.error("loop ended:", pcall(skynet.call, target, "lua", "loop"))
				skynet.error("flags", skynet.call(target, "lua", "flags"))
			end)
			skynet.fork(function()
				for i = 1, 1000000 do
					skynet.sleep(50)
					skynet.error("others run", i)
					if i == 14 then
						core.command("SIGNAL", skynet.address(target))
					end
				end
			end)
		end)
	]]
	local target = reef:expect "ready (:%x+)\n"
	reef:expect("A message from %[ :%x+ %] to %[ " .. target .. " %] maybe in an endless loop %(version = %d+%)", 60)
	test.truthy(tonumber(reef:output():match ".*others run (%d+)") >= 5)
	reef:expect("loop ended: false [^\n]*call failed: [^\n]*signal 0", 60)
	reef:expect("flags true false", 60)
end)

test.case("a service in an endless loop can be killed, and its callers go on", { timeout = 60 }, function()
	local reef = start [[
		local skynet = require "skynet"
		require "skynet.manager"
		local mode = ...
		if mode == "loop" then
			skynet.start(function()
				skynet.dispatch("lua", function()
					ENDLESS
				end)
			end)
			return
		end
		skynet.start(function()
			local target = skynet.newservice("main", "loop")
			skynet.error "ready"
			skynet.fork(function()
				skynet.error("caller:", pcall(skynet.call, target, "lua"))
			end)
			skynet.sleep(20)
			skynet.kill(target)
		end)
	]]
	reef:expect("caller: false [^\n]*call failed", 40)
	reef:signal "TERM"
	test.equal({ reef:wait(40) }, { 0 })
end)

test.case("an error in a handler is logged with its traceback", function()
	local reef = start [[
		local skynet = require "skynet"
		skynet.start(function()
			skynet.dispatch("lua", function() error "handler failed" end)
			skynet.error "ready"
			skynet.send(skynet.self(), "lua")
		end)
	]]
	reef:expect "lua call %[%x+ to :%x+ : 0 msgsz = %d+%] error : [^\n\27]*handler failed\n.*stack traceback"
end)

test.case("a handler that forgets to answer is reported", function()
	local reef = start [[
		local skynet = require "skynet"
		skynet.start(function()
			skynet.dispatch("lua", function() end)
			skynet.error "ready"
			skynet.fork(skynet.call, skynet.self(), "lua")
		end)
	]]
	reef:expect "Maybe forgot response session %d+ from :%x+ : [^\n]*main.lua:%d+"
end)

test.run()
