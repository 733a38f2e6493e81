-- tsan: no, the command line and what it reads
-- Configuration files.
local process = require "test.process"
local project = require "project"
local test = require "test"

local PRINT = [[
local skynet = require "skynet"
require "skynet.manager"
skynet.start(function()
	for _, key in ipairs { %s } do
		print(key .. "=" .. tostring(skynet.getenv(key)))
	end
	io.stdout:flush()
	skynet.abort()
end)
]]

---Runs a configuration whose main service prints these keys.
local function keys_of(config, files, keys, env)
	local p = project.new(files)
	for i, key in ipairs(keys) do
		keys[i] = ("%q"):format(key)
	end
	p:write("main.lua", PRINT:format(table.concat(keys, ",")))
	local code, output = p:run(p:config(config), { env = env })
	test.equal(code, 0, output)
	return function(key)
		return ("\n" .. output):match("\n" .. key .. "=([^\n]*)")
	end
end

local function refused(config, pattern, env)
	local p = project.new { ["main.lua"] = "" }
	local code, output = p:run(p:config(config), { env = env })
	test.equal(code, 1)
	test.matches(output, pattern)
end

test.case("values become text", function()
	local get = keys_of("a = 1 b = 2.5 c = true d = false e = 'text' f = nil", {},
		{ "a", "b", "c", "d", "e", "f", "thread" })
	test.equal(get "a", "1")
	test.equal(get "b", "2.5")
	test.equal(get "c", "true")
	test.equal(get "d", "false")
	test.equal(get "e", "text")
	test.equal(get "f", "nil")
	test.equal(get "thread", "2")
end)

test.case("harbor is 0 unless it is set, and one node alone is served whatever its number", function()
	test.equal(keys_of("", {}, { "harbor" }) "harbor", "0")
	local get = keys_of("harbor = 1", {}, { "harbor", "standalone" })
	test.equal(get "harbor", "1")
	test.equal(get "standalone", "true")
	local port, master = process.free_port(), process.free_port()
	local network = ("address = '127.0.0.1:%d' master = '127.0.0.1:%d' standalone = '127.0.0.1:%d' "):format(port, master,
		master)
	for _, lines in ipairs { network .. "harbor = 7", network } do
		local p = project.new { ["main.lua"] = PRINT:format "'harbor'" }
		local code, output = p:run(p:config(lines))
		test.equal(code, 0, output)
		test.matches(output, "node [17] has joined")
		test.matches(output, "harbor=[17]")
	end
	refused("harbor = 2 address = 'a:1'", "harbor = 2: a node of a network needs `master`")
	refused("harbor = 2 master = 'a:1'", "harbor = 2: a node of a network needs `address`")
	refused("harbor = 256", "harbor = 256")
	refused("harbor = 'x'", "harbor = x")
	refused("harbor = 0 standalone = '0.0.0.0:2013'", "standalone")
end)

test.case("enablessl is taken, and TLS is there without it", function()
	local main = "assert(require('ltls.c').newctx() and require 'http.tlshelper')\n" .. PRINT:format "'harbor'"
	local p = project.new { ["main.lua"] = main }
	for _, line in ipairs { "enablessl = true", "" } do
		local code, output = p:run(p:config(line))
		test.equal(code, 0, output)
		test.matches(output, "harbor=0")
		test.equal(output:find "ssl", nil, output)
	end
end)

test.case("$NAME is the environment's, anywhere in the text", function()
	local get = keys_of("a = '<$REEF_TEST_A>' $REEF_TEST_B", {}, { "a", "b" },
		{ REEF_TEST_A = "from outside", REEF_TEST_B = "b = 7" })
	test.equal(get "a", "<from outside>")
	test.equal(get "b", "7")
	refused("a = '$REEF_TEST_NOT_SET'", "REEF_TEST_NOT_SET")
end)

test.case("include reads other files, relative to the including one, with $NAME", function()
	local get = keys_of("first = 1 include 'sub/one.cfg' last = one + 1", {
		["sub/one.cfg"] = "one = 10 include 'two.cfg'",
		["sub/two.cfg"] = "two = '$REEF_TEST_A' .. one",
	}, { "first", "one", "two", "last" }, { REEF_TEST_A = "x" })
	test.equal(get "first", "1")
	test.equal(get "one", "10")
	test.equal(get "two", "x10")
	test.equal(get "last", "11")
	refused("include 'nowhere.cfg'", "nowhere.cfg")
end)

test.case("nothing but include is there, and only text is run", function()
	refused("x = os.time()", "os")
	refused("x = string.rep('x', 2)", "string")
	refused("x = {}", "Invalid config table key = x")
	refused("_ENV[1] = 2", "Invalid config table key = 1")
	refused("x = = 1", "config:%d+:")
end)

test.case("thread must be a sensible number", function()
	for _, value in ipairs { "0", "-1", "100000", "'many'" } do
		refused("thread = " .. value, "thread")
	end
end)

test.case("other numbers must be sensible, too", function()
	for _, key in ipairs { "shutdown_timeout", "log_buffer", "mailbox_messages", "mailbox_bytes" } do
		for _, value in ipairs { "-1", "'many'", "''", "1.5", "'5x'", "1e300", "true" } do
			refused(("%s = %s"):format(key, value), key)
		end
	end
end)

test.case("a value with a zero byte is refused by its name", function()
	refused("start = 'main\\0x'", "start .*zero byte")
	refused("database = 'a\\0'", "database .*zero byte")
end)

test.case("no argument, an unknown option and a file that is not there end with 1 and a word", function()
	local p = project.new()
	for _, words in ipairs { {}, { "--nonsense" }, { "nowhere" }, { "run" } } do
		local code, output = p:run(words)
		test.equal(code, 1)
		test.truthy(#output > 10)
	end
	local code, output = p:run { "." }
	test.equal(code, 1)
	test.matches(output, "Is a directory")
end)

test.case("the environment of services is write-once", function()
	local p = project.new { ["main.lua"] = [[
		local skynet = require "skynet"
		require "skynet.manager"
		skynet.start(function()
			skynet.setenv("mine", 1)
			print("mine=" .. skynet.getenv "mine")
			print(pcall(skynet.setenv, "mine", 2))
			io.stdout:flush()
			skynet.abort()
		end)
	]] }
	local _, output = p:run(p:config())
	test.matches(output, "\nmine=1\n")
	test.matches(output, "\nfalse\t[^\n]*Can't setenv exist key : mine\n")
end)

test.case("preload runs in every service before its main file", function()
	local p = project.new {
		["before.lua"] = "PRELOADED = table.concat({...}, '+')",
		["other.lua"] = "require('skynet').start(function() print('other=' .. PRELOADED) io.stdout:flush() end)",
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.newservice("other", "a", "b")
				require("skynet.manager").abort()
			end)
		]],
	}
	local code, output = p:run(p:config "preload = './before.lua'")
	test.equal(code, 0, output)
	test.matches(output, "other=other%+a%+b\n")
end)

test.case("a service in a directory of its own finds its modules there first", function()
	local p = project.new {
		["services/deep/main.lua"] = [[
			local skynet = require "skynet"
			print("path=" .. SERVICE_PATH, (require "part"))
			io.stdout:flush()
			skynet.start(function() require("skynet.manager").abort() end)
		]],
		["services/deep/part.lua"] = "return 'own part'",
		["part.lua"] = "return 'common part'",
	}
	p:write("config", [[thread = 2
		luaservice = "./?.lua;./services/?/main.lua"
		lua_path = "./?.lua"
		start = "deep"
	]])
	local code, output = p:run { "config" }
	test.equal(code, 0, output)
	test.matches(output, "path=%./services/deep/\town part\n")
end)

test.case("our own services are found whatever the search paths say", function()
	local p = project.new { ["main.lua"] = "require('skynet').start(function() require('skynet.manager').abort() end)" }
	p:write("config", [[
		luaservice = "/nowhere/?.lua;./?.lua"
		lua_path = "/nowhere/?.lua"
		lua_cpath = "/nowhere/?.so"
		cpath = "/nowhere/?.so"
	]])
	local code, output = p:run { "config" }
	test.equal(code, 0, output)
end)

test.run()
