-- timeout: 180
-- `reef doctor`: what a project needs that is not there is said before it runs, and nothing of it is run.
local doctor = require "project_doctor"
local json = require "test.json"
local process = require "test.process"
local test = require "test"

local examine, has, new = doctor.examine, doctor.has, doctor.new

test.case("a project that needs nothing more is told so", function()
	local p = new {
		["service/main.lua"] = [[
			local skynet = require "skynet"
			local rules = require "rules"
			-- require "commented.out"
			local text = "require 'in.a.string'" .. [=[ require "in.long.brackets" ]=]
			skynet.start(function() skynet.newservice "agent" skynet.newservice("console") end)
		]],
		["service/agent.lua"] = "local skynet = require 'skynet' skynet.start(function() end)",
		["lualib/rules/init.lua"] = "return { string = require 'string' }",
	}
	local code, told, report = examine(p)
	test.equal(told.missing, {})
	test.equal(told.broken, {})
	test.equal({ code, report.ok }, { 0, true })
	test.equal(report.files, { "./lualib/rules/init.lua", "./service/agent.lua", "./service/main.lua" })
	local text
	code, text = p:run { "doctor", "config" }
	test.equal(code, 0)
	test.matches(text, "\nnothing is missing: 3 files read")
	test.truthy(not text:find "\27")
end)

test.case("an older name of a module is told with the one of today, and with what makes it known", function()
	local p = new { ["service/main.lua"] = 'local redis = require "redis"\nlocal socket = require "socket"' }
	local code, told = examine(p)
	test.equal(code, 1)
	local pattern = test.matches(told.missing[1],
		'^%./service/main%.lua:1: require "redis": the older name of skynet%.db%.redis: put ([^ ]+) into lua_path$')
	has(told.missing, "the older name of skynet%.socket: ")
	p = new {
		["service/main.lua"] = 'local redis = require "redis"\nlocal socket = require "socket"',
		config = doctor.CONFIG .. ('lua_path = lua_path .. ";%s"\n'):format(pattern),
	}
	code, told = examine(p)
	test.equal({ code, told.missing }, { 0, {} })
end)

test.case("each thing that is missing is named with its place", function()
	local p = new {
		["service/main.lua"] = table.concat({
			'local skynet = require "skynet"', -- 1
			'local snax = require("skynet.snax")',
			'local a = require "no.such.module"', -- 3
			"local b = require('pb')",
			'local ok, c = pcall(require, "perhaps")', -- 5
			'skynet.newservice("nobody", 1, 2)',
			'skynet.uniqueservice(true, "nowhere")', -- 7
			'snax.newservice "cold"',
			'skynet.launch("engine", "x")', -- 9
			"skynet.no_such_function()",
			'require "handler"', -- 11
			'skynet.launch("snlua", "absent with arguments")',
		}, "\n"),
		["lualib/handler.lua"] = "\n\nlocal m = require [[deep.down]]",
	}
	local code, told = examine(p)
	test.equal(code, 1)
	has(told.missing, '^%./service/main%.lua:3: require "no%.such%.module": ')
	has(told.missing, '^%./service/main%.lua:4: require "pb": ')
	has(told.missing, '^%./service/main%.lua:6: skynet%.newservice "nobody": ')
	has(told.missing, '^%./service/main%.lua:7: skynet%.uniqueservice "nowhere": ')
	has(told.missing, '^%./service/main%.lua:8: snax%.newservice "cold": ')
	has(told.missing, '^%./service/main%.lua:9: skynet%.launch "engine": ')
	has(told.missing, "^%./service/main%.lua:10: skynet%.no_such_function: ")
	has(told.missing, '^%./service/main%.lua:12: skynet%.launch snlua "absent')
	has(told.missing, '^%./lualib/handler%.lua:3: require "deep%.down": ')
	test.equal(#told.missing, 9)
	has(told.unknown, '^%./service/main%.lua:5: require "perhaps", tried with pcall')
	local text
	code, text = p:run { "doctor", "config" }
	test.equal(code, 1)
	test.matches(text, "\n9 missing, 0 wrong: ")
end)

test.case("what Debian has is named, also all of it as one command", function()
	local p = new { ["service/main.lua"] = 'require "rex_pcre2" require "zip" require "pl.path"' }
	local code, text = p:run { "doctor", "config" }
	if code == 0 then
		test.skip "they are installed"
	end
	test.matches(text, "apt%-get install [^\n]*lua%-")
end)

test.case("what the distribution brings is named with its package, and files that are run by path are read", function()
	if (process.run { "sh", "-c", "ls /usr/lib/*/lua/5.4/cjson.so" }) ~= 0 then
		test.skip "cjson is not installed"
	end
	local code, told = examine(new {
		["service/main.lua"] = "local json = require 'cjson'\nlocal rules = dofile('rules.lua') loadfile 'gone.lua'",
		["rules.lua"] = "return require 'rules.of.all'",
	})
	test.equal(code, 1)
	has(told.installed, '^%./service/main%.lua:1: require "cjson": /usr/lib/.*/cjson%.so, Debian\'s package lua%-cjson$')
	has(told.missing, '^rules%.lua:1: require "rules%.of%.all"')
	has(told.unknown, '^%./service/main%.lua:2: loadfile "gone%.lua": there is no such file')
end)

test.case("colours are for terminals, and for those who want them", function()
	if (process.run { "sh", "-c", "command -v script" }) ~= 0 then
		test.skip "no program that plays a terminal"
	end
	local p = new { ["service/main.lua"] = "" }
	local command = test.reef .. " doctor config"
	for no_color, colored in pairs { [""] = true, ["1"] = false } do
		local code, output = process.run {
			"script", "-qec", command, "/dev/null", cwd = p.dir, env = { NO_COLOR = no_color, TERM = "xterm" },
		}
		test.equal(code, 0, output)
		test.equal(output:find "\27%[" ~= nil, colored, output)
	end
end)

test.case("what is made at run time is said, and what it may be is looked at", function()
	local p = new {
		["service/main.lua"] = table.concat({
			'local skynet = require "skynet"',
			"local name = ...",
			'local handler = require("handlers." .. name)',
			"skynet.newservice(name)",
			"local loader = require(name)",
		}, "\n"),
		["lualib/handlers/fight.lua"] = 'require "weapons"',
		["lualib/unused.lua"] = 'require "nobody.asks"',
		["service/other.lua"] = 'require "of.other"',
		["service/tests/helper.lua"] = 'require "busted"',
	}
	local code, told = examine(p)
	has(told.unknown, 'main%.lua:3: require%("handlers%."%.%.name%): the name is made when it runs')
	has(told.unknown, "main%.lua:4: skynet%.newservice%(name%): ")
	has(told.unknown, "main%.lua:5: require%(name%): ")
	has(told.missing, "handlers/fight%.lua:1: ")
	has(told.missing, "service/other%.lua:1: ")
	test.equal({ code, #told.missing }, { 1, 2 })
	-- Without a launch by a made-up name, other services are only looked at.
	p:write("service/main.lua", "")
	code, told = examine(p)
	test.equal({ code, #told.missing }, { 0, 0 })
	has(told.perhaps, "service/other%.lua:1: ")
end)

test.case("the other implementation's tree may stay: it is said what is passed over, what comes from it", function()
	local marker = process.path "marker"
	local bad = ("io.open(%q, 'w'):close() error 'not to be run'"):format(marker)
	local p = new {
		config = [[
			root = "./"
			luaservice = root .. "service/?.lua;" .. root .. "peer/service/?.lua"
			lua_path = root .. "lualib/?.lua;" .. root .. "peer/lualib/?.lua;" .. root .. "peer/lualib/?/init.lua"
			lualoader = root .. "peer/lualib/loader.lua"
		]],
		["service/main.lua"] = [[
			local skynet = require "skynet"
			local socket = require "skynet.socket"
			skynet.start(function()
				print("marker:", socket.open ~= nil)
				skynet.newservice "clusterd"
				require("skynet.manager").abort()
			end)
		]],
		["peer/lualib/skynet.lua"] = bad, ["peer/lualib/loader.lua"] = bad, ["peer/lualib/skynet/socket.lua"] = bad,
		["peer/lualib/peerlib/old.lua"] = "return require 'peerlib.core'",
		["peer/service/launcher.lua"] = bad, ["peer/service/bootstrap.lua"] = bad, ["peer/service/clusterd.lua"] = bad,
	}
	local code, told = examine(p)
	test.equal({ code, told.missing, told.foreign }, { 0, {}, {} })
	has(told.shadowed, "%./peer/service/: 3 services stand behind Reef's own: bootstrap, clusterd, launcher$")
	has(told.shadowed, "%./peer/lualib/: 3 modules stand behind Reef's own: .*skynet%.socket")
	has(told.differs, "^config:4: lualoader")
	-- It does start, with their tree and without it.
	for _, tree in ipairs { "peer", "gone" } do
		local exit, output = p:run { "config" }
		test.equal(exit, 0, output)
		test.matches(output, "marker:\ttrue")
		test.equal((process.run { "mv", p:path(tree == "peer" and "peer" or "gone"), p:path "gone2" }), 0)
		test.equal((process.run { "mv", p:path "gone2", p:path "gone" }), 0)
	end
	test.equal((process.run { "mv", p:path "gone", p:path "peer" }), 0)
	-- A module that only the other tree has.
	p:write("service/main.lua", "local skynet = require 'skynet' local old = require 'peerlib.old'")
	code, told = examine(p)
	test.equal(code, 1)
	has(told.foreign, "main%.lua:1: .*peer/lualib/peerlib/old%.lua is loaded, which was written for another")
	has(told.missing, '^%./peer/lualib/peerlib/old%.lua:1: require "peerlib%.core"')
	test.equal(io.open(marker), nil, "nothing of the project was run")
end)

test.case("a name of the API that is not there yet is told from a module that nobody knows", function()
	local _, told = examine(new { ["service/main.lua"] = 'require "client.socket" require "nobody.knows"' })
	local yet = 0
	for _, text in ipairs(told.missing) do
		yet = yet + (text:find "not in Reef yet" and 1 or 0)
	end
	test.equal(yet, pcall(require, "client.socket") and 0 or 1)
end)

test.case("libraries are read, not loaded: what they have and what they need", function()
	local modules = test.reef:gsub("[^/]+$", "tests/modules")
	local p = new {
		["service/main.lua"] = table.concat({
			'local skynet = require "skynet.manager"',
			'skynet.launch "echo"',
			'require "echo"', -- 3
			'require "text"',
			'require "old"', -- 5
			'require "marks.core"',
			'require "large"', -- 7
			'require "strange"',
		}, "\n"),
		["luaclib/text.so"] = "this is no library",
		["old.c"] = "int lua_setfenv(void *, int); int luaopen_old(void *L) { return lua_setfenv(L, 1); }",
		["marks.c"] = "#include <stdio.h>\n"
			.. '__attribute__((constructor)) static void mark(void) { fclose(fopen("marker", "w")); }'
			.. "int luaopen_marks_core(void *L) { return L != 0; }",
	}
	test.equal((process.run { "mkdir", "-p", p:path "cservice", p:path "luaclib" }), 0)
	for _, directory in ipairs { "cservice", "luaclib" } do
		test.equal((process.run { "cp", modules .. "/echo.so", p:path(directory) }), 0)
	end
	for _, name in ipairs { "old", "marks" } do
		local library = p:path("luaclib/" .. name .. ".so")
		if (process.run { "gcc", "-shared", "-fPIC", "-o", library, p:path(name .. ".c") }) ~= 0 then
			test.skip "no compiler"
		end
	end
	local whole = p:read "luaclib/marks.so"
	p:write("luaclib/large.so", (whole:gsub("marks_core", "large") .. ("\0"):rep(5 << 20)))
	p:write("luaclib/strange.so", whole:sub(1, 0x12) .. "\x07\x07" .. whole:sub(0x15))
	local code, told = examine(p)
	test.equal(code, 1)
	has(told.broken, "main%.lua:8: .*strange%.so is a shared library for another kind of machine")
	has(told.broken, "main%.lua:3: .*echo%.so has no function luaopen_echo")
	has(told.broken, "main%.lua:4: .*text%.so is no shared library")
	has(told.missing, "main%.lua:5: .*old%.so needs lua_setfenv, which Reef does not have")
	has(told.broken, "main%.lua:7: .*large%.so has no function luaopen_large")
	test.equal({ #told.broken, #told.missing, told.skipped }, { 4, 1, {} })
	-- Cut off at any place: never more than a sentence.
	math.randomseed(test.seed)
	for _ = 1, test.count(10) do
		local at, n = math.random(#whole), math.random(4)
		p:write("luaclib/strange.so", whole:sub(1, at) .. ("\xff"):rep(n) .. whole:sub(at + n + 1, math.random(at, #whole)))
		code, told = examine(p)
		test.equal(code, 1)
		test.equal(told.skipped, {})
	end
	test.equal(p:read "marker", nil)
end)

test.case("a configuration is read as Reef reads it, and what is wrong in it has a place", function()
	local p = new {
		config = table.concat({
			'include "common.lua"', -- 1
			'logger = "$REEF_NO_SUCH_VARIABLE/log"',
			"thread = 5000", -- 3
			"harbor = 0",
			'standalone = "x:1"', -- 5
			'cpath = "./cservice/none.so"',
			"nodes = { 1 }", -- 7
			'preload = "./before.lua"',
			'cluster = "./nodes.lua"', -- 9
			"enablessl = true",
		}, "\n"),
		["common.lua"] = 'luaservice = "./service/?.lua"\nlua_path = "./$REEF_HAS_ONE/?.lua"',
		["nodes.lua"] = 'a = "127.0.0.1:1"\n\nb = 5',
		["service/main.lua"] = 'require "beside"',
		["here/beside.lua"] = "",
	}
	local code, output = p:run({ "doctor", "config", "--json" }, { env = { REEF_HAS_ONE = "here" } })
	test.equal(code, 1)
	local list = {}
	for _, kind in ipairs { "broken", "missing", "differs" } do
		for _, finding in ipairs(json.decode(output).findings[kind]) do
			list[#list + 1] = ("%s:%d: %s"):format(finding.file, math.tointeger(finding.line), finding.message)
		end
	end
	has(list, "^config:2: the environment variable %$REEF_NO_SUCH_VARIABLE is not set")
	has(list, "^config:3: thread = 5000: must be")
	has(list, "^config:5: standalone = x:1: needs harbor > 0")
	has(list, "^config:6: cpath = .*each with a %?")
	has(list, "^config:7: nodes is a table")
	has(list, "^config:8: preload = %./before%.lua: cannot be read: No such file")
	has(list, "^%./nodes%.lua:3: the node b is a number")
	has(list, "^config:10: enablessl = true: not needed")
	test.equal(#list, 8, table.concat(list, "\n"))
end)

test.case("a network of nodes has to say where it is", function()
	for lines, wrong in pairs {
		['harbor = 0 address = "x:1"'] = false, ['address = "x:1"'] = false, ["harbor = 3"] = false,
		['harbor = 2 address = "x:1"'] = "address = x:1: a node of a network needs `master`",
		['standalone = "x:1" master = "x:1"'] = "standalone = x:1: a node of a network needs `address`",
		['harbor = 2 address = "x:1" master = "x:2"'] = false,
	} do
		local code, told = examine(new { config = doctor.CONFIG .. lines, ["service/main.lua"] = "" })
		test.equal({ code, #told.broken }, { wrong and 1 or 0, wrong and 1 or 0 }, lines)
		test.truthy(not wrong or told.broken[1]:find(wrong, 1, true), told.broken[1])
	end
end)

test.case("a configuration that runs for ever or wants all memory is stopped", function()
	for _, text in ipairs {
		"while true do end", 'a = "x" while true do a = a .. a end', 'a = ("x"):rep(1 << 40)',
		'include "config"', 'a = (("a"):rep(40)):find(("a*"):rep(40) .. "b")', "local function f() return f() + 1 end f()",
	} do
		local p = new { config = text, ["service/main.lua"] = "" }
		local code, told = examine(p)
		test.equal({ code, #told.broken }, { 1, 1 }, text)
	end
end)

test.case("services may lie beside the configuration", function()
	local p = new {
		config = 'luaservice = "./?.lua"\nlua_path = "./?.lua;./lib/?.lua"\n',
		["main.lua"] = "require 'skynet' require 'rules'",
		["rules.lua"] = "",
		["lib/empty.lua"] = "",
		["spare.lua"] = "require 'no.such'",
	}
	local code, told, report = examine(p)
	test.equal({ code, told.missing }, { 0, {} })
	test.equal(told.unknown, {})
	test.equal(report.files, { "./main.lua", "./rules.lua", "./spare.lua" })
	has(told.perhaps, "^%./spare%.lua:1: require \"no%.such\"")
end)

test.case("circles of links, pipes, huge and binary files are passed by", function()
	local p = new { ["service/main.lua"] = "require 'pipe' require 'huge' require 'zeros' require 'code'" }
	p:write("lualib/huge.lua", ("x = 1\n"):rep(1000000))
	p:write("lualib/zeros.lua", ("\0"):rep(10000))
	p:write("lualib/code.lua", string.dump(function() end))
	p:write("service/brackets.lua", ("[=["):rep(100000))
	p:write("service/nested.lua", ("("):rep(100000))
	p:write("service/quotes.lua", ("'\\\n"):rep(100000))
	test.equal((process.run { "sh", "-ec", [[
		mkfifo lualib/pipe.lua service/pipe.lua
		for i in 1 2 3 4 5 6; do ln -s . service/here$i; ln -s .. lualib/up$i; done
		ln -s nowhere.lua service/dangling.lua
		ln -s /dev/zero service/zero.lua
	]], cwd = p.dir }), 0)
	local code, told = examine(p)
	test.equal(code, 1)
	has(told.missing, 'main%.lua:1: require "pipe"')
	has(told.skipped, "huge%.lua:%-: 5 MB are more than")
	has(told.skipped, "zeros%.lua:%-: is no text")
	has(told.skipped, "code%.lua:%-: is compiled")
	test.equal(#told.skipped, 3)
	-- There is an end to it in time, too, and that is said.
	local _, in_no_time = examine(p, { "--seconds", "0.000001" })
	has(in_no_time.unfinished, "seconds were not enough")
end)

test.case("the command line", function()
	local p = new { ["service/main.lua"] = 'require "nope"\nrequire "nope"' }
	local code, output = p:run { "doctor", "--help" }
	test.equal(code, 0)
	test.matches(output, "^Usage: reef doctor CONFIG")
	test.matches((select(2, p:run { "--help" })), "reef doctor CONFIG")
	for words, why in pairs {
		[{ "doctor" }] = "which configuration", [{ "doctor", "absent" }] = "absent: No such file",
		[{ "doctor", "." }] = "is a directory", [{ "doctor", "config", "config" }] = "one configuration at a time",
		[{ "doctor", "--nope" }] = "unknown option %-%-nope", [{ "doctor", "config", "--seconds" }] = "needs a number",
	} do
		code, output = p:run(words)
		test.equal(code, 2, output)
		test.matches(output, "^reef doctor: .*" .. why)
	end
	code, output = p:run { "doctor", "config" }
	test.equal(code, 1)
	test.matches(output, 'main%.lua:1: require "nope": [^\n]* %(and 1 more%)')
	output = select(2, p:run { "doctor", "config", "--all" })
	test.matches(output, "\n    %./service/main%.lua:2\n")
	-- From elsewhere: relative paths begin where Reef is started.
	code, output = process.run { test.reef, "doctor", p:path "config", cwd = "/" }
	test.equal(code, 1)
	test.matches(output, "its relative paths lead nowhere from here; start Reef in ")
	test.matches(output, 'main%.lua:1: require "nope"')
end)

test.run()
