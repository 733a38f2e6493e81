-- tsan: no, what the main thread and one service do
-- What somebody who begins does wrong, and what is said: the place, the fault, and where it can be known what to do.
local project = require "project"
local test = require "test"

-- A script, whose first line is `local skynet = require "skynet"`, and the last thing that is said of it.
local SCRIPTS <const> = {
	{ 'local socket = require "skynet.sokcet"', "%./main%.lua:2: module 'skynet%.sokcet' not found:.*"
		.. "no module 'skynet%.sokcet' in [^\n]*/lualib %(did you mean skynet%.socket%?%)" },
	{ 'require "rules"', "%./main%.lua:2: module 'rules' not found:.*no module 'rules' in [^\n]*/lualib\n" },
	{ "skynet.strat(function() end)", "%./main%.lua:2: attempt to call a nil value %(field 'strat'%)" },
	{ "skynet:start(function() end)", "%./main%.lua:2: skynet%.start takes a function, not a table" },
	{ "skynet.start(print())", "%./main%.lua:2: skynet%.start takes a function, not a nil" },
	{ "skynet.sleep(10)", "%./main%.lua:2: this function waits: call it from a coroutine of the service" },
	{ "skynet.dispatch(function() end)",
		"%./main%.lua:2: bad argument #1 to 'dispatch' %(string expected, got function%)" },
}

-- The same within its start function.
local STARTS <const> = {
	{ 'skynet.newservice "greter"', "main%.lua:3: call failed: cannot open %./greter%.lua: No such file or directory" },
	{ 'skynet.call(nil, "lua")', "main%.lua:3: bad argument #1 to 'call' %(string expected, got nil%)" },
	{ 'skynet.call(skynet.self(), "hello")', "main%.lua:3: unknown message type 'hello'" },
	{ 'skynet.call(skynet.self(), "lua")',
		'main%.lua:3: call failed: no dispatch for messages of type 10: the service has not called '
		.. 'skynet%.dispatch%("lua", %.%.%.%)' },
	{ 'skynet.sleep "one"', "main%.lua:3: bad argument #1 to 'sleep' %(number expected, got string%)" },
	{ "skynet.fork(print())", "main%.lua:3: bad argument #1 to 'fork' %(function expected, got no value%)" },
	{ 'require("skynet.socket").listen(7000)',
		"main%.lua:3: bad argument #1 to 'listen' %(string expected, got number%)" },
	{ 'require("skynet.socket").read(99)', "main%.lua:3: this service has no socket 99: assertion failed!" },
	{ 'require("skynet.snax").newservice "hall"', "main%.lua:3: cannot load the snax service hall: cannot open " },
	{ 'require("http.httpc").get "http://127.0.0.1"',
		"main%.lua:3: http: the path, which follows the host, is a nil, not a string" },
	{ 'require("skynet.socketchannel").channel { host = "x" }.request "ping"',
		"main%.lua:3: the object is missing, a method is called as object:request%(%.%.%.%): " },
}

local function said(lines)
	local p = project.new { ["main.lua"] = 'local skynet = require "skynet"\n' .. lines .. "\n" }
	local code, output = p:run { "run", "main.lua" }
	test.equal(code, 1, output)
	return ("\n" .. output):match "\nreef: cannot start main: call failed: (.*)" or test.fail(output)
end

test.case("a script that is wrong is told where, and what", function()
	for _, mistake in ipairs(SCRIPTS) do
		test.matches(said(mistake[1]), "^" .. mistake[2])
	end
end)

test.case("so is a start function", function()
	for _, mistake in ipairs(STARTS) do
		test.matches(said("skynet.start(function()\n" .. mistake[1] .. "\nend)"), "^%./" .. mistake[2])
	end
end)

test.case("a script, or a directory, in the place of a configuration is told what it takes", function()
	local p = project.new { ["main.lua"] = 'local skynet = require "skynet"', ["game/config"] = "thread = 1" }
	local code, output = p:run { "main.lua" }
	test.equal(code, 1, output)
	test.matches(output, "reef: main%.lua was read as a configuration; a script is started with reef run main%.lua\n")
	code, output = p:run { "game" }
	test.different(code, 0)
	test.matches(output, "reef: game is a directory %(did you mean cd game && reef config%?%)\n")
end)

test.run()
