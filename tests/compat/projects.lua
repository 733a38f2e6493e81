-- Projects that were written for the API's first implementation: what their directories and configurations bring along.
local process = require "test.process"
local project = require "project"
local test = require "test"

local SAYS = [[
local skynet = require "skynet"
skynet.start(function()
	print(%q, SERVICE_NAME)
	io.stdout:flush()
	require("skynet.manager").abort()
end)
]]

---Runs a configuration with these files; its output.
local function run(lines, files)
	local p = project.new(files)
	local code, output = p:run(p:config(lines))
	test.equal(code, 0, output)
	return output
end

local function count(text, pattern)
	return select(2, text:gsub(pattern, ""))
end

test.case("a project's own service with a name of ours is passed over with one line, or first if so said", function()
	local files = {
		["service/console.lua"] = SAYS:format "the project's",
		["service/main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				skynet.newservice "console"
				skynet.newservice "console"
				skynet.timeout(5, require("skynet.manager").abort)
			end)
		]],
	}
	local output = run("luaservice = './service/?.lua'", files)
	test.equal(count(output, "service console: Reef's own is used, not %./service/console%.lua"), 1, output)
	output = run("luaservice = './service/?.lua;@reef'", files)
	test.matches(output, "the project's\tconsole")
	test.equal(count(output, "Reef's own is used"), 0, output)
	-- Elsewhere ours are found as ever.
	output = run("luaservice = '@reef;./service/?.lua'", files)
	test.equal(count(output, "the project's"), 0, output)
end)

test.case("a project's own loader finds its globals and runs, for our services too", function()
	local output = run("lualoader = './own/start.lua' preload = './before.lua'", {
		["before.lua"] = "",
		["main.lua"] = SAYS:format "main",
		["own/start.lua"] = [[
			local name = string.match(..., "%S+")
			assert(select("#", ...) == 1, "one string")
			print("globals:", LUA_PATH, LUA_CPATH, LUA_PRELOAD)
			SERVICE_NAME = name
			package.path, package.cpath = LUA_PATH, LUA_CPATH
			for pattern in LUA_SERVICE:gmatch "[^;]+" do
				local main = loadfile((pattern:gsub("?", name)))
				if main then
					return main(select(2, ...))
				end
			end
			error("no " .. name)
		]],
	})
	test.matches(output, "globals:\t%./%?%.lua\t%./luaclib/%?%.so\t%./before%.lua\n")
	test.matches(output, "\nmain\tmain\n")
end)

test.case("the standard loader of a project stands for ours, and that is said", function()
	local output = run("lualoader = './lualib/loader.lua'", {
		["main.lua"] = SAYS:format "main",
		["lualib/loader.lua"] = "error 'not to be run'",
	})
	test.matches(output, "lualoader %./lualib/loader%.lua: a file of this name stands for Reef's own loader")
	test.matches(output, "\nmain\tmain\n")
	test.equal(count(run("lualoader = './lualib/loader.lua'", { ["main.lua"] = SAYS:format "main" }), "lualoader"), 0)
end)

test.case("old names of modules are aliases of what exists, and nothing else", function()
	local directory = test.root .. "/lualib/compat10"
	local names = {}
	for name in (select(2, process.run { "ls", directory })):gmatch "([%w_]+)%.lua" do
		names[#names + 1] = ("%q"):format(name)
	end
	test.truthy(#names > 10)
	local output = run(("lua_path = %q"):format(directory .. "/?.lua"), { ["main.lua"] = ([[
		for _, name in ipairs { %s } do
			print(name, type(require(name)))
		end
		require("skynet").start(require("skynet.manager").abort)
	]]):format(table.concat(names, ",")) })
	test.equal(count(output, "\ttable\n") + count(output, "\tfunction\n"), #names, output)
end)

test.case("a script that never calls skynet.start runs, and ends", function()
	local p = project.new {
		["script.lua"] = "print('ran', ...)",
		["main.lua"] = [[
			local skynet = require "skynet"
			skynet.start(function()
				print("launched:", select("#", skynet.newservice("script", "a", "b")))
				require("skynet.manager").abort()
			end)
		]],
	}
	local code, output = p:run { "run", "script.lua", "x" }
	test.equal(code, 0, output)
	test.matches(output, "ran\tx\n")
	code, output = p:run(p:config())
	test.equal(code, 0, output)
	test.matches(output, "ran\ta\tb\n")
	test.matches(output, "launched:\t0\n")
	-- As the service that a configuration starts it leaves a process that waits for others.
	local server = p:start(p:config "start = 'script'")
	server:expect "ran"
	server:signal "TERM"
	test.equal((server:wait()), 0)
end)

test.case("modules of the distribution are found without a path, after all others", function()
	for _, name in ipairs { "lpeg", "cjson" } do
		if (process.run { "sh", "-c", ("ls /usr/lib/*/lua/5.4/%s.so"):format(name) }) ~= 0 then
			test.skip(name .. " is not installed")
		end
	end
	local output = run(nil, {
		["main.lua"] = [[
			local skynet = require "skynet"
			local lpeg, cjson, re, util = require "lpeg", require "cjson", require "re", require "cjson.util"
			skynet.start(function()
				local again = require "lpeg"
				print("found:", lpeg == again, lpeg.match(lpeg.P "a" ^ 1, "aab"), cjson.encode { 1, 2 }, type(re.compile),
					type(util), package.path, package.cpath)
				print("none:", pcall(require, "no.such"))
				io.stdout:flush()
				require("skynet.manager").abort()
			end)
		]],
	})
	test.matches(output, "found:\ttrue\t3\t%[1,2%]\tfunction\ttable\t%./%?%.lua\t%./luaclib/%?%.so\n")
	test.matches(output, "none:\tfalse\tmodule 'no%.such' not found:")
	-- A module of the project's with the same name comes first.
	output = run(nil, {
		["lpeg.lua"] = "return 'the project\\'s own'",
		["main.lua"] = "print('mine:', (require 'lpeg')) io.stdout:flush() require 'skynet.manager'.abort()",
	})
	test.matches(output, "mine:\tthe project's own\n")
end)

test.run()
