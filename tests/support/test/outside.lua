-- C modules that are built outside the tree, with the headers that an installation has.
--
--     local outside = require "test.outside"
--     local slow = outside.load "slow"                   -- tests/modules/slow.c
--     outside.build("example", path)                     -- as cservice/example.so, without loading it
local process = require "test.process"
local test = require "test"

local SANITIZERS <const> = { asan = "-fsanitize=address,undefined", tsan = "-fsanitize=thread" }

local outside = {}

local prefix

local function run(command)
	local code, output = process.run(command, 100)
	test.equal(code, 0, output)
end

local function install()
	if not prefix then
		prefix = process.path "prefix"
		run { "cmake", "--install", test.reef:match "^(.*)/[^/]*$", "--prefix", prefix }
		process.mkdir "cservice"
		package.cpath = "./cservice/?.so;" .. package.cpath
	end
end

---@param name string
---@param source string a file
function outside.build(name, source)
	install()
	run { "cc", "-shared", "-fPIC", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
		SANITIZERS[test.sanitizer] or "-O2", "-I" .. prefix .. "/include/reef", "-o", "cservice/" .. name .. ".so", source }
end

---@param name string of a file in tests/modules
---@return any what its luaopen_NAME returns
function outside.load(name)
	outside.build(name, test.root .. "/tests/modules/" .. name .. ".c")
	return require(name)
end

return outside
