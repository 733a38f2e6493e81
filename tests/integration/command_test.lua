-- `reef test` and reef.test, as users have them.
local process = require "test.process"
local project = require "project"
local test = require "test"

local HEAD = 'local skynet = require "skynet"\nlocal test = require "reef.test"\n'

local function reef(p, ...)
	return process.run { test.reef, "test", cwd = p.dir, ... }
end

test.case("results are told by line, TAP, JUnit and exit code", function()
	local p = project.new {
		["test/a_test.lua"] = HEAD .. [[
test.case("adds # up", function() test.equal(1 + 1, 2) end)
test.case("is <wrong> & \27[31mred", function() print "loud" test.equal({ 1, "x" }, { 1, "y" }, "list") end)
test.case("is left out", function() test.skip "no server" end)
test.run()
]],
		["test/deep/b_test.lua"] = HEAD .. "test.case('random', function() print(math.random(1 << 40)) end)\ntest.run()\n",
		["test/helper.lua"] = "error 'not a test'",
	}
	local code, output = reef(p, "--junit", "out.xml", "--seed", "7")
	test.equal(code, 1, output)
	test.matches(output, "FAIL test/a_test.lua: 1 passed, 1 failed, 1 skipped")
	test.matches(output, "skipped: is left out: no server\n")
	test.matches(output, 'list: got {1, "x"}, want {1, "y"}')
	test.matches(output, "output of test/a_test.lua %(%-%-seed 7%):\n.*| loud\n")
	test.matches(output, "ok   test/deep/b_test.lua: 1 passed.*2 passed, 1 failed, 1 skipped\n$")
	test.equal(output:find "\27", nil)
	local checked, problem = process.run { "python3", "-c", [[
import sys, xml.etree.ElementTree as e
r = e.parse(sys.argv[1]).getroot()
print(r.attrib["tests"], r.attrib["failures"], r.attrib["skipped"], [c.attrib["name"] for c in r.iter("testcase")])
]], p:path "out.xml" }
	test.equal({ checked, problem }, { 0,
		"4 1 1 ['adds # up', 'is <wrong> & \\\\x1b[31mred', 'is left out', 'random']\n" })

	code, output = reef(p, "--tap", "--only", "adds", "test/a_test.lua")
	test.equal({ code, output }, { 0, "TAP version 14\n1..1\nok 1 - test/a_test.lua: adds \\# up\n" })
	code, output = reef(p, "--tap", "test/a_test.lua")
	test.equal(code, 1)
	test.matches(output, "\nnot ok 2 %- test/a_test.lua: is <wrong> & \\+x1b%[31mred\n  %-%-%-\n  message: |\n"
		.. ".*want.*  %.%.%.\nok 3 .* # SKIP no server\n")

	local _, first = reef(p, "-v", "--seed", "12", "test/deep")
	local _, again = reef(p, "-v", "--seed", "12", "test/deep")
	test.equal(test.matches(first, "| (%d%d%d+)\n"), test.matches(again, "| (%d%d%d+)\n"))
	code = reef(p, "--only", "nothing like it", "test/deep")
	test.equal(code, 1)
end)

test.case("a file that hangs, dies or does not start is a failure that says so", function()
	local patience = test.sanitizer and 8 or 2 -- until a process has started, and begun a case
	local p = project.new {
		["hangs_test.lua"] = ("-- timeout: %g\n"):format(patience) .. HEAD
			.. "test.case('loops', function() while true do end end)\ntest.run()",
		["dies_test.lua"] = HEAD .. "test.case('ends', function() os.exit(7) end)\ntest.run()",
		["starts_test.lua"] = "error 'wrong from the start'",
		["late_test.lua"] = HEAD .. "test.case('waits', { timeout = 0.1 }, function() skynet.wait() end)\ntest.run()",
		["empty_test.lua"] = HEAD .. "test.run()",
		["bad name_test.lua"] = "",
	}
	local code, output = reef(p, ".", "--jobs", "3")
	test.equal(code, 1)
	for _, text in ipairs {
		("failed: loops\n       killed after %g s, before all cases had run"):format(patience),
		"failed: ends\n       exit code 7, before all cases had run",
		"failed: (start)\n       exit code 1, before all cases had run\n     output of ./starts_test.lua",
		"wrong from the start",
		"failed: waits\n       still running after 0.1 s, here:",
		"ok   ./empty_test.lua: 0 passed",
		"failed: (start)\n       ./bad name_test.lua: the name of a test file ends in .lua and has no spaces",
		"0 passed, 5 failed, 0 skipped\n",
	} do
		test.truthy(output:find(text, 1, true), text .. "\n" .. output)
	end
end)

test.case("tests have the paths and keys of the project's configuration, and none of its servers", function()
	local p = project.new {
		["config"] = "metrics = '256.0.0.1:1'\nlogger = './server.log'\nluaservice = './services/?.lua'\nmine = 'a$$b'\n",
		["services/one.lua"] = "require('skynet').start(function() end)",
		["test/own.lua"] = "require('skynet').start(function() end)",
		["test/it_test.lua"] = "-- config: thread = 2\n" .. HEAD .. [[
test.case("all is found", function()
	test.service "one"
	test.service "own"
	test.equal({ skynet.getenv "mine", skynet.getenv "thread", skynet.getenv "metrics" }, { "a$b", "2" })
	test.truthy(io.open(test.dir .. "/file", "w"))
end)
test.run()
]],
	}
	local code, output = reef(p)
	test.equal(code, 0, output)
	test.equal(p:read "server.log", nil)
	p:write("other", "mine = 'c'\n")
	code, output = reef(p, "--config", "other")
	test.equal(code, 1, output)
end)

test.case("a test file runs by itself, too, with its exit code", function()
	local p = project.new {
		["good.lua"] = HEAD .. "test.case('good', function() end)\ntest.run()",
		["bad.lua"] = HEAD .. "test.case('bad', function() test.fail 'so' end)\ntest.run()",
	}
	local alone = { env = { REEF_TEST_RESULTS = "" } }
	test.equal((p:run({ "run", "good.lua" }, alone)), 0)
	local code, output = p:run({ "run", "bad.lua" }, alone)
	test.equal(code, 1)
	test.matches(output, "fail\tbad\t")
end)

test.case("what the command line has wrong is named", function()
	local p = project.new()
	for _, c in ipairs {
		{ {}, "There is no directory `test` here" }, { { "absent" }, "absent: No such file" },
		{ { "--jobs", "none" }, "--jobs needs a number" }, { { "--seed" }, "--seed needs a number" },
		{ { "--junit" }, "--junit needs a value" }, { { "--tpa" }, "unknown option --tpa" },
		{ { "." }, ".: there is no file *_test.lua in it" },
		{ { "x_test.lua", "--config", "absent" }, "reef test: absent: No such file" },
		{ { "x_test.lua", "--config", "." }, "reef test: .: is a directory" },
	} do
		local code, output = reef(p, table.unpack(c[1]))
		test.equal(code, 2, c[2])
		test.truthy(output:find(c[2], 1, true), output)
	end
end)

test.case("a file that forgets to run its cases says so at once", function()
	local p = project.new {
		["empty_test.lua"] = "", ["forgets_test.lua"] = HEAD .. "test.case('good', function() end)",
		["simulated_test.lua"] = "-- sim: runs 2\n" .. HEAD .. "test.case('good', function() end)",
	}
	for _, name in ipairs { "empty", "forgets", "simulated" } do
		local code, output = test.within(60, reef, p, name .. "_test.lua")
		test.equal(code, 1, output)
		test.matches(output, "no case was run: a test file ends with test%.run%(%)\n", name)
	end
end)

test.case("a text that no case has in its name is said", function()
	local p = project.new { ["good_test.lua"] = HEAD .. "test.case('good', function() end)\ntest.run()" }
	local code, output = reef(p, "good_test.lua", "--only", "bad")
	test.equal(code, 1)
	test.matches(output, "reef test: no case has bad in its name\n")
	test.equal((reef(p, "good_test.lua", "--only", "oo")), 0)
end)

test.case("a file that asks for it runs in the simulation, with its seeds", function()
	local p = project.new {
		["test/day_test.lua"] = "-- sim: seed 7 runs 2\n" .. HEAD .. [[
test.case("a day passes", { timeout = 90000 }, function()
	skynet.sleep(8640000)
	test.truthy(require("reef.sim").elapsed() >= 86400)
	local f <close> = io.open(os.getenv "SEEDS", "a")
	f:write(test.seed, " ")
end)
test.run()
]],
		["test/promise_test.lua"] = "-- sim: runs 100\n" .. HEAD .. [[
test.case("passes", function() end)
test.case("has a promise", function()
	require("reef.sim").check(math.random(8) > 1, "it was %d", 1)
end)
test.run()
]],
		["test/wrong_test.lua"] = "-- sim: seeds\n" .. HEAD .. "test.run()\n",
	}
	local code, output = process.run { test.reef, "test", "--seed", "40", "test/day_test.lua", cwd = p.dir,
		env = { SEEDS = p:path "seeds" } }
	test.equal(code, 0, output)
	test.matches(output, "ok   test/day_test.lua: 1 passed")
	local seeds <close> = io.open(p:path "seeds")
	test.equal(seeds:read "a", "7 40 41 ")

	code, output = reef(p, "--seed", "5", "test/promise_test.lua")
	test.equal(code, 1, output)
	test.matches(output, "FAIL test/promise_test.lua: 1 passed, 1 failed")
	test.matches(output, "failed: has a promise\n%s+it was 1\n")
	local seed = test.matches(output, "again: reef test test/promise_test.lua %-%-seed (%d+)\n")
	test.matches(output, "output of test/promise_test.lua %(%-%-seed " .. seed .. "%)")
	test.equal(output:find("sim: again", 1, true), nil, output)
	code, output = reef(p, "--tap", "--seed", seed, "test/promise_test.lua")
	test.equal(code, 1, output)
	test.matches(output, "not ok 2 .*in the simulation of seed " .. seed .. ";")

	code, output = reef(p, "test/wrong_test.lua")
	test.equal(code, 1, output)
	test.matches(output, "sim: seeds is neither `seed N` nor `runs N`")
end)

test.run()
