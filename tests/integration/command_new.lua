-- tsan: no, the command line and what it reads
-- `reef new NAME`: what it makes runs, passes its own test, and has nothing to be complained about.
local process = require "test.process"
local project = require "project"
local test = require "test"

local home, made

local function reef(words, cwd)
	return process.run { test.reef, cwd = cwd or home.dir, table.unpack(words) }
end

test.case("a project is made, and says what is next", function()
	home = project.new()
	local code, output = reef { "new", "tower_1-b" }
	test.equal({ code, output }, { 0, "tower_1-b is made. Next:\n\n    cd tower_1-b\n    reef test\n    reef config\n" })
	made = home:path "tower_1-b"
	local left, text = process.run { "grep", "-rnw", "NAME", made }
	test.equal({ left, text }, { 1, "" })
	test.matches(home:read "tower_1-b/.luacheckrc", "SERVICE_NAME")
	local unit = home:read "tower_1-b/tower_1-b.service"
	test.matches(unit, "WorkingDirectory=/opt/tower_1%-b\n")
	test.equal(unit:find("$tower", 1, true), nil)
end)

test.case("it passes its own test, check, doctor and luacheck", function()
	local code, output = reef({ "test" }, made)
	test.equal(code, 0, output)
	test.matches(output, "ok   test/visitors_test.lua: 3 passed %([%d.]+ s%)\n3 passed, 0 failed, 0 skipped\n$")
	for _, words in ipairs { { "check", "config" }, { "doctor", "config" } } do
		code, output = reef(words, made)
		test.equal(code, 0, output)
	end
	code, output = process.run { "luacheck", "--quiet", ".", cwd = made }
	test.equal(code, 0, output)
end)

test.case("it runs as its README says, and tells systemd", function()
	local socket = process.path "notify"
	local listener = process.start { "python3", "-c", [[
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
while True:
    print(s.recv(100).decode(), flush=True)
]], socket }
	listener:expect "bound"
	local reef_process = process.start {
		test.reef, "config", cwd = made, env = { METRICS = "127.0.0.1:0", CONSOLE = 0, PORT = 0, NOTIFY_SOCKET = socket },
	}
	reef_process:expect "ready: clients may come to port %d+"
	listener:expect "READY=1\n"
	reef_process:signal "TERM"
	test.equal({ reef_process:wait() }, { 0 })
	listener:expect "READY=1\nSTOPPING=1\n"
end)

test.case("what exists is left alone, and bad names are refused", function()
	local code, output = reef { "new", "tower_1-b" }
	test.equal({ code, output }, { 1, "reef new: tower_1-b exists already\n" })
	for _, name in ipairs { "", "1up", "a b", "../-x", "a;b", "a\27[31m", ("a"):rep(65), "a/b c" } do
		code, output = reef { "new", name }
		test.equal(code, 2, name)
		test.matches(output, "no name for a project", name)
		test.equal(output:find "\27", nil)
	end
	code, output = reef { "new", "absent/tower" }
	test.equal(code, 1)
	test.equal(output, "reef new: absent/tower: No such file or directory\n")
	code, output = reef { "new" }
	test.equal({ code, output }, { 2, "reef new: which name? (see reef new --help)\n" })
	code, output = reef { "new", "a", "b" }
	test.equal({ code, output }, { 2, "reef new: one project at a time (see reef new --help)\n" })
	test.equal({ reef { "new", "--quiet", "sub" } }, { 0, "" })
	test.equal({ reef { "new", "-q", "sub/inner/" } }, { 0, "" })
end)

test.run()
