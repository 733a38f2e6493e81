-- The process: exit codes, signals, the log, daemon mode.
local process = require "test.process"
local project = require "project"
local skynet = require "skynet"
local test = require "test"

local STAY = [[
local skynet = require "skynet"
skynet.start(function()
	skynet.error "ready"
	skynet.dispatch("lua", function() end)
end)
]]

test.case("SIGTERM and SIGINT are an orderly end with exit code 0", function()
	for _, signal in ipairs { "TERM", "INT" } do
		local p = project.new { ["main.lua"] = STAY }
		local reef = p:start(p:config())
		reef:expect "ready"
		reef:signal(signal)
		test.equal({ reef:wait() }, { 0 })
	end
end)

test.case("shutdown hooks run before the end, stage by stage, and may wait", function()
	local p = project.new {
		["hooked.lua"] = [[
			local skynet = require "skynet"
			local name, stage = ...
			require("reef.shutdown").on(function()
				skynet.error(name .. " begins")
				skynet.sleep(5)
				skynet.error(name .. " ends")
			end, tonumber(stage))
			skynet.start(function() end)
		]],
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.newservice("hooked", "pool", 1)
				skynet.newservice("hooked", "player", 0)
				skynet.error "ready"
			end)
		]],
	}
	local reef = p:start(p:config())
	reef:expect "ready"
	reef:signal "TERM"
	test.equal({ reef:wait() }, { 0 })
	test.matches(reef:output(), "player begins.*player ends.*pool begins.*pool ends")
end)

test.case("who has a hook and ends by itself while the process ends is not missed", function()
	local p = project.new {
		["hooked.lua"] = [[
			local skynet = require "skynet"
			require("reef.shutdown").on(function() end)
			skynet.start(function()
				skynet.dispatch("lua", function()
					-- Slow between saying that it goes and going.
					local send = skynet.send
					function skynet.send(...)
						send(...)
						local till = skynet.hpc() + 3e8
						while skynet.hpc() < till do end
					end
					skynet.exit()
				end)
			end)
		]],
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.send(skynet.newservice "hooked", "lua")
				skynet.sleep(10)
				require("reef.process").stop()
			end)
		]],
	}
	local code, output = p:run(p:config())
	test.equal(code, 0, output)
end)

test.case("a hook that does not end is not waited for longer than shutdown_timeout", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		require("reef.shutdown").on(function() skynet.wait() end)
		skynet.start(function() skynet.error "ready" end)
	]] }
	local reef = p:start(p:config "shutdown_timeout = 20")
	reef:expect "ready"
	reef:signal "TERM"
	test.equal({ reef:wait() }, { 3 })
	test.matches(reef:output(), "did not end in time")
end)

test.case("a second signal ends a process whose hooks hang", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		require("reef.shutdown").on(function() skynet.error "hanging" skynet.wait() end)
		skynet.start(function() skynet.error "ready" end)
	]] }
	local reef = p:start(p:config "shutdown_timeout = 100000")
	reef:expect "ready"
	reef:signal "TERM"
	reef:expect "hanging"
	reef:signal "TERM"
	reef:wait()
end)

test.case("reef.process.stop ends in order with the given exit code", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		require("reef.shutdown").on(function() skynet.error "hook ran" end)
		skynet.start(function() require("reef.process").stop(7) end)
	]] }
	local code, output = p:run(p:config())
	test.equal(code, 7)
	test.matches(output, "hook ran")
end)

test.case("abort ends with exit code 0, and so does the end of all services", function()
	local p = project.new { ["main.lua"] = "require('skynet').start(function() require('skynet.manager').abort() end)" }
	test.equal((p:run(p:config())), 0)
end)

test.case("a start service that cannot be loaded, or fails, ends the process with 1 and its error", function()
	local p = project.new { ["raises.lua"] = "require('skynet').start(function() error 'out of order' end)" }
	local code, output = p:run(p:config "start = 'raises'")
	test.equal(code, 1)
	test.matches(output, "reef: cannot start raises: .*out of order")
	code, output = p:run(p:config "start = 'absent'")
	test.equal(code, 1)
	test.matches(output, "reef: cannot start absent: .*absent.lua")
end)

test.case("a bootstrap that does not exist ends the process with 1", function()
	local p = project.new()
	local code, output = p:run(p:config "bootstrap = 'snlua absent'")
	test.equal(code, 1)
	test.matches(output, "absent")
	code, output = p:run(p:config "bootstrap = 'no_such_module'")
	test.equal(code, 1)
	test.matches(output, "no_such_module")
end)

test.case("log lines on stdout carry the service's address", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		skynet.start(function()
			skynet.error("self", skynet.self(), nil, true)
			require("skynet.manager").abort()
		end)
	]] }
	local _, output = p:run(p:config())
	local address, number = output:match "%[(:%x%x%x%x%x%x%x%x)%] self (%d+) nil true\n"
	test.equal(address, skynet.address(tonumber(number)))
	test.matches(output, "%[:%x+%] LAUNCH snlua main\n")
end)

test.case("a log file has times, is appended to, and is opened again on SIGHUP", function()
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				local n = 0
				local function tick()
					n = n + 1
					skynet.error("tick", n)
					skynet.timeout(2, tick)
				end
				tick()
			end)
		]],
		["log.txt"] = "what was there\n",
	}
	local reef = p:start(p:config "logger = './log.txt'")
	test.eventually("lines are written", 20, function()
		return p:read "log.txt":find "tick 3\n"
	end)
	test.matches(p:read "log.txt", "^what was there\n%d%d/%d%d/%d%d %d%d:%d%d:%d%d%.%d%d %[:%x%x%x%x%x%x%x%x%] ")
	os.rename(p:path "log.txt", p:path "log.1")
	reef:signal "HUP"
	test.eventually("a new file is written", 20, function()
		local text = p:read "log.txt"
		return text and text:find "tick %d+\n"
	end)
	reef:signal "TERM"
	test.equal({ reef:wait() }, { 0 })
	local last = tonumber(p:read "log.1":match ".*tick (%d+)\n")
	test.equal(tonumber(p:read "log.txt":match "tick (%d+)\n"), last + 1)
end)

test.case("a Lua service can be the logger", function()
	local p = project.new {
		["mylog.lua"] = [[
			local skynet = require "skynet"
			skynet.register_protocol {
				name = "text", id = skynet.PTYPE_TEXT, unpack = skynet.tostring,
				dispatch = function(_, address, line)
					io.stdout:write(("<%x> %s\n"):format(address, line))
					io.stdout:flush()
				end,
			}
			skynet.register_protocol {
				name = "SYSTEM", id = skynet.PTYPE_SYSTEM, unpack = function() end,
				dispatch = function()
					io.stdout:write "told to reopen\n"
					io.stdout:flush()
				end,
			}
			skynet.start(function() end)
		]],
		["main.lua"] = STAY,
	}
	local reef = p:start(p:config "logservice = 'snlua' logger = 'mylog'")
	reef:expect "<%x+> ready\n"
	reef:signal "HUP"
	reef:expect "told to reopen\n"
	reef:signal "TERM"
	test.equal({ reef:wait() }, { 0 })
end)

test.case("message logs have a line for each message", function()
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			local core = require "skynet.core"
			skynet.start(function()
				local target = skynet.newservice "target"
				core.command("LOGON", skynet.address(target))
				skynet.call(target, "lua", "hello")
				core.command("LOGOFF", skynet.address(target))
				skynet.call(target, "lua", "unlogged")
				print(("target=%08x self=%08x"):format(target, skynet.self()))
				io.stdout:flush()
				skynet.call(target, "lua")
				require("skynet.manager").abort()
			end)
		]],
		["target.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.dispatch("lua", function(_, _, ...) skynet.retpack(...) end)
			end)
		]],
	}
	process.mkdir(p:path "logs")
	local code, output = p:run(p:config "logpath = './logs'")
	test.equal(code, 0, output)
	local target, self = output:match "target=(%x+) self=(%x+)"
	local log = p:read("logs/" .. target .. ".log")
	test.matches(log, "^open time: %d+ %a+ %a+ +%d+ %d+:%d+:%d+ %d+\n")
	local session, bytes = test.matches(log, "\n:" .. self .. " 10 (%d+) %d+ (%x+)\n")
	test.truthy(tonumber(session) > 0)
	local text = bytes:gsub("..", function(hex)
		return string.char(tonumber(hex, 16))
	end)
	test.equal(table.pack(skynet.unpack(text)), { "hello", n = 1 })
	test.matches(log, "\nclose time: %d+\n$")
	test.equal(select(2, log:gsub("\n:" .. self .. " 10 ", "")), 1)
end)

-- A daemon is nobody's child: when it has ended, it is there as a zombie until init gets round to it.
local function gone(pid)
	local f = io.open(("/proc/%d/stat"):format(pid))
	local stat = f and f:read "a"
	if f then
		f:close()
	end
	return not stat or stat:match ".*%) (%a)" == "Z"
end

-- Starts a daemon on the project's pid file, with the log in log.txt; its pid, once its main service runs.
local function start_daemon(p, words)
	os.remove(p:path "log.txt")
	test.equal((p:run(words)), 0)
	local pid = test.eventually("it runs, with its pid in the file", 20, function()
		return (p:read "log.txt" or ""):find "ready" and tonumber(p:read "reef.pid")
	end)
	test.defer(os.execute, "kill -9 " .. pid .. " 2>/dev/null")
	return pid
end

local function end_daemon(pid)
	os.execute("kill -TERM " .. pid)
	test.eventually("the process is gone", 20, gone, pid)
end

test.case("daemon mode: pid file, one instance, removed at the end", function()
	local p = project.new { ["main.lua"] = STAY }
	local words = p:config "daemon = './reef.pid' logger = './log.txt'"
	local pid = start_daemon(p, words)
	local code, output = p:run(words)
	test.equal(code, 1)
	test.matches(output, "already running.*" .. pid)
	os.execute("kill -TERM " .. pid)
	test.eventually("the pid file is removed", 20, function()
		return not p:read "reef.pid"
	end)
	test.eventually("the process is gone", 20, gone, pid)
	local stranger = tostring(process.self())
	p:write("reef.pid", stranger .. "\n")
	local again = start_daemon(p, words)
	test.different(again, process.self(), "a stale pid file is taken over, whoever has the number now")
	end_daemon(again)
end)

test.case("the pid is in its file when the command that started the daemon returns", function()
	for _ = 1, test.count(20) do
		local p = project.new { ["main.lua"] = STAY }
		test.equal((p:run(p:config "daemon = './reef.pid' logger = './log.txt'")), 0)
		local pid = tonumber(p:read "reef.pid")
		test.truthy(pid)
		end_daemon(pid)
	end
end)

test.case("the end of an instance never removes the pid file of another", function()
	local p = project.new { ["main.lua"] = STAY }
	local words = p:config "daemon = './reef.pid' logger = './log.txt' thread = 1"
	local running = {} ---@type integer[]  in order of their start; the last one's file is there
	for _ = 1, test.count(8) + 2 do
		os.remove(p:path "reef.pid")
		running[#running + 1] = start_daemon(p, words)
		if #running > 2 then
			end_daemon(table.remove(running, math.random(#running - 1)))
		end
		test.equal(tonumber(p:read "reef.pid"), running[#running])
		test.equal((p:run(words)), 1, "another instance on the same pid file")
	end
	os.rename(p:path "reef.pid", p:path "moved")
	p:write("reef.pid", "not ours\n")
	end_daemon(table.remove(running))
	test.equal(p:read "reef.pid", "not ours\n")
	end_daemon(table.remove(running))
	test.equal(p:read "reef.pid", "not ours\n")
end)

test.case("the pid file is found again although the path to it has changed", function()
	local p = project.new { ["main.lua"] = STAY, ["run/none"] = "" }
	local pid = start_daemon(p, p:config "daemon = 'run/../reef.pid' logger = './log.txt' thread = 1")
	os.rename(p:path "run", p:path "ran")
	end_daemon(pid)
	test.equal(p:read "reef.pid", nil)
	local code, output = p:run(p:config "daemon = 'no_such_directory/reef.pid'")
	test.equal(code, 1)
	test.matches(output, "cannot create the pid file no_such_directory/reef.pid")
end)

test.case("dbg prints what the launcher knows", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		skynet.start(function()
			skynet.newservice("dbg", "list")
			require("skynet.manager").abort()
		end)
	]] }
	local code, output = p:run(p:config())
	test.equal(code, 0, output)
	test.matches(output, "\n:%x+\tsnlua main\n")
end)

test.case("console starts the services that standard input names", function()
	local p = project.new {
		["main.lua"] = "require('skynet').start(function() require('skynet').newservice 'console' end)",
		["hello.lua"] = [[
			local skynet = require "skynet"
			local who = ...
			skynet.start(function()
				skynet.error("hello", who)
				if who == "end" then require("skynet.manager").abort() end
			end)
		]],
		["input"] = "hello you\n\nno_such_service\nhello end\n",
	}
	local code, output = p:run(p:config(), { stdin = p:path "input" })
	test.equal(code, 0, output)
	test.matches(output, "hello you\n.*no_such_service.*hello end\n")
end)

test.run()
