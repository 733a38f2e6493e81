-- timeout: 600
-- A service that was recorded among real services and servers does the same again, without them.
local process = require "test.process"
local project = require "project"
local records = require "test.records"
local redis = require "test.redis"
local skynet = require "skynet"
local test = require "test"

local ROUNDS <const> = test.count(10)

---Records one service among the others.
---@param seed integer
---@param servers string|integer ports
---@param more? string lines of its configuration
---@return table project, string output
local function play(seed, servers, more)
	return records.play(("replay_main %d %s"):format(seed, servers), "replay_played", more)
end

local record_of, replay = records.first, records.replay

test.case("what was recorded among servers is replayed without them, to the same end", function()
	local server = redis.start()
	local played = {}
	for i = 1, ROUNDS do
		local seed = test.seed + i
		local p, output = play(seed, server.port)
		local fingerprint = output:match "fingerprint (%x+)\n" or test.fail(output)
		played[i] = { p = p, seed = seed, fingerprint = fingerprint }
	end
	server:kill()
	for _, one in ipairs(played) do
		local what = "seed " .. one.seed
		local code, output = replay(one.p, record_of(one.p))
		test.equal(code, 0, what .. "\n" .. output)
		test.matches(output, "fingerprint " .. one.fingerprint .. "\n", what)
		test.matches(output, "answers: as recorded; the service has ended", what)
		test.truthy(tonumber(output:match "(%d+) messages") > 40, what)
		test.truthy(tonumber(output:match "(%d+) events") > 10, what)
	end
end)

test.case("without MongoDB's server, too", function()
	local server, mongo = redis.start(), require("test.mongo").start()
	local p, output = play(test.seed, server.port .. " " .. mongo.port)
	local fingerprint = output:match "fingerprint (%x+)\n" or test.fail(output)
	server:kill()
	mongo:kill()
	local code, again = replay(p, record_of(p))
	test.equal(code, 0, again)
	test.matches(again, "fingerprint " .. fingerprint .. "\n")
end)

---A service of a few lines, recorded.
---@param more? string lines of the configuration
---@param files? table<string, string>
local function record(body, more, files)
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\n' .. (more or ""),
		["service/main.lua"] = [[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	local one = skynet.newservice "one"
	for i = 1, 20 do
		pcall(skynet.call, one, "lua", i)
	end
	skynet.kill(one)
	skynet.sleep(2)
	skynet.abort()
end)
]],
		["service/one.lua"] = 'local skynet = require "skynet"\n' .. body,
	}
	for name, text in pairs(files or {}) do
		p:write(name, text)
	end
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	test.equal(code, 0, output)
	return p, output
end

local SUM <const> = [[
local sum = 0
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		sum = sum + (n > 12 and n * 2 or n)
		print("sum", sum)
		skynet.retpack(sum)
	end)
end)
]]

test.case("changed code shows the first difference, and where it is", function()
	local p = record(SUM)
	test.equal(replay(p, record_of(p)), 0)
	p:write("fixed/one.lua", 'local skynet = require "skynet"\n' .. SUM:gsub("n %* 2", "n * 3"))
	local code, output = replay(p, record_of(p), "--with", "fixed/one.lua")
	test.equal(code, 1, output)
	test.matches(output, "difference 1, in message 14, after [%d.]+ s")
	test.matches(output, "recorded: prints: sum\t104\n.-now:      it does not")
	test.matches(output, "which is 104\n")
	test.matches(output, "which is 117\n")
	test.matches(output, "in function '[%w.]+%.retpack'\n.*one.lua:7: in function")
	test.matches(output, "NOT as recorded")
	-- A file that the service does not load changes nothing, and whoever asks for it is told.
	p:write("fixed/two.lua", "")
	code, output = replay(p, record_of(p), "--with", "fixed/two.lua")
	test.equal(code, 1, output)
	test.matches(output, "fixed/two.lua was not loaded: no file of the service has that name")
	-- What only looks more closely is no other outcome.
	p:write("fixed/one.lua", 'local skynet = require "skynet"\n' .. SUM:gsub("sum = sum %+", "skynet.now() sum = sum +"))
	code, output = replay(p, record_of(p), "--with", "fixed/one.lua")
	test.equal(code, 0, output)
	test.matches(output, "as recorded but for looks at the clock")
end)

-- ---- the code that was recorded ----

---The text of a module that has some lines above, and what it says is on line `at`.
local function rules(at, factor)
	return ("\n"):rep(at - 3) .. ([[
return function(n)
	if n > 12 then n = n * %d end
	print("rule", n)
	return n
end
]]):format(factor)
end

local BY_RULES <const> = [[
local rule = require "rules"
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		skynet.retpack((rule(n)))
	end)
end)
]]

---A record of a service with a module, whose print stands on line `at`.
local function record_rules(at)
	return record(BY_RULES, nil, { ["lualib/rules.lua"] = rules(at, 2) })
end

test.case("a difference shows both stacks, although the code that was recorded is there no more", function()
	for _ = 1, test.count(5) do
		local old, new = math.random(3, 60), math.random(61, 99)
		local p = record_rules(old)
		p:write("lualib/rules.lua", rules(new, 3))
		local code, output = replay(p, record_of(p))
		test.equal(code, 1, output)
		test.matches(output, "replay: %./lualib/rules.lua is not as it was recorded\n")
		test.matches(output, "difference 1, in message 14.-now:      stack traceback:\n[^\n]+print'\n\t%./lualib/rules.lua:"
			.. new .. ": .-recorded: stack traceback:\n[^\n]+print'\n\t%./lualib/rules.lua:" .. old .. ": ")
		test.equal(select(2, output:gsub("recorded: stack", "")), 1, output)
		-- So does a file of the same name elsewhere, and an error has the stack of what has failed.
		p:write("lualib/rules.lua", rules(old, 2))
		p:write("fixed/rules.lua", "return function(n) return n == 13 and error 'no' or n end")
		code, output = replay(p, record_of(p), "--with", "fixed/rules.lua")
		test.equal(code, 1, output)
		test.matches(output, "recorded: stack traceback:\n[^\n]+print'\n\t%./lualib/rules.lua:" .. old .. ": ")
	end
end)

test.case("each thing done has the stack of the line that did it", function()
	local lines = {}
	for i = 1, 40 do
		lines[i] = ({ 'print "at"', 'skynet.send(skynet.self(), "lua", "at")', 'skynet.timeout(1, print)',
			'skynet.error "at"', 'os.time()', 'local _ = 1' })[math.random(6)]
	end
	local p = record("skynet.start(function()\nskynet.dispatch('lua', function(s) if s ~= 0 then skynet.ret() end end)\n"
		.. table.concat(lines, "\n") .. "\nend)")
	local _, shown = replay(p, record_of(p), "--show")
	os.remove(p.dir .. "/service/one.lua")
	local at, seen, deeds = 3, 0, {}
	for offset, what in shown:gmatch "\n *[%d.]+ +1 +(%d+)  ([^\n]+)" do
		if what:find "^prints: at" or what:find "^sends to .*at$" or what:find "^sets a timer"
			or what:find "^logs: at" then
			deeds[#deeds + 1] = offset
		end
	end
	for i, line in ipairs(lines) do
		if not line:find "^local" and not line:find "^os" then
			seen = seen + 1
			local code, output = replay(p, record_of(p), "--stack", deeds[seen] or test.fail(shown))
			test.equal(code, 0, output)
			test.matches(output, "^stack traceback:.-%./service/one.lua:" .. at + i .. ": ")
		end
	end
	test.equal(seen, #deeds, shown)
	local code, output = replay(p, record_of(p), "--stack", "100000000")
	test.equal(code, 1, output)
	test.matches(output, "does not get there: the service has ended")
end)

test.case("a record is replayed without the files of its service", function()
	local p = record_rules(7)
	local bare = project.new {}
	bare:write("one.rec", p:read(record_of(p)))
	for _, name in ipairs { "service/one.lua", "lualib/rules.lua" } do
		test.truthy(os.remove(p.dir .. "/" .. name))
	end
	for _, where in ipairs { p, bare } do
		local code, output = replay(where, where == p and record_of(p) or "one.rec")
		test.equal(code, 0, output)
		test.matches(output, "one.lua is not here: it comes from the record")
		test.matches(output, "rule\t40\n.*answers: as recorded")
	end
	-- What stands there now is run, unless that is not wanted.
	p:write("service/one.lua", "error 'another'")
	local code, output = replay(p, record_of(p))
	test.equal(code, 1, output)
	test.matches(output, "one.lua is not as it was recorded.*one.lua:1: another")
	code, output = replay(p, record_of(p), "--recorded")
	test.equal(code, 0, output)
end)

test.case("a difference that is not the code's is said to be none", function()
	local p = record(SUM)
	local bytes, n = p:read(record_of(p)):gsub("sum\t104", "sum\t105")
	test.equal(n, 1)
	p:write("wrong.rec", bytes)
	local code, output = replay(p, "wrong.rec")
	test.equal(code, 1, output)
	test.matches(output, "code is as it was recorded: something else has changed")
	test.equal(output:find "recorded: stack", nil, output)
end)

test.case("what is recorded is the text that is run, with a mark or a first line for the shell", function()
	for _, head in ipairs { "\xEF\xBB\xBF", "#!/usr/bin/env reef\n", "\xEF\xBB\xBF#!reef\n", "" } do
		local p = record(BY_RULES, nil, { ["lualib/rules.lua"] = head .. rules(9, 2) })
		os.remove(p.dir .. "/lualib/rules.lua")
		local code, output = replay(p, record_of(p))
		test.equal(code, 0, output)
	end
end)

test.case("a replay stops where it is told to, and can be looked into", function()
	local p = record(SUM)
	local code, output = replay(p, record_of(p), "--show")
	test.equal(code, 0, output)
	test.matches(output, "one, handle :%x+.*message from :%x+ type 10 session %d+")
	test.matches(output, "prints: sum\t1")
	code, output = process.run({ "sh", "-c", ("printf 'x = 41\\n1 + x\\ncont\\n' | %s replay %s --stop 9"):format(
		test.reef, record_of(p)), cwd = p.dir }, 120)
	test.equal(code, 0, output)
	test.matches(output, "before message 9.*\nreplay> \nreplay> 42\nreplay> ")
end)

test.case("a replay goes as far as it is told to", function()
	local p = record("skynet.start(function() for i = 1, 60 do print('at', i) skynet.sleep(1) end end)")
	local _, shown = replay(p, record_of(p), "--show")
	local seconds = shown:match "\n +([%d.]+) +%d+ +%d+  prints: at\t20\n" or test.fail(shown)
	local code, output = replay(p, record_of(p), "--until", seconds)
	test.equal(code, 0, output)
	test.matches(output, "as far as was wanted")
	test.matches(output, "at\t19\n")
	test.equal(output:find "at\t60\n", nil, output)
	-- The same time in other units, and shown.
	local number = tonumber(seconds)
	for _, word in ipairs { seconds .. "s", ("%.9fm"):format(number / 60), ("%.12fh"):format(number / 3600) } do
		local _, again = replay(p, record_of(p), "--until", word)
		test.equal(again, output, word)
	end
	_, output = replay(p, record_of(p), "--show", "--until", seconds)
	test.matches(output, "at\t19\n")
	test.equal(output:find "at\t60\n", nil, output)
	code, output = replay(p, record_of(p), "--stop", "100000")
	test.equal(code, 0, output)
	test.matches(output, "there is no message 100000 to stop before")
end)

test.case("the time of a record is counted from its beginning, not from that of the process", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\n',
		["service/main.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	skynet.sleep(300)
	skynet.newservice "one"
	require("reef.process").stop()
end)
]],
		["service/one.lua"] = 'local skynet = require "skynet"\nskynet.start(function() print("now", skynet.now()) end)\n',
	}
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	test.equal(code, 0, output)
	local _, shown = replay(p, record_of(p), "--show")
	local from = tonumber(shown:match "\n +([%d.]+) +1 +%d+  message" or test.fail(shown))
	code, output = replay(p, record_of(p), "--until", tostring(from + 0.001))
	test.equal(code, 0, output)
	local now = tonumber(output:match "now\t(%d+)\n" or test.fail(output))
	test.truthy(from + 2.9 < now / 100, shown)
end)

test.case("a service that cannot start does not start in the replay either, for the same reason", function()
	for code, reason in pairs {
		["error 'boom'"] = "one.lua:1: boom",
		["local x = = 3"] = "one.lua:1: unexpected symbol",
		["local nothing"] = "",
		["require('skynet').start(function() error 'later' end)"] = "later",
	} do
		local p = project.new {
			config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\n',
			["service/main.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	print(pcall(skynet.newservice, "one"))
	require("reef.process").stop()
end)
]],
			["service/one.lua"] = code,
		}
		local status, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
		test.equal(status, 0, output)
		status, output = replay(p, record_of(p))
		test.equal(status, 0, code .. "\n" .. output)
		test.matches(output, reason, code)
		test.matches(output, "as recorded; the service has ended", code)
	end
end)

test.case("what cannot be recorded is named at once, in the log and by the replay", function()
	local p, output = record [[
local client = require "client.socket"
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		print("before", n)
		if n == 5 then
			pcall(client.connect, "127.0.0.1", 1)
		end
		skynet.retpack(n)
	end)
end)
]]
	test.matches(output, "the record .*rec ends here: client.socket.connect cannot be recorded")
	local code, again = replay(p, record_of(p))
	test.equal(code, 0, again)
	test.matches(again, "before\t5\n")
	test.equal(again:find "before\t6", nil)
	test.matches(again, "this cannot be recorded: client.socket.connect")
end)

test.case("a record that is cut, or is none, is said to be", function()
	local p = record(SUM)
	local bytes = p:read(record_of(p))
	local reached = {}
	for _ = 1, test.count(40) do
		p:write("cut.rec", bytes:sub(1, math.random(0, #bytes - 1)))
		local code, output = replay(p, "cut.rec")
		test.truthy(code == 0 or code == 1, output)
		test.truthy(output:find "it was cut" or output:find "at offset %d+" or output:find "is not whole"
			or output:find "no record of a service", output)
		reached[code] = (reached[code] or 0) + 1
	end
	test.truthy(reached[1] and reached[1] > 0)
	for _ = 1, test.count(60) do
		local at = math.random(#bytes)
		p:write("wrong.rec", bytes:sub(1, at - 1) .. string.char(math.random(0, 255)) .. bytes:sub(at + 1))
		local code, output = replay(p, "wrong.rec", "--show")
		test.truthy(code == 0 or (code == 1 and output:find "at offset %d+" or output:find "is not whole"
			or output:find "no record of a service"), output)
		code, output = replay(p, "wrong.rec")
		test.truthy(code == 0 or code == 1, output)
		test.truthy(output:find("replay: ", 1, true), output)
	end
end)

test.case("kill -9 leaves a record that is good up to its end", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "main"\n',
		["service/main.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	for i = 1, 100000 do
		skynet.sleep(0)
		if i % 1000 == 0 then
			print("at", i, math.random())
		end
	end
end)
]],
	}
	local server = process.start { test.reef, "config", cwd = p.dir }
	server:expect "at\t3000\t"
	server:signal "KILL"
	server:wait()
	local code, output = replay(p, record_of(p))
	test.equal(code, 0, output)
	test.matches(output, "at\t3000\t")
	test.matches(output, "it was cut")
	local line = server:output():match "at\t3000\t[%d.]+\n"
	test.truthy(line and output:find(line, 1, true), output)
end)

test.case("a record keeps to its limit, and older records make room", function()
	local p, output = record([[
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		for _ = 1, n > 0 and 20 or 0 do
			skynet.send(skynet.self(), "lua", 0, ("x"):rep(10000))
		end
		print("n", n)
		if n > 0 then
			skynet.retpack(n)
		else
			skynet.ignoreret()
		end
	end)
end)
]], "record_limit = 3\nrecord_files = 2\n")
	test.matches(output, "ends here: it has 3 MiB, which is its limit")
	local code, again = replay(p, record_of(p))
	test.equal(code, 0, again)
	test.matches(again, "it has 3 MiB")
	local size = #p:read(record_of(p))
	test.between(size, 1 << 20, 3 << 20)
	for _ = 1, 3 do
		test.equal(process.run({ test.reef, "config", cwd = p.dir }, 120), 0)
	end
	local _, names = process.run { "sh", "-c", "ls *.rec | wc -l", cwd = p.dir }
	test.equal(tonumber(names), 2)
end)

test.case("on a full disk the record ends, and the service goes on", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "main"\nrecord_path = "small"\n',
		["small/empty"] = "",
		["service/main.lua"] = [[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	skynet.dispatch("lua", function()
		skynet.ignoreret()
	end)
	for _ = 1, 200 do
		for _ = 1, 10 do
			skynet.send(skynet.self(), "lua", ("x"):rep(10000))
		end
		skynet.yield()
	end
	print "it went on"
	skynet.abort()
end)
]],
	}
	local code, output = process.run({ "unshare", "-m", "sh", "-c", ("mount -t tmpfs -o size=3m tmpfs small || exit 77\n"
		.. "%s config && cp small/*.rec ."):format(test.reef), cwd = p.dir }, 120)
	if code ~= 0 and not output:find("reef", 1, true) then
		test.skip("no file system of its own: " .. output)
	end
	test.equal(code, 0, output)
	test.matches(output, "ends here: No space left on device")
	test.matches(output, "it went on\n")
	code, output = replay(p, record_of(p))
	test.equal(code, 0, output)
	test.matches(output, "answers: as recorded; No space left on device")
end)

test.case("where nothing can be written the service runs, and the log says why there is no record", function()
	local p, output = record(SUM, "record_path = \"nowhere\"\n")
	test.matches(output, "cannot record one to nowhere/one%-.*: No such file or directory")
	test.matches(output, "sum\t342\n")
	test.equal(process.run({ "sh", "-c", "ls *.rec", cwd = p.dir }) == 0, false)
end)

test.case("records that are written to are no old ones, however many there are", function()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\nrecord_files = 2\n',
		["service/main.lua"] = [[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	local all = {}
	for i = 1, 6 do
		all[i] = skynet.newservice("one", i)
	end
	for i = 1, 6 do
		skynet.call(all[i], "lua", i)
	end
	os.execute "ls *.rec | wc -l > while"
	for i = 1, 6 do
		skynet.kill(all[i])
	end
	skynet.sleep(2)
	skynet.newservice "one"
	skynet.abort()
end)
]],
		["service/one.lua"] = 'local skynet = require "skynet"\n' .. SUM,
		["one-two-20200101-000000-1-00000001.rec"] = "another's",
	}
	test.equal(process.run({ test.reef, "config", cwd = p.dir }, 120), 0)
	test.equal(tonumber(p:read "while"), 7)
	local _, names = process.run { "sh", "-c", "ls one-2*.rec | wc -l", cwd = p.dir }
	test.equal(tonumber(names), 2)
	test.truthy(p:read "one-two-20200101-000000-1-00000001.rec")
end)

test.case("reef record has services of a running process recorded", function()
	local port = process.free_port()
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\n',
		["service/main.lua"] = ([[
local skynet = require "skynet"
skynet.start(function()
	skynet.newservice("debug_console", %d)
	print "ready"
	while true do
		skynet.sleep(2)
		if io.open "go" then
			skynet.call(skynet.newservice "one", "lua", 1)
			print "called"
			return
		end
	end
end)
]]):format(port),
		["service/one.lua"] = 'local skynet = require "skynet"\n' .. SUM,
	}
	local server = process.start { test.reef, "config", cwd = p.dir }
	server:expect "ready\n"
	local function command(...)
		return process.run({ test.reef, "record", tostring(port), ... }, 120)
	end
	local code, output = command()
	test.equal(code, 0, output)
	test.matches(output, "nothing is recorded\n")
	code, output = command("nobody", "off")
	test.equal(code, 1, output)
	test.matches(output, "no nobody was to be recorded")
	code, output = command("one", "one.rec")
	test.equal(code, 0, output)
	test.matches(output, "one is recorded from its next start on")
	code, output = command()
	test.equal(code, 0, output)
	test.equal(output, "one\tfrom its next start on\n")
	p:write("go", "")
	server:expect "called\n"
	code, output = command()
	test.equal(code, 0, output)
	test.matches(output, "^:%x+\tone\tone.rec\t%d+ bytes")
	server:signal "TERM"
	server:wait()
	code, output = replay(p, "one.rec")
	test.equal(code, 0, output)
	test.matches(output, "sum\t1\n.*as recorded; the service has ended")
	test.equal(process.run { test.reef, "record" }, 2)
	code, output = command "one"
	test.equal(code, 1, output)
end)

-- ---- rings ----

---Calls the service `one`, which fails when it is told to, N times; its process ends as `last` says.
local function ring(n, fails, last, more)
	local p = project.new {
		config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\nrecord_ring = 1\n' .. (more or ""),
		["service/main.lua"] = ([[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	local one = skynet.newservice "one"
	for i = 1, %d do
		pcall(skynet.call, one, "lua", i, ("x"):rep(1000))
		if i %% 10 == 0 then
			skynet.sleep(3)
		end
	end
	%s
	skynet.abort()
end)
]]):format(n, last or ""),
		["service/one.lua"] = ([[
local skynet = require "skynet"
local fails = { %s }
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		print("called", n)
		for _, i in ipairs(fails) do
			if i == n then
				error("failed at " .. n)
			end
		end
		skynet.retpack(n)
	end)
end)
]]):format(fails),
	}
	local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	local _, names = process.run { "sh", "-c", "ls *.rec *.ring 2>/dev/null || true", cwd = p.dir }
	local files = {}
	for name in names:gmatch "[^\n]+" do
		files[#files + 1] = name
	end
	return p, files, code, output
end

test.case("an error that nobody caught leaves what led to it, from the start on if that is not long ago", function()
	local p, files, code, output = ring(20, "7, 9")
	test.equal(code, 0, output)
	test.equal(#files, 1, output)
	test.matches(output, "what led to the error is in %./one%-.*%.rec")
	local again
	code, again = replay(p, files[1])
	test.equal(code, 0, again)
	test.matches(again, "called\t7\n.*failed at 7")
	test.equal(again:find "called\t8\n", nil, again)
end)

test.case("a ring that has lost its beginning can be shown, and not replayed", function()
	local p, files, code, output = ring(1500, "1495")
	test.equal(code, 0, output)
	test.equal(#files, 1, output)
	local again
	code, again = replay(p, files[1])
	test.equal(code, 1, again)
	test.matches(again, "last seconds and not its beginning")
	code, again = replay(p, files[1], "--show")
	test.equal(code, 0, again)
	test.matches(again, "what was before is lost")
	test.matches(again, "prints: called\t1494\n.*prints: called\t1495\n.*failed at 1495")
	test.equal(again:find "prints: called\t1\n", nil)
	test.equal(again:find "prints: called\t1496\n", nil)
	-- What is shown has no holes.
	local last
	for n in again:gmatch "prints: called\t(%d+)\n" do
		test.equal(tonumber(n), (last or tonumber(n) - 1) + 1)
		last = tonumber(n)
	end
end)

test.case("a process that crashes leaves its rings", function()
	local p, files, _, output = ring(1500, "0", "os.execute 'kill -SEGV $PPID' skynet.wait()")
	test.equal(#files, 1, output)
	test.matches(files[1], "%.ring$")
	local code, again = replay(p, files[1], "--show")
	test.equal(code, 0, again)
	test.matches(again, "prints: called\t1500\n")
end)

test.case("a service whose start fails leaves what led to that, in the place of its ring", function()
	for _, how in ipairs {
		"error 'it cannot start'", "local = 1", "require('skynet').start(function() error 'it cannot start' end)",
	} do
		local p = project.new {
			config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\nrecord_ring = 1\n',
			["service/main.lua"] = [[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	print("started", pcall(skynet.newservice, "one"))
	skynet.sleep(2)
	skynet.abort()
end)
]],
			["service/one.lua"] = "print 'it begins'\n" .. how,
		}
		local code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
		test.equal(code, 0, output)
		test.matches(output, "started\tfalse")
		test.matches(output, "what led to the error is in %./one%-.*%.rec")
		test.equal(process.run({ "sh", "-c", "ls *.ring", cwd = p.dir }) == 0, false)
		local again
		code, again = replay(p, record_of(p))
		test.equal(code, 0, again)
		test.matches(again, how:find "local" and "one.lua:2: .*expected" or "it begins\n.*it cannot start")
	end
end)

test.case("a process that is killed at any moment leaves rings that can be read, without holes", function()
	local lost = 0
	for _ = 1, test.count(8) do
		local p = project.new {
			config = 'thread = 2\nharbor = 0\nstart = "main"\nrecord = "one"\nrecord_ring = 1\nrecord_limit = 2\n',
			["service/main.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	local one = skynet.newservice "one"
	for i = 1, math.maxinteger do
		skynet.call(one, "lua", i, ("x"):rep(math.random(0, 3000)))
		if i == 2000 then
			print "many"
		end
	end
end)
]],
			["service/one.lua"] = [[
local skynet = require "skynet"
skynet.start(function()
	skynet.dispatch("lua", function(_, _, n)
		skynet.error("called", n)
		skynet.ret()
	end)
end)
]],
		}
		local server = process.start { test.reef, "config", cwd = p.dir }
		server:expect "many\n"
		skynet.sleep(math.random(0, 10))
		server:signal "KILL"
		server:wait()
		local code, names = process.run { "sh", "-c", "ls *.ring", cwd = p.dir }
		test.equal(code, 0, names)
		local shown
		code, shown = replay(p, names:match "^[^\n]+", "--show")
		test.equal(code, 0, shown:sub(-1000))
		lost = lost + (shown:find("what was before is lost", 1, true) and 1 or 0)
		local last, count = nil, 0
		for n in shown:gmatch "logs: called (%d+)\n" do
			test.equal(tonumber(n), (last or tonumber(n) - 1) + 1)
			last, count = tonumber(n), count + 1
		end
		test.truthy(count > 100, count)
	end
	test.truthy(lost > 0, lost)
end)

test.case("a ring keeps to its limit, whatever is sent, and goes with its service", function()
	local p, files, code, output = ring(30, "25", nil, "record_limit = 2\n")
	test.equal(code, 0, output)
	test.equal(#files, 1)
	p:write("service/main.lua", (p:read "service/main.lua":gsub('%("x"%):rep%(1000%)',
		'("x"):rep(i == 10 and 3000000 or 200000)')))
	process.run { "sh", "-c", "rm *.rec", cwd = p.dir }
	code, output = process.run({ test.reef, "config", cwd = p.dir }, 120)
	test.equal(code, 0, output)
	local name = record_of(p)
	test.between(#p:read(name), 200000, 2 << 20)
	code, output = replay(p, name, "--show")
	test.equal(code, 0, output)
	test.matches(output, "what was before is lost")
	test.matches(output, "prints: called\t25\n")
end)

test.run()
