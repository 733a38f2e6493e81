-- tsan: no, the command line and what it reads
-- timeout: 300
-- What each command says of words that are wrong: one line, that begins with the command's name and has it once.
local process = require "test.process"
local test = require "test"

local function reef(words)
	return process.run({ test.reef, cwd = test.dir, stdin = "/dev/null", table.unpack(words) }, 120)
end

-- Of `reef --help`, in its order.
local function commands()
	local names, seen = {}, {}
	local _, help = reef { "--help" }
	for name in help:gmatch "\n%s+reef ([a-z]+) " do
		if not seen[name] then
			seen[name] = true
			names[#names + 1] = name
		end
	end
	return names
end

-- The options of a command, and whether each takes a value.
local function options_of(name)
	local code, help = reef { name, "--help" }
	test.equal(code, 0, help)
	local options = {}
	for option, value in help:gmatch "\n%s+(%-%-[%w_-]+) ?(%u*)" do
		if option ~= "--help" then
			options[#options + 1] = { option, value ~= "" }
		end
	end
	return options
end

local function check(words)
	local code, output = reef(words)
	local what = table.concat(words, " ") .. ": " .. output
	test.truthy(code == 1 or code == 2, what)
	local line = output:match "^([^\n]*)\n$" or test.fail(what)
	test.equal(line:match "^(reef %l+): %S" or line:match "^(reef): %S", words[1] and "reef " .. words[1], what)
	test.equal(line:find(": reef", 1, true), nil, what)
end

test.case("every command says in one line, with its name, what is wrong with its words", function()
	local names = commands()
	test.truthy(#names >= 12, table.concat(names, " "))
	for _, name in ipairs(names) do
		check { name, "--no-such-option" }
		check { name, "--no-such-option", "x" }
		-- Of all that is there, one is wrong.
		if name ~= "repl" and name ~= "doctor" and name ~= "test" then
			check { name }
		end
		local options = options_of(name)
		for _ = 1, test.count(4) do
			local words = { name }
			for _ = 1, math.random(0, 2) do
				local option = options[math.random(math.max(#options, 1))]
				if option and not option[2] then
					words[#words + 1] = option[1]
				end
			end
			table.insert(words, math.random(2, #words + 1), "--wrong-" .. math.random(100))
			check(words)
		end
	end
end)

test.case("a file that is not there, or is none that it can be, is said with its name", function()
	for _, words in ipairs {
		{ "run", "nowhere.lua" }, { "run", test.root }, { "sim", test.root }, { "sim", "--config", test.root },
		{ "sim", "nowhere.lua" }, { "replay", "nowhere.rec" }, { "replay", "." },
		{ "replay", "/dev/null" }, { "replay", test.root .. "/README.md" },
		{ "replay", "x.rec", "--with", "nowhere.lua" }, { "replay", "--until" }, { "replay", "--until", "soon" },
		{ "replay", "x.rec", "y.rec" }, { "replay", "--stop", "-1" }, { "sim", "--runs", "none" }, { "sim", "--seed" },
		{ "record", "127.0.0.1:1" }, { "top", "127.0.0.1:1" }, { "attach", "127.0.0.1:1", "list" },
		{ "profile", "127.0.0.1:1" }, { "new", test.root }, { "doctor", "nowhere" },
	} do
		local code, output = reef(words)
		local what = table.concat(words, " ") .. ": " .. output
		test.truthy(code == 1 or code == 2, what)
		test.matches(output, "^reef " .. words[1] .. ": [^\n]*\n$", what)
		test.equal(output:find(": reef", 1, true), nil, what)
		test.truthy(output:find(words[2], 1, true) or output:find(words[#words], 1, true), what)
	end
end)

test.case("what cannot be printed is a failure, unless nobody reads", function()
	local config = process.path "config"
	local f <close> = assert(io.open(config, "w"))
	f:write "start = 'console'\n"
	f:close()
	local function shell(line)
		return process.run { "sh", "-c", line, "sh", test.reef, config, stdin = "/dev/null" }
	end
	for _, words in ipairs { "doctor $2 --json", "check $2", "test --help", "top --help" } do
		test.equal({ shell("$1 " .. words .. " >/dev/full") },
			{ 1, "reef: cannot write what was to be printed: No space left on device\n" }, words)
		test.equal({ shell("{ $1 " .. words .. "; echo $? >&2; } | true") }, { 0, "0\n" }, words)
	end
end)

test.run()
