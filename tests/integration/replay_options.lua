-- What `reef replay` is told to do, and what `reef record` has a running process do.
local process = require "test.process"
local project = require "project"
local records = require "test.records"
local test = require "test"

test.case("a replay stops where it is told to, and can be looked into", function()
	local p = records.of(records.SUM)
	local code, output = records.replay(p, nil, "--show")
	test.equal(code, 0, output)
	test.matches(output, "one, handle :%x+.*message from :%x+ type 10 session %d+")
	test.matches(output, "prints: sum\t1")
	code, output = process.run({ "sh", "-c", ("printf 'x = 41\\n1 + x\\ncont\\n' | %s replay %s --stop 9"):format(
		test.reef, records.first(p)), cwd = p.dir }, 120)
	test.equal(code, 0, output)
	test.matches(output, "before message 9.*\nreplay> \nreplay> 42\nreplay> ")
end)

test.case("a replay goes as far as it is told to", function()
	local p = records.of("skynet.start(function() for i = 1, 60 do print('at', i) skynet.sleep(1) end end)")
	local _, shown = records.replay(p, nil, "--show")
	-- Between two messages, whatever becomes of its last digits.
	local number = tonumber(shown:match "\n +([%d.]+) +%d+ +%d+  prints: at\t20\n" or test.fail(shown)) - 0.003
	local seconds = ("%.3f"):format(number)
	local code, output = records.replay(p, nil, "--until", seconds)
	test.equal(code, 0, output)
	test.matches(output, "as far as was wanted")
	test.matches(output, "at\t19\n")
	test.equal(output:find "at\t60\n", nil, output)
	-- The same time in other units, and shown.
	for _, word in ipairs { seconds .. "s", ("%.9fm"):format(number / 60), ("%.12fh"):format(number / 3600) } do
		local _, again = records.replay(p, nil, "--until", word)
		test.equal(again, output, word)
	end
	_, output = records.replay(p, nil, "--show", "--until", seconds)
	test.matches(output, "at\t19\n")
	test.equal(output:find "at\t60\n", nil, output)
	code, output = records.replay(p, nil, "--stop", "100000")
	test.equal(code, 0, output)
	test.matches(output, "there is no message 100000 to stop before")
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
		["service/one.lua"] = 'local skynet = require "skynet"\n' .. records.SUM,
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
	code, output = records.replay(p, "one.rec")
	test.equal(code, 0, output)
	test.matches(output, "sum\t1\n.*as recorded; the service has ended")
	test.equal(process.run { test.reef, "record" }, 2)
	code, output = command "one"
	test.equal(code, 1, output)
end)

test.run()
