-- timeout: 300
-- The process ends in time, whatever holds it, and says what was cut off.
local process = require "test.process"
local project = require "project"
local skynet = require "skynet"
local test = require "test"

local TIMEOUT = "shutdown_timeout = 100\n" -- a second

---Starts it, waits for "ready", sends the signals, and returns exit code, output, and seconds until the end.
---@param signals {[1]: string, [2]: number?}[] name, seconds to wait before
local function ended_by(p, signals, words)
	local reef = p:start(words or p:config(TIMEOUT))
	reef:expect "ready"
	local before = skynet.now()
	for _, signal in ipairs(signals) do
		skynet.sleep(math.ceil((signal[2] or 0) * 100))
		reef:signal(signal[1])
	end
	local code, number = reef:wait()
	test.equal(number, nil, "no signal ended it")
	return code, reef:output(), (skynet.now() - before) / 100
end

local HELD = [[
	local skynet = require "skynet"
	local function forever()
		while true do pcall(function() while true do end end) end
	end
	skynet.start(function()
		skynet.error "ready"
		skynet.timeout(5, function() %s end)
	end)
]]

local HOLDERS = {
	["a program"] = "os.execute 'sleep 15'",
	["a pipe"] = "io.popen('sleep 15'):read 'a'",
	["a fifo"] = "os.execute 'mkfifo fifo' io.open 'fifo'",
	["a loop that catches"] = "forever()",
	["a finalizer"] = "setmetatable({}, { __gc = forever }) collectgarbage()",
	["a finalizer at the end"] = "KEEP = setmetatable({}, { __gc = forever })",
	["a close"] = "local x <close> = setmetatable({}, { __close = forever }) error 'x'",
	["a close at the end"] = "local x <close> = setmetatable({}, { __close = forever }) skynet.wait()",
	["tostring of an error"] = "error(setmetatable({}, { __tostring = forever }))",
	["a hook"] = "debug.sethook(forever, 'l') local a = 1",
	["a pattern"] = "(('a'):rep(40)):find(('a?'):rep(40) .. ('a'):rep(40))",
	["a loader"] = "require('skynet.sharetable').loadstring('x', 'while true do end')",
	["an exit"] = "local x <close> = setmetatable({}, { __close = forever }) skynet.exit()",
}

test.case("whatever holds a service, a signal ends the process after shutdown_timeout", { timeout = 120 }, function()
	local names = {}
	for name in pairs(HOLDERS) do
		names[#names + 1] = name
	end
	table.sort(names)
	test.together(#names, function(i)
		local p = project.new { ["main.lua"] = HELD:format(HOLDERS[names[i]]) }
		local signals = { { i % 2 == 0 and "TERM" or "INT", 0.3 } }
		local code, output, seconds = ended_by(p, signals)
		test.between(seconds, 0.3, 12, names[i])
		-- Where the loop can be interrupted the end is an orderly one.
		if code ~= 0 then
			test.equal(code, 3, names[i])
			-- On a busy machine a service may have had no worker to end on.
			test.matches(output, "shutdown: [^\n]+ did not end in time[^\n]+ cut off", names[i])
			test.matches(output, "shutdown: the process is ended %d+%.%d s after its end began", names[i])
		end
	end)
end)

test.case("services that no worker gets to in time are counted", function()
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				os.execute "mkfifo fifo"
				for i = 1, 40 do skynet.send(skynet.newservice "holder", "lua", i) end
			end)
		]],
		["holder.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.dispatch("lua", function(_, _, i)
					io.open("held" .. i, "w"):close()
					io.open "fifo"
				end)
			end)
		]],
	}
	local reef = p:start(p:config(TIMEOUT))
	test.eventually("two workers and 32 spare ones are held", 60, function()
		local held = 0
		for i = 1, 40 do
			held = held + (p:read("held" .. i) and 1 or 0)
		end
		return held == 34
	end)
	reef:signal "TERM"
	test.equal(reef:wait(), 3)
	local output = reef:output()
	local named, count = {}, 0 -- some perhaps twice: nobody is left who would say that the log was written
	for handle in output:gmatch "shutdown: (:%x+) %(snlua holder%) did not end in time: it is still in a message" do
		count = count + (named[handle] and 0 or 1)
		named[handle] = true
	end
	test.equal(count, 34)
	local waiting = output:match "shutdown: (%d+) services did not end in time: they wait for a worker, and are cut off"
	-- Beside the six other holders there may be those that every process has.
	test.truthy(tonumber(waiting) >= 6, waiting)
	test.equal(tonumber(output:match "(%d+) of its services left"), 34 + tonumber(waiting))
end)

test.case("what is printed and logged before the cut is not lost", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		skynet.start(function()
			print "a printed line"
			skynet.error "a logged line"
			skynet.error "ready"
			os.execute "sleep 15"
		end)
	]] }
	local code, output = ended_by(p, { { "TERM", 0.2 } })
	test.equal(code, 3)
	test.matches(output, "a logged line")
	test.matches(output, "a printed line")
end)

test.case("a pid file is removed when the process is cut off", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		skynet.start(function()
			skynet.timeout(1, function() -- it has started then
				io.open("up", "w"):close()
				os.execute "sleep 15"
			end)
		end)
	]] }
	p:run(p:config(TIMEOUT .. "daemon = './pid'\nlogger = './log'\n"))
	test.eventually("it is up", 20, p.read, p, "up")
	os.execute("kill -TERM " .. test.eventually("its pid", 10, p.read, p, "pid"))
	test.eventually("the pid file is gone", 20, function()
		return not p:read "pid"
	end)
	test.matches(p:read "log", "did not end in time")
end)

test.case("a signal at any moment of the start ends the process", { timeout = 120 }, function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		skynet.start(function()
			for i = 1, 20 do skynet.newservice "other" end
		end)
	]], ["other.lua"] = "require('skynet').start(function() end)" }
	for i = 0, test.count(60) - 1 do
		local reef = p:start(p:config())
		os.execute(("sleep %.4f"):format(i * 0.0005))
		reef:signal(i % 2 == 0 and "TERM" or "INT")
		local code, signal = test.within(20, reef.wait, reef)
		-- The very first moment is before the program has said what signals do.
		test.truthy(code == 0 or code == 143 or code == 130 or signal, ("code %s"):format(code))
	end
end)

local HOOK = [[
	local skynet = require "skynet"
	local shutdown = require "reef.shutdown"
	skynet.start(function()
		shutdown.on(function() %s end)
		skynet.error "ready"
		%s
	end)
]]

test.case("a second signal right after the first leaves hooks the time they need", function()
	for _ = 1, 5 do
		local p = project.new { ["main.lua"] = HOOK:format("skynet.sleep(20) skynet.error 'saved'", "") }
		local code, output = ended_by(p, { { "TERM" }, { "TERM", 0.01 }, { "INT" } })
		test.equal(code, 0)
		test.matches(output, "saved")
	end
end)

test.case("a second signal leaves hooks that hang a second, and the exit code tells", function()
	local p = project.new { ["main.lua"] = HOOK:format("skynet.wait()", "") }
	local code, output, seconds = ended_by(p, { { "TERM" }, { "TERM", 0.1 } }, p:config "shutdown_timeout = 6000")
	test.equal(code, 3)
	test.matches(output, "shutdown: :%x+ %(snlua main%) did not end in time: its shutdown hooks were cut off")
	test.truthy(seconds < 30)
end)

test.case("a hook that raises or is cut off is said, and the exit code tells", function()
	local p = project.new { ["main.lua"] = HOOK:format("error 'disk is full'", "") }
	local code, output = ended_by(p, { { "TERM" } })
	test.equal(code, 3)
	test.matches(output, "shutdown hook failed: .*disk is full")
	p = project.new { ["main.lua"] = HOOK:format("skynet.sleep(1000000)", "") }
	code, output = ended_by(p, { { "TERM" } })
	test.equal(code, 3)
	test.matches(output, "main.*did not end in time: its shutdown hooks were cut off")
	p = project.new { ["main.lua"] = HOOK:format("os.execute 'sleep 15'", "") }
	code, output = ended_by(p, { { "TERM" } })
	test.equal(code, 3)
	test.matches(output, "main.*did not end in time: its shutdown hooks were cut off")
end)

test.case("with every worker stuck, hooks that could not run are still told of", function()
	local p = project.new {
		["main.lua"] = HOOK:format("skynet.error 'ran'", "skynet.newservice 'sits'"),
		["sits.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function() skynet.timeout(1, function() os.execute "sleep 15" end) end)
		]],
	}
	p:config(TIMEOUT)
	local f <close> = assert(io.open(p:path "config", "a"))
	f:write "thread = 1\n"
	f:close()
	local code, output = ended_by(p, { { "TERM", 0.3 } }, { "config" })
	-- A spare worker may have run it.
	if not output:find "ran" then
		test.matches(output, "shutdown hooks of 1 services did not run to their end")
	end
	test.equal(code, 3)
end)

test.case("hooks of a later stage have time although an earlier one hangs", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		local name, stage = ...
		require("reef.shutdown").on(function()
			if stage then skynet.sleep(1) skynet.error "closed" else skynet.wait() end
		end, tonumber(stage) or 0)
		skynet.start(function()
			if not stage then
				skynet.newservice("main", "pool", 1)
				skynet.error "ready"
			end
		end)
	]] }
	local code, output = ended_by(p, { { "TERM" } }, p:config "shutdown_timeout = 300\n")
	test.equal(code, 3)
	test.matches(output, "closed")
end)

test.case("a hook may end its own service", function()
	local p = project.new { ["main.lua"] = HOOK:format("skynet.error 'saved' skynet.exit()", "") }
	local code, output = ended_by(p, { { "TERM" } })
	test.equal(code, 0)
	test.matches(output, "saved")
end)

test.case("abort says which hooks it does not run, and its exit code tells; without hooks it is 0", function()
	local p = project.new { ["main.lua"] = HOOK:format("skynet.error 'ran'", "require('skynet.manager').abort()") }
	local code, output = p:run(p:config())
	test.equal(code, 3)
	test.matches(output, "abort: the shutdown hooks of :%x+ %(snlua main%) are not run")
	test.truthy(not output:find "ran")
end)

test.case("os.exit loses no line of the log, and says which hooks it does not run", function()
	for _, log in ipairs { "", "logger = './log.txt'\n", "logservice = 'snlua' logger = 'writes'\n" } do
		for code, exit in pairs { [0] = "os.exit(true, true)", [7] = "coroutine.wrap(os.exit)(7)" } do
			local p = project.new {
				["main.lua"] = [[
					local skynet = require "skynet"
					skynet.start(function()
						for i = 1, 3000 do skynet.error("line", i) end
						]] .. exit .. [[
					end)
				]],
				["writes.lua"] = [[
					local skynet = require "skynet"
					skynet.register_protocol { name = "text", id = skynet.PTYPE_TEXT, unpack = skynet.tostring,
						dispatch = function(_, _, text) print(text) end }
					skynet.start(function() require("skynet.manager").register ".logger" end)
				]],
			}
			local got, output = p:run(p:config(log))
			output = output .. (p:read "log.txt" or "")
			test.equal(got, code)
			test.matches(output, "line 3000\n")
			test.equal(select(2, output:gsub("line %d+", "")), 3000)
		end
	end
	for code, wanted in pairs { [0] = 3, [7] = 7 } do
		local p = project.new { ["main.lua"] = HOOK:format("skynet.error 'ran'", ("os.exit(%d)"):format(code)) }
		local got, output = p:run(p:config())
		test.equal(got, wanted)
		test.matches(output, "the shutdown hooks of :%x+ %(snlua main%) are not run")
	end
	local p = project.new { ["main.lua"] = HOOK:format("os.exit(0)", "") }
	test.equal((ended_by(p, { { "TERM" } })), 0, "from a hook")
end)

test.case("an exit code that the system would cut is refused", function()
	for _, code in ipairs { -1, 256, 1.5, "x" } do
		test.raises("an exit code is an integer from 0 to 255", require("reef.process").stop, code)
	end
end)

test.case("reef.process.stop is bounded, too, and keeps its exit code", function()
	local p = project.new {
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.newservice "sits"
				skynet.sleep(10)
				require("reef.process").stop(7)
			end)
		]],
		["sits.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function() skynet.timeout(0, function() os.execute "sleep 15" end) end)
		]],
	}
	local code, output = p:run(p:config(TIMEOUT))
	test.equal(code, 7)
	test.matches(output, "sits.*did not end in time")
end)

test.case("abort and a failing start end the process while services are being launched", { timeout = 120 }, function()
	for i = 1, test.count(20) do
		local p = project.new {
			["main.lua"] = ([[
				local skynet = require "skynet"
				skynet.start(function()
					skynet.newservice "launches" skynet.newservice "launches"
					skynet.sleep(%d)
					%s
				end)
			]]):format(math.random(0, 5), i % 2 == 0 and "error 'wrong'" or "require('skynet.manager').abort()"),
			["launches.lua"] = [[
				local skynet = require "skynet"
				skynet.start(function()
					for _ = 1, 50 do
						skynet.fork(function() while pcall(skynet.newservice, "idle") do end end)
					end
				end)
			]],
			["idle.lua"] = "require('skynet').start(function() end)",
		}
		local code = p:run(p:config())
		test.equal(code, i % 2 == 0 and 1 or 0)
	end
end)

test.case("services of ours that wait for others do not keep reef run alive", function()
	for _, code in ipairs {
		"require('skynet.sharetable').loadstring('a', 'return { 1 }')",
		"require('skynet.sharedata').new('a', { 1 })",
		"require('skynet.datasheet.builder').new('a', { b = 1 })",
		"require('skynet.service').new('a', function() require('skynet').dispatch('lua', function() end) end)",
		"pcall(require('skynet.service').new, 'a', function() error 'x' end)",
		"require('skynet.datacenter').set('a', 1)",
		"pcall(skynet.uniqueservice, 'no_such_service')",
	} do
		local p = project.new { ["main.lua"] = ([[
			local skynet = require "skynet"
			skynet.start(function() %s skynet.exit() end)
		]]):format(code) }
		local reef = p:start { "run", "main.lua" }
		local exit = test.within(20, reef.wait, reef)
		test.equal(exit, 0, code)
	end
end)

test.case("a service of skynet.service keeps it alive while it does something by itself", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		skynet.start(function()
			require("skynet.service").new("a", function()
				local skynet = require "skynet"
				skynet.timeout(30, function() print "done" io.stdout:flush() end)
			end)
			skynet.exit()
		end)
	]] }
	local code, output = p:run { "run", "main.lua" }
	test.equal(code, 0)
	test.matches(output, "done")
end)

test.case("programs that a service starts have the usual signals, and SIGINT reaches the process meanwhile", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		skynet.start(function()
			local function show(name, text)
				for key, value in text:gmatch "(Sig%a+):%s*(%x+)" do
					print(name, key, value)
				end
			end
			os.execute "grep Sig /proc/self/status > status"
			show("execute", io.open("status"):read "a")
			show("popen", io.popen("grep Sig /proc/self/status"):read "a")
			print("results", os.execute "exit 3", select(2, os.execute "exit 3"), select(3, os.execute "kill -9 $$"),
				os.execute())
			io.stdout:flush()
			skynet.error "ready"
			os.execute "sleep 15"
		end)
	]] }
	local code, output = ended_by(p, { { "INT", 0.2 } })
	test.equal(code, 3)
	for _, name in ipairs { "execute", "popen" } do
		test.matches(output, name .. "\tSigBlk\t0+\n")
		-- The C library's own signals 32 and 33 are.
		test.equal(tonumber(output:match(name .. "\tSigIgn\t(%x+)"), 16) & 0x7fffffff, 0)
	end
	test.matches(output, "results\tnil\texit\t9\ttrue\n")
end)

test.case("a log that nobody drains does not hold the end", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		skynet.start(function()
			io.open("up", "w"):close()
			for i = 1, 20000 do skynet.error(("x"):rep(100)) end
		end)
	]] }
	p:config(TIMEOUT)
	local script = ("cd %s && (%s config & echo $! > pid; wait $!; echo $? > code) | sleep 15"):format(p.dir, test.reef)
	local shell = process.start { "/bin/sh", "-c", script }
	test.eventually("it is up", 20, p.read, p, "up")
	skynet.sleep(20)
	os.execute("kill -TERM " .. p:read "pid")
	test.eventually("it has ended", 20, function()
		return (p:read "code" or ""):find "%d"
	end)
	shell:signal "KILL"
end)

-- Programs outlive whoever was cut off while it waited for them.
test.case("programs that were left behind are of this test, and can be ended", function()
	local each = ([[
		for p in $(pgrep -x sleep); do
			! tr '\0' '\n' </proc/$p/environ | grep -qxF 'REEF_TEST_DIR=%s' || %%s
		done 2>/dev/null]]):format(test.dir)
	os.execute(each:format "kill $p")
	test.eventually("they are gone", 20, function()
		return os.execute(each:format "exit 1")
	end)
end)

test.run()
