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

test.case("manual, completion and docs are installed; a project that it makes passes its test", function()
	if test.sanitizer then
		test.skip "the manual comes with builds without a sanitizer"
	end
	for _, path in ipairs {
		"man/man1/reef.1", "bash-completion/completions/reef", "zsh/vendor-completions/_reef",
		"fish/vendor_completions.d/reef.fish", "doc/reef/docs/commands.md", "reef/contrib/prometheus/reef.rules.yml",
		"reef/scripts/mongo-server", "doc/reef/CHANGELOG.md",
	} do
		test.truthy(io.open(prefix .. "/share/" .. path), path)
	end
	local complained, complaints = process.run { "man", "--warnings", "-l", "-Tascii", prefix .. "/share/man/man1/reef.1" }
	test.equal(complained, 0)
	test.equal(complaints:match "[^\n]*warning:[^\n]*", nil)
	local page = run { "cat", prefix .. "/share/man/man1/reef.1" }
	for name in run { "ls", prefix .. "/share/reef/lualib/command" }:gmatch "(%l+)%.lua" do
		test.matches(page, "\n.SS reef " .. name .. "\n")
	end
	local words = run { "bash", "-c", "source $1; COMP_WORDS=(reef test --j); COMP_CWORD=2; _reef; echo ${COMPREPLY[@]}",
		"bash",
		prefix .. "/share/bash-completion/completions/reef" }
	test.equal(words, "--jobs --junit\n")
	local place = process.path "made"
	process.mkdir(place)
	run { prefix .. "/bin/reef", "new", "--quiet", "tower", cwd = place }
	test.matches(run { prefix .. "/bin/reef", "test", cwd = place .. "/tower" }, "3 passed, 0 failed, 0 skipped\n$")
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

-- All headers below include/reef, as paths from there.
local function headers()
	local found = {}
	for path in run { "find", prefix .. "/include/reef", "-name", "*.h" }:gmatch "include/reef/(%S+)" do
		found[#found + 1] = path
	end
	table.sort(found)
	return found
end

test.case("each installed header compiles by itself, those for services as C++ too", function()
	local include = prefix .. "/include/reef"
	local dir = process.path "headers"
	process.mkdir(dir)
	local function compile(compiler, header, suffix)
		local source = ("%s/one%s"):format(dir, suffix)
		write(source, ('#include "%s"\n#include "%s"\n'):format(header, header))
		run { compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-D_GNU_SOURCE",
			"-I" .. include, source }
	end
	for _, header in ipairs(headers()) do
		compile("cc", header, ".c")
	end
	for _, header in ipairs { "skynet.h", "skynet_socket.h", "core/await.h" } do
		compile("c++", header, ".cc")
	end
end)

test.case("the services of the manual compile", function()
	local f = assert(io.open(test.root .. "/docs/c.md"))
	local text, found = f:read "a", 0
	f:close()
	for code in text:gmatch "```c\n(.-)```" do
		if code:find("_init(", 1, true) or code:find("luaopen_", 1, true) then
			found = found + 1
			local source = process.path "manual.c"
			write(source, code)
			run { "cc", "-fsyntax-only", "-Wall", "-Werror", "-I" .. prefix .. "/include/reef", source }
		end
	end
	test.equal(found, 4)
end)

test.case("what the installed headers declare is in the executable", function()
	local exported, missing, count = {}, {}, 0
	for name in run { "nm", "-D", "--defined-only", prefix .. "/bin/reef" }:gmatch "%s%a ([%w_]+)" do
		exported[name] = true
	end
	for _, header in ipairs(headers()) do
		local f = assert(io.open(prefix .. "/include/reef/" .. header))
		local text = f:read("a"):gsub("/%*.-%*/", ""):gsub("\\\n", "")
		f:close()
		for line in text:gmatch "[^\n]+" do
			local name = not line:find "^static" and not line:find "^typedef" and line:match "^%a[%w_ %*]*[ %*]([%w_]+)%("
			if name and (name:find "^reef_" or name:find "^skynet_") then
				count = count + 1
				missing[#missing + 1] = not exported[name] and header .. ": " .. name or nil
			end
		end
	end
	test.equal(missing, {})
	test.truthy(count > 100, count)
end)

test.case("a driver is built outside the tree and runs", function()
	if test.sanitizer then
		test.skip "the module has no sanitizer"
	end
	local dir = process.path "driver"
	run { "cp", "-r", prefix .. "/share/reef/examples/driver", dir }
	run { "cmake", "-G", "Ninja", "-S", dir, "-B", dir .. "/build", "-DCMAKE_PREFIX_PATH=" .. prefix,
		"-DCMAKE_C_FLAGS=-Wall -Wextra -Werror" }
	run { "cmake", "--build", dir .. "/build" }
	local output = run { dir .. "/build/run" }:gsub("%[:%x+%] [^\n]*\n", "") -- the log comes when it comes
	test.matches(output, "HELLO\nnil\tno answer in time\nended while it waits: true\nnil\t%a+")
end)

test.run()
