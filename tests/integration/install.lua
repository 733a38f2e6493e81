-- timeout: 120
-- What `cmake --install` makes is complete and does not depend on where it came from.
local process = require "test.process"
local test = require "test"

local prefix

local function build_directory()
	return (test.reef:match "^(.*)/[^/]*$")
end

local function run(command)
	local code, output = process.run(command, 60)
	test.equal(code, 0, output)
	return output
end

local function write(path, text)
	local f = assert(io.open(path, "w"))
	f:write(text)
	f:close()
end

test.case("an installed reef runs a script from another directory", function()
	prefix = process.path "prefix"
	run { "cmake", "--install", build_directory(), "--prefix", prefix }
	local elsewhere = process.path "elsewhere"
	process.mkdir(elsewhere)
	write(elsewhere .. "/main.lua", [[
		local skynet = require "skynet"
		skynet.start(function()
			print("running with " .. skynet.getenv "reef_lualib")
			require("skynet.manager").abort()
		end)
	]])
	local output = run { prefix .. "/bin/reef", "run", "main.lua", cwd = elsewhere }
	test.truthy(output:find("running with " .. prefix, 1, true), output)
end)

test.case("nothing that is installed knows the source tree", function()
	if build_directory():match "[^/]*$" ~= "release" then
		test.skip "only release builds are installed"
	end
	-- The tree may lie at /reef, which is also the end of share/reef: so something of it must follow, and no name precede.
	local root = test.root:gsub("%p", "\\%0")
	local pattern = ("(^|[^[:alnum:]_.-])%s/(%s)"):format(root, table.concat({
		"core", "socket", "drivers", "datasheet", "sharetable", "lualib", "cmake", "build", "scripts", "tests" }, "|"))
	local code, output = process.run { "grep", "-r", "-l", "-a", "-E", pattern, prefix }
	test.equal({ code, output }, { 1, "" })
end)

test.case("a C module built with the installed headers loads", function()
	if test.sanitizer then
		test.skip "the module has no sanitizer"
	end
	local dir = process.path "module"
	process.mkdir(dir)
	write(dir .. "/answer.c", [[
		#include <lauxlib.h>
		#include <lua.h>
		int luaopen_answer(lua_State *L) {
			luaL_Buffer b;
			luaL_buffinit(L, &b);
			lua_pushinteger(L, 42);
			luaL_addvalue(&b);
			luaL_pushresult(&b);
			return 1;
		}
	]])
	local flags = run { "pkg-config", "--cflags", "reef", env = { PKG_CONFIG_PATH = prefix .. "/share/pkgconfig" } }
	run { "cc", "-shared", "-fPIC", "-o", dir .. "/answer.so", flags:match "-I(%S+)" and "-I" .. flags:match "-I(%S+)",
		dir .. "/answer.c" }
	write(dir .. "/config", ([[
		start = "main"
		luaservice = "%s/?.lua"
		lua_cpath = "%s/?.so"
	]]):format(dir, dir))
	write(dir .. "/main.lua", [[
		local skynet = require "skynet"
		skynet.start(function()
			print("the answer is " .. require "answer")
			require("skynet.manager").abort()
		end)
	]])
	test.matches(run { prefix .. "/bin/reef", dir .. "/config" }, "the answer is 42")
end)

test.run()
