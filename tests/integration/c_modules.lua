-- config: lua_cpath =
-- config: "/usr/lib/x86_64-linux-gnu/lua/5.4/?.so;/usr/lib/aarch64-linux-gnu/lua/5.4/?.so;/usr/local/lib/lua/5.4/?.so"
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

test.run()
