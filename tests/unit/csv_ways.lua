-- tsan: no, one thread does all of it
-- CSV is read in two ways, a fast one that only knows good text and a careful one, libcsv, that knows what to say.
-- Whatever the text is, nobody can tell which it was.
local core = require "reef.config.core"
local test = require "test"
local ways = require "test.ways"

local pick = ways.pick

-- ---- texts ----

local integers = {
	"0", "-0", "7", "-1", "12345678901234567", "-12345678901234567", "123456789012345678", "9223372036854775807",
	"-9223372036854775808", "9007199254740993",
}
local numbers = {
	"0.0", "-0.0", "0.1", "1.5", "-2.25", "123456789012.345", "1234567890123.456", "0.000000000000001",
	"99999999999999.9",
	"9007199254740993.0", "3.0000000000000000000000001", "1.", ".5", "-.5", "+1", "+1.5", "1e5", "1E-3", "-1.5e+10",
	"1.7976931348623157e308", "4.9e-324", "0e-400", "12345678901234567.25",
}
local booleans = { "true", "false", "TRUE", "False", "tRuE" }
local texts = {
	"a", "item 1", "007", "-01", "00", "1x", "1.5.2", "1e", "--1", "-", "+", ".", "0x10", "nan", "inf", "1 2", "true1",
	"9223372036854775808", "123456789012345678901234567890", "a b", "\u{e9}\u{1F98A}", "x;y", "x\ty", "'", ("x"):rep(45),
	("long "):rep(30),
}
local quoted = {
	'""', '"a"', '"1"', '"true"', '"a,b"', '"a\nb"', '"a\r\nb"', '" a "', '"a ""b"""', '""""', '"a;b"', '"\t"',
	'"' .. ("q"):rep(60) .. '"',
}
-- What libcsv has something to say about.
local doubtful = {
	'a"b', '"a"b', '"a" b', '"a', '"', 'a"', '"a""', "1e400", "-1e400", "1e-400", "a\0b", "\0", '"a\0b"', "\v", "1\0",
	"\xff",
}
local kinds = { integers, numbers, booleans, texts, quoted }
local blanks = { "", "", "", "", " ", "  ", "\t", " \t" }
local breaks = { "\n", "\n", "\n", "\r\n", "\r", "\n\n", "\r\n\r\n", "\n \n", "\n\t\r\n" }

-- A field, mostly of the column's kind.
local function field(kind)
	local chance = math.random(30)
	if chance == 1 then
		return pick(pick(kinds))
	elseif chance <= 5 then
		return ""
	elseif chance <= 12 and kind <= 2 then
		return tostring(math.random(-10 ^ math.random(0, 17) // 1, 10 ^ math.random(0, 17) // 1))
			.. (kind == 2 and "." .. math.random(0, 10 ^ math.random(0, 14) // 1) or "")
	end
	return pick(kinds[kind])
end

local function sheet(separator)
	local width, columns, lines = math.random(1, 6), {}, {}
	local names = {}
	for i = 1, width do
		columns[i] = math.random(#kinds)
		names[i] = pick(blanks) .. pick { "c" .. i, "c" .. i, '"c ' .. i .. '"', '"c""' .. i .. '"',
			("n"):rep(39) .. i } .. pick(blanks)
	end
	lines[1] = table.concat(names, separator)
	for i = 1, math.random(0, 12) do
		local fields = {}
		for k = 1, width do
			fields[k] = pick(blanks) .. field(columns[k]) .. pick(blanks)
		end
		lines[i + 1] = table.concat(fields, separator)
	end
	local text = pick { "", "", "\n", " \r\n" }
	for i, line in ipairs(lines) do
		text = text .. line .. (i < #lines and pick(breaks) or pick { "\n", "", " ", "\n  " })
	end
	return text
end

local marks = { '"', '""', ",", ";", "\n", "\r", "\0", " ", "\t", "1", "a,b", "-", "." }

-- ---- what comes of them ----

-- In which order the names of a row come counts, too.
local function same(a, b)
	return ways.same(a, b, function() return true end)
end

-- Compares the ways; returns whether the fast one took the text, and whether it is good.
local function compare(text, types, separator)
	local fast = table.pack(core.csv_fast(text, types or {}, separator))
	local wanted = table.pack(core.csv_careful(text, types or {}, separator))
	local found = table.pack(core.csv(text, types or {}, separator))
	if not same(found, wanted) then
		test.fail(("%q is %s, not %s"):format(text, test.show(found), test.show(wanted)))
	end
	local good = wanted[2] == nil
	if fast.n > 0 and not (good and same(fast[1], wanted[1])) then
		test.fail(("the fast way takes %q"):format(text))
	end
	return fast.n > 0, good
end

local function some_types()
	local types = {}
	for i = 1, 6 do
		if math.random(2) == 1 then
			types["c" .. i] = pick { "integer", "number", "boolean", "string" }
		end
	end
	return types
end

test.case("sheets that are good are the same rows, and the fast way takes them all", function()
	math.randomseed(test.seed)
	local good = 0
	for i = 1, test.count(2000) do
		local separator = pick { ",", ",", ";", "\t" }
		local text = sheet(separator)
		local fast, is_good = compare(text, i % 2 == 0 and some_types() or nil, separator)
		test.equal(fast, is_good, text)
		good = good + (is_good and 1 or 0)
	end
	test.truthy(good > test.count(2000) / 3)
end)

test.case("any byte as a separator: all ways read the sheet alike, or all refuse it", function()
	local refused = 0
	local function try(separator)
		local text = ("id%sname\n1%sx\n"):format(separator, separator)
		if pcall(core.csv_careful, text, {}, separator) then
			compare(text, nil, separator)
			return
		end
		refused = refused + 1
		for _, way in ipairs { "csv_fast", "csv", "csv_careful" } do
			test.raises("a separator is one character", core[way], text, {}, separator)
		end
	end
	for byte = 0, 255 do
		try(string.char(byte))
	end
	for _, separator in ipairs { "", ",,", "\0,", ",\0" } do
		try(separator)
	end
	test.equal(refused, 9)
end)

test.case("whatever is wrong with a text, the same is said of it, at the same place", function()
	math.randomseed(test.seed)
	local bad = 0
	for i = 1, test.count(4000) do
		local separator = pick { ",", ";", "\t" }
		local _, good = compare(ways.damage(sheet(separator), marks, doubtful), i % 2 == 0 and some_types() or nil, separator)
		bad = bad + (good and 0 or 1)
	end
	test.truthy(bad > 0)
end)

test.case("each field that is near the edge, of each type, alone and beside each other one", function()
	local all = {}
	for _, list in ipairs { integers, numbers, booleans, texts, quoted, doubtful, { "", " " } } do
		table.move(list, 1, #list, #all + 1, all)
	end
	for _, one in ipairs(all) do
		for _, other in ipairs(all) do
			compare("c1,c2\n" .. one .. "," .. other .. "\n" .. other .. "," .. one)
		end
		for _, kind in ipairs { "integer", "number", "boolean", "string" } do
			compare("c1,c2\n" .. one .. "," .. one .. "\n", { c1 = kind })
			compare("c1\n" .. one, { c1 = kind })
		end
		compare(one)
		compare(one .. ",x\n1,2")
	end
end)

test.case("what separates fields may be what numbers are made of", function()
	math.randomseed(test.seed)
	for _, separator in ipairs { "-", "0", "1", ".", "e", "E", "+", "x", "t", "\xff" } do
		for _ = 1, test.count(200) do
			local text = sheet(separator)
			compare(text, nil, separator)
			compare(text, some_types(), separator)
		end
		for _, row in ipairs { "1--2", "-1", "5", "10", "11", "1-", "1.5", "-1.5-2" } do
			compare("a\n" .. row, nil, separator)
			compare("a" .. separator .. "b\n" .. row, nil, separator)
		end
	end
end)

test.case("a column that turns out to be text late is text from its beginning", function()
	for _, last in ipairs { "x", "007", '"1"', "true", "99999999999999999999" } do
		local text = "id,a,b\n" .. ("1,2,\n"):rep(500) .. "1," .. last .. ",3\n" .. ("2,5,4\n"):rep(10)
		test.truthy((compare(text)))
		test.equal(core.csv(text, {}).rows[1].a, "2")
		test.equal(core.csv(text, {}).rows[501].b, 3)
	end
end)

test.case("names that come twice, are missing or too many, and rows of other lengths", function()
	local many = {}
	for i = 1, 1001 do
		many[i] = "c" .. i
	end
	for _, text in ipairs { "", "\n", " ", "a,a\n1,2", "a,\n1,2", ",\n", "a,b\n1", "a,b\n1,2,3", "a\n\n1\n\n2", "a",
		"a,b\n",
		table.concat(many, ","), table.concat(many, ",", 1, 1000), ("n"):rep(41) .. ",b\n1,2" } do
		compare(text)
	end
end)

test.run()
