-- Modules of the distribution, which are found although no path of the configuration names their place.
local test = require "test"
local sheets = require "reef.datasheet"
local sharetable = require "skynet.sharetable"

local function module(name)
	local ok, m = pcall(require, name)
	if not ok then
		test.skip(name .. " is not installed")
	end
	return m
end

test.case("a C module that was built for stock Lua reads shared tables", function()
	local cjson = module "cjson"
	local data = { name = "a\0b", list = { 1.5, 2.5, true }, nested = { deep = { x = "y" } } }
	sheets.publish { json = data }
	sharetable.loadtable("json", data)
	for _, shared in ipairs { sheets.query "json", sharetable.query "json" } do
		test.equal(cjson.decode(cjson.encode(shared)), data)
	end
	local ok, reason = pcall(function()
		sheets.query("json").list[1] = cjson.null
	end)
	test.truthy(not ok and reason:find "shared table")
end)

test.case("lpeg keeps shared strings and tables as its own", function()
	local lpeg = module "lpeg"
	sharetable.loadtable("words", { text = "one two three four", first = "one", ones = { one = 1, two = 2 } })
	local t = sharetable.query "words"
	local word = lpeg.C(lpeg.R "az" ^ 1)
	local numbers = lpeg.Ct((word / t.ones + " ") ^ 0)
	test.equal(numbers:match(t.text), { 1, 2 })
	local literal = lpeg.C(lpeg.P(t.first))
	sharetable.loadtable("words", { text = "five", ones = {} })
	sharetable.update "words"
	collectgarbage()
	test.equal(t.text, "five")
	test.equal(numbers:match(t.text), {}, "the table in the pattern is the new one")
	test.equal(literal:match "one by one", "one")
end)

test.case("lfs tells of files, and a module in Lua that lies beside a C module is found", function()
	local lfs = module "lfs"
	test.equal(lfs.attributes(test.dir, "mode"), "directory")
	module "lpeg"
	test.equal(require("re").match("abc", "{ 'b' / . }+ -> 'all'") ~= nil, true)
end)

test.case("our own modules come before the distribution's, a project's before both but ours", function()
	test.equal(require("md5").sumhexa "", "d41d8cd98f00b204e9800998ecf8427e")
	local file = assert(io.open(test.dir .. "/lfs_of_the_project.lua", "w"))
	file:write "return 'the project'"
	file:close()
	package.path = test.dir .. "/?_of_the_project.lua;" .. package.path
	package.loaded.lfs = nil
	test.equal(require "lfs", "the project")
end)

test.case("what is nowhere has been looked for everywhere, and is said so once a line", function()
	local ok, reason = pcall(require, "no.such.module")
	test.equal(ok, false)
	for line in reason:gmatch "[^\n]+" do
		test.equal(select(2, line:gsub("no file", "")) <= 1, true)
	end
	test.matches(reason, "no file '/usr/share/lua/5%.4/no/such/module%.lua'")
	test.matches(reason, "no file '/usr/local/lib/lua/5%.4/no/such/module%.so'")
end)

test.run()
