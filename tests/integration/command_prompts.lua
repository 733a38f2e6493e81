-- tsan: no, the command line and what it reads
-- `reef attach` and `reef repl`: with a terminal, and as scripts.
local peer = require "reef.test.peer"
local process = require "test.process"
local project = require "project"
local skynet = require "skynet"
local test = require "test"
require "skynet.manager"

local console, state

local function write(path, text)
	local f <close> = assert(io.open(path, "w"))
	f:write(text)
end

local function reef(words, input)
	local stdin = process.path "input"
	write(stdin, input or "")
	return process.run { test.reef, stdin = stdin, table.unpack(words) }
end

local function on_terminal(steps, ...)
	local command = { "python3", test.root .. "/tests/support/terminal.py", "80x24", env = { XDG_STATE_HOME = state } }
	table.move(steps, 1, #steps, #command + 1, command)
	for _, word in ipairs { "--", test.reef, ... } do
		command[#command + 1] = word
	end
	local code, output = process.run(command, 120)
	return output, code
end

test.case("attach runs commands of a console, one or a script of them", function()
	state = process.path "state"
	console = "127.0.0.1:" .. skynet.call(skynet.newservice("debug_console", 0), "debug", "INFO").port
	local self = skynet.address(skynet.self())
	test.equal({ reef { "attach", console, "run", self, "1", "+", "1,", "{a='x'}" } }, { 0, '2\t{["a"]="x"}\n' })
	test.equal({ reef { "attach", console:match ":(%d+)$", "run", self, "1" } }, { 0, "1\n" })
	test.equal({ reef { "attach", console, "run", self, "local", "n", "=", "4", "print(n)" } }, { 0, "4\n" })
	local code, output = reef { "attach", console, "run", self, "error", "'broken'" }
	test.equal(code, 1)
	test.matches(output, "broken")
	code, output = reef({ "attach", console }, "getenv thread\n\nnonsense\nlist\n")
	test.equal(code, 0)
	test.matches(output, "^thread\t4\nInvalid command nonsense, type help .*:%x+\tsnlua command_prompts\n")
	test.equal((reef({ "attach", console }, "list\nnonsense")), 1)
	code, output = reef({ "attach", console }, "getenv thread\n quit \nnonsense\n")
	test.equal(code, 0)
	test.equal(select(2, output:gsub("\n", "")), 1)
	-- A profile takes its seconds beside those that a command may take.
	code, output = reef { "attach", "--timeout", "5", console, "profile", "nobody*", "6" }
	test.equal({ code, output }, { 0, "nothing was sampled: what is looked at was idle, or is not there\n" })
	code, output = reef { "attach", console, "profile", "nonsense", "1", "heat" }
	test.equal(code, 1)
	test.matches(output, 'kind is "cpu" or "bytes", not heat')
	skynet.error "a line to be followed"
	test.eventually("the line in the log", 20, function()
		code, output = reef { "attach", console, "tail", "100", self }
		return code == 0 and output:find("%d+ %d%d:%d%d:%d%d info " .. self .. " a line to be followed\n")
	end)
end)

test.case("attach on a terminal completes, remembers and follows", function()
	skynet.fork(function()
		for i = 1, 1000 do
			skynet.error("tick " .. i)
			skynet.sleep(20)
		end
	end)
	local output, code = on_terminal({
		"expect:> ", "send:loglev\\t\\n", "expect:\\*\tverbose", "expect:> ", "send:follow\\n",
		"expect:tick \\d+\r\n", "expect:tick \\d+\r\n", "send:\\n", "expect:> ", "send:getenv harbor\\n", "expect:harbor\t0",
		"expect:> ", "send:\\x04", "gone:" }, "attach", console)
	test.equal(code, 0, output)
	local f <close> = assert(io.open(state .. "/reef/attach_history"))
	test.matches(f:read "a", "loglevel.*follow.*getenv")
	output, code = on_terminal({ "expect:> ", "send:\\x1b[A\\n", "expect:harbor\t0", "expect:> ", "send:\\x04", "gone:" },
		"attach", console)
	test.equal(code, 0, output)
end)

test.case("attach takes the path of a console's socket, also one that begins here", function()
	local path = test.dir .. "/console.sock"
	local service = skynet.newservice("debug_console", path)
	for _, word in ipairs { path, "./console.sock", "unix:" .. path } do
		local code, output = process.run {
			test.reef, "attach", word, "getenv", "thread", cwd = test.dir, stdin = "/dev/null",
		}
		test.equal({ code, output }, { 0, "thread\t4\n" }, word)
	end
	skynet.kill(service)
	test.raises("debug_console %[ip%] port, or debug_console /path", skynet.newservice, "debug_console", "console.sock")
end)

test.case("attach says which address is none, and fails when a service does not start", function()
	for address, wanted in pairs {
		["127.0.0.1:99999"] = "127.0.0.1:99999: 99999 is no port: 65535 is the last",
		["99999999999999999999"] = "127.0.0.1:99999999999999999999: 99999999999999999999 is no port: 65535 is the last",
		["name"] = "name: this is neither HOST:PORT nor the path of a socket",
	} do
		for _, command in ipairs { "attach", "record" } do
			test.equal({ reef { command, address } }, { 1, ("reef %s: %s\n"):format(command, wanted) })
		end
	end
	for _, line in ipairs { "start nosuch", "log nosuch", "snax nosuch" } do
		local code, output = reef { "attach", console, line }
		test.equal(code, 1, output)
		test.matches(output, "^Failed: ")
	end
	test.equal((reef { "attach", console, "start actor" }), 0)
end)

test.case("attach says who is not there, or no console", function()
	local gone = peer.start(function() end)
	gone:refuse()
	local stalls = peer.start(function(c)
		c:write "Welcome to skynet console\n"
		c:stall()
	end)
	local rubbish = peer.start(function(c)
		c:write "220 \27[2Jftp\n"
		c:rest()
	end)
	local evil = peer.start(function(c)
		c:write "Welcome to skynet console\n"
		c:line()
		c:write "\27[2J\7evil\n<CMD OK>\n"
		c:rest()
	end)
	local leaves = peer.start(function(c)
		c:write "Welcome to skynet console\n"
		c:line()
	end)
	for _, case in ipairs {
		{ gone, "Connection refused" }, { rubbish, "no debug console" }, { leaves, "closed the connection" },
		{ stalls, "no answer in time" },
	} do
		local code, output = reef { "attach", "--timeout", "0.2", "127.0.0.1:" .. case[1].port, "list" }
		test.equal(code, 1, output)
		test.matches(output, "^reef attach: 127.0.0.1:%d+: .*" .. case[2] .. "\n$")
		test.equal(output:find "\27", nil)
	end
	local code, output = reef { "attach", "127.0.0.1:" .. evil.port, "list" }
	test.equal(code, 0)
	test.equal(output:find "[\27\7]", nil)
	for _, words in ipairs { { "attach" }, { "attach", "--fast" }, { "attach", "--timeout", "x", "a:1" } } do
		test.equal((reef(words)), 2)
	end
	test.equal((reef { "attach", "nowhere" }), 1)
end)

test.case("repl runs a script, with services that are called", function()
	local p = project.new {
		["service/adder.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function() skynet.dispatch("lua", function(_, _, a, b) skynet.retpack(a + b) end) end)]],
		["lualib/part.lua"] = "return 'part'",
		["config"] = "metrics = '256.1.1.1:1'\ndaemon = './pid'\nlogger = './log'\nmine = 'x'\n",
	}
	write(p:path "script", "a = skynet.newservice 'adder'\nskynet.call(a, 'lua', 1, 2), (require 'part')\n"
		.. "function f()\n  return { 1, b = 'c' }\nend\nf()\nnil\nskynet.getenv 'mine'\n\nprint 'end'")
	local path = p:path "script"
	local code, output = process.run { test.reef, "repl", stdin = path, cwd = p.dir, stderr = p:path "errors" }
	test.equal({ code, output }, { 0, "3\t\"part\"\n{1, [\"b\"]=\"c\"}\nnil\nnil\nend\n" })
	code, output = process.run { test.reef, "repl", "config", stdin = path, cwd = p.dir, stderr = p:path "errors" }
	test.equal({ code, output }, { 0, "3\t\"part\"\n{1, [\"b\"]=\"c\"}\nnil\n\"x\"\nend\n" })
	test.equal(p:read "log", nil)
	for input, pattern in pairs {
		["error 'broken'\nprint 'not reached'"] = "broken", ["x = = 1"] = "unexpected symbol", ["function f()"] = "<eof>",
	} do
		code, output = reef({ "repl" }, input)
		test.equal(code, 1, output)
		test.matches(output, pattern)
		test.equal(output:find "reached", nil)
	end
	test.equal({ reef { "repl", "--fast" } }, { 2, "reef repl: unknown option --fast (see reef repl --help)\n" })
	test.equal((reef { "repl", "absent" }), 1)
end)

test.case("repl on a terminal completes names, goes on after errors, and says what comes meanwhile", function()
	local output, code = on_terminal({ "expect:> ", "send:tostr\\t(1)\\n", 'expect:"1"', "expect:> ",
		"send:error 'broken'\\n", "expect:broken", "expect:> ", "send:for i = 1, 2 do\\n", "expect:>> ",
		"send:print(i) end\\n", "expect:1\r\n2", "expect:> ", "send:\\x04", "gone:" }, "repl")
	test.equal(code, 0, output)
end)

test.case("repl ends with its terminal", function()
	local output, code = on_terminal({ "expect:> ", "hang:" }, "repl")
	test.equal(code, 0, output)
end)

test.run()
