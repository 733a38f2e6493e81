-- tsan: no, one thread does all of it
-- A text of Lua that is nothing but a table of constants is read without the compiler. Whatever the text is, the table
-- is the one that Lua makes of it, and what is more than that, or wrong, is left to Lua.
local core = require "reef.config.core"
local test = require "test"
local ways = require "test.ways"

local pick = ways.pick

-- ---- texts ----

local blanks = { "", "", "", "", " ", "\n", "\t", "\r\n", "\f\v", "--\n", "-- a comment } ]]\n", "--[[ long\n]]",
	"--[==[ ]] ]=] ]==]" }
local numbers = {
	"0", "-0", "7", "-1", "007", "3.", ".5", "0.125", "-.25", "1e5", "1E-3", "-2.5e+3", "0x10", "0XfF",
	"-0x7fffffffffffffff",
	"0xffffffffffffffffff", "0x.8p1", "0xA.8", "0x1P-2", "9223372036854775807", "9223372036854775808",
	"-9223372036854775808",
	"-9223372036854775809", "123456789012345678", "1234567890123456789", "9007199254740993.0", "1e400", "-1e400",
	"1e-400",
	"0.1", "123456789012345.6", "12345678901234.5", "-0.0", "0.0", "4.9e-324", "- 5", "-\n5", "- --x\n5", "1e308", "0e0",
	"3.0000000000000000000000000000000001", "0x0p0", "99999999999999999999999999999999999999",
}
local strings = {
	'""', "''", '"a"', "'it\"s'", '"it\'s"', '"\\n\\t\\\\\\"\\\'"', '"\\a\\b\\f\\r\\v"', '"\\65\\066\\0071"',
	'"\\x41\\xff"', '"\\z  \n  x"',
	'"line\\\nline"', "[[]]", "[[a]]", "[[\na\nb]]", "[=[ ]] ]=]", "[==[\n\n]==]", '"\\0"',
	'"' .. ("long "):rep(20) .. '"',
	"'" .. ("long "):rep(20) .. "'", "[[" .. ("long "):rep(20) .. "]]", '"' .. ("\\110"):rep(41) .. '"',
	'"\u{e9}\u{1F98A}"',
	'"' .. ("x"):rep(40) .. '"', '"' .. ("x"):rep(41) .. '"', '"-- no comment"', '"}"', '"return"', '"\xff"',
}
local constants = { "true", "false" }
-- What belongs to Lua, right or wrong.
local doubtful = {
	"nil", "1+1", "2^3", "-2^2", "- -1", "not true", "'a'..'b'", "'a' 'b'", "#'a'", "(1)", "math.pi", "x",
	"function() end", "...", "3x",
	"1..2", "0x", "1e", "1e+", "0xg", "..", ".", "-", "--", "-'1'", "'open", '"open', "[[open", "[=[open]]", '"a\nb"',
	'"\\q"', '"\\300"',
	'"\\x4"', '"\\u{20AC}"', '"\\u{110000000}"', "[[a\r\nb]]", "'a\\\r\nb'", "{nil}", "{...}", "0/0", "1,",
	"true and 1", "and", "end",
	"truex", "goto", "a.b", "a:b()", "{1}[1]", "1 --[[", "\0", "\\", "@", "1;;", "1 = 2", "[1]", "[1] = ", "[{}] = 1",
	"[nil] = 1",
	"true = 1", "end = 1", "a == 1", "[1] == 1",
}
local names = { "a", "b", "id", "name", "cost", "_", "_ENV", "x1", "Name", "endx", "rowname", ("n"):rep(40),
	("m"):rep(41), "goto_" }

local function blank()
	return pick(blanks)
end

local value

local function scalar()
	return pick(pick { numbers, strings, constants, strings, numbers })
end

-- Fields, each as text; keys are different from each other unless `twice`.
local function fields(budget, twice)
	local list, used, kind = {}, {}, math.random(6)
	for i = 1, pick { 0, 1, 2, 3, 5, 8, 8, 31, 33, 63, 64, 65, 130 } do
		local own = kind == 6 and math.random(3) or kind
		local inner = i > 10 and scalar() or value(budget - 1)
		if own == 1 then
			list[#list + 1] = inner
		elseif own == 2 or own == 5 then
			local name = i <= 10 and pick(names) or "f" .. i
			if not used[name] or twice then
				used[name] = true
				list[#list + 1] = name .. blank() .. "=" .. blank() .. inner
			end
		elseif own == 3 then
			list[#list + 1] = ("[%s%q%s]%s=%s%s"):format(blank(), "k" .. (twice and math.random(9) or i), blank(), blank(),
				blank(), inner)
		else
			local key = twice and scalar() or kind == 6 and '"' .. i .. '"' or tostring(i * math.random(1, 3))
			if not used[key] or twice then
				used[key] = true
				list[#list + 1] = ("[ %s ] = %s"):format(key, inner)
			end
		end
	end
	return list
end

local function join(list)
	for i = 1, #list do
		list[i] = blank() .. list[i] .. blank()
	end
	local text = table.concat(list, pick { ",", ",", ";" })
	return "{" .. text .. (#list > 0 and pick { "", ",", ";" } or blank()) .. blank() .. "}"
end

-- Rows that mostly have the same names, some without one, some in another order, with one more or a longer one.
local function rows(budget)
	local count, list = pick { 1, 2, 3, 5, 8, 31, 32, 33 }, {}
	for i = 1, math.random(2, 14) do
		local own = {}
		for k = 1, count do
			own[k] = ("n%d%s=%s%s"):format(k, blank(), blank(), count > 8 and scalar() or value(budget - 1))
		end
		local change = math.random(12)
		if change == 1 then
			table.remove(own, math.random(#own))
		elseif change == 2 then
			own[1], own[#own] = own[#own], own[1]
		elseif change == 3 then
			own[#own + 1] = "more=" .. scalar()
		elseif change == 4 then
			own[#own] = "n1x=1"
		elseif change == 5 then
			own[#own + 1] = scalar()
		end
		list[i] = join(own)
	end
	return join(list)
end

function value(budget)
	local kind = math.random(budget > 0 and 6 or 4)
	if kind <= 4 then
		return scalar()
	elseif kind == 5 then
		return join(fields(budget))
	end
	return rows(budget)
end

local function text_of(inner)
	return blank() .. "return" .. pick { "", " ", "\n", "--\n" } .. inner .. pick { "", ";", "\n", " -- end", " ; \n" }
end

local marks = { '"', ",", "=", "{", "}", "[", "]", "\0", "--", "\\", "-", "e", ".", "[[", "]]", "return" }

-- ---- what comes of them ----

-- How many fields a table has, how many of them have integers, and whether these are 1 to that number.
local function count_of(t)
	local all, integers, largest, least = 0, 0, 0, 1
	for key in pairs(t) do
		all = all + 1
		if math.type(key) == "integer" then
			integers, largest, least = integers + 1, math.max(largest, key), math.min(least, key)
		end
	end
	return all, integers, largest == integers and least == 1
end

-- The order of fields is promised for tables that have names only, and not too many.
local function is_ordered(t)
	local all, integers = count_of(t)
	return integers == 0 and all <= 64
end

-- Has it but one border?
local function is_list(t)
	return select(3, count_of(t))
end

local function same(a, b)
	return ways.same(a, b, is_ordered, is_list)
end

-- Compares; returns whether the text was taken for a table of constants, and whether it is one for Lua.
local function compare(text)
	local fast = core.lua_fast(text)
	local chunk = load(text, "=text", "t", {})
	local ok, wanted = pcall(chunk or error)
	if fast ~= nil and not (ok and same(fast, wanted)) then
		test.fail(("%q is %s, not %s"):format(text, test.show(fast), chunk and test.show(wanted) or "an error"))
	end
	return fast ~= nil, ok and type(wanted) == "table"
end

test.case("tables of constants are those that Lua makes, and all are taken", function()
	math.randomseed(test.seed)
	for i = 1, test.count(400) do
		local text = text_of(i % 3 == 0 and rows(3) or join(fields(3)))
		local fast, good = compare(text)
		test.truthy(good, text)
		test.truthy(fast, text)
	end
end)

test.case("keys that come twice, as themselves or as another number, are what they are for Lua", function()
	math.randomseed(test.seed)
	for _ = 1, test.count(400) do
		compare(text_of(join(fields(2, true))))
	end
end)

test.case("whatever more or wrong is in a text, it is what it is for Lua", function()
	math.randomseed(test.seed)
	local taken, others = 0, 0
	for _ = 1, test.count(1500) do
		local fast = compare(ways.damage(text_of(math.random(3) == 1 and rows(2) or join(fields(2))), marks, doubtful))
		taken, others = taken + (fast and 1 or 0), others + (fast and 0 or 1)
	end
	test.truthy(taken > 0)
	test.truthy(others > 0)
end)

test.case("each text that is near the edge, as a value, a key, in a list and in a later row", function()
	for _, list in ipairs { numbers, strings, constants, doubtful, blanks, names } do
		for _, text in ipairs(list) do
			compare(text)
			compare("return " .. text)
			compare("return {" .. text .. "}")
			compare("return {1, " .. text .. " ,2}")
			compare("return {" .. text .. ("x"):rep(3) .. "}")
			compare("return {k=" .. text .. "}")
			compare("return {k=1, [" .. text .. "] = 2}")
			compare("return {" .. text .. " = 2}")
			compare("return {{k=1,l=2},{k=2,l=3},{k=3,l=4},\n{k=" .. text .. ",l=1},{k=3,l=5}}")
			compare("return {{k=1,l=2},{k=2,l=3},{k=3,l=4},\n{k=1," .. text .. ",l=1},{k=3,l=5}}")
			compare("return {{k=1,l=2},{k=2,l=3},{k=3,l=4},\n{" .. text .. "=1,l=1},{k=3,l=5}}")
			compare("return {}" .. text)
			compare(text .. " return {}")
		end
	end
	for _, text in ipairs { "", "return", "return {", "return {} {}", "return{}return{}", "returnx {}",
		"return {1,,2}", "return {,}",
		"return {;}", "return {1;2,3;}", "local x = {} return x", "x = {1}", "#!/usr/bin/lua\nreturn {}",
		"\xef\xbb\xbfreturn {}", "\27Lua",
		"return {} --", "return {} --[[", "return {}\0", "return {a=1,a=2}", "return {1,[1]=2}", "return {[1]=2,1}",
		"return {[1]=1,[1.0]=2}" } do
		compare(text)
	end
end)

test.case("tables are nested as deep as Lua lets them be", function()
	for _, depth in ipairs { 1, 50, 99, 100, 101, 150, 190, 195, 196, 197, 198, 199, 200, 201, 250, 5000 } do
		compare("return " .. ("{"):rep(depth) .. ("}"):rep(depth))
		compare("return " .. ("{a="):rep(depth) .. "1" .. ("}"):rep(depth))
		compare("return " .. ("{"):rep(depth))
	end
end)

test.case("large lists, large maps, and more kinds of rows than are remembered", function()
	math.randomseed(test.seed)
	for _, n in ipairs { 49, 50, 51, 63, 64, 65, 128, 1000 } do
		local list, map, mixed, kinds = {}, {}, {}, {}
		for i = 1, n do
			list[i] = tostring(i)
			map[i] = ("[%q]={i=%d,t={%d,x=1}}"):format("key" .. i, i, i)
			mixed[i] = i % 3 == 0 and ("f%d=%d"):format(i, i) or i % 7 == 0 and ("['k%d']={}"):format(i) or tostring(i)
			kinds[i] = ("{a%d=%d,b={c%d=1,d={%d}}}"):format(i % 90, i, i % 5, i)
		end
		for _, parts in ipairs { list, map, mixed, kinds } do
			test.truthy((compare("return {" .. table.concat(parts, ",") .. "}")))
		end
	end
end)

test.case("of equal long strings there is one, as in code", function()
	local long = ("long "):rep(20)
	local t = core.lua_fast(("return {%q,{a=%q},[[%s]],'%s\\32',{b=1,c=%q}}"):format(long, long, long, long:sub(1,
		-2), long))
	local addresses = {}
	for _, s in ipairs { t[1], t[2].a, t[3], t[4], t[5].c } do
		test.equal(s, long)
		addresses[("%p"):format(s)] = true
	end
	local first = next(addresses)
	test.equal(next(addresses, first), nil)
end)

test.case("garbage may be collected at any time meanwhile", function()
	math.randomseed(test.seed)
	collectgarbage("generational")
	for _ = 1, test.count(20) do
		local parts = {}
		for i = 1, 3000 do
			parts[i] = ("{id=%d,name='n%d',kind='kind %d',tags={'a%d','b'},o={x=%d%s}}"):format(i, math.random(3000),
				i % 30, i % 9, i,
				i % 100 == 0 and ",y=1" or "")
		end
		test.truthy((compare("return {" .. table.concat(parts, ",") .. "}")))
	end
	collectgarbage("incremental")
end)

test.run()
