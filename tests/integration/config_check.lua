-- tsan: no, the command line and what it reads
-- timeout: 240
-- `reef check`, and the example that shows what it checks.
local process = require "test.process"
local test = require "test"

local function write(path, text)
	local file = assert(io.open(path, "wb"))
	file:write(text)
	file:close()
end

local function directory(files)
	local dir = process.path "data"
	assert(process.mkdir(dir))
	for name, text in pairs(files) do
		write(dir .. "/" .. name, text)
	end
	return dir
end

local errors_file = process.path "stderr"

-- Returns the exit code, what was printed, and what was printed as an error.
local function check(...)
	local code, output = process.run { test.reef, "check", stderr = errors_file, ... }
	local file = assert(io.open(errors_file))
	local errors = file:read "a"
	file:close()
	return code, output, errors
end

local schema = 'return { rows = { id = "integer", hp = { "integer", min = 0 } } }'

test.case("tables that a file shares are walked once, however many ways lead to them", function()
	local code, output = check(directory { ["x.lua"] = "local t = { 1 } for i = 1, 40 do t = { t, t } end return t" })
	test.equal(code, 0, output)
	local random = [[
		local t, n = {}, 300
		for i = 1, n do t[i] = { i } end
		for i = 2, n do
			for k = 1, 4 do t[i][k + 1] = t[(i * 7919 + k * 104729) %% (i - 1) + 1] end
		end
		return { t[n], t[n - 1] %s }
	]]
	code = check(directory { ["x.lua"] = random:format "" })
	test.equal(code == 0 or code == 1, true)
	local _, problems = check(directory { ["x.lua"] = "local t = { { 1 } } t[2], t[3] = t, t return t" })
	test.matches(problems, "nested deeper than %d+ levels, or one contains itself")
end)

test.case("a directory without sheets is not good: it says what was looked for", function()
	for _, files in ipairs { {}, { ["read me.txt"] = "x", config = "thread = 1\n" } } do
		for _, quiet in ipairs { {}, { "--quiet" } } do
			local code, output, errors = check(directory(files), table.unpack(quiet))
			test.equal({ code, errors }, { 1, "" }, output)
			test.matches(output, "data: there are no sheets: .* in %.lua, %.json, %.csv or %.toml\n$")
		end
	end
end)

test.case("good data: exit code 0 and a table of sheets", function()
	local dir = directory { ["items.csv"] = "id,hp\n1,2\n2,3\n", ["items.schema.lua"] = schema,
		["rules.json"] = '{"a":1}' }
	local code, output, errors = check(dir)
	test.equal({ code, errors }, { 0, "" })
	test.matches(output, "^sheet +rows +bytes +file\n"
		.. "items +2 +14 +items.csv\n"
		.. "rules +1 +7 +rules.json\n"
		.. "2 sheets are good: 3 rows, 21 bytes, %d+ ms\n$")
	code, output, errors = check(dir, "--quiet")
	test.equal({ code, output, errors }, { 0, "", "" })
	code, output = check(directory { ["rules.json"] = "1" })
	test.equal(code, 1)
	test.matches(output, "\n1 error\n$")
	code, output = check(directory { ["rules.json"] = '{"a":1}' })
	test.equal(code, 0)
	test.matches(output, "\n1 sheet is good: 1 row, 7 bytes, %d+ ms\n$")
end)

test.case("bad data: exit code 1 and all errors with their places", function()
	local dir = directory { ["items.csv"] = "id,hp\n1,12x\n2,-3\n", ["items.schema.lua"] = schema,
		["r.json"] = '{"a":\n}' }
	local lines = ("%s/items.csv:2:3: column 'hp': 12x is not an integer\n"
		.. "%s/items.csv:3:3: column 'hp': -3 is less than 0\n"
		.. "%s/r.json:2:1: unexpected token near '}'\n"):format(dir, dir, dir)
	local code, output, errors = check(dir)
	test.equal({ code, output, errors }, { 1, lines .. "3 errors\n", "" })
	code, output, errors = check("--quiet", dir)
	test.equal({ code, output, errors }, { 1, lines, "" })
	code, output = check(dir .. "/", "--max-errors", "1", "-q")
	test.equal(code, 1)
	test.equal(output, dir .. "/items.csv:2:3: column 'hp': 12x is not an integer\nand 2 more\n")
end)

test.case("a directory that is not there is bad data, one with spaces in its name is not", function()
	local code, output = check(test.dir .. "/nothing", "-q")
	test.equal({ code, output }, { 1, test.dir .. "/nothing: No such file or directory\n" })
	local dir = directory { ["a.json"] = "[1]" }
	local spaced = test.dir .. "/with some  spaces"
	assert(os.rename(dir, spaced))
	test.equal(check(spaced, "-q"), 0)
end)

test.case("a wrong command line: exit code 2", function()
	for _, arguments in ipairs { {}, { "--what" }, { "a", "b" }, { "a", "--max-errors", "x" } } do
		local code, output, errors = check(table.unpack(arguments))
		test.equal({ code, output }, { 2, "" })
		test.matches(errors, "^reef check: .+ %(see reef check %-%-help%)\n$")
	end
end)

test.case("help is told, in both places", function()
	local code, output = check "--help"
	test.equal(code, 0)
	test.matches(output, "^Usage: reef check CONFIG .*reef check DIR")
	test.matches(output, "Exit code: 0 it is good, 1 it is not, 2 the command line is wrong")
	code, output = process.run { test.reef, "--help" }
	test.equal(code, 0)
	test.matches(output, "reef check DIR")
end)

test.case("a configuration file with the name of a command is started with a path", function()
	local dir = directory { check = 'start = "nobody"\nthread = 1\nluaservice = "./?.lua"' }
	local code, output = process.run { test.reef, "./check", cwd = dir, stderr = errors_file }
	test.equal(code, 1)
	test.matches(output, "cannot start nobody")
end)

test.case("how far a load is: lines in the log, or one line on a terminal that is gone in the end", function()
	local dir = directory { ["a.json"] = "[1]", ["b.json"] = "[2]" }
	write(test.dir .. "/progress.lua", ([[
		local skynet = require "skynet"
		skynet.start(function()
			assert(require("reef.config").load(%q, { progress = 0 }))
			skynet.exit()
		end)]]):format(dir))
	local code = process.run { test.reef, "run", test.dir .. "/progress.lua", stderr = errors_file }
	test.equal(code, 0)
	local file = assert(io.open(errors_file))
	local log = file:read "a"
	file:close()
	test.matches(log, "%] config: [^\n]+: 0 of 0 MB %(0%%%), a\n")
	test.equal(log:find("\r", 1, true), nil)
	local output
	code, output = process.run { "script", "-qec", "true", "/dev/null" }
	if code ~= 0 then
		test.skip("no terminal can be had here: " .. output)
	end
	local command = ("'%s' run '%s/progress.lua'"):format(test.reef, test.dir)
	code, output = process.run { "script", "-qec", command, "/dev/null" }
	test.equal(code, 0)
	test.matches(output, "\rconfig: [^\n]+: 0 of 0 MB %(0%%%), a")
	test.matches(output, "\r +\r")
end)

test.case("the example: files are edited, all services see it at once, none sees half of it", { timeout = 150 },
function()
	local code, output = process.run { "sh", test.root .. "/examples/config/run",
		env = { REEF = test.reef, SERVICES = test.count(300), SECONDS = 2 }, stderr = errors_file }
	test.equal(code, 0)
	test.matches(output, "edit 1: item %d+ costs %d+ now")
	test.matches(output, "items.csv:41:19: column 'price': %d+x is not an integer")
	test.matches(output, "reads that saw half an update: 0")
	test.matches(output, "services that saw an old price after an edit: 0")
	test.matches(output, "memory of the whole process: %d+ MB; with a copy of the data for each service: %d+ MB")
end)

test.case("the page on configuration data does what it says", function()
	local file = assert(io.open(test.root .. "/docs/config-data.md"))
	local text = file:read "a"
	file:close()
	local dir = directory {}
	assert(process.mkdir(dir .. "/data"))
	local names = { "data/items.csv", "data/quests.json", "data/items.schema.lua", "data/quests.schema.lua", "shop.lua" }
	local found = 0
	for block in text:gmatch "```[^\n]*\n(.-)```" do
		found = found + 1
		write(dir .. "/" .. names[found], block)
	end
	test.equal(found, #names)
	local function said(command)
		local _, start = text:find("    $ " .. command .. "\n", 1, true)
		return (text:match("^(.-)\n\n", start + 1) .. "\n"):gsub("%f[^\n\0]    ", "")
	end
	local code, output = process.run { test.reef, "run", "shop.lua", cwd = dir, stderr = errors_file }
	test.equal({ code, output }, { 0, (said "reef run shop.lua 2>/dev/null") })
	code, output = process.run { test.reef, "check", "data", cwd = dir }
	test.equal({ code, (output:gsub("%d+ ms", "? ms")) }, { 0, (said("reef check data"):gsub("%d+ ms", "? ms")) })
	write(dir .. "/data/items.csv", "id,name,price,tags\n1,sword,12x,sharp;old\n2,bow,12,\n")
	code, output = process.run { test.reef, "check", "data", "-q", cwd = dir }
	test.equal(code, 1)
	test.truthy(text:find("`" .. output:gsub("\n$", "") .. "`", 1, true), output)
end)

test.case("the data of the example that are shipped are good", function()
	local dir = directory {}
	process.run { "sh", "-c", ("cp '%s'/examples/config/data/rules* '%s'"):format(test.root, dir) }
	test.equal(check(dir, "-q"), 0)
end)

test.run()
